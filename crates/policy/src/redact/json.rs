//! RFC 8259 as spans: a strict cursor over JSON text, and strings with a map back to their spelling.

use std::borrow::Cow;
use std::ops::Range;

use super::limit::DEPTH_MAX;

/// Why a text is not JSON for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Not JSON.
    Syntax,
    /// Nested deeper than [`DEPTH_MAX`].
    Deep,
}

/// A place in JSON text.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(crate) const fn new(text: &'t str, at: usize) -> Self {
        Self { text, at }
    }

    /// Byte offset in the text.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// The text of a range read by this cursor.
    pub(crate) fn slice(&self, range: &Range<usize>) -> &'t str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// The next byte after white space.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let space = rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
            .count();
        self.at = self.at.saturating_add(space);
        rest.get(space).copied()
    }

    /// Steps over the byte [`Cursor::peek`] showed.
    pub(crate) const fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// Steps over a given byte, after white space.
    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), Broken> {
        if self.peek() == Some(byte) {
            self.step();
            Ok(())
        } else {
            Err(Broken::Syntax)
        }
    }

    /// Nothing but white space is left.
    pub(crate) fn end(&mut self) -> Result<(), Broken> {
        if self.peek().is_none() {
            Ok(())
        } else {
            Err(Broken::Syntax)
        }
    }

    /// A string, of which the range between the quotes is given.
    pub(crate) fn string(&mut self) -> Result<Range<usize>, Broken> {
        self.expect(b'"')?;
        let start = self.at;
        let bytes = self.text.as_bytes();
        loop {
            let rest = bytes.get(self.at..).ok_or(Broken::Syntax)?;
            let plain = memchr::memchr2(b'"', b'\\', rest).ok_or(Broken::Syntax)?;
            let run = rest.get(..plain).unwrap_or_default();
            if run
                .iter()
                .fold(false, |control, byte| control | (*byte < 0x20))
            {
                return Err(Broken::Syntax);
            }
            self.at = self.at.saturating_add(plain).saturating_add(1);
            if rest.get(plain) == Some(&b'"') {
                return Ok(start..self.at.saturating_sub(1));
            }
            self.escape(bytes)?;
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let length = match bytes.get(self.at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 1,
            Some(b'u')
                if hex4(bytes.get(self.at.saturating_add(1)..).unwrap_or_default()).is_some() =>
            {
                5
            }
            _ => return Err(Broken::Syntax),
        };
        self.at = self.at.saturating_add(length);
        Ok(())
    }

    /// A number, `true`, `false` or `null`.
    pub(crate) fn scalar(&mut self) -> Result<Range<usize>, Broken> {
        self.peek();
        let start = self.at;
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let length = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
            .count();
        let word = rest.get(..length).unwrap_or_default();
        if !matches!(word, b"true" | b"false" | b"null") && !is_number(word) {
            return Err(Broken::Syntax);
        }
        self.at = start.saturating_add(length);
        Ok(start..self.at)
    }

    /// Any value, as it stands. `depth` is how deep the cursor is already.
    pub(crate) fn value(&mut self, depth: usize) -> Result<Range<usize>, Broken> {
        let close = match self.peek() {
            Some(b'{') => b'}',
            Some(b'[') => b']',
            Some(b'"') => {
                let inner = self.string()?;
                return Ok(inner.start.saturating_sub(1)..self.at);
            }
            _ => return self.scalar(),
        };
        if depth >= DEPTH_MAX {
            return Err(Broken::Deep);
        }
        let start = self.at;
        self.step();
        if self.peek() == Some(close) {
            self.step();
            return Ok(start..self.at);
        }
        loop {
            if close == b'}' {
                self.peek();
                self.string()?;
                self.expect(b':')?;
            }
            self.value(depth.saturating_add(1))?;
            if !self.more(close)? {
                return Ok(start..self.at);
            }
        }
    }

    /// Steps over `,` (true) or the closing bracket (false).
    pub(crate) fn more(&mut self, close: u8) -> Result<bool, Broken> {
        let next = self.peek();
        self.step();
        match next {
            Some(b',') => Ok(true),
            Some(byte) if byte == close => Ok(false),
            _ => Err(Broken::Syntax),
        }
    }
}

/// RFC 8259 section 6.
fn is_number(word: &[u8]) -> bool {
    let word = word.strip_prefix(b"-").unwrap_or(word);
    let (whole, rest) = split_digits(word);
    if whole == 0 || (whole > 1 && word.first() == Some(&b'0')) {
        return false;
    }
    let rest = match rest.strip_prefix(b".").map(split_digits) {
        Some((0, _)) => return false,
        Some((_, rest)) => rest,
        None => rest,
    };
    match rest.split_first() {
        None => true,
        Some((b'e' | b'E', exponent)) => {
            let signed = exponent
                .strip_prefix(b"+")
                .or_else(|| exponent.strip_prefix(b"-"));
            matches!(split_digits(signed.unwrap_or(exponent)), (1.., []))
        }
        Some(_) => false,
    }
}

/// Number of leading digits, and what follows them.
fn split_digits(bytes: &[u8]) -> (usize, &[u8]) {
    let count = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    (count, bytes.get(count..).unwrap_or_default())
}

fn hex4(bytes: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(bytes.get(..4)?).ok()?;
    digits
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit())
        .then(|| u32::from_str_radix(digits, 16).ok())?
}

/// A string without its escapes, and where each of its bytes came from.
#[derive(Debug)]
pub(crate) struct Plain<'t> {
    /// The text. A lone surrogate, which has no UTF-8, reads as U+FFFD.
    pub(crate) text: Cow<'t, str>,
    /// After each escape: (offset in `text`, offset in the spelling).
    after_escape: Vec<(usize, usize)>,
}

impl<'t> Plain<'t> {
    /// Reads what stands between the quotes of a valid JSON string.
    pub(crate) fn read(spelling: &'t str) -> Self {
        if memchr::memchr(b'\\', spelling.as_bytes()).is_none() {
            return Self {
                text: Cow::Borrowed(spelling),
                after_escape: Vec::new(),
            };
        }
        let mut text = String::with_capacity(spelling.len());
        let mut after_escape = Vec::new();
        let mut at = 0;
        while let Some(skip) =
            memchr::memchr(b'\\', spelling.as_bytes().get(at..).unwrap_or_default())
        {
            let backslash = at.saturating_add(skip);
            text.push_str(spelling.get(at..backslash).unwrap_or_default());
            let (char, length) =
                read_escape(spelling.as_bytes().get(backslash..).unwrap_or_default());
            text.push(char);
            at = backslash.saturating_add(length);
            after_escape.push((text.len(), at));
        }
        text.push_str(spelling.get(at..).unwrap_or_default());
        Self {
            text: Cow::Owned(text),
            after_escape,
        }
    }

    /// Where a byte of the text starts in the spelling.
    pub(crate) fn spelled_at(&self, at: usize) -> usize {
        let count = self.after_escape.partition_point(|(text, _)| *text <= at);
        match count
            .checked_sub(1)
            .and_then(|last| self.after_escape.get(last))
        {
            Some((text, spelling)) => spelling.saturating_add(at.saturating_sub(*text)),
            None => at,
        }
    }
}

/// The character of an escape, and the length of its spelling.
fn read_escape(bytes: &[u8]) -> (char, usize) {
    let char = match bytes.get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return read_unicode(bytes),
        Some(byte) => char::from(*byte),
        None => return (char::REPLACEMENT_CHARACTER, 1),
    };
    (char, 2)
}

fn read_unicode(bytes: &[u8]) -> (char, usize) {
    let Some(first) = bytes.get(2..).and_then(hex4) else {
        return (char::REPLACEMENT_CHARACTER, 2);
    };
    if let Some(char) = char::from_u32(first) {
        return (char, 6);
    }
    let low = match bytes.get(6..8) {
        Some(b"\\u") => bytes.get(8..).and_then(hex4),
        _ => None,
    };
    match low {
        Some(low @ 0xDC00..=0xDFFF) if (0xD800..=0xDBFF).contains(&first) => {
            let high = first.saturating_sub(0xD800) << 10;
            let code = high
                .saturating_add(low.saturating_sub(0xDC00))
                .saturating_add(0x1_0000);
            (
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
                12,
            )
        }
        _ => (char::REPLACEMENT_CHARACTER, 6),
    }
}

/// Spells text as the inside of a JSON string. For text of ours: quotes and backslashes only.
pub(crate) fn spell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Plain, is_number};

    #[test]
    fn cursor_takes_what_serde_json_takes() {
        for text in [
            "{}",
            "[]",
            "[1,2]",
            r#"{"a":{"b":[null,true,false,-0.5e+3]}}"#,
            r#""\u00e9\ud83d\ude00\n""#,
            "1",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "1e5",
            "tru",
            "[1,]",
            "{,}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            "\"\u{1}\"",
            r#""\x""#,
            r#""\u12""#,
            "",
            " ",
            "[1 2]",
            "{\"a\":1,}",
            "nulll",
            "[\"a\" , \n1]",
            "\u{feff}{}",
            "[1]]",
        ] {
            let mut cursor = Cursor::new(text, 0);
            let ours = cursor.value(0).and_then(|_| cursor.end()).is_ok();
            let theirs = serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok();
            assert_eq!(ours, theirs, "{text}");
        }
        assert!(is_number(b"-12.50E-7"));
    }

    #[test]
    fn plain_text_knows_its_spelling() {
        let spelling = r#"a\u0062c\ud83d\ude00d\"e"#;
        let plain = Plain::read(spelling);
        assert_eq!(plain.text, "abc😀d\"e");
        for (place, char) in plain.text.char_indices() {
            let from = plain.spelled_at(place);
            let to = plain.spelled_at(place + char.len_utf8());
            assert_eq!(Plain::read(&spelling[from..to]).text, char.to_string());
        }
    }
}
