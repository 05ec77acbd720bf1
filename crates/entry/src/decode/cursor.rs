//! JSON text, from one grain to the next.

use super::scan::{Named, Span};
use super::text::{self, key, key_at, number, resolve, skip_plain};

/// What is wrong; where, is where the scanner stands.
pub(super) type Flaw = &'static str;

pub(super) const NO_VALUE: Flaw = "expected a value";
pub(super) const NO_NAME: Flaw = "expected a name";
pub(super) const NO_COLON: Flaw = "expected `:`";
pub(super) const NO_OBJECT_END: Flaw = "expected `,` or `}`";
pub(super) const NO_ARRAY_END: Flaw = "expected `,` or `]`";
pub(super) const TOO_DEEP: Flaw = "nested too deeply";
pub(super) const ESCAPED_NAME: Flaw = "top-level name with an escape";
pub(super) const TRAILING: Flaw = "trailing characters";

/// A name that was just read. Kept in registers until its value is known: a [`Named`] that is filled
/// piece by piece and then copied stalls the processor.
#[derive(Clone, Copy)]
pub(super) struct NameAt {
    pub(super) key: u64,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) escaped: bool,
}

impl NameAt {
    pub(super) fn named(self, value: Span) -> Named {
        Named {
            key: self.key,
            name: Span::new(self.start, self.end),
            value,
            first: 0,
            behind: 0,
            is_object: false,
            escaped: self.escaped,
        }
    }
}

/// A text, and how far it was read.
pub(super) struct Cursor<'t> {
    pub(super) text: &'t str,
    bytes: &'t [u8],
    pub(super) at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
        }
    }

    /// Whether all of it was read.
    pub(super) const fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Steps over these bytes if they come next.
    #[inline]
    pub(super) fn take_all(&mut self, these: &[u8]) -> bool {
        let end = self.at.wrapping_add(these.len());
        let here = self
            .bytes
            .get(self.at..end)
            .is_some_and(|next| same(next, these));
        if here {
            self.at = end;
        }
        here
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) const fn step(&mut self) {
        self.at = self.at.wrapping_add(1);
    }

    /// Steps over a byte if it is this one.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        if here {
            self.step();
        }
        here
    }

    /// Blanks and tabs; a line break has no place in an entry.
    pub(super) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.step();
        }
    }

    /// A name, and all up to its value.
    #[inline]
    pub(super) fn name<const STRICT: bool>(&mut self) -> Result<NameAt, Flaw> {
        if !self.take(b'"') {
            return Err(NO_NAME);
        }
        let start = self.at;
        let escaped = self.string::<STRICT>()?;
        let end = self.at.wrapping_sub(1);
        self.space();
        if !self.take(b':') {
            return Err(NO_COLON);
        }
        self.space();
        let key = match (STRICT, escaped) {
            (true, false) => key_at(self.bytes, start, end),
            (true, true) => {
                let spelled = self.text.get(start..end).unwrap_or_default();
                key(resolve(spelled).as_bytes())
            }
            (false, _) => 0,
        };
        Ok(NameAt {
            key,
            start,
            end,
            escaped,
        })
    }

    /// A string, a number or a literal of ours.
    #[inline]
    pub(super) fn scalar_of_ours(&mut self) -> Result<(), Flaw> {
        if self.take(b'"') {
            self.string::<true>().map(|_| ())
        } else {
            self.scalar::<true>()
        }
    }

    // What is the client's.

    /// Any JSON, at any depth: no recursion.
    pub(super) fn anything(&mut self) -> Result<(), Flaw> {
        // The bytes that close what is open.
        let mut open: Vec<u8> = Vec::new();
        loop {
            match self.peek() {
                Some(b'{') => {
                    self.step();
                    self.space();
                    if !self.take(b'}') {
                        open.push(b'}');
                        self.name::<false>()?;
                        continue;
                    }
                }
                Some(b'[') => {
                    self.step();
                    self.space();
                    if !self.take(b']') {
                        open.push(b']');
                        continue;
                    }
                }
                Some(b'"') => {
                    self.step();
                    self.string::<false>()?;
                }
                _ => self.scalar::<false>()?,
            }
            if self.close(&mut open)? {
                return Ok(());
            }
        }
    }

    /// Goes from behind a value to the next one; whether there is none.
    fn close(&mut self, open: &mut Vec<u8>) -> Result<bool, Flaw> {
        while let Some(end) = open.last().copied() {
            self.space();
            if self.take(b',') {
                self.space();
                if end == b'}' {
                    self.name::<false>()?;
                }
                return Ok(false);
            }
            if !self.take(end) {
                return Err(if end == b'}' {
                    NO_OBJECT_END
                } else {
                    NO_ARRAY_END
                });
            }
            open.pop();
        }
        Ok(true)
    }

    // Scalars.

    /// From behind the opening quote to behind the closing one; whether there are escapes.
    fn string<const STRICT: bool>(&mut self) -> Result<bool, Flaw> {
        let mut escaped = false;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let plain = skip_plain(rest);
            self.at = self.at.wrapping_add(plain);
            match rest.get(plain) {
                Some(b'"') => {
                    self.step();
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    let behind = rest.get(plain..).unwrap_or_default();
                    let taken = text::escape::<STRICT>(behind).ok_or("invalid escape")?;
                    self.at = self.at.wrapping_add(taken);
                }
                Some(_) => return Err("control character in a string"),
                None => return Err("string without an end"),
            }
        }
    }

    fn scalar<const STRICT: bool>(&mut self) -> Result<(), Flaw> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let literal = match rest.first() {
            Some(b't') => Some(&b"true"[..]),
            Some(b'f') => Some(&b"false"[..]),
            Some(b'n') => Some(&b"null"[..]),
            _ => None,
        };
        let taken = match literal {
            Some(literal) if rest.starts_with(literal) => literal.len(),
            Some(_) => return Err(NO_VALUE),
            None => number(rest, STRICT).ok_or(NO_VALUE)?,
        };
        self.at = self.at.wrapping_add(taken);
        Ok(())
    }
}

/// Whether two texts of the same length are the same. They are short: a call of `memcmp` would cost more than
/// it compares.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    let ((words, rest), (others, other)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let differ = |(a, b): (&[u8; 8], &[u8; 8])| u64::from_le_bytes(*a) != u64::from_le_bytes(*b);
    if words.iter().zip(others).any(differ) {
        return false;
    }
    match (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        // The last word again, with what is behind it.
        (Some(a), Some(b)) => u64::from_le_bytes(*a) == u64::from_le_bytes(*b),
        _ => rest.iter().zip(other).all(|(a, b)| a == b),
    }
}
