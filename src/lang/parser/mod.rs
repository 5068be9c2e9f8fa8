//! Tokens to the tree: by recursive descent, one token after the other, never back.
//!
//! Where a word or bracket can mean two things, at most a few tokens are looked at ahead, so the
//! time is linear. What recursion there is stops at [`limits::DEPTH`].

mod declare;
mod expr;
mod function;
mod recover;
mod stat;
mod types;

use std::collections::HashMap;

use super::ast::*;
use super::diagnostic::Diagnostic;
use super::lexer;
use super::limits;
use super::span::Lines;
use super::span::Span;
use super::token::Token;
use super::token::TokenKind;

/// The tree of a source and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// Complete even if there are diagnostics.
    pub ast: Ast,
    /// In the order of the source. Empty if it parses.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a source. Never fails: what is wrong is among the diagnostics, and stands in the tree as
/// `Error`.
pub fn parse(source: &str) -> Parsed {
    if source.len() > limits::SOURCE_BYTES {
        let mut parsed = parse("");
        let message = format!("a source has at most {} bytes", limits::SOURCE_BYTES);
        parsed.diagnostics.push(Diagnostic::syntax(Span::empty(0), message));
        return parsed;
    }
    let lexed = lexer::lex(source);
    let mut parser = Parser::new(source, lexed.tokens);
    parser.malformed = lexed.diagnostics.iter().map(|found| found.span.start).collect();
    let root = parser.file();
    parser.ast.root = root;
    parser.ast.tokens = parser.tokens;
    parser.ast.comments = lexed.comments;
    let mut diagnostics = lexed.diagnostics;
    diagnostics.append(&mut parser.diagnostics);
    diagnostics.sort_by_key(|found| found.span);
    diagnostics.truncate(limits::DIAGNOSTICS);
    Parsed { ast: parser.ast, diagnostics }
}

struct Parser<'s> {
    source: &'s str,
    tokens: Vec<Token>,
    /// The number of the current token, and what it is.
    at: usize,
    kind: TokenKind,
    /// The end of the token before.
    end: u32,
    ast: Ast,
    names: HashMap<&'s str, Name>,
    diagnostics: Vec<Diagnostic>,
    /// The token of the last report: one is enough for each.
    reported: Option<usize>,
    /// Where the lexer has found something, in order. That is not said again.
    malformed: Vec<u32>,
    /// Nothing more is read or reported: a limit was hit.
    stopped: bool,
    depth: u32,
    functions: Vec<FunctionState>,
    /// Inside `A extends B`, where a question mark may not belong to B.
    in_extends: bool,
    /// The first `end` that stands in another column than what it closes.
    suspect: Option<Span>,
    scratch: Scratch,
}

struct FunctionState {
    vararg: bool,
    loops: u32,
}

/// Lists under construction, each a stack, so that a list costs no allocation.
#[derive(Default)]
struct Scratch {
    exprs: Vec<ExprId>,
    types: Vec<TypeId>,
    stats: Vec<StatId>,
    spans: Vec<Span>,
    bindings: Vec<Binding>,
    table_fields: Vec<TableField>,
    branches: Vec<IfBranch>,
    attributes: Vec<Attribute>,
    generics: Vec<Generic>,
    type_fields: Vec<TypeField>,
    type_params: Vec<TypeParam>,
    validators: Vec<Validator>,
}

/// Moves what was pushed to a scratch stack since `from` to a table of the tree.
macro_rules! finish {
    ($parser:ident.$scratch:ident from $from:expr => $table:ident) => {{
        let from = $from;
        let (scratch, table) = (&mut $parser.scratch.$scratch, &mut $parser.ast.$table);
        let list = List::new(table.len(), scratch.len() - from);
        table.extend_from_slice(&scratch[from..]);
        scratch.truncate(from);
        list
    }};
}
use finish;

impl<'s> Parser<'s> {
    fn new(source: &'s str, tokens: Vec<Token>) -> Self {
        let mut names = Names::default();
        names.push("");
        let count = tokens.len();
        let ast = Ast {
            root: BlockId::new(0),
            names,
            tokens: Vec::new(),
            comments: Vec::new(),
            lines: Lines::new(source),
            exprs: Vec::with_capacity(count / 2),
            types: Vec::new(),
            stats: Vec::with_capacity(count / 10),
            blocks: Vec::new(),
            functions: Vec::new(),
            bindings: Vec::new(),
            aliases: Vec::new(),
            function_types: Vec::new(),
            expr_lists: Vec::with_capacity(count / 6),
            type_lists: Vec::new(),
            stat_lists: Vec::with_capacity(count / 10),
            spans: Vec::new(),
            table_fields: Vec::new(),
            branches: Vec::new(),
            attributes: Vec::new(),
            generics: Vec::new(),
            type_fields: Vec::new(),
            type_params: Vec::new(),
            validators: Vec::new(),
        };
        Self {
            source,
            kind: tokens[0].kind,
            tokens,
            at: 0,
            end: 0,
            ast,
            names: HashMap::new(),
            diagnostics: Vec::new(),
            reported: None,
            malformed: Vec::new(),
            stopped: false,
            depth: 0,
            functions: Vec::new(),
            in_extends: false,
            suspect: None,
            scratch: Scratch::default(),
        }
    }

    fn token(&self) -> Token {
        self.tokens[self.at]
    }

    fn span(&self) -> Span {
        self.tokens[self.at].span
    }

    /// The token that follows the current one by so many; the last one past the end.
    fn peek(&self, ahead: usize) -> Token {
        self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    fn peek_kind(&self, ahead: usize) -> TokenKind {
        self.peek(ahead).kind
    }

    /// Goes to the next token and says where the current one is.
    fn bump(&mut self) -> Span {
        let span = self.tokens[self.at].span;
        if self.at + 1 < self.tokens.len() {
            self.end = span.end;
            self.at += 1;
            self.kind = self.tokens[self.at].kind;
        }
        span
    }

    fn at(&self, kind: TokenKind) -> bool {
        self.kind == kind
    }

    /// Takes the current token if it is this one.
    fn eat(&mut self, kind: TokenKind) -> Option<Span> {
        (self.kind == kind).then(|| self.bump())
    }

    fn text(&self, token: Token) -> &'s str {
        &self.source[token.span.range()]
    }

    /// Is the current token this name?
    fn at_word(&self, word: &str) -> bool {
        self.kind == TokenKind::Word && self.text(self.token()) == word
    }

    /// Are the current token and the next one of this kind, with nothing in between?
    fn at_pair(&self, first: TokenKind, second: TokenKind) -> bool {
        let next = self.peek(1);
        self.kind == first && next.kind == second && next.span.start == self.span().end
    }

    /// From `start` to the end of the last token read.
    fn since(&self, start: u32) -> Span {
        Span::new(start, self.end.max(start))
    }

    /// One level of nesting down; `false`, with a report, where that is too deep. The caller
    /// remembers `depth` and puts it back.
    fn enter(&mut self) -> bool {
        self.depth += limits::NESTING_WEIGHT;
        self.depth <= limits::DEPTH || self.too_deep()
    }

    /// One more link of a chain, or operator.
    fn link(&mut self) -> bool {
        self.depth += 1;
        self.depth <= limits::DEPTH || self.too_deep()
    }

    fn intern(&mut self, span: Span) -> Name {
        let text = &self.source[span.range()];
        if let Some(name) = self.names.get(text) {
            return *name;
        }
        let name = self.ast.names.push(text);
        self.names.insert(text, name);
        name
    }

    /// Takes the current token, a name.
    fn ident(&mut self) -> Ident {
        let span = self.bump();
        Ident { name: self.intern(span), span }
    }

    fn missing(&self) -> Ident {
        Ident { name: Name::MISSING, span: Span::empty(self.end) }
    }

    fn expr_node(&mut self, span: Span, kind: ExprKind) -> ExprId {
        self.ast.exprs.push(Expr { span, kind });
        ExprId::new(self.ast.exprs.len() - 1)
    }

    fn type_node(&mut self, span: Span, kind: TypeKind) -> TypeId {
        self.ast.types.push(Type { span, kind });
        TypeId::new(self.ast.types.len() - 1)
    }

    fn stat_node(&mut self, span: Span, kind: StatKind) -> StatId {
        self.ast.stats.push(Stat { span, kind });
        StatId::new(self.ast.stats.len() - 1)
    }

    fn binding(&mut self, name: Ident, ty: Option<TypeId>) -> BindingId {
        self.ast.bindings.push(Binding { name, ty });
        BindingId::new(self.ast.bindings.len() - 1)
    }

    fn file(&mut self) -> BlockId {
        self.functions.push(FunctionState { vararg: true, loops: 0 });
        let from = self.scratch.stats.len();
        loop {
            self.statements();
            if self.at(TokenKind::Eof) {
                break;
            }
            self.unopened();
        }
        let stats = finish!(self.stats from from => stat_lists);
        let span = Span::new(0, self.source.len() as u32);
        self.ast.blocks.push(Block { span, stats });
        BlockId::new(self.ast.blocks.len() - 1)
    }
}
