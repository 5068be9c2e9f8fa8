//! Against Luau's own compiler: what it takes, we take; what it refuses, we take only for what the
//! dialect adds.

use mlua::chunk::Compiler;
use proptest::prelude::*;
use wippy::lang::ast::*;
use wippy::lang::parser::parse;
use wippy::lang::resolve::resolve;
use wippy::lang::span::Span;
use wippy::lang::token::TokenKind;

use crate::program;

fn luau(source: &str) -> Result<(), String> {
    Compiler::new().compile(source).map(drop).map_err(|error| error.to_string())
}

fn ours(source: &str) -> Result<Ast, String> {
    let parsed = parse(source);
    let found = parsed.diagnostics.first().cloned();
    let found = found.or_else(|| resolve(&parsed.ast).diagnostics.first().cloned());
    found.map_or(Ok(parsed.ast), |found| Err(format!("{found:?}")))
}

/// Has the program anything that Luau's parser does not know?
fn is_dialect(ast: &Ast) -> bool {
    let union =
        |ty: &TypeId| matches!(ast[*ty].kind, TypeKind::Intersection(_) | TypeKind::Optional(_));
    let types = ast.types().any(|(_, ty)| match ty.kind {
        TypeKind::Number
        | TypeKind::Array { style: ArrayStyle::Brackets, .. }
        | TypeKind::Array { style: ArrayStyle::Braces(Access::Readonly), .. }
        | TypeKind::Readonly(_)
        | TypeKind::Keyof(_)
        | TypeKind::Index { .. }
        | TypeKind::Conditional { .. }
        | TypeKind::Asserts { .. }
        | TypeKind::Validated { .. }
        | TypeKind::Record { interface: true, .. } => true,
        TypeKind::Union(parts) => {
            ast[parts].iter().any(|ty| matches!(ast[*ty].kind, TypeKind::Intersection(_)))
        }
        TypeKind::Intersection(parts) => ast[parts].iter().any(union),
        TypeKind::Record { fields, .. } => {
            ast[fields].iter().any(|field| field.optional || field.access == Access::Readonly)
        }
        TypeKind::Variadic(inner) => {
            ast.tokens_in(Span::new(ty.span.start, ast[inner].span.start)).len() > 1
        }
        _ => false,
    });
    types
        || ast.exprs().any(|(_, expr)| match expr.kind {
            ExprKind::Binary { op, .. } => op.is_bitwise(),
            ExprKind::Unary { op, .. } => op == UnaryOp::BitNot,
            ExprKind::Cast { operand, op, .. } => {
                op == CastOp::As || matches!(ast[operand].kind, ExprKind::Cast { .. })
            }
            ExprKind::NonNil(_) => true,
            _ => false,
        })
        || ast.stats().any(|(_, stat)| match stat.kind {
            StatKind::Goto(_) | StatKind::Label(_) => true,
            StatKind::TypeAlias(alias) => ast[alias].interface,
            StatKind::Break | StatKind::Continue => !ends_block(ast, stat.span),
            _ => false,
        })
        || has_fun_or_bound(ast)
}

/// After a `break`, only `;` and the end of its block may follow in Luau.
fn ends_block(ast: &Ast, span: Span) -> bool {
    let mut next = ast.token_after(span.end);
    if let Some(token) = next.filter(|token| token.kind == TokenKind::Semicolon) {
        next = ast.token_after(token.span.end);
    }
    let closes = |kind| {
        use TokenKind::*;
        matches!(kind, End | Else | Elseif | Until | Eof)
    };
    next.is_none_or(|token| closes(token.kind))
}

/// Has it function types of our style, or bounds of type parameters?
fn has_fun_or_bound(ast: &Ast) -> bool {
    let bounds = |list: List<Generic>| ast[list].iter().any(|generic| generic.bound.is_some());
    ast.functions().any(|(_, function)| bounds(function.generics))
        || ast.aliases().any(|(_, alias)| bounds(alias.generics))
        || ast.types().any(|(_, ty)| match ty.kind {
            TypeKind::Function(id) => {
                let function = ast[id];
                function.style != FunctionStyle::Arrow
                    || bounds(function.generics)
                    || ast[function.params].iter().any(|param| param.optional)
            }
            _ => false,
        })
}

fn agree(source: &str) -> Result<(), TestCaseError> {
    match (ours(source), luau(source)) {
        (Err(found), Ok(())) => prop_assert!(false, "only Luau takes {source:?}: {found}"),
        (Ok(ast), Err(error)) => {
            prop_assert!(is_dialect(&ast), "only we take {source:?}: {error}");
        }
        _ => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn plain_programs_are_taken_by_both(source in program::program(false)) {
        prop_assert_eq!(luau(&source), Ok(()), "{}", source);
        prop_assert_eq!(ours(&source).map(drop), Ok(()), "{}", source);
    }

    #[test]
    fn damaged_programs_are_judged_alike(source in program::damaged(false)) {
        agree(&source)?;
    }
}

/// Corners of Luau's grammar, right and wrong, one a line; `~` is a line end.
#[test]
fn corners_are_judged_alike() {
    for line in include_str!("corners.txt").lines().filter(|line| !line.is_empty()) {
        let source = line.replace('~', "\n");
        agree(&source).unwrap_or_else(|failure| panic!("{failure}"));
    }
}
