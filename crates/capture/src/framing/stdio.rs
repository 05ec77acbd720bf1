//! Newline-delimited messages, as on MCP's stdio transport.

use crate::scan::{Limits, Scan, Scanner, Tap};

/// Cuts a byte stream into lines and scans each.
///
/// A line is the bytes up to and including `\n`, or up to the end of the stream. Whatever it
/// holds (nothing, a log message, half a message, a batch), it is one [`Line`]; [`Scan`] says
/// what it was. Lines have no maximum length here and take no memory with their length.
#[derive(Debug)]
pub struct Lines<T: Tap = ()> {
    scanner: Scanner<T>,
    /// Of the line at hand.
    bytes: u64,
    after_carriage_return: bool,
}

/// A line that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<O = ()> {
    /// Where it ended: an offset in the bytes of the push that ended it, behind the `\n`. 0 at the
    /// end of the stream.
    pub end: usize,
    /// Length in bytes, with its ending.
    pub bytes: u64,
    /// How it ended.
    pub ending: Ending,
    /// What it held.
    pub scan: Scan<O>,
}

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// `\n`
    Lf,
    /// `\r\n`
    CrLf,
    /// The stream ended.
    Eof,
}

impl<T: Tap> Lines<T> {
    /// A stream at its start. `tap` is cloned for every message.
    #[must_use]
    pub fn new(limits: Limits, tap: T) -> Self {
        Self {
            scanner: Scanner::new(limits, tap),
            bytes: 0,
            after_carriage_return: false,
        }
    }

    /// Takes the next bytes, in any cutting, and returns the lines that ended in them.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Line<T::Out>> {
        let mut lines = Vec::new();
        let mut start = 0;
        for at in memchr::memchr_iter(b'\n', bytes) {
            self.take(bytes.get(start..at).unwrap_or_default());
            let ending = if self.after_carriage_return {
                Ending::CrLf
            } else {
                Ending::Lf
            };
            self.bytes = self.bytes.saturating_add(1);
            start = at.saturating_add(1);
            lines.push(self.end(start, ending));
        }
        self.take(bytes.get(start..).unwrap_or_default());
        lines
    }

    /// The stream has ended. Returns the last line if it lacked its `\n`.
    pub fn finish(&mut self) -> Option<Line<T::Out>> {
        (self.bytes > 0).then(|| self.end(0, Ending::Eof))
    }

    /// Bytes of the line that has not ended yet.
    #[must_use]
    pub fn pending_bytes(&self) -> u64 {
        self.bytes
    }

    fn take(&mut self, part: &[u8]) {
        if let Some(last) = part.last() {
            self.after_carriage_return = *last == b'\r';
            self.bytes = self.bytes.saturating_add(part.len() as u64);
            self.scanner.feed(part);
        }
    }

    fn end(&mut self, end: usize, ending: Ending) -> Line<T::Out> {
        let bytes = std::mem::take(&mut self.bytes);
        self.after_carriage_return = false;
        Line {
            end,
            bytes,
            ending,
            scan: self.scanner.finish(),
        }
    }
}

impl Default for Lines {
    fn default() -> Self {
        Self::new(Limits::default(), ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Invalid, Kind};

    fn all(stream: &[u8]) -> Vec<Line> {
        let mut lines = Lines::default();
        let mut all = lines.push(stream);
        all.extend(lines.finish());
        all
    }

    #[test]
    fn every_ending_ends_a_line() {
        let lines = all(b"{}\n{}\r\n\n\r\n{}");
        let seen: Vec<_> = lines.iter().map(|l| (l.end, l.bytes, l.ending)).collect();
        let expected = [
            (3, 3, Ending::Lf),
            (7, 4, Ending::CrLf),
            (8, 1, Ending::Lf),
            (10, 2, Ending::CrLf),
            (0, 2, Ending::Eof),
        ];
        assert_eq!(seen, expected);
        let blank: Vec<_> = lines.iter().map(|l| l.scan.is_blank()).collect();
        assert_eq!(blank, [false, false, true, true, false]);
    }

    #[test]
    fn log_line_does_not_disturb_its_neighbours() {
        let lines = all(b"Listening on 3000\n{\"jsonrpc\":\"2.0\",\"method\":\"m\"}\n[info] up\n");
        assert_eq!(lines[0].scan.error.unwrap().offset, 0);
        assert_eq!(lines[1].scan.messages[0].kind, Kind::Notification);
        assert_eq!(lines[2].scan.error.unwrap().offset, 1);
        assert!(lines[2].scan.messages.is_empty());
    }

    #[test]
    fn message_without_newline_at_the_end_is_a_message() {
        let lines = all(br#"{"jsonrpc":"2.0","method":"m","id":0}"#);
        assert_eq!(lines[0].scan.messages[0].kind, Kind::Request);
        let lines = all(br#"{"jsonrpc":"2.0","method":"m""#);
        assert_eq!(
            lines[0].scan.messages[0].kind,
            Kind::Invalid(Invalid::Incomplete)
        );
        assert_eq!(lines[0].scan.messages[0].method.as_deref(), Some("m"));
    }

    #[test]
    fn empty_stream_has_no_line() {
        assert_eq!(all(b""), []);
        assert_eq!(all(b"{}\n").len(), 1);
    }
}
