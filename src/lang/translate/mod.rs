//! Programs of the dialect to programs that Luau's compiler takes.
//!
//! A translation is a list of edits of the source: what is not edited stays the same bytes, so a
//! program that is plain Luau is its own translation. No edit adds or takes a line end, so every
//! token stays on its line, and positions in errors and traces are those of the source.
//!
//! | dialect | becomes |
//! |---|---|
//! | an annotation with types that Luau's parser lacks | nothing; all others stay, they help native code |
//! | `x as T`, `x :: T :: U` | `x :: T`, `x :: U`; a type Luau lacks becomes `any` |
//! | `x!`, `interface`, bounds of type parameters | nothing |
//! | `a & b`, `~a`, `a << b`, `a // b`, ... | calls of the host: [`OPERATORS`] |
//! | `goto`, labels | `continue`, `break`, loops and flags, see `jump` |
//! | statements behind `break` | `do break end` before them |
//! | the name of a type as a value | an element of a table of type values, see `values` |
//!
//! What the edits refer to are globals that begin with [`RESERVED`]: a program that needs any of them
//! may not use such names itself. They are globals rather than locals at the top of the chunk because
//! Luau has 200 locals for a function, and resolves globals that nobody assigns to when it loads the
//! chunk.
//!
//! What cannot be translated is refused with a diagnostic: jumps into loops, see `jump`. The casts
//! `::` and `as` give one value, as Luau's do; `x!` gives all that `x` does.

mod edit;
mod jump;
mod types;
mod values;
mod walk;

pub use values::UNIQUE;

use std::borrow::Cow;

use super::ast::Ast;
use super::ast::BinaryOp;
use super::diagnostic::Diagnostic;
use super::lexer;
use super::parser::parse;
use super::resolve::resolve;
use super::token::TokenKind;

/// How the names begin that a translation refers to.
pub const RESERVED: &str = "__wippy_";

/// The global functions that stand for the operators on 64-bit integers. Luau has a `//`, of another
/// meaning: it rounds the quotient of the numbers as they are, and divides by zero.
pub const OPERATORS: [&str; 7] = [
    "__wippy_band",
    "__wippy_bor",
    "__wippy_bxor",
    "__wippy_shl",
    "__wippy_shr",
    "__wippy_bnot",
    "__wippy_idiv",
];

/// `__wippy_types(declarations, n)`: a table of the first `n` types declared.
pub const TYPES: &str = "__wippy_types";

/// `__wippy_bind(types, n, name, module, ...)`: type `n`, with types of modules looked up in these.
pub const BIND: &str = "__wippy_bind";

/// The local at the top of the chunk with the table of types.
const TABLE: &str = "__wippy_t";

/// What Luau is to compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translated<'s> {
    /// Borrowed if it is the source.
    pub text: Cow<'s, str>,
    /// The declarations of the types that the program uses as values, if it does.
    pub types: Option<String>,
}

/// Translates a source; or says what is wrong with it, in the order of the source.
pub fn translate(source: &str) -> Result<Translated<'_>, Vec<Diagnostic>> {
    let parsed = parse(source);
    if !parsed.diagnostics.is_empty() {
        return Err(parsed.diagnostics);
    }
    let ast = parsed.ast;
    let resolved = resolve(&ast);
    if !resolved.diagnostics.is_empty() {
        return Err(resolved.diagnostics);
    }
    let mut walker = walk::Walker::new(&ast, source, &resolved);
    walker.file();
    let types = values::finish(&mut walker);
    let (mut edits, diagnostics) = (walker.edits, walker.diagnostics);
    // Places that were kept for flags of loops that need none.
    edits.retain(|edit| !(edit.span.is_empty() && edit.text.is_empty()));
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    if edits.is_empty() {
        return Ok(Translated { text: source.into(), types: None });
    }
    if let Some(found) = reserved_name(&ast, source) {
        return Err(vec![found]);
    }
    Ok(Translated { text: edit::apply(source, edits).into(), types })
}

/// May Luau take the source for a program of another meaning? If not, a source that Luau compiles
/// needs no translation. It looks at the tokens and makes no tree.
pub fn may_be_mistaken(source: &str) -> bool {
    let tokens = lexer::lex(source).tokens;
    tokens.windows(2).any(|pair| {
        let [first, next] = pair else { return false };
        match first.kind {
            // A shift is a call with type arguments to Luau.
            TokenKind::Less => next.kind == TokenKind::Less,
            TokenKind::DoubleSlash | TokenKind::DoubleSlashAssign => true,
            TokenKind::Word => match first.span.text(source) {
                // A cast is a call of `as`.
                "as" => true,
                // A type may be used as a value.
                "type" => next.kind == TokenKind::Word,
                _ => false,
            },
            _ => false,
        }
    })
}

#[cold]
fn reserved_name(ast: &Ast, source: &str) -> Option<Diagnostic> {
    let words = ast.tokens.iter().filter(|token| token.kind == TokenKind::Word);
    let taken = words.map(|token| token.span).find(|s| s.text(source).starts_with(RESERVED))?;
    let message = format!("names that begin with '{RESERVED}' belong to the runtime");
    Some(Diagnostic::syntax(taken, message))
}

/// The function that stands for an operator between operands.
fn function_of(op: BinaryOp) -> Option<&'static str> {
    Some(match op {
        BinaryOp::BitAnd => OPERATORS[0],
        BinaryOp::BitOr => OPERATORS[1],
        BinaryOp::BitXor => OPERATORS[2],
        BinaryOp::ShiftLeft => OPERATORS[3],
        BinaryOp::ShiftRight => OPERATORS[4],
        BinaryOp::FloorDiv => OPERATORS[6],
        _ => return None,
    })
}

const BIT_NOT: &str = OPERATORS[5];
