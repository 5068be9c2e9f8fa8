//! Expressions.

use super::Parser;
use super::finish;
use crate::lang::ast::*;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::span::Span;
use crate::lang::token::TokenKind;
use crate::lang::token::TokenKind::*;

/// How many tokens `f<<A, B>>` may have to be told from shifts.
const TYPE_ARGUMENTS: usize = 100;

impl Parser<'_> {
    pub(super) fn expr(&mut self) -> ExprId {
        let depth = self.depth;
        let expr = match self.enter() {
            true => self.subexpr(0),
            false => self.error(),
        };
        self.depth = depth;
        expr
    }

    /// `x, y`.
    pub(super) fn expr_list(&mut self) -> List<ExprId> {
        let from = self.scratch.exprs.len();
        loop {
            let expr = self.expr();
            self.scratch.exprs.push(expr);
            if self.eat(Comma).is_none() {
                break;
            }
        }
        finish!(self.exprs from from => expr_lists)
    }

    fn error(&mut self) -> ExprId {
        self.expr_node(Span::empty(self.end), ExprKind::Error)
    }

    /// Operators that bind more strongly than `limit`, and their operands.
    fn subexpr(&mut self, limit: u8) -> ExprId {
        let depth = self.depth;
        if !self.link() {
            self.depth = depth;
            return self.error();
        }
        let start = self.span().start;
        let mut left = match self.unary_op() {
            Some(op) => {
                self.bump();
                let operand = self.subexpr(UnaryOp::PRIORITY);
                self.expr_node(self.since(start), ExprKind::Unary { op, operand })
            }
            None => self.cast(),
        };
        while let Some((op, length)) = self.binary_op() {
            let (to_left, to_right) = op.priority();
            if to_left <= limit {
                break;
            }
            let op_start = self.bump().start;
            if length == 2 {
                self.bump();
            }
            let right = self.subexpr(to_right);
            let kind = ExprKind::Binary { op, left, right, op_start };
            left = self.expr_node(self.since(start), kind);
            if !self.link() {
                break;
            }
        }
        self.depth = depth;
        left
    }

    fn unary_op(&mut self) -> Option<UnaryOp> {
        Some(match self.kind {
            Not => UnaryOp::Not,
            Minus => UnaryOp::Minus,
            Hash => UnaryOp::Len,
            Tilde => UnaryOp::BitNot,
            Bang => return self.bang(),
            _ => return None,
        })
    }

    #[cold]
    fn bang(&mut self) -> Option<UnaryOp> {
        let found = Diagnostic::syntax(self.span(), "unexpected '!' before an expression");
        self.report(found.help("did you mean 'not'?"));
        Some(UnaryOp::Not)
    }

    /// The operator here, and how many tokens it has.
    fn binary_op(&mut self) -> Option<(BinaryOp, u8)> {
        Some(match self.kind {
            Plus => (BinaryOp::Add, 1),
            Minus => (BinaryOp::Sub, 1),
            Star => (BinaryOp::Mul, 1),
            Slash => (BinaryOp::Div, 1),
            DoubleSlash => (BinaryOp::FloorDiv, 1),
            Percent => (BinaryOp::Mod, 1),
            Caret => (BinaryOp::Pow, 1),
            Concat => (BinaryOp::Concat, 1),
            NotEqual => (BinaryOp::NotEqual, 1),
            Equal => (BinaryOp::Equal, 1),
            Less if self.at_pair(Less, Less) => (BinaryOp::ShiftLeft, 2),
            Less => (BinaryOp::Less, 1),
            LessEqual => (BinaryOp::LessEqual, 1),
            Greater if self.at_pair(Greater, Greater) => (BinaryOp::ShiftRight, 2),
            Greater => (BinaryOp::Greater, 1),
            GreaterEqual => (BinaryOp::GreaterEqual, 1),
            And => (BinaryOp::And, 1),
            Or => (BinaryOp::Or, 1),
            Amp if self.at_pair(Amp, Amp) => return self.confused("'&&'", BinaryOp::And),
            Amp => (BinaryOp::BitAnd, 1),
            Pipe if self.at_pair(Pipe, Pipe) => return self.confused("'||'", BinaryOp::Or),
            Pipe => (BinaryOp::BitOr, 1),
            Tilde => (BinaryOp::BitXor, 1),
            Bang if self.at_pair(Bang, Assign) => return self.confused("'!='", BinaryOp::NotEqual),
            Bang if self.at_pair(Bang, Equal) => return self.confused("'!=='", BinaryOp::NotEqual),
            _ => return None,
        })
    }

    #[cold]
    fn confused(&mut self, written: &str, meant: BinaryOp) -> Option<(BinaryOp, u8)> {
        let span = self.span().to(self.peek(1).span);
        let found = Diagnostic::syntax(span, format!("unexpected {written}"));
        self.report(found.help(format!("did you mean '{}'?", meant.text())));
        Some((meant, 2))
    }

    /// A simple expression and the casts behind it.
    fn cast(&mut self) -> ExprId {
        let start = self.span().start;
        let mut operand = self.simple();
        loop {
            let op = match self.kind {
                DoubleColon if self.at_label() => return operand,
                DoubleColon => CastOp::Colons,
                Word if self.at_word("as") && self.type_follows_word() => CastOp::As,
                _ => return operand,
            };
            let op_start = self.bump().start;
            let ty = self.type_expr();
            let kind = ExprKind::Cast { operand, ty, op, op_start };
            operand = self.expr_node(self.since(start), kind);
            if !self.link() {
                return operand;
            }
        }
    }

    /// Is this `::name::`?
    pub(super) fn at_label(&self) -> bool {
        self.peek_kind(1) == Word && self.peek_kind(2) == DoubleColon
    }

    fn literal(&mut self, kind: ExprKind) -> ExprId {
        let span = self.bump();
        self.expr_node(span, kind)
    }

    fn simple(&mut self) -> ExprId {
        match self.kind {
            Word | LeftParen => self.primary(false),
            Quoted | LongString | InterpSimple => self.literal(ExprKind::String),
            Number => self.literal(ExprKind::Number),
            Nil => self.literal(ExprKind::Nil),
            True => self.literal(ExprKind::Bool(true)),
            False => self.literal(ExprKind::Bool(false)),
            LeftBrace => self.table(),
            Func | At => self.function_expr(),
            Ellipsis => self.dots(),
            InterpBegin => self.interp(),
            If => self.if_else(),
            _ => {
                self.expected("an expression", "");
                self.error()
            }
        }
    }

    fn dots(&mut self) -> ExprId {
        if !self.functions.last().is_some_and(|function| function.vararg) {
            let message = "'...' is outside of a function that takes it";
            self.note(Diagnostic::syntax(self.span(), message));
        }
        self.literal(ExprKind::Vararg)
    }

    /// A variable or parenthesis, and all calls and accesses behind it. A parenthesis on a new line
    /// may be another statement: then the chain ends, or goes on if it is one `as_statement`.
    pub(super) fn primary(&mut self, as_statement: bool) -> ExprId {
        let start = self.span().start;
        let depth = self.depth;
        let mut expr = match self.kind {
            Word => {
                let ident = self.ident();
                self.expr_node(ident.span, ExprKind::Name(ident.name))
            }
            LeftParen => self.parenthesis(),
            _ => {
                self.expected("an expression", "");
                return self.error();
            }
        };
        loop {
            expr = match self.kind {
                Dot => {
                    let dot = self.bump().start;
                    let name = self.member_name("a field name", "after '.'");
                    let kind = ExprKind::Field { object: expr, name, dot };
                    self.expr_node(self.since(start), kind)
                }
                LeftBracket => {
                    let open = self.bump();
                    let key = self.expr();
                    self.close(RightBracket, open);
                    self.expr_node(self.since(start), ExprKind::Index { object: expr, key })
                }
                Colon => self.method(start, expr),
                LeftParen => {
                    if self.token().newline {
                        self.ambiguous_call();
                        if !as_statement {
                            break;
                        }
                    }
                    self.call(start, expr)
                }
                LeftBrace | Quoted | LongString => self.call(start, expr),
                Less if self.peek_kind(1) == Less && (as_statement || self.at_instantiation()) => {
                    self.instantiation(start, expr)
                }
                Bang if !self.token().newline
                    && !self.at_pair(Bang, Assign)
                    && !self.at_pair(Bang, Equal) =>
                {
                    self.bump();
                    self.expr_node(self.since(start), ExprKind::NonNil(expr))
                }
                _ => break,
            };
            if !self.link() {
                break;
            }
        }
        self.depth = depth;
        expr
    }

    #[cold]
    fn ambiguous_call(&mut self) {
        let message = "this may be arguments of the call above or the start of a statement";
        let found = Diagnostic::syntax(self.span(), message);
        self.report(found.help("put ';' before it, or the parenthesis on the line above"));
    }

    fn parenthesis(&mut self) -> ExprId {
        let open = self.bump();
        let inner = self.expr();
        self.close(RightParen, open);
        self.expr_node(self.since(open.start), ExprKind::Paren(inner))
    }

    /// A name behind a dot or colon. A reserved word on the same line is taken for one, with a
    /// report.
    pub(super) fn member_name(&mut self, what: &str, context: &str) -> Ident {
        if self.at(Word) {
            return self.ident();
        }
        let mut found = self.unexpected(what, context);
        if self.kind.is_keyword() && !self.token().newline {
            found = found.help("a reserved word is written as an index: [\"word\"]");
            self.report(found);
            return self.ident();
        }
        self.report(found);
        self.missing()
    }

    fn method(&mut self, start: u32, object: ExprId) -> ExprId {
        let colon = self.bump().start;
        let name = self.member_name("a method name", "after ':'");
        let kind = ExprKind::Method { object, name, colon };
        let mut callee = self.expr_node(self.since(start), kind);
        if self.at(Less) && self.peek_kind(1) == Less {
            callee = self.instantiation(start, callee);
        }
        match self.kind {
            LeftParen if self.token().newline => {
                self.ambiguous_call();
                self.call(start, callee)
            }
            LeftParen | LeftBrace | Quoted | LongString => self.call(start, callee),
            _ => {
                self.expected("'(', '{' or a string", "after a method name");
                let call = ExprKind::Call { callee, args: List::EMPTY, style: CallStyle::Parens };
                self.expr_node(self.since(start), call)
            }
        }
    }

    fn call(&mut self, start: u32, callee: ExprId) -> ExprId {
        let (args, style) = match self.kind {
            LeftParen => (self.arguments(), CallStyle::Parens),
            kind => {
                let style = if kind == LeftBrace { CallStyle::Table } else { CallStyle::String };
                let arg = self.simple();
                self.ast.expr_lists.push(arg);
                (List::new(self.ast.expr_lists.len() - 1, 1), style)
            }
        };
        self.expr_node(self.since(start), ExprKind::Call { callee, args, style })
    }

    /// `(x, y)`.
    pub(super) fn arguments(&mut self) -> List<ExprId> {
        let open = self.bump();
        let from = self.scratch.exprs.len();
        while !self.at(RightParen) {
            let expr = self.expr();
            self.scratch.exprs.push(expr);
            if self.eat(Comma).is_some() {
                if self.at(RightParen) {
                    self.expected("an expression", "after ','");
                }
            } else if !self.missing_comma() {
                break;
            }
        }
        self.close(RightParen, open);
        finish!(self.exprs from from => expr_lists)
    }

    /// Between two arguments on one line: reports the comma and goes on.
    fn missing_comma(&mut self) -> bool {
        let starts = matches!(self.kind, Word | Quoted | LongString | Number | Nil | True | False);
        let found = starts && !self.token().newline && !self.at_word("then") && !self.stopped;
        if found {
            self.expected("',' or ')'", "after an argument");
        }
        found
    }

    /// At `<<`: are these type arguments rather than a shift? They are if they follow the callee
    /// without a blank, hold nothing but types, and arguments follow their end without a blank. So
    /// `f<<T>>(x)` is Luau's call, `f << t >> (x)` are two shifts. `< <` is no shift at all.
    fn at_instantiation(&self) -> bool {
        if !self.at_pair(Less, Less) {
            return true;
        }
        if self.span().start != self.end {
            return false;
        }
        let mut depth = 2u32;
        for ahead in 2..TYPE_ARGUMENTS {
            let token = self.peek(ahead);
            match token.kind {
                Less => depth += 1,
                Greater => depth -= 1,
                // Nobody shifts by the name of a type.
                Word if self.text(token) == "typeof" => return true,
                Word | Dot | Comma | Question | Pipe | Amp | Ellipsis | Arrow | Colon
                | LeftParen | RightParen | LeftBrace | RightBrace | LeftBracket | RightBracket
                | Nil | True | False | Quoted | Semicolon => {}
                _ => return false,
            }
            if depth == 0 {
                let next = self.peek(ahead + 1);
                let joined = next.span.start == token.span.end;
                return match next.kind {
                    LeftParen | LeftBrace | Quoted | LongString => joined,
                    Dot | Colon | Comma | RightParen | RightBrace | RightBracket | Semicolon
                    | Eof => true,
                    _ => next.newline,
                };
            }
        }
        false
    }

    fn instantiation(&mut self, start: u32, callee: ExprId) -> ExprId {
        let open = self.bump();
        let types = self.type_arguments();
        self.close(Greater, open);
        self.expr_node(self.since(start), ExprKind::Instantiate { callee, types })
    }

    fn table(&mut self) -> ExprId {
        let open = self.bump();
        let from = self.scratch.table_fields.len();
        while !matches!(self.kind, RightBrace | Eof) {
            let field = self.table_field();
            self.scratch.table_fields.push(field);
            if matches!(self.kind, Comma | Semicolon) {
                self.bump();
            } else if !self.at(RightBrace) {
                let starts = matches!(self.kind, Word | Quoted | LongString | LeftBracket)
                    || matches!(self.kind, Number | Nil | True | False | LeftBrace | Func);
                let named = self.token().newline && self.at(Word) && self.peek_kind(1) != Assign;
                if !starts || named && self.peek_kind(1) != Comma {
                    break;
                }
                self.expected("',' or '}'", "after a field");
            }
        }
        self.close(RightBrace, open);
        let fields = finish!(self.table_fields from from => table_fields);
        self.expr_node(self.since(open.start), ExprKind::Table(fields))
    }

    fn table_field(&mut self) -> TableField {
        if self.at(Word) && self.peek_kind(1) == Assign {
            let name = self.ident();
            self.bump();
            let value = self.expr();
            self.name_function(value, name);
            TableField::Named { name, value }
        } else if let Some(open) = self.eat(LeftBracket) {
            let key = self.expr();
            self.close(RightBracket, open);
            self.expect(Assign, "after the key of a field");
            let value = self.expr();
            TableField::Keyed { key, value, bracket: open.start }
        } else {
            TableField::Item(self.expr())
        }
    }

    fn name_function(&mut self, value: ExprId, name: Ident) {
        if let ExprKind::Function(function) = self.ast[value].kind {
            self.ast.functions[function.index()].name = Some(name);
        }
    }

    fn if_else(&mut self) -> ExprId {
        let start = self.span().start;
        let from = self.scratch.exprs.len();
        while matches!(self.kind, If | Elseif) {
            self.bump();
            let condition = self.expr();
            self.scratch.exprs.push(condition);
            self.expect(Then, "after the condition");
            let value = self.expr();
            self.scratch.exprs.push(value);
            // `else if` of an expression is an expression after `else`; it needs no flattening.
            if !self.at(Elseif) {
                break;
            }
        }
        self.expect(Else, "in an if expression, which always has one");
        let last = self.expr();
        self.scratch.exprs.push(last);
        let parts = finish!(self.exprs from from => expr_lists);
        self.expr_node(self.since(start), ExprKind::IfElse(parts))
    }

    fn interp(&mut self) -> ExprId {
        let start = self.span().start;
        let (pieces, holes) = (self.scratch.spans.len(), self.scratch.exprs.len());
        let open = self.bump();
        self.scratch.spans.push(open);
        loop {
            let hole = self.expr();
            self.scratch.exprs.push(hole);
            if !matches!(self.kind, InterpMid | InterpEnd) {
                self.expected("'}'", "after a hole of a string");
                self.skip_hole();
            }
            let kind = self.kind;
            let piece = match kind {
                InterpMid | InterpEnd => self.bump(),
                _ => Span::empty(self.end),
            };
            self.scratch.spans.push(piece);
            if kind != InterpMid {
                break;
            }
        }
        let pieces = finish!(self.spans from pieces => spans);
        let holes = finish!(self.exprs from holes => expr_lists);
        self.expr_node(self.since(start), ExprKind::Interp { pieces, holes })
    }

    /// To the brace that ends a hole, if it is on the line.
    #[cold]
    fn skip_hole(&mut self) {
        while !matches!(self.kind, InterpMid | InterpEnd | Eof) && !self.token().newline {
            self.bump();
        }
    }

    /// What is given to attributes and validators: literals only.
    pub(super) fn check_literals(&mut self, args: List<ExprId>, tables: bool) {
        for index in 0..args.len() {
            let arg = self.ast[args][index];
            if !self.is_literal(arg, tables) {
                let message = "only literals can be given here";
                self.note(Diagnostic::syntax(self.ast[arg].span, message));
            }
        }
    }

    fn is_literal(&self, expr: ExprId, tables: bool) -> bool {
        match self.ast[expr].kind {
            ExprKind::Nil | ExprKind::Bool(_) | ExprKind::Number | ExprKind::String => true,
            ExprKind::Error => true,
            ExprKind::Unary { op: UnaryOp::Minus, operand } => {
                !tables && matches!(self.ast[operand].kind, ExprKind::Number)
            }
            ExprKind::Table(fields) if tables => {
                self.ast[fields].iter().all(|field| self.is_literal(field.value(), true))
            }
            _ => false,
        }
    }

    /// Is the token of a kind that can begin an expression? For messages and lists only.
    pub(super) fn starts_expr(kind: TokenKind) -> bool {
        matches!(
            kind,
            Word | LeftParen | Quoted | LongString | InterpSimple | InterpBegin | Number | Nil
        ) || matches!(kind, True | False | LeftBrace | Func | Ellipsis | If | Not | Minus)
            || matches!(kind, Hash | Tilde | At)
    }
}
