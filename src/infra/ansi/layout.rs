//! Texts beside, above and inside one another. A position is 0 for left or top, 1 for right or
//! bottom, and anything between.

use crate::infra::ansi::width::{height, line_width, width};
use crate::infra::ansi::{LEN_MAX, SIZE_MAX, TooLarge};

type Laid = Result<String, TooLarge>;

/// How much of `room` comes before what is placed at `position`.
fn before(room: usize, position: f64) -> usize {
    // The middle of an odd room is on the left.
    (room as f64 * within(position)).floor() as usize
}

/// The same between blocks that are joined: there the middle of an odd room is on the right.
fn before_joined(room: usize, position: f64) -> usize {
    (room as f64 * within(position)).round() as usize
}

fn within(position: f64) -> f64 {
    if position.is_nan() { 0.0 } else { position.clamp(0.0, 1.0) }
}

fn spaces(n: usize) -> String {
    " ".repeat(n)
}

/// Is a block of so many lines and cells too large?
fn check(lines: usize, cells: usize, text: usize) -> Result<(), TooLarge> {
    let len = lines.saturating_mul(cells + 1).saturating_add(text);
    if len > LEN_MAX { Err(TooLarge) } else { Ok(()) }
}

/// Blocks side by side; shorter ones are moved to `position`.
pub fn join_horizontal(position: f64, blocks: &[String]) -> Laid {
    if let [alone] = blocks {
        return Ok(alone.clone());
    }
    let tallest = blocks.iter().map(|block| height(block)).max().unwrap_or(0);
    let widths: Vec<usize> = blocks.iter().map(|block| width(block)).collect();
    let text = blocks.iter().map(String::len).sum();
    check(tallest, widths.iter().sum(), text)?;
    let mut lines = vec![String::new(); tallest];
    for (block, width) in blocks.iter().zip(widths) {
        let missing = tallest - height(block);
        let above = before_joined(missing, position);
        let own = block.split('\n');
        let padded = std::iter::repeat_n("", above)
            .chain(own)
            .chain(std::iter::repeat_n("", missing - above));
        for (line, part) in lines.iter_mut().zip(padded) {
            line.push_str(part);
            line.push_str(&spaces(width - line_width(part)));
        }
    }
    Ok(lines.join("\n"))
}

/// Blocks one below the other; narrower ones are moved to `position`.
pub fn join_vertical(position: f64, blocks: &[String]) -> Laid {
    if let [alone] = blocks {
        return Ok(alone.clone());
    }
    let widest = blocks.iter().map(|block| width(block)).max().unwrap_or(0);
    let lines: usize = blocks.iter().map(|block| height(block)).sum();
    check(lines, widest, blocks.iter().map(String::len).sum())?;
    let all = blocks.iter().flat_map(|block| block.split('\n'));
    let all = all.map(|line| {
        let missing = widest - line_width(line);
        let left = before_joined(missing, position);
        format!("{}{line}{}", spaces(left), spaces(missing - left))
    });
    Ok(all.collect::<Vec<_>>().join("\n"))
}

/// The line with spaces on both sides.
fn aligned(line: &str, cells: usize, position: f64) -> String {
    let missing = cells.saturating_sub(line_width(line));
    let left = before(missing, position);
    format!("{}{line}{}", spaces(left), spaces(missing - left))
}

/// The text in a box of `cells`, if it is narrower.
pub fn place_horizontal(cells: usize, position: f64, text: &str) -> Laid {
    let (cells, own) = (cells.min(SIZE_MAX), width(text));
    if cells <= own {
        return Ok(text.to_owned());
    }
    filled(text, cells, position)
}

/// The text in a box of `lines`, if it is lower.
pub fn place_vertical(lines: usize, position: f64, text: &str) -> Laid {
    let (lines, own) = (lines.min(SIZE_MAX), height(text));
    if lines <= own {
        return Ok(text.to_owned());
    }
    let cells = width(text);
    check(lines, cells, text.len())?;
    let (missing, empty) = (lines - own, spaces(cells));
    let above = before(missing, position);
    let own = text.split('\n');
    let all = std::iter::repeat_n(empty.as_str(), above)
        .chain(own)
        .chain(std::iter::repeat_n(empty.as_str(), missing - above));
    Ok(all.collect::<Vec<_>>().join("\n"))
}

/// The text in a box.
pub fn place(cells: usize, lines: usize, across: f64, down: f64, text: &str) -> Laid {
    place_vertical(lines, down, &place_horizontal(cells, across, text)?)
}

/// All lines filled up to the same width, of `cells` at least.
pub(super) fn filled(text: &str, cells: usize, position: f64) -> Laid {
    let cells = cells.max(width(text));
    check(height(text), cells, text.len())?;
    Ok(text.split('\n').map(|line| aligned(line, cells, position)).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_text(laid: Laid, expect: &str) {
        assert_eq!(laid.as_deref(), Ok(expect));
    }

    #[test]
    fn joined_and_placed() {
        let blocks = ["a\nb\nc".to_owned(), "日".to_owned()];
        check_text(join_horizontal(0.0, &blocks), "a日\nb  \nc  ");
        check_text(join_horizontal(0.5, &blocks), "a  \nb日\nc  ");
        check_text(join_horizontal(1.0, &blocks), "a  \nb  \nc日");
        check_text(join_horizontal(0.5, &["a\nb".to_owned(), "c".to_owned()]), "a \nbc");
        check_text(join_horizontal(0.0, &[]), "");
        check_text(join_horizontal(0.5, &["a\nbc".to_owned()]), "a\nbc");
        let blocks = ["abc".to_owned(), "d\nee".to_owned()];
        check_text(join_vertical(0.0, &blocks), "abc\nd  \nee ");
        check_text(join_vertical(0.5, &blocks), "abc\n d \n ee");
        check_text(join_vertical(1.0, &blocks), "abc\n  d\n ee");
        check_text(place_horizontal(4, 0.5, "ab\nc"), " ab \n c  ");
        check_text(place_horizontal(4, 1.0, "ab\nc"), "  ab\n   c");
        check_text(place_horizontal(1, 0.5, "ab"), "ab");
        check_text(place_vertical(3, 0.5, "ab"), "  \nab\n  ");
        check_text(place(3, 2, 1.0, 1.0, "x"), "   \n  x");
        check_text(place(3, 1, f64::NAN, 7.0, "x"), "x  ");
    }

    #[test]
    fn nothing_grows_without_end() {
        let long = "x\n".repeat(100_000);
        assert_eq!(place_horizontal(usize::MAX, 0.5, &long), Err(TooLarge));
        assert_eq!(join_vertical(0.0, &["y".repeat(100_000), long]), Err(TooLarge));
        assert_eq!(place(usize::MAX, usize::MAX, 0.0, 0.0, "x"), Err(TooLarge));
    }
}
