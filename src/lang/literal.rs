//! What the texts of literals stand for. As Luau reads them.

/// The value of a number: decimal, `0x` or `0b`, with `_` between digits. `None` if it is malformed.
pub fn number(text: &str) -> Option<f64> {
    let clean: String;
    let text = if text.contains('_') {
        clean = text.replace('_', "");
        &clean
    } else {
        text
    };
    match text.as_bytes() {
        [b'0', b'x' | b'X', digits @ ..] if !digits.is_empty() => integer(digits, 16),
        [b'0', b'b' | b'B', digits @ ..] if !digits.is_empty() => integer(digits, 2),
        [b'0'..=b'9' | b'.', ..] => text.parse().ok(),
        _ => None,
    }
}

/// Digits of a base; more than 64 bits of them saturate.
fn integer(digits: &[u8], base: u32) -> Option<f64> {
    let add = |value: u64, digit: &u8| {
        let digit = (*digit as char).to_digit(base)?;
        Some(value.saturating_mul(base.into()).saturating_add(digit.into()))
    };
    digits.iter().try_fold(0, add).map(|value| value as f64)
}

/// Has the number no fraction, and is it exact as a double?
pub fn is_integer(value: f64) -> bool {
    value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0
}

/// The bytes that a string stands for, from its text with quotes or long brackets. Malformed escapes,
/// which the lexer has reported, stand for themselves.
pub fn string(text: &str) -> Vec<u8> {
    match text.as_bytes() {
        [b'[', ..] => long(text.as_bytes()),
        [quote @ (b'"' | b'\'' | b'`'), rest @ ..] => {
            let ended = rest.last() == Some(quote) && !ends_escaped(rest);
            unescape(if ended { &rest[..rest.len() - 1] } else { rest })
        }
        other => other.to_vec(),
    }
}

/// The bytes of a piece of an interpolated string, from its text with back quotes or braces.
pub fn piece(text: &str) -> Vec<u8> {
    let text = text.strip_prefix(['`', '}']).unwrap_or(text);
    unescape(text.strip_suffix(['`', '{']).unwrap_or(text).as_bytes())
}

/// Does a backslash take the last byte?
fn ends_escaped(text: &[u8]) -> bool {
    text[..text.len() - 1].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

fn long(text: &[u8]) -> Vec<u8> {
    let level = text[1..].iter().take_while(|byte| **byte == b'=').count();
    let inner = text.get(level + 2..).unwrap_or_default();
    let close = inner.len().saturating_sub(level + 2);
    let closed = inner.ends_with(b"]") && inner[close..].starts_with(b"]");
    let inner = if closed { &inner[..close] } else { inner };
    let inner = inner.strip_prefix(b"\r\n").or(inner.strip_prefix(b"\n")).unwrap_or(inner);
    let mut bytes = Vec::with_capacity(inner.len());
    for (at, byte) in inner.iter().enumerate() {
        if *byte != b'\r' || inner.get(at + 1) != Some(&b'\n') {
            bytes.push(*byte);
        }
    }
    bytes
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'\\' {
            bytes.push(*byte);
            continue;
        }
        let Some((escape, after)) = rest.split_first() else {
            bytes.push(b'\\');
            break;
        };
        rest = after;
        match escape {
            b'n' => bytes.push(b'\n'),
            b't' => bytes.push(b'\t'),
            b'r' => bytes.push(b'\r'),
            b'a' => bytes.push(7),
            b'b' => bytes.push(8),
            b'v' => bytes.push(11),
            b'f' => bytes.push(12),
            b'\r' => {
                bytes.push(b'\n');
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
            b'z' => {
                let spaces = |byte: &&u8| matches!(**byte, b' ' | 9..=13);
                rest = &rest[rest.iter().take_while(spaces).count()..];
            }
            b'x' => match rest.split_at_checked(2).and_then(|(hex, _)| code(hex, 16)) {
                Some(value) => {
                    bytes.push(value as u8);
                    rest = &rest[2..];
                }
                None => bytes.push(b'x'),
            },
            b'u' => {
                let close = rest.iter().position(|byte| *byte == b'}').unwrap_or(0);
                let value = rest.get(1..close).and_then(|hex| code(hex, 16));
                match value.filter(|_| rest[0] == b'{') {
                    Some(value) => {
                        push_code_point(&mut bytes, value);
                        rest = &rest[close + 1..];
                    }
                    None => bytes.push(b'u'),
                }
            }
            b'0'..=b'9' => {
                let more = rest.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
                let value = rest[..more].iter().fold(u32::from(escape - b'0'), |value, digit| {
                    value * 10 + u32::from(digit - b'0')
                });
                bytes.push(value as u8);
                rest = &rest[more..];
            }
            other => bytes.push(*other),
        }
    }
    bytes
}

fn code(digits: &[u8], base: u32) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, base).ok()
}

/// UTF-8, surrogates too, which Luau lets pass.
fn push_code_point(bytes: &mut Vec<u8>, code: u32) {
    let tail = |shift: u32| 0x80 | ((code >> shift) & 0x3f) as u8;
    match code {
        0..0x80 => bytes.push(code as u8),
        0x80..0x800 => bytes.extend([0xc0 | (code >> 6) as u8, tail(0)]),
        0x800..0x1_0000 => bytes.extend([0xe0 | (code >> 12) as u8, tail(6), tail(0)]),
        0x1_0000..0x11_0000 => {
            bytes.extend([0xf0 | (code >> 18) as u8, tail(12), tail(6), tail(0)]);
        }
        _ => {}
    }
}
