//! What literals stand for.

use wippy::lang::ast::ExprKind;
use wippy::lang::literal;
use wippy::lang::parser::parse;

#[track_caller]
fn number(text: &str, value: Option<f64>) {
    assert_eq!(literal::number(text), value, "{text}");
    let found = parse(&format!("return {text}")).diagnostics;
    assert_eq!(found.is_empty(), value.is_some(), "{found:?}");
}

#[test]
fn numbers() {
    number("0", Some(0.0));
    number("12.50", Some(12.5));
    number(".5", Some(0.5));
    number("5.", Some(5.0));
    number("1e3", Some(1000.0));
    number("1E-2", Some(0.01));
    number("1_000_000", Some(1e6));
    number("0xff", Some(255.0));
    number("0X_F_f", Some(255.0));
    number("0b1011", Some(11.0));
    number("9007199254740993", Some(9_007_199_254_740_992.0));
    number("0xffffffffffffffffff", Some(18_446_744_073_709_551_615.0));
    for malformed in ["0x", "0b", "0b2", "1e", "1x", "0xg", "1.2.3", "1..2", "3i"] {
        number(malformed, None);
    }
}

#[track_caller]
fn string(text: &str, value: impl AsRef<[u8]>) {
    let source = format!("return {text}");
    let parsed = parse(&source);
    assert_eq!(parsed.diagnostics, [], "{text}");
    let strings = parsed.ast.exprs().filter(|(_, e)| matches!(e.kind, ExprKind::String));
    let texts: Vec<_> = strings.map(|(_, e)| e.span.text(&source)).collect();
    assert_eq!(texts, [text]);
    assert_eq!(literal::string(text), value.as_ref(), "{text}");
}

#[test]
fn strings() {
    string(r#""""#, "");
    string(r#""a'b""#, "a'b");
    string(r"'a\'b\\'", r"a'b\");
    string(r#""\a\b\f\n\r\t\v\q""#, "\x07\x08\x0c\n\r\t\x0bq");
    string(r#""\65\066\0007""#, "AB\x007");
    string(r#""\x41\u{20AC}\u{0}""#, "A€\0");
    string(r#""\xff""#, [0xff]);
    string("\"a\\\nb\\\r\nc\"", "a\nb\nc");
    string("\"a\\z \n \t b\"", "ab");
    string("`a\\{b`", "a{b");
    string("[[\na\r\nb]]", "a\nb");
    string("[==[]]]=]]==]", "]]]=]");
    string("'é漢'", "é漢");
    assert_eq!(literal::piece(r"}a\{`"), b"a{");
}
