//! What names stand for.

use std::fmt::Write as _;

use wippy::lang::ast::BindingId;
use wippy::lang::ast::ExprKind;
use wippy::lang::ast::StatKind;
use wippy::lang::ast::TypeKind;
use wippy::lang::parser::parse;
use wippy::lang::resolve::JumpKind;
use wippy::lang::resolve::TypeUse;
use wippy::lang::resolve::Use;
use wippy::lang::resolve::resolve;

/// Every use of a name in the order of the source: `x@3` is the local declared at byte 3.
#[track_caller]
fn check(source: &str, expected: &str) {
    let parsed = parse(source);
    assert_eq!(parsed.diagnostics, [], "{source}");
    let (ast, resolved) = (&parsed.ast, resolve(&parsed.ast));
    assert_eq!(resolved.diagnostics, [], "{source}");
    let place = |binding: BindingId| ast[binding].name.span.start;
    let mut uses = Vec::new();
    for (id, expr) in ast.exprs() {
        let ExprKind::Name(name) = expr.kind else { continue };
        let what = match resolved.use_of(id) {
            Use::None => "?".into(),
            Use::Local(binding) => format!("@{}", place(binding)),
            Use::Upvalue(binding) => format!("^{}", place(binding)),
            Use::Global => String::new(),
            Use::Type(alias) => format!(":{}", ast[alias].name.span.start),
        };
        uses.push((expr.span.start, format!("{}{what}", ast.text(name))));
    }
    for (id, ty) in ast.types() {
        let what = match resolved.type_use(id) {
            TypeUse::Unknown => continue,
            TypeUse::Alias(alias) => format!(":{}", ast[alias].name.span.start),
            TypeUse::Parameter => "<>".into(),
            TypeUse::Import(binding) => format!("@{}", place(binding)),
        };
        let TypeKind::Name { name, .. } = ty.kind else { continue };
        uses.push((ty.span.start, format!("{}{what}", ast.text(name.name))));
    }
    uses.sort();
    let uses: Vec<_> = uses.into_iter().map(|(_, text)| text).collect();
    assert_eq!(uses.join(" "), expected, "{source}");
}

#[test]
fn locals_are_visible_from_after_their_statement() {
    check("local a = a; b = a", "a b a@6");
    check("local a; local a = a; a = 1", "a@6 a@15");
    check("local function f() f() end", "f^15");
    check("local f = function() f() end", "f");
    check("do local a end b = a", "b a");
    check("for i = i, 2 do i = i end i = 1", "i i@4 i@4 i");
    check("for a, b in a, b do c = b end", "a b c b@7");
    check("repeat local a until a; a()", "a@13 a");
    check("if a then local a elseif a then else a() end", "a a a");
}

#[test]
fn functions_close_over_what_is_around() {
    check("local a; function f(b) return a, b, c end", "f a^6 b@20 c");
    check("local a; return function() return function() return a end end", "a^6");
    check("local t = {} function t.a:b() return self end", "t@6 self@26");
    check("local t = {} function t.a(self) return self end", "t@6 self@26");
}

#[test]
fn types_are_visible_in_their_whole_block() {
    check("local x: A; type A = B; type B = A", "A:17 B:29 A:17");
    check("do type A = number end local x: A", "");
    check("type A<T> = {T} | A<T>; local x: T", "T<> A:5 T<>");
    check("local function f<T, U: T>(a: T): U end", "T<> T<> U<>");
    check("local m = require('m') local x: m.T, y: n.T", "require T@6");
}

#[test]
fn type_names_are_values_unless_a_local_hides_them() {
    check("type A = number; f(A, A:is(1))", "f A:5 A:5");
    check("type A = number; local A = A; f(A)", "A:5 f A@23");
    check("interface A end f(A)", "f A:10");
    check("A = 1; type A = number", "A");
}

#[test]
fn counts_reads_writes_and_captures() {
    let source = "local a, b, c, d = 1; a = a + 1; b += 1; c = 2; f(function() return d end)";
    let ast = parse(source).ast;
    let resolved = resolve(&ast);
    let mut seen = String::new();
    for (_, stat) in ast.stats() {
        let StatKind::Local { bindings, .. } = stat.kind else { continue };
        for id in ast.binding_ids(bindings) {
            let (name, local) = (ast.text(ast[id].name.name), resolved.local(id));
            let captured = if local.captured { " captured" } else { "" };
            writeln!(seen, "{name} {}/{}{captured}", local.reads, local.writes).unwrap();
        }
    }
    assert_eq!(seen, "a 1/1\nb 1/1\nc 0/1\nd 1/0 captured\n");
    let globals: Vec<_> = resolved.globals.iter().map(|g| ast.text(g.name)).collect();
    assert_eq!(globals, ["f"]);
}

#[test]
fn scopes_end_with_their_blocks() {
    let source = "local a = 1; do local b = 2; f() end; g()";
    let ast = parse(source).ast;
    let resolved = resolve(&ast);
    let scopes = ast.stats().filter_map(|(_, stat)| match stat.kind {
        StatKind::Local { bindings, .. } => ast.binding_ids(bindings).next(),
        _ => None,
    });
    let scopes: Vec<_> = scopes.map(|id| resolved.local(id).scope.text(source)).collect();
    assert!(scopes.contains(&"; f() "), "{scopes:?}");
    assert!(scopes.contains(&"; do local b = 2; f() end; g()"), "{scopes:?}");
}

#[track_caller]
fn jumps(source: &str, expected: &[JumpKind]) {
    let parsed = parse(source);
    assert_eq!(parsed.diagnostics, [], "{source}");
    let resolved = resolve(&parsed.ast);
    assert_eq!(resolved.diagnostics, [], "{source}");
    let kinds: Vec<_> = resolved.jumps.iter().map(|jump| jump.kind).collect();
    assert_eq!(kinds, expected, "{source}");
}

#[test]
fn jumps_say_what_they_are() {
    use JumpKind::*;
    jumps("for i = 1, 2 do goto continue ::continue:: end", &[Continue { loops_out: 0 }]);
    jumps(
        "while a do if b then goto c end local x = 1 ::c:: ::d:: end",
        &[Continue { loops_out: 0 }],
    );
    jumps("while a do while b do goto c end ::c:: end", &[Continue { loops_out: 1 }]);
    jumps("while a do while b do goto c end ::c:: f() end", &[Forward]);
    jumps("while a do do goto c ::c:: end f() end", &[Forward]);
    jumps("::top:: f() goto top", &[Backward]);
    jumps("while a do goto out end ::out::", &[Forward]);
    jumps("do goto a end do ::b:: end ::a:: do goto a end", &[Forward, Backward]);
    jumps("::a:: local f = function() ::a:: goto a end goto a", &[Backward, Backward]);
}
