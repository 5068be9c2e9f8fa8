//! What holds for every source, whoever wrote it: the oracle of the fuzzer and of the property tests.

use mlua::chunk::Compiler;
use wippy::lang::ast::*;
use wippy::lang::check::Checked;
use wippy::lang::check::Grants;
use wippy::lang::check::rules;
use wippy::lang::diagnostic::Diagnostic;
use wippy::lang::limits;
use wippy::lang::parser::Parsed;
use wippy::lang::parser::parse;
use wippy::lang::print::print;
use wippy::lang::resolve::Resolved;
use wippy::lang::resolve::resolve;
use wippy::lang::span::Span;
use wippy::lang::translate::translate;
use wippy::runtime::modules::declarations;
use wippy::runtime::modules::types;

use crate::dump::dump;

/// What was wrong, in words.
pub type Judged = Result<Seen, String>;

/// What a source was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// It has no error of syntax.
    pub clean: bool,
    /// Luau would not take it, or would take it for something else.
    pub translated: bool,
    /// It uses types as values.
    pub types: bool,
}

macro_rules! ensure {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err(format!($($text)+));
        }
    };
}

/// Everything there is to ask; `with_luau` asks Luau's compiler too, which takes longer than the rest.
pub fn judge(source: &str, with_luau: bool) -> Judged {
    let parsed = parse(source);
    let resolved = resolve(&parsed.ast);
    spans(&parsed, &resolved, source)?;
    let clean = parsed.diagnostics.is_empty() && resolved.diagnostics.is_empty();
    checker(&parsed, &resolved, source)?;
    printer(&parsed, source, clean)?;
    let mut seen = translator(source, clean, with_luau)?;
    seen.clean = clean;
    style(&parsed, &resolved, source, clean)?;
    Ok(seen)
}

/// Parts lie in each other, and everything in the source.
fn spans(parsed: &Parsed, resolved: &Resolved, source: &str) -> Result<(), String> {
    let ast = &parsed.ast;
    let whole = Span::new(0, source.len() as u32);
    let inside = |span: Span| span.start <= span.end && span.end <= whole.end;
    let mut end = 0;
    for token in &ast.tokens {
        ensure!(inside(token.span) && token.span.start >= end, "token {token:?} behind {end}");
        end = token.span.end;
    }
    for (_, expr) in ast.exprs() {
        ensure!(inside(expr.span), "outside: {expr:?}");
        let contains = |child: ExprId| {
            let span = ast[child].span;
            span.is_empty() || expr.span.start <= span.start && span.end <= expr.span.end
        };
        let contained = match expr.kind {
            ExprKind::Binary { left, right, .. } => contains(left) && contains(right),
            ExprKind::Unary { operand, .. } | ExprKind::Cast { operand, .. } => contains(operand),
            ExprKind::Call { callee, args, .. } => {
                contains(callee) && ast[args].iter().all(|arg| contains(*arg))
            }
            ExprKind::Table(fields) => ast[fields].iter().all(|field| contains(field.value())),
            ExprKind::Paren(inner) | ExprKind::NonNil(inner) => contains(inner),
            _ => true,
        };
        ensure!(contained, "a part is outside of {expr:?}");
    }
    for (_, ty) in ast.types() {
        ensure!(inside(ty.span), "outside: {ty:?}");
    }
    let mut end = 0;
    for stat in &ast[ast[ast.root].stats] {
        let span = ast[*stat].span;
        ensure!(inside(span) && span.start >= end, "statement {:?} behind {end}", ast[*stat]);
        end = span.end;
    }
    // Nothing is made twice: all there is comes from tokens.
    let n_nodes = ast.exprs().count() + ast.types().count() + ast.stats().count();
    let n_tokens = ast.tokens.len();
    ensure!(n_nodes <= 3 * n_tokens + 3, "{n_nodes} nodes of {n_tokens} tokens");
    for found in parsed.diagnostics.iter().chain(&resolved.diagnostics) {
        diagnostic(found, source)?;
    }
    ensure!(parsed.diagnostics.len() <= limits::DIAGNOSTICS, "too many errors");
    Ok(())
}

fn diagnostic(found: &Diagnostic, source: &str) -> Result<(), String> {
    let related = found.related.iter().map(|(span, _)| *span);
    for span in related.chain([found.span]) {
        let (start, end) = (span.start as usize, span.end as usize);
        ensure!(start <= end && end <= source.len(), "outside: {found:?}");
        let whole = source.is_char_boundary(start) && source.is_char_boundary(end);
        ensure!(whole, "within a character: {found:?}");
    }
    let len = found.message.len();
    ensure!(len <= source.len() + 2000, "a message of {len} bytes: {}", &found.message[..200]);
    Ok(())
}

fn checker(parsed: &Parsed, resolved: &Resolved, source: &str) -> Result<(), String> {
    let library = declarations::library();
    let Checked { diagnostics, .. } =
        wippy::lang::check::check(&parsed.ast, resolved, source, library, Grants::default());
    ensure!(diagnostics.len() <= limits::DIAGNOSTICS, "too many findings");
    let mut at = 0;
    for found in &diagnostics {
        diagnostic(found, source)?;
        ensure!(found.span.start >= at, "not in order: {found:?}");
        at = found.span.start;
    }
    let mut said: Vec<_> =
        diagnostics.iter().map(|found| (found.span, found.code.0, &found.message)).collect();
    said.sort();
    let n_said = said.len();
    said.dedup();
    ensure!(said.len() == n_said, "something is said twice: {diagnostics:?}");
    Ok(())
}

/// What is printed is the same tree, and printing that changes nothing.
fn printer(parsed: &Parsed, source: &str, clean: bool) -> Result<(), String> {
    let printed = print(&parsed.ast, source);
    if !clean {
        return Ok(());
    }
    let again = parse(&printed);
    ensure!(again.diagnostics.is_empty(), "printed: {:?}\n{printed}", again.diagnostics);
    let trees = (dump(&parsed.ast, source), dump(&again.ast, &printed));
    ensure!(trees.0 == trees.1, "another tree is printed:\n{printed}\n{}\n{}", trees.0, trees.1);
    let twice = print(&again.ast, &printed);
    ensure!(twice == printed, "printed twice:\n{printed}\n{twice}");
    Ok(())
}

fn luau(source: &str) -> Result<(), String> {
    Compiler::new().compile(source).map(drop).map_err(|error| error.to_string())
}

fn lines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// Nesting of the dialect's constructs may pass Luau's limits.
pub fn is_limit(error: &str) -> bool {
    [
        "recursion depth",
        "limit",
        "local regist",
        "register",
        "upvalue",
        "stack",
        "type length",
        // In a function, this depends on what Luau takes for constant.
        "repeat..until condition",
        // And it knows which arguments its attributes take.
        "deprecated",
    ]
    .iter()
    .any(|word| error.contains(word))
}

/// Every line stays where it is; what comes out is plain, and Luau takes it.
fn translator(source: &str, clean: bool, with_luau: bool) -> Judged {
    let mut seen = Seen::default();
    let Ok(translated) = translate(source) else { return Ok(seen) };
    ensure!(clean, "an error is overlooked");
    let text = &*translated.text;
    ensure!(lines(source) == lines(text), "lines are lost:\n{text}");
    ensure!(text.len() <= 64 * source.len() + 256, "{} bytes of {}", text.len(), source.len());
    if text != source {
        seen.translated = true;
        let again = translate(text);
        match &again {
            Ok(again) => ensure!(again.text == text, "translated twice:\n{text}\n{}", again.text),
            // Calls for operators, loops for jumps: the tree may become too high.
            // Without an `interface` that was taken out, a name may be that of another type.
            Err(found) if found[0].message.contains("nested") => {}
            Err(found) if found[0].message.contains("belong to the runtime") => {}
            Err(found) => return Err(format!("the translation is refused: {found:?}\n{text}")),
        }
    }
    if let Some(declarations) = &translated.types {
        seen.types = true;
        if let Err(problem) = types::verify(declarations) {
            ensure!(problem.starts_with("@pattern"), "types: {problem}\n{declarations}");
        }
    }
    if with_luau
        && let Err(error) = luau(text)
        && !is_limit(&error)
    {
        return Err(format!("Luau: {error}\n{text}"));
    }
    Ok(seen)
}

/// A fixed program is still one, and its fixes are not found again.
fn style(parsed: &Parsed, resolved: &Resolved, source: &str, clean: bool) -> Result<(), String> {
    let found = rules::find(&parsed.ast, resolved, source, &|_| true);
    for (found, _) in &found {
        diagnostic(found, source)?;
    }
    let fixes: Vec<_> = found.into_iter().filter_map(|(_, fix)| fix).collect();
    let (fixed, made) = rules::apply(source, &fixes);
    if !clean || made == 0 {
        return Ok(());
    }
    let again = parse(&fixed);
    let resolved = resolve(&again.ast);
    let mut found = again.diagnostics.iter().chain(&resolved.diagnostics);
    match found.next() {
        Some(found) => Err(format!("a fix breaks it: {found:?}\n{fixed}")),
        None => Ok(()),
    }
}
