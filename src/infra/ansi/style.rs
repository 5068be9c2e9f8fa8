//! [`Style`]: colours, attributes, sizes, borders.
//!
//! The order in which they apply: text is wrapped to the width without padding, coloured, padded,
//! aligned to width and height, framed, surrounded by the margin, and last cut to the largest size.

use crate::infra::ansi::layout::{filled, place_vertical};
use crate::infra::ansi::width::{height, line_width, truncate};
use crate::infra::ansi::wrap::wrap;
use crate::infra::ansi::{LEN_MAX, SIZE_MAX, TooLarge};

/// A colour of the terminal's palette, or a mixture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    Palette(u8),
    Rgb(u8, u8, u8),
}

impl Color {
    /// `#RGB`, `#RRGGBB` or `0` to `255`; anything else is no colour.
    pub fn parse(text: &str) -> Option<Color> {
        let Some(hex) = text.strip_prefix('#') else {
            return text.parse().ok().map(Color::Palette);
        };
        if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let number = u32::from_str_radix(hex, 16).ok()?;
        let byte = |shift: u32| (number >> shift) as u8;
        match hex.len() {
            6 => Some(Color::Rgb(byte(16), byte(8), byte(0))),
            3 => {
                let digit = |shift: u32| (byte(shift) & 15) * 17;
                Some(Color::Rgb(digit(8), digit(4), digit(0)))
            }
            _ => None,
        }
    }

    /// The parameters that switch it on; `base` is 30 for text, 40 for what is behind it.
    fn sgr(self, base: u8) -> String {
        match self {
            Color::Palette(n @ 0..8) => (base + n).to_string(),
            Color::Palette(n @ 8..16) => (base + 60 + n - 8).to_string(),
            Color::Palette(n) => format!("{};5;{n}", base + 8),
            Color::Rgb(r, g, b) => format!("{};2;{r};{g};{b}", base + 8),
        }
    }
}

/// Attributes that are on or off, with their parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    Bold = 1,
    Faint = 2,
    Italic = 3,
    Underline = 4,
    Blink = 5,
    Reverse = 7,
    Strikethrough = 9,
}

/// Something for each side: top, right, bottom, left.
pub type Sides<T> = [T; 4];

/// Values for the four sides out of one to four, in the order of CSS. None for any other number.
pub fn sides<T: Copy>(values: &[T]) -> Option<Sides<T>> {
    match *values {
        [all] => Some([all; 4]),
        [vertical, horizontal] => Some([vertical, horizontal, vertical, horizontal]),
        [top, horizontal, bottom] => Some([top, horizontal, bottom, horizontal]),
        [top, right, bottom, left] => Some([top, right, bottom, left]),
        _ => None,
    }
}

const TOP: usize = 0;
const RIGHT: usize = 1;
const BOTTOM: usize = 2;
const LEFT: usize = 3;

/// The characters of a frame: top, right, bottom, left, then the corners from the top left on,
/// clockwise.
type Frame = [&'static str; 8];

/// Frames by name; an unknown name is the first.
const FRAMES: &[(&str, Frame)] = &[
    ("normal", ["─", "│", "─", "│", "┌", "┐", "┘", "└"]),
    ("rounded", ["─", "│", "─", "│", "╭", "╮", "╯", "╰"]),
    ("thick", ["━", "┃", "━", "┃", "┏", "┓", "┛", "┗"]),
    ("double", ["═", "║", "═", "║", "╔", "╗", "╝", "╚"]),
    ("hidden", [" ", " ", " ", " ", " ", " ", " ", " "]),
];

/// How a text looks. A value: changed copies are made with struct updates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Style {
    pub foreground: Option<Color>,
    pub background: Option<Color>,
    /// A bit for each [`Attribute`], by its number.
    pub attributes: u16,
    /// One line, without padding, margin and border.
    pub inline: bool,
    /// Zero: as the text is.
    pub width: usize,
    pub height: usize,
    pub max_width: usize,
    pub max_height: usize,
    pub padding: Sides<usize>,
    pub margin: Sides<usize>,
    pub align: f64,
    pub align_vertical: f64,
    /// Name, and which sides.
    border: Option<(&'static Frame, Sides<bool>)>,
    pub border_foreground: Sides<Option<Color>>,
    pub border_background: Sides<Option<Color>>,
}

impl Style {
    pub fn set(&mut self, attribute: Attribute, on: bool) {
        let bit = 1 << attribute as u16;
        self.attributes = if on { self.attributes | bit } else { self.attributes & !bit };
    }

    pub fn set_border(&mut self, name: &str, sides: Sides<bool>) {
        let known = FRAMES.iter().find(|(known, _)| *known == name).unwrap_or(&FRAMES[0]);
        self.border = Some((&known.1, sides));
    }

    /// `text` as it looks in this style.
    pub fn render(&self, text: &str) -> Result<String, TooLarge> {
        let mut text = text.replace("\r\n", "\n").replace('\t', "    ");
        if *self == Style::default() {
            return Ok(text);
        }
        let clamp = |sides: Sides<usize>| sides.map(|cells| cells.min(SIZE_MAX));
        let (padding, margin) = match self.inline {
            true => ([0; 4], [0; 4]),
            false => (clamp(self.padding), clamp(self.margin)),
        };
        let width = self.width.min(SIZE_MAX);
        if self.inline {
            text = text.replace('\n', "");
        } else if width > 0 {
            let inner = width.saturating_sub(padding[LEFT] + padding[RIGHT]);
            text = wrap(&text, inner.max(1));
        }
        text = surrounded(&text, padding)?;
        text = filled(&text, width, self.align)?;
        text = place_vertical(self.height.min(SIZE_MAX), self.align_vertical, &text)?;
        // The spaces around a text have its background.
        text = self.colored(&text)?;
        if !self.inline {
            text = self.framed(&text)?;
        }
        text = surrounded(&text, margin)?;
        self.cut(text)
    }

    fn colored(&self, text: &str) -> Result<String, TooLarge> {
        let mut parameters: Vec<String> =
            (1..16).filter(|n| self.attributes & 1 << n != 0).map(|n| n.to_string()).collect();
        parameters.extend(self.foreground.map(|color| color.sgr(30)));
        parameters.extend(self.background.map(|color| color.sgr(40)));
        match parameters.is_empty() {
            true => Ok(text.to_owned()),
            false => colored_lines(text, &parameters.join(";")),
        }
    }

    fn framed(&self, text: &str) -> Result<String, TooLarge> {
        let Some((frame, on)) = self.border else { return Ok(text.to_owned()) };
        let width = text.split('\n').map(line_width).max().unwrap_or(0);
        let on_side = |side: usize, text: &str| -> String {
            let mut parameters: Vec<String> = Vec::new();
            parameters.extend(self.border_foreground[side].map(|color| color.sgr(30)));
            parameters.extend(self.border_background[side].map(|color| color.sgr(40)));
            match parameters.is_empty() || text.is_empty() {
                true => text.to_owned(),
                false => format!("\u{1b}[{}m{text}\u{1b}[0m", parameters.join(";")),
            }
        };
        let edge = |side: usize, left: &str, right: &str| {
            let left = if on[LEFT] { left } else { "" };
            let right = if on[RIGHT] { right } else { "" };
            on_side(side, &format!("{left}{}{right}", frame[side].repeat(width)))
        };
        let left = if on[LEFT] { on_side(LEFT, frame[LEFT]) } else { String::new() };
        let right = if on[RIGHT] { on_side(RIGHT, frame[RIGHT]) } else { String::new() };
        if height(text) * (left.len() + right.len() + width) + text.len() > LEN_MAX {
            return Err(TooLarge);
        }
        let mut lines = Vec::new();
        if on[TOP] {
            lines.push(edge(TOP, frame[4], frame[5]));
        }
        lines.extend(text.split('\n').map(|line| format!("{left}{line}{right}")));
        if on[BOTTOM] {
            lines.push(edge(BOTTOM, frame[7], frame[6]));
        }
        Ok(lines.join("\n"))
    }

    fn cut(&self, text: String) -> Result<String, TooLarge> {
        if self.max_width == 0 && self.max_height == 0 {
            return Ok(text);
        }
        let lines = if self.max_height == 0 { usize::MAX } else { self.max_height };
        let cells = if self.max_width == 0 { usize::MAX } else { self.max_width };
        let lines = text.split('\n').take(lines).map(|line| match line_width(line) > cells {
            true => truncate(line, cells),
            false => line.to_owned(),
        });
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }
}

/// Each line between the sequence with these parameters and a reset; where the text itself resets,
/// the colours come back.
fn colored_lines(text: &str, parameters: &str) -> Result<String, TooLarge> {
    let (begin, end) = (format!("\u{1b}[{parameters}m"), "\u{1b}[0m");
    let resets = text.matches(end).count() + height(text);
    if text.len() + resets * (begin.len() + end.len()) > LEN_MAX {
        return Err(TooLarge);
    }
    let lines = text.split('\n').map(|line| match line.is_empty() {
        true => String::new(),
        false => format!("{begin}{}{end}", line.replace(end, &format!("{end}{begin}"))),
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// The text with empty cells on its sides.
fn surrounded(text: &str, by: Sides<usize>) -> Result<String, TooLarge> {
    if by == [0; 4] {
        return Ok(text.to_owned());
    }
    let width = text.split('\n').map(line_width).max().unwrap_or(0);
    let cells = by[LEFT] + width + by[RIGHT];
    let lines = by[TOP] + height(text) + by[BOTTOM];
    if lines.saturating_mul(cells + 1) + text.len() > LEN_MAX {
        return Err(TooLarge);
    }
    let (left, empty) = (" ".repeat(by[LEFT]), " ".repeat(cells));
    let mut all = vec![empty.clone(); by[TOP]];
    all.extend(
        text.split('\n').map(|line| {
            format!("{left}{line}{}", " ".repeat(width - line_width(line) + by[RIGHT]))
        }),
    );
    all.extend(std::iter::repeat_n(empty, by[BOTTOM]));
    Ok(all.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str, change: impl FnOnce(&mut Style)) {
        let mut style = Style::default();
        change(&mut style);
        assert_eq!(style.render(text).as_deref(), Ok(expect));
    }

    #[test]
    fn colors() {
        for (text, expect) in [
            ("#f0a", Some(Color::Rgb(255, 0, 170))),
            ("#102030", Some(Color::Rgb(16, 32, 48))),
            ("0", Some(Color::Palette(0))),
            ("255", Some(Color::Palette(255))),
            ("256", None),
            ("red", None),
            ("#12", None),
            ("#+12345", None),
        ] {
            assert_eq!(Color::parse(text), expect, "{text}");
        }
        check("a\nb", "\u{1b}[1;31;48;5;99ma\u{1b}[0m\n\u{1b}[1;31;48;5;99mb\u{1b}[0m", |style| {
            style.set(Attribute::Bold, true);
            style.set(Attribute::Italic, true);
            style.set(Attribute::Italic, false);
            style.foreground = Color::parse("1");
            style.background = Color::parse("99");
        });
        check("x\u{1b}[0my", "\u{1b}[97mx\u{1b}[0m\u{1b}[97my\u{1b}[0m", |style| {
            style.foreground = Color::parse("15");
        });
    }

    #[test]
    fn sizes() {
        check("abc\nd", "abc\nd", |_| ());
        check("ab", "ab  ", |style| style.width = 4);
        check("ab cd", " ab \n cd ", |style| {
            style.width = 4;
            style.align = 0.5;
        });
        check("ab", "\u{20}\u{20}ab ", |style| style.padding = [0, 1, 0, 2]);
        check("abcd", " ab \n cd ", |style| {
            style.width = 4;
            style.padding = [0, 1, 0, 1];
        });
        check("a", " \na\n ", |style| {
            style.height = 3;
            style.align_vertical = 0.5;
        });
        check("a", "   \n a \n   ", |style| style.margin = [1; 4]);
        check("abc\ndef\nghi", "ab\nde", |style| {
            style.max_width = 2;
            style.max_height = 2;
        });
        check("a\nb\tc", "ab    c  ", |style| {
            style.inline = true;
            style.width = 9;
            style.padding = [1; 4];
        });
    }

    #[test]
    fn borders() {
        check("a", "┌─┐\n│a│\n└─┘", |style| style.set_border("normal", [true; 4]));
        check("a", "┌─┐\n│a│\n└─┘", |style| style.set_border("unknown", [true; 4]));
        check("a", "═╗\na║", |style| style.set_border("double", [true, true, false, false]));
        check("日", "\u{1b}[31m━━\u{1b}[0m\n日", |style| {
            style.set_border("thick", [true, false, false, false]);
            style.border_foreground = [Color::parse("1"); 4];
        });
    }

    #[test]
    fn values_for_sides() {
        assert_eq!(sides(&[1]), Some([1, 1, 1, 1]));
        assert_eq!(sides(&[1, 2]), Some([1, 2, 1, 2]));
        assert_eq!(sides(&[1, 2, 3]), Some([1, 2, 3, 2]));
        assert_eq!(sides(&[1, 2, 3, 4]), Some([1, 2, 3, 4]));
        assert_eq!(sides::<u8>(&[]), None);
    }

    #[test]
    fn nothing_grows_without_end() {
        let huge = Style {
            padding: [usize::MAX; 4],
            margin: [usize::MAX; 4],
            width: usize::MAX,
            ..Style::default()
        };
        assert_eq!(huge.render("x"), Err(TooLarge));
    }
}
