//! Bytes that were read and not yet asked for. Pure.

/// A queue of bytes that is taken from in runs or lines. Each byte is searched for a line end
/// once and moved a bounded number of times, so a line of any length takes linear time.
#[derive(Debug, Default)]
pub(super) struct LineBuffer {
    bytes: Vec<u8>,
    /// What lies before is already taken.
    start: usize,
    /// No line feed lies in `start..scanned`.
    scanned: usize,
}

impl LineBuffer {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Up to `n` bytes; `None` if there are none.
    pub(super) fn take(&mut self, n: usize) -> Option<Vec<u8>> {
        let n = n.min(self.bytes.len() - self.start);
        (n > 0).then(|| {
            let taken = self.bytes[self.start..self.start + n].to_vec();
            self.consume(n);
            taken
        })
    }

    /// The next line without its `\n` and one `\r` before that; `None` if no line is complete.
    pub(super) fn take_line(&mut self) -> Option<Vec<u8>> {
        let Some(more) = self.bytes[self.scanned..].iter().position(|&byte| byte == b'\n') else {
            self.scanned = self.bytes.len();
            return None;
        };
        let line = &self.bytes[self.start..self.scanned + more];
        let n = line.len() + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        self.consume(n);
        Some(line)
    }

    /// All that is left, as it is; `None` if nothing is.
    pub(super) fn take_rest(&mut self) -> Option<Vec<u8>> {
        self.take(usize::MAX)
    }

    fn consume(&mut self, n: usize) {
        self.start += n;
        self.scanned = self.scanned.max(self.start);
        if self.start == self.bytes.len() {
            *self = LineBuffer::default(); // Also gives back what a huge line took.
        } else if self.start > self.bytes.len() / 2 {
            // Fewer bytes stay than go: moving them is paid for by those taken.
            self.bytes.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes `input` in pieces of `piece` bytes, taking lines after each, then the rest.
    fn lines(input: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let (mut buffer, mut lines) = (LineBuffer::default(), Vec::new());
        for piece in input.chunks(piece) {
            buffer.push(piece);
            lines.extend(std::iter::from_fn(|| buffer.take_line()));
        }
        lines.extend(buffer.take_rest());
        lines
    }

    #[track_caller]
    fn check(input: &[u8], expect: &[&[u8]]) {
        for piece in 1..=input.len().max(1) {
            assert_eq!(lines(input, piece), expect, "in pieces of {piece}");
        }
    }

    #[test]
    fn lines_are_cut_at_line_feeds() {
        check(b"", &[]);
        check(b"\n", &[b""]);
        check(b"\r\n", &[b""]);
        check(b"a\nb\n", &[b"a", b"b"]);
        check(b"a\r\nb", &[b"a", b"b"]);
        check(b"a\r\r\nb\r", &[b"a\r", b"b\r"]);
        check(b"\ra\rb\n\n\n", &[b"\ra\rb", b"", b""]);
        check(b"\0\xff\xfe\n\x80", &[b"\0\xff\xfe", b"\x80"]);
    }

    #[test]
    fn runs_and_lines_mix() {
        let mut buffer = LineBuffer::default();
        buffer.push(b"ab\ncd");
        assert_eq!(buffer.take(1).unwrap(), b"a");
        assert_eq!(buffer.take_line().unwrap(), b"b");
        assert_eq!(buffer.take_line(), None);
        assert_eq!(buffer.take(1).unwrap(), b"c");
        buffer.push(b"e\nf");
        assert_eq!(buffer.take_line().unwrap(), b"de");
        assert_eq!(buffer.take(10).unwrap(), b"f");
        assert_eq!(buffer.take(10), None);
    }
}
