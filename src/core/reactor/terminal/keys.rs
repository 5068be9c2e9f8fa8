//! What a terminal in raw mode sends, as keys, mouse movements and pastes. Pure.
//!
//! Bytes come in pieces: a sequence that is cut waits for its rest, except that an escape at the end
//! of a piece is the key. What nobody knows is a key of the type `unknown`.

/// Something that a person at the terminal did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    Key(Key),
    Mouse(Mouse),
    Focus(bool),
    Paste(Vec<u8>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Key {
    /// The character, or the name of the key.
    pub key: String,
    pub kind: KeyKind,
    pub released: bool,
    pub modifiers: Modifiers,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyKind {
    /// A key that prints something.
    Runes,
    /// A key with a name.
    Named,
    #[default]
    Unknown,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modifiers {
    pub shift: bool,
    pub alt: bool,
    pub ctrl: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mouse {
    pub action: &'static str,
    pub button: &'static str,
    /// Column and row, from zero.
    pub x: u32,
    pub y: u32,
    pub modifiers: Modifiers,
}

/// Switches on what [`Keys`] understands: pastes and focus; and off.
pub const BEGIN: &[u8] = b"\x1b[?2004h\x1b[?1004h";
pub const END: &[u8] = b"\x1b[?1004l\x1b[?2004l";
/// Switches the mouse on (all movements, positions as numbers) and off.
pub const MOUSE_ON: &[u8] = b"\x1b[?1003h\x1b[?1006h";
pub const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1003l";

const PASTE_END: &[u8] = b"\x1b[201~";
/// Bytes of a sequence: longer ones are none.
const SEQUENCE_MAX: usize = 64;
/// Bytes of one paste; a longer one comes in several.
const PASTE_MAX: usize = 1 << 20;

/// Reads a stream of bytes.
#[derive(Debug, Default)]
pub struct Keys {
    rest: Vec<u8>,
    pastes: bool,
}

/// What the start of the bytes is.
enum Found {
    Input(Input, usize),
    /// Nothing that is told.
    Skip(usize),
    PasteBegins(usize),
    More,
}

impl Keys {
    /// Takes the next piece; `found` gets what is complete.
    pub fn push(&mut self, piece: &[u8], mut found: impl FnMut(Input)) {
        self.rest.extend_from_slice(piece);
        let mut at = 0;
        while at < self.rest.len() {
            let bytes = &self.rest[at..];
            if self.pastes {
                match paste(bytes) {
                    Some((text, used, ended)) => {
                        found(Input::Paste(text.to_vec()));
                        self.pastes = !ended;
                        at += used;
                        continue;
                    }
                    None => break,
                }
            }
            match next(bytes) {
                Found::Input(input, used) => {
                    found(input);
                    at += used;
                }
                Found::Skip(used) => at += used,
                Found::PasteBegins(used) => {
                    self.pastes = true;
                    at += used;
                }
                Found::More => break,
            }
        }
        self.rest.drain(..at);
    }
}

/// A pasted text at the start of `bytes`: the text, how much of them it is, and is it over?
fn paste(bytes: &[u8]) -> Option<(&[u8], usize, bool)> {
    match bytes.windows(PASTE_END.len()).position(|window| window == PASTE_END) {
        Some(end) => Some((&bytes[..end], end + PASTE_END.len(), true)),
        // Its end may have been cut.
        None if bytes.len() > PASTE_MAX => {
            let len = bytes.len() - PASTE_END.len();
            Some((&bytes[..len], len, false))
        }
        None => None,
    }
}

fn next(bytes: &[u8]) -> Found {
    match bytes {
        [0x1b] => Found::Input(named("esc", Modifiers::default()), 1),
        [0x1b, b'[', rest @ ..] => control_sequence(rest),
        [0x1b, b'O', rest @ ..] => match rest.first() {
            None => alt(b"O", 1),
            Some(letter) => match letter_key(*letter) {
                Some(name) => Found::Input(named(name, Modifiers::default()), 3),
                None => alt(b"O", 1),
            },
        },
        [0x1b, rest @ ..] => match next(rest) {
            Found::Input(Input::Key(mut key), used) => {
                key.modifiers.alt = true;
                Found::Input(Input::Key(key), used + 1)
            }
            Found::More => Found::More,
            _ => Found::Input(named("esc", Modifiers::default()), 1),
        },
        _ => plain(bytes),
    }
}

fn alt(key: &[u8], used: usize) -> Found {
    match plain(key) {
        Found::Input(Input::Key(mut key), _) => {
            key.modifiers.alt = true;
            Found::Input(Input::Key(key), used + 1)
        }
        other => other,
    }
}

/// A key without an escape before it.
fn plain(bytes: &[u8]) -> Found {
    let ctrl = Modifiers { ctrl: true, ..Modifiers::default() };
    let none = Modifiers::default();
    let input = match bytes[0] {
        b'\t' => named("tab", none),
        b'\r' => named("enter", none),
        0x7f => named("backspace", none),
        b' ' => named("space", none),
        0 => named("space", ctrl),
        letter @ 1..=26 => runes(char::from(letter + b'a' - 1), ctrl),
        sign @ 27..=31 => runes(char::from(sign + b'@'), ctrl),
        ascii @ 33..=126 => runes(char::from(ascii), none),
        first => {
            let len = match first {
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => return Found::Input(unknown(&bytes[..1]), 1),
            };
            let Some(character) = bytes.get(..len) else {
                let is_cut = bytes[1..].iter().all(|byte| byte & 0xc0 == 0x80);
                return if is_cut { Found::More } else { Found::Input(unknown(&bytes[..1]), 1) };
            };
            return match std::str::from_utf8(character).ok().and_then(|text| text.chars().next()) {
                Some(c) => Found::Input(runes(c, none), len),
                None => Found::Input(unknown(&bytes[..1]), 1),
            };
        }
    };
    Found::Input(input, 1)
}

/// What follows `ESC [`.
fn control_sequence(rest: &[u8]) -> Found {
    const BEGIN: usize = 2;
    // The console of Linux: `ESC [ [ A` to `E`.
    if let [b'[', tail @ ..] = rest {
        return match tail.first() {
            None => Found::More,
            Some(letter @ b'A'..=b'E') => {
                let name = FUNCTION_KEYS[usize::from(letter - b'A')];
                Found::Input(named(name, Modifiers::default()), BEGIN + 2)
            }
            Some(_) => Found::Skip(BEGIN + 2),
        };
    }
    // The mouse in its oldest form.
    if let [b'M', tail @ ..] = rest {
        return if tail.len() < 3 { Found::More } else { Found::Skip(BEGIN + 4) };
    }
    let Some(end) = rest.iter().position(|byte| (0x40..=0x7e).contains(byte)) else {
        // Alone it is alt and the bracket.
        if rest.is_empty() {
            return alt(b"[", 1);
        }
        return match rest.len() > SEQUENCE_MAX {
            true => Found::Skip(BEGIN + rest.len()),
            false => Found::More,
        };
    };
    let (parameters, letter, used) = (&rest[..end], rest[end], BEGIN + end + 1);
    if let [b'<', position @ ..] = parameters {
        return match mouse(position, letter) {
            Some(mouse) => Found::Input(Input::Mouse(mouse), used),
            None => Found::Skip(used),
        };
    }
    let numbers = numbers(parameters);
    let first = numbers.first().map_or(0, |part| part[0]);
    let second = numbers.get(1).copied().unwrap_or([1, 1]);
    let modifiers = modifiers(second[0]);
    let released = second[1] == 3;
    let name = match (letter, first) {
        (b'I', _) => return Found::Input(Input::Focus(true), used),
        (b'O', _) => return Found::Input(Input::Focus(false), used),
        (b'~', 200) => return Found::PasteBegins(used),
        (b'Z', _) => {
            let shift = Modifiers { shift: true, ..Modifiers::default() };
            return Found::Input(named("tab", shift), used);
        }
        (b'~', number) => numbered_key(number),
        // What terminals that tell more send: the character's number.
        (b'u', number) => return code_point(number, modifiers, released, used),
        (letter, _) => letter_key(letter),
    };
    Found::Input(
        match name {
            Some(name) => match named(name, modifiers) {
                Input::Key(key) => Input::Key(Key { released, ..key }),
                other => other,
            },
            None => unknown(&rest[..=end]),
        },
        used,
    )
}

fn code_point(number: u32, modifiers: Modifiers, released: bool, used: usize) -> Found {
    let input = match number {
        27 => named("esc", modifiers),
        13 => named("enter", modifiers),
        9 => named("tab", modifiers),
        127 => named("backspace", modifiers),
        32 => named("space", modifiers),
        _ => match char::from_u32(number).filter(|c| !c.is_control()) {
            Some(c) => runes(c, modifiers),
            None => return Found::Skip(used),
        },
    };
    Found::Input(
        match input {
            Input::Key(key) => Input::Key(Key { released, ..key }),
            other => other,
        },
        used,
    )
}

/// `1;2:3` as its parts, each a number and the one behind its colon.
fn numbers(parameters: &[u8]) -> Vec<[u32; 2]> {
    let number = |text: &str| text.parse().unwrap_or(0);
    let text = String::from_utf8_lossy(parameters);
    let parts = text.split(';').map(|part| match part.split_once(':') {
        Some((first, second)) => [number(first), number(second)],
        None => [number(part), 1],
    });
    parts.collect()
}

/// Modifiers are told as a set of bits, plus one.
fn modifiers(number: u32) -> Modifiers {
    let bits = number.saturating_sub(1);
    Modifiers { shift: bits & 1 != 0, alt: bits & 2 != 0, ctrl: bits & 4 != 0 }
}

fn mouse(position: &[u8], letter: u8) -> Option<Mouse> {
    let numbers = numbers(position);
    let [[code, _], [x, _], [y, _]] = numbers[..] else { return None };
    if code & 128 != 0 {
        // Forth, back and the like: buttons that have no name.
        return None;
    }
    let wheel = code & 64 != 0;
    let button = match (wheel, code & 3) {
        (true, 0) => "wheel_up",
        (true, 1) => "wheel_down",
        (true, _) => return None,
        (false, 0) => "left",
        (false, 1) => "middle",
        (false, 2) => "right",
        _ => "none",
    };
    let action = match letter {
        b'M' if wheel => "wheel",
        b'M' if code & 32 != 0 => "motion",
        b'M' => "press",
        b'm' => "release",
        _ => return None,
    };
    let modifiers = Modifiers { shift: code & 4 != 0, alt: code & 8 != 0, ctrl: code & 16 != 0 };
    Some(Mouse { action, button, x: x.saturating_sub(1), y: y.saturating_sub(1), modifiers })
}

const FUNCTION_KEYS: [&str; 12] =
    ["f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "f11", "f12"];

fn letter_key(letter: u8) -> Option<&'static str> {
    Some(match letter {
        b'A' => "up",
        b'B' => "down",
        b'C' => "right",
        b'D' => "left",
        b'H' => "home",
        b'F' => "end",
        b'P'..=b'S' => FUNCTION_KEYS[usize::from(letter - b'P')],
        _ => return None,
    })
}

fn numbered_key(number: u32) -> Option<&'static str> {
    Some(match number {
        1 | 7 => "home",
        2 => "insert",
        3 => "delete",
        4 | 8 => "end",
        5 => "pgup",
        6 => "pgdown",
        11..=15 => FUNCTION_KEYS[number as usize - 11],
        17..=21 => FUNCTION_KEYS[number as usize - 12],
        23 | 24 => FUNCTION_KEYS[number as usize - 13],
        _ => return None,
    })
}

fn named(name: &str, modifiers: Modifiers) -> Input {
    Input::Key(Key { key: name.to_owned(), kind: KeyKind::Named, released: false, modifiers })
}

fn runes(c: char, modifiers: Modifiers) -> Input {
    let key = c.to_lowercase().find(|_| modifiers.ctrl).unwrap_or(c);
    Input::Key(Key { key: key.to_string(), kind: KeyKind::Runes, released: false, modifiers })
}

fn unknown(bytes: &[u8]) -> Input {
    let key = bytes.escape_ascii().to_string();
    Input::Key(Key { key, ..Key::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(input: &Input) -> String {
        let with = |modifiers: &Modifiers| {
            let names =
                [(modifiers.ctrl, "ctrl+"), (modifiers.alt, "alt+"), (modifiers.shift, "shift+")];
            names.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect::<String>()
        };
        match input {
            Input::Key(key) => {
                let kind = match key.kind {
                    KeyKind::Runes => "'",
                    KeyKind::Named => "",
                    KeyKind::Unknown => "?",
                };
                let released = if key.released { " up" } else { "" };
                format!("{}{kind}{}{released}", with(&key.modifiers), key.key)
            }
            Input::Mouse(m) => {
                format!("{}{} {} {},{}", with(&m.modifiers), m.action, m.button, m.x, m.y)
            }
            Input::Focus(on) => format!("focus {on}"),
            Input::Paste(text) => format!("paste {}", text.escape_ascii()),
        }
    }

    #[track_caller]
    fn check(pieces: &[&[u8]], expect: &[&str]) {
        let (mut keys, mut found) = (Keys::default(), Vec::new());
        for piece in pieces {
            keys.push(piece, |input| found.push(shown(&input)));
        }
        assert_eq!(found, expect, "{pieces:?}");
    }

    #[test]
    fn keys() {
        check(&[b"aZ1"], &["'a", "'Z", "'1"]);
        check(&["é日😀".as_bytes()], &["'é", "'日", "'😀"]);
        check(&[b"\t\r\x7f "], &["tab", "enter", "backspace", "space"]);
        check(
            &[b"\x03\x01\x1a\n\x08\x00\x1c"],
            &["ctrl+'c", "ctrl+'a", "ctrl+'z", "ctrl+'j", "ctrl+'h", "ctrl+space", "ctrl+'\\"],
        );
        check(&[b"\x1b"], &["esc"]);
        check(&[b"\x1bx", b"\x1b\r"], &["alt+'x", "alt+enter"]);
        check(
            &[b"\x1b[A\x1b[B\x1b[C\x1b[D\x1b[H\x1b[F"],
            &["up", "down", "right", "left", "home", "end"],
        );
        check(&[b"\x1bOA\x1bOP\x1bOS"], &["up", "f1", "f4"]);
        check(
            &[b"\x1b[1~\x1b[2~\x1b[3~\x1b[4~\x1b[5~\x1b[6~"],
            &["home", "insert", "delete", "end", "pgup", "pgdown"],
        );
        check(
            &[b"\x1b[11~\x1b[15~\x1b[17~\x1b[21~\x1b[23~\x1b[24~\x1b[[A"],
            &["f1", "f5", "f6", "f10", "f11", "f12", "f1"],
        );
        check(
            &[b"\x1b[1;5A\x1b[1;2B\x1b[3;7~\x1b[Z"],
            &["ctrl+up", "shift+down", "ctrl+alt+delete", "shift+tab"],
        );
        check(&[b"\x1b[97;5u\x1b[97;1:3u\x1b[13;2u"], &["ctrl+'a", "'a up", "shift+enter"]);
        check(&[b"\x1b[99~\xff"], &["?99~", "?\\xff"]);
        check(&[b"\x1b[", b"x"], &["alt+'[", "'x"]);
    }

    #[test]
    fn other_input() {
        check(&[b"\x1b[I\x1b[O"], &["focus true", "focus false"]);
        check(&[b"\x1b[200~a\nb\x1b[201~c"], &["paste a\\nb", "'c"]);
        check(&[b"\x1b[20", b"0~a\x1b[2", b"01~"], &["paste a"]);
        check(&[b"\x1b[<0;1;1M\x1b[<0;3;2m"], &["press left 0,0", "release left 2,1"]);
        check(&[b"\x1b[<35;5;5M\x1b[<34;5;5M"], &["motion none 4,4", "motion right 4,4"]);
        check(&[b"\x1b[<128;1;1Mx"], &["'x"]);
        check(
            &[b"\x1b[<64;1;1M\x1b[<65;1;1M\x1b[<20;1;1M"],
            &["wheel wheel_up 0,0", "wheel wheel_down 0,0", "ctrl+shift+press left 0,0"],
        );
    }

    #[test]
    fn pieces() {
        check(&["é".as_bytes()[..1].as_ref(), "é".as_bytes()[1..].as_ref()], &["'é"]);
        check(&[b"\x1b[1;", b"5A"], &["ctrl+up"]);
        check(&[b"\x1b[1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1", b"a"], &["'a"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_harmless(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..16), 0..16)) {
            let mut keys = Keys::default();
            for piece in pieces {
                keys.push(&piece, |_| ());
                prop_assert!(keys.rest.len() < 1 << 10);
            }
        }
    }
}
