//! Statements.

use super::Parser;
use super::finish;
use crate::lang::ast::*;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::span::Span;
use crate::lang::token::TokenKind;
use crate::lang::token::TokenKind::*;

impl Parser<'_> {
    /// Statements up to a word that closes a block.
    pub(super) fn block(&mut self) -> BlockId {
        let start = self.end;
        let from = self.scratch.stats.len();
        self.statements();
        let stats = finish!(self.stats from from => stat_lists);
        let end = self.span().start.max(start);
        self.ast.blocks.push(Block { span: Span::new(start, end), stats });
        BlockId::new(self.ast.blocks.len() - 1)
    }

    /// Pushes statements to the scratch list.
    pub(super) fn statements(&mut self) {
        let depth = self.depth;
        let mut ended = false;
        loop {
            if matches!(self.kind, Eof | End | Else | Elseif | Until) {
                break;
            }
            if ended {
                self.after_last();
            }
            if !self.enter() {
                break;
            }
            let before = self.at;
            let stat = self.statement();
            self.scratch.stats.push(stat);
            self.depth = depth;
            self.eat(Semicolon);
            if self.reported == Some(self.at) || self.at == before {
                // The current token is what went wrong.
                if self.at == before {
                    self.bump();
                }
                self.synchronize();
                self.eat(Semicolon);
                ended = false;
            } else {
                ended = matches!(self.ast[stat].kind, StatKind::Return(_));
            }
        }
        self.depth = depth;
    }

    /// At a statement behind `return`. One behind `break` is taken, as in Lua 5.2 and later.
    #[cold]
    fn after_last(&mut self) {
        let found = self.unexpected("'end'", "after 'return'");
        self.report(found.help("a 'return' in the middle of a block is put in 'do ... end'"));
    }

    fn statement(&mut self) -> StatId {
        match self.kind {
            Word => self.name_statement(),
            Local => self.local(self.span().start, List::EMPTY),
            If => self.if_statement(),
            Return => self.return_statement(),
            Func => self.function_statement(self.span().start, List::EMPTY),
            For => self.for_statement(),
            While => self.while_statement(),
            Do => self.do_statement(),
            Repeat => self.repeat_statement(),
            Break => self.break_statement(),
            At => self.attributed(),
            DoubleColon if self.peek_kind(1) == Word => self.label(),
            Semicolon => {
                let found = self.unexpected("a statement", "");
                self.report(found.help("a lone ';' is no statement"));
                self.error_statement()
            }
            _ => self.expr_statement(),
        }
    }

    fn error_statement(&mut self) -> StatId {
        self.stat_node(Span::empty(self.end), StatKind::Error(List::EMPTY))
    }

    /// A name may be a word that begins a statement only where nothing else fits.
    fn name_statement(&mut self) -> StatId {
        let next = self.peek_kind(1);
        let start = self.span().start;
        if next == Word || next == Func {
            match self.text(self.token()) {
                "type" => return self.type_statement(start, false),
                "const" => return self.local(start, List::EMPTY),
                "goto" if next == Word => {
                    self.bump();
                    let label = self.ident();
                    return self.stat_node(self.since(start), StatKind::Goto(label));
                }
                "func" | "def" | "fn" if self.peek_kind(2) == LeftParen => {
                    let found = self.unexpected("'function'", "");
                    self.report(found);
                    return self.function_statement(start, List::EMPTY);
                }
                "interface" if next == Word => return self.interface(start, false),
                "export" if next == Word => {
                    let word = self.text(self.peek(1));
                    if word == "type" || word == "interface" {
                        self.bump();
                        return match word {
                            "type" => self.type_statement(start, true),
                            _ => self.interface(start, true),
                        };
                    }
                }
                _ => {}
            }
        }
        if self.at_word("continue") && !continues_expr(next) && !self.at_shift_after_name() {
            return self.continue_statement();
        }
        self.expr_statement()
    }

    fn at_shift_after_name(&self) -> bool {
        self.peek_kind(1) == Less && self.peek_kind(2) == Less
    }

    fn loops(&self) -> u32 {
        self.functions.last().map_or(0, |function| function.loops)
    }

    fn break_statement(&mut self) -> StatId {
        if self.loops() == 0 {
            self.note(Diagnostic::syntax(self.span(), "'break' is outside of a loop"));
        }
        let span = self.bump();
        self.stat_node(span, StatKind::Break)
    }

    fn continue_statement(&mut self) -> StatId {
        if self.loops() == 0 {
            self.note(Diagnostic::syntax(self.span(), "'continue' is outside of a loop"));
        }
        let span = self.bump();
        self.stat_node(span, StatKind::Continue)
    }

    fn label(&mut self) -> StatId {
        let start = self.bump().start;
        let name = self.ident();
        self.expect(DoubleColon, "after a label");
        self.stat_node(self.since(start), StatKind::Label(name))
    }

    fn loop_body(&mut self) -> BlockId {
        self.add_loops(1);
        let body = self.block();
        self.add_loops(-1);
        body
    }

    fn add_loops(&mut self, more: i32) {
        if let Some(function) = self.functions.last_mut() {
            function.loops = function.loops.saturating_add_signed(more);
        }
    }

    fn do_statement(&mut self) -> StatId {
        let keyword = self.bump();
        let body = self.block();
        self.close_block(End, keyword);
        self.stat_node(self.since(keyword.start), StatKind::Do(body))
    }

    fn while_statement(&mut self) -> StatId {
        let keyword = self.bump();
        let condition = self.expr();
        self.expect_body(Do, "after the condition of 'while'");
        let body = self.loop_body();
        self.close_block(End, keyword);
        self.stat_node(self.since(keyword.start), StatKind::While { condition, body })
    }

    fn repeat_statement(&mut self) -> StatId {
        let keyword = self.bump();
        let body = self.loop_body();
        let closed = self.close_block(Until, keyword);
        let condition = match closed {
            Some(_) => self.expr(),
            None => self.expr_node(Span::empty(self.end), ExprKind::Error),
        };
        self.stat_node(self.since(keyword.start), StatKind::Repeat { body, condition })
    }

    fn if_statement(&mut self) -> StatId {
        let start = self.span().start;
        let mut keyword = self.span();
        let from = self.scratch.branches.len();
        while matches!(self.kind, If | Elseif) {
            keyword = self.bump();
            let condition = self.expr();
            self.expect_body(Then, "after the condition of 'if'");
            let head = self.since(keyword.start);
            let body = self.block();
            self.scratch.branches.push(IfBranch { head, condition, body });
            if !self.at(Elseif) {
                break;
            }
        }
        let mut otherwise = None;
        if let Some(word) = self.eat(Else) {
            if self.at(If) && !self.token().newline {
                // `else if` needs an `end` of its own; if that is missing, it was meant as one word.
                keyword = word;
            }
            otherwise = Some(self.block());
            self.after_else();
        }
        self.close_block(End, keyword);
        let branches = finish!(self.branches from from => branches);
        self.stat_node(self.since(start), StatKind::If { branches, otherwise })
    }

    /// Branches that come too late are read and forgotten.
    fn after_else(&mut self) {
        while matches!(self.kind, Else | Elseif) {
            self.expected("'end'", "after the 'else' of an 'if'");
            if self.eat(Elseif).is_some() {
                self.expr();
                self.expect_body(Then, "after the condition of 'if'");
            } else {
                self.bump();
            }
            self.block();
        }
    }

    fn for_statement(&mut self) -> StatId {
        let keyword = self.bump();
        let start = keyword.start;
        let from = self.scratch.bindings.len();
        self.binding_list("a loop variable");
        let single = self.scratch.bindings.len() == from + 1;
        if single && self.eat(Assign).is_some() {
            let binding = self.scratch.bindings.pop();
            let first = self.expr();
            self.expect(Comma, "after the first value of a loop");
            let to = self.expr();
            let step = self.eat(Comma).map(|_| self.expr());
            self.expect_body(Do, "after the range of 'for'");
            let body = self.loop_body();
            self.close_block(End, keyword);
            let var = binding.unwrap_or(Binding { name: self.missing(), ty: None });
            let var = self.binding(var.name, var.ty);
            let kind = StatKind::NumericFor { var, from: first, to, step, body };
            return self.stat_node(self.since(start), kind);
        }
        let vars = finish!(self.bindings from from => bindings);
        let what = if single { "'=' or 'in'" } else { "'in'" };
        let values = if self.eat(In).is_some() {
            self.expr_list()
        } else {
            self.expected(what, "after the variables of 'for'");
            List::EMPTY
        };
        self.expect_body(Do, "after the values of 'for'");
        let body = self.loop_body();
        self.close_block(End, keyword);
        self.stat_node(self.since(start), StatKind::GenericFor { vars, values, body })
    }

    /// Pushes `a: T, b` to the scratch list.
    fn binding_list(&mut self, what: &str) {
        loop {
            if !self.at(Word) {
                self.expected(what, "");
                let name = self.missing();
                self.scratch.bindings.push(Binding { name, ty: None });
                break;
            }
            let binding = self.typed_name();
            self.scratch.bindings.push(binding);
            if self.eat(Comma).is_none() {
                break;
            }
        }
    }

    /// From `local` or `const`; attributes may stand in front, from `start`.
    fn local(&mut self, start: u32, attributes: List<Attribute>) -> StatId {
        let is_const = self.at(Word);
        self.bump();
        if let Some(keyword) = self.eat(Func) {
            let name = self.declared_name("a function name");
            let binding = self.binding(name, None);
            let function = self.function_body(start, keyword, attributes, Some(name), false);
            self.ast.functions[function.index()].span = self.since(start);
            let kind = StatKind::LocalFunction { binding, function, is_const };
            return self.stat_node(self.since(start), kind);
        }
        if !attributes.is_empty() {
            self.expected("'function'", "after an attribute");
            return self.error_statement();
        }
        let from = self.scratch.bindings.len();
        loop {
            self.binding_list("a variable name");
            if !self.skip_attribs() {
                break;
            }
        }
        let bindings = finish!(self.bindings from from => bindings);
        let values = match self.eat(Assign) {
            Some(_) => self.expr_list(),
            None => List::EMPTY,
        };
        if is_const && !self.is_enough(values, bindings.len()) {
            let span = self.since(start);
            self.note(Diagnostic::syntax(span, "every constant needs a value"));
        }
        self.stat_node(self.since(start), StatKind::Local { bindings, values, is_const })
    }

    /// `<const>` and `<close>`, which Lua 5.4 has and we have not. Says whether more names follow.
    fn skip_attribs(&mut self) -> bool {
        if !self.at(Less) || self.peek_kind(1) != Word || self.peek_kind(2) != Greater {
            return false;
        }
        let span = self.span().to(self.peek(2).span);
        let found = Diagnostic::syntax(span, "variables take no attributes");
        self.report(found.help("constants are declared by const instead of local"));
        self.bump();
        self.bump();
        self.bump();
        self.eat(Comma).is_some()
    }

    fn is_enough(&self, values: List<ExprId>, count: usize) -> bool {
        let last = self.ast[values].last().map(|last| self.ast[*last].kind);
        matches!(last, Some(ExprKind::Call { .. } | ExprKind::Vararg)) || values.len() == count
    }

    pub(super) fn declared_name(&mut self, what: &str) -> Ident {
        if self.at(Word) {
            return self.ident();
        }
        self.expected(what, "");
        if self.kind.is_keyword() && !self.token().newline && self.peek_kind(1) == LeftParen {
            return self.ident();
        }
        self.missing()
    }

    fn attributed(&mut self) -> StatId {
        let start = self.span().start;
        let attributes = self.attributes();
        match self.kind {
            Func => self.function_statement(start, attributes),
            Local => self.local(start, attributes),
            Word if self.at_word("const") => self.local(start, attributes),
            _ => {
                self.expected("'function' or 'local function'", "after an attribute");
                self.stat_node(self.since(start), StatKind::Error(List::EMPTY))
            }
        }
    }

    fn function_statement(&mut self, start: u32, attributes: List<Attribute>) -> StatId {
        let keyword = self.bump();
        let mut name = self.declared_name("a function name");
        let first = name.span.start;
        let mut target = self.expr_node(name.span, ExprKind::Name(name.name));
        let depth = self.depth;
        while let Some(dot) = self.eat(Dot) {
            name = self.member_name("a field name", "after '.'");
            let kind = ExprKind::Field { object: target, name, dot: dot.start };
            target = self.expr_node(self.since(first), kind);
            if !self.link() {
                break;
            }
        }
        self.depth = depth;
        let colon = self.eat(Colon);
        if let Some(colon) = colon {
            name = self.member_name("a method name", "after ':'");
            let kind = ExprKind::Method { object: target, name, colon: colon.start };
            target = self.expr_node(self.since(first), kind);
        }
        let function = self.function_body(start, keyword, attributes, Some(name), colon.is_some());
        self.stat_node(self.since(start), StatKind::Function { target, function })
    }

    fn return_statement(&mut self) -> StatId {
        let start = self.bump().start;
        let values = match self.kind {
            Eof | End | Else | Elseif | Until | Semicolon => List::EMPTY,
            _ => self.expr_list(),
        };
        self.stat_node(self.since(start), StatKind::Return(values))
    }

    /// A call or an assignment.
    fn expr_statement(&mut self) -> StatId {
        let start = self.span().start;
        if !matches!(self.kind, Word | LeftParen) {
            return self.no_statement();
        }
        let first = self.primary(true);
        if let ExprKind::Call { .. } = self.ast[first].kind {
            return self.stat_node(self.since(start), StatKind::Call(first));
        }
        if matches!(self.kind, Assign | Comma) {
            return self.assignment(start, first);
        }
        if let Some(op) = compound_op(self.kind) {
            self.check_target(first);
            let op_start = self.bump().start;
            let value = self.expr();
            let kind = StatKind::Compound { op, target: first, value, op_start };
            return self.stat_node(self.since(start), kind);
        }
        if self.reported != Some(self.at) {
            self.incomplete(first);
        }
        self.scratch.exprs.push(first);
        let exprs = finish!(self.exprs from self.scratch.exprs.len() - 1 => expr_lists);
        self.stat_node(self.since(start), StatKind::Error(exprs))
    }

    /// At a token that begins no statement.
    #[cold]
    fn no_statement(&mut self) -> StatId {
        let mut found = self.unexpected("a statement", "");
        if self.at(Hash) || self.at(DoubleSlash) || self.at(Slash) {
            found = found.help("comments begin with --");
        } else if Self::starts_expr(self.kind) {
            found = found.help("only calls and assignments stand alone");
        }
        self.report(found);
        self.error_statement()
    }

    /// After an expression that does nothing by itself.
    #[cold]
    fn incomplete(&mut self, first: ExprId) {
        let span = self.ast[first].span;
        let word = span.text(self.source);
        let next = self.token();
        let misspelt = matches!(self.ast[first].kind, ExprKind::Name(_)) && !next.newline;
        let message = "this is no statement: it is neither a call nor an assignment";
        let mut found = Diagnostic::syntax(span, message);
        if misspelt && word == "elif" {
            found = found.help("did you mean 'elseif'?");
        } else if self.at(Equal) {
            found = found.help("did you mean '='? '==' compares");
        } else if misspelt && matches!(word, "var" | "let" | "int" | "auto") {
            found = found.help("did you mean 'local'?");
        } else if self.at_pair(Plus, Plus) {
            found = found.help(format!("write {word} += 1"));
        }
        self.reported = None;
        self.report(found);
    }

    fn assignment(&mut self, start: u32, first: ExprId) -> StatId {
        let from = self.scratch.exprs.len();
        self.check_target(first);
        self.scratch.exprs.push(first);
        while self.eat(Comma).is_some() {
            let target = self.primary(true);
            self.check_target(target);
            self.scratch.exprs.push(target);
        }
        let targets = finish!(self.exprs from from => expr_lists);
        let equals = self.span().start;
        let values = match self.expect(Assign, "in an assignment") {
            Some(_) => self.expr_list(),
            None => List::EMPTY,
        };
        self.stat_node(self.since(start), StatKind::Assign { targets, values, equals })
    }

    fn check_target(&mut self, target: ExprId) {
        let Expr { span, kind } = self.ast[target];
        let fits = matches!(
            kind,
            ExprKind::Name(_) | ExprKind::Field { .. } | ExprKind::Index { .. } | ExprKind::Error
        );
        if !fits {
            let message = "only variables and fields can be assigned to";
            self.note(Diagnostic::syntax(span, message));
        }
    }
}

/// Does a name before this token have to be an expression?
fn continues_expr(next: TokenKind) -> bool {
    matches!(next, Assign | Comma | Dot | LeftBracket | Colon | LeftParen | LeftBrace | Quoted)
        || next == LongString
        || compound_op(next).is_some()
}

fn compound_op(kind: TokenKind) -> Option<BinaryOp> {
    Some(match kind {
        PlusAssign => BinaryOp::Add,
        MinusAssign => BinaryOp::Sub,
        StarAssign => BinaryOp::Mul,
        SlashAssign => BinaryOp::Div,
        DoubleSlashAssign => BinaryOp::FloorDiv,
        PercentAssign => BinaryOp::Mod,
        CaretAssign => BinaryOp::Pow,
        ConcatAssign => BinaryOp::Concat,
        _ => return None,
    })
}
