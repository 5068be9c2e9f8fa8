//! Messages on a stream: `Content-Length: N`, an empty line, N bytes.
//!
//! A stream that has lost step (a length that is too short, garbage in between) is searched for the next
//! `Content-Length:`, and what was lost is reported once.

use std::io::{self, BufRead, Read, Write};

/// Bytes of a message, as the setting `lsp.max_message_bytes` has it unless set.
pub const MESSAGE_BYTES_MAX: u64 = 8 << 20;
/// Bytes of a header line that are looked at.
const LINE_BYTES_MAX: usize = 4 << 10;

const LENGTH: &str = "content-length";

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// The bytes of a message.
    Body(Vec<u8>),
    /// Something that is no message was skipped; why.
    Refused(String),
    /// Nothing comes any more.
    End,
}

/// The frames of a stream.
pub struct Frames<R> {
    input: R,
    /// A message that follows what was refused.
    pending: Option<u64>,
}

impl<R: BufRead> Frames<R> {
    pub fn new(input: R) -> Frames<R> {
        Frames { input, pending: None }
    }

    /// The next frame. A stream that ends within a message ends before it.
    ///
    /// # Errors
    /// The stream cannot be read.
    #[expect(
        clippy::should_implement_trait,
        reason = "an end is a frame here, and errors are apart"
    )]
    pub fn next(&mut self) -> io::Result<Frame> {
        if let Some(length) = self.pending.take() {
            return self.body(length);
        }
        let (mut length, mut garbage, mut empty) = (None, false, true);
        loop {
            let Some(line) = self.line()? else { return Ok(Frame::End) };
            let line = String::from_utf8_lossy(&line);
            if line.is_empty() {
                match length {
                    Some(Ok(length)) if garbage => {
                        self.pending = Some(length);
                        return Ok(Frame::Refused("text between messages".to_owned()));
                    }
                    Some(Ok(length)) => return self.body(length),
                    Some(Err(())) => {
                        return Ok(Frame::Refused("no valid Content-Length".to_owned()));
                    }
                    None if empty => continue,
                    None => return Ok(Frame::Refused("no Content-Length".to_owned())),
                }
            }
            empty = false;
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
            let header = line.split_once(':').filter(|(name, _)| name.chars().all(is_name));
            let lower = line.to_ascii_lowercase();
            let found = lower.rfind(&format!("{LENGTH}:"));
            garbage |= header.is_none();
            match (header, found) {
                (Some((name, value)), _) if name.eq_ignore_ascii_case(LENGTH) => {
                    length = Some(value.trim().parse().map_err(|_| ()));
                }
                (None, Some(at)) => {
                    let value = &lower[at + LENGTH.len() + 1..];
                    length = Some(value.trim().parse().map_err(|_| ()));
                }
                _ => {}
            }
        }
    }

    fn body(&mut self, length: u64) -> io::Result<Frame> {
        let mut rest = self.input.by_ref().take(length);
        if length > MESSAGE_BYTES_MAX {
            let skipped = io::copy(&mut rest, &mut io::sink())?;
            let reason = format!("a message has at most {MESSAGE_BYTES_MAX} bytes, not {length}");
            return Ok(if skipped < length { Frame::End } else { Frame::Refused(reason) });
        }
        let mut body = Vec::new();
        let read = rest.read_to_end(&mut body)?;
        Ok(if (read as u64) < length { Frame::End } else { Frame::Body(body) })
    }

    /// A line without its end; of a long one the last part. `None` at the end of the stream.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = &buffer[..end.unwrap_or(buffer.len())];
            line.extend_from_slice(part);
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            line.drain(..line.len().saturating_sub(LINE_BYTES_MAX));
            if end.is_some() {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(Some(line));
            }
        }
    }
}

/// Writes one message.
///
/// # Errors
/// The stream cannot be written.
pub fn write(output: &mut dyn Write, body: &[u8]) -> io::Result<()> {
    let mut frame = format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    frame.extend_from_slice(body);
    output.write_all(&frame)?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every frame up to the end, as text.
    fn frames(stream: &str) -> Vec<String> {
        let mut frames = Frames::new(stream.as_bytes());
        let mut all = Vec::new();
        loop {
            match frames.next().expect("a string can be read") {
                Frame::Body(body) => all.push(String::from_utf8(body).expect("text")),
                Frame::Refused(reason) => all.push(format!("! {reason}")),
                Frame::End => return all,
            }
        }
    }

    #[track_caller]
    fn check(stream: &str, expect: &[&str]) {
        assert_eq!(frames(stream), expect, "{stream:?}");
    }

    #[test]
    fn messages() {
        check("", &[]);
        check("Content-Length: 2\r\n\r\n{}Content-Length: 3\r\n\r\nabc", &["{}", "abc"]);
        check("content-length:2\nContent-Type: x; charset=utf-8\n\n{}", &["{}"]);
        check("Content-Length: 0\r\n\r\nContent-Length: 1\r\n\r\nx", &["", "x"]);
        check("\r\n\r\nContent-Length: 1\r\n\r\nx", &["x"]);
    }

    #[test]
    fn what_makes_no_sense_is_skipped() {
        check("Content-Length: 9\r\n\r\nshort", &[]);
        check(
            "Content-Length: x\r\n\r\nContent-Length: 1\r\n\r\nx",
            &["! no valid Content-Length", "x"],
        );
        check("Content-Length: -1\r\n\r\n", &["! no valid Content-Length"]);
        check("Content-Length: 99999999999999999999999\r\n\r\n", &["! no valid Content-Length"]);
        check("Content-Length: 18446744073709551615\r\n\r\nx", &[]);
        check("X: y\r\n\r\nContent-Length: 1\r\n\r\nx", &["! no Content-Length", "x"]);
        check(
            "Content-Length: 2\r\n\r\n{\"a\":1}Content-Length: 1\r\n\r\nx",
            &["{\"", "! text between messages", "x"],
        );
        let long = "y".repeat(100_000);
        check(&format!("{long}Content-Length: 1\r\n\r\nx"), &["! text between messages", "x"]);
        let large = "y".repeat(MESSAGE_BYTES_MAX as usize + 1);
        check(
            &format!("Content-Length: {}\r\n\r\n{large}Content-Length: 1\r\n\r\nx", large.len()),
            &["! a message has at most 8388608 bytes, not 8388609", "x"],
        );
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut stream = Vec::new();
        write(&mut stream, "ä".as_bytes()).expect("room");
        assert_eq!(stream, "Content-Length: 2\r\n\r\nä".as_bytes());
    }
}
