//! Secret values of one call, remembered to be looked for in its other texts.

use std::fmt;
use std::ops::Range;

use base64::Engine as _;
use zeroize::Zeroizing;

use super::engine::{Cut, ECHO, Engine, join};
use super::json::{Cursor, Plain};
use super::limit::{ECHO_BYTES_MAX, ECHO_BYTES_MIN, ECHOES_MAX};

/// The secret values found in a call: a server that repeats one in an error text, or a client in a
/// reason for cancelling, must not leak it. Bounded; not serialisable; `Debug` shows a count; wiped on
/// drop. Keep it in memory for as long as the call is open.
///
/// ```compile_fail
/// fn needs_serialize<T: serde::Serialize>(_: T) {}
/// needs_serialize(affiant_policy::redact::Echoes::default());
/// ```
#[derive(Clone, Default)]
pub struct Echoes {
    values: Vec<Echo>,
}

/// A value, and how else it may be spelled.
#[derive(Clone)]
struct Echo {
    plain: Zeroizing<String>,
    /// Start of its base64; empty for a short value.
    base64: Zeroizing<String>,
    /// Percent-encoded; empty if that is the same.
    percent: Zeroizing<String>,
}

impl Echoes {
    /// Number of values remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Remembers a text that was cut.
    pub(crate) fn note(&mut self, value: &str, engine: &Engine) {
        let value = value.trim();
        let value = prefix(value, ECHO_BYTES_MAX);
        let known = self
            .values
            .iter()
            .any(|known| known.plain.as_str() == value);
        if value.len() < ECHO_BYTES_MIN
            || known
            || self.values.len() >= ECHOES_MAX
            || is_common(value, engine)
        {
            return;
        }
        let long = value.len() >= OPAQUE_BYTES_MIN;
        let percent = percent_encode(value);
        self.values.push(Echo {
            plain: Zeroizing::new(value.to_owned()),
            base64: Zeroizing::new(if long {
                base64_stem(value.as_bytes())
            } else {
                String::new()
            }),
            percent: Zeroizing::new(if long && percent != value {
                percent
            } else {
                String::new()
            }),
        });
    }

    /// Remembers every string and number in a JSON value that was cut.
    pub(crate) fn note_json(&mut self, json: &str, engine: &Engine) {
        let mut cursor = Cursor::new(json, 0);
        while self.values.len() < ECHOES_MAX
            && let Some(byte) = cursor.peek()
        {
            let scalar = match byte {
                b'"' => cursor.string(),
                b'{' | b'}' | b'[' | b']' | b',' | b':' => {
                    cursor.step();
                    continue;
                }
                _ => cursor.scalar(),
            };
            let Ok(range) = scalar else { return };
            let is_name = cursor.peek() == Some(b':');
            if !is_name {
                self.note(&Plain::read(cursor.slice(&range)).text, engine);
            }
        }
    }

    /// Forgets what was remembered after a call of [`Echoes::len`].
    pub(crate) fn forget_from(&mut self, len: usize) {
        self.values.truncate(len);
    }

    /// Places of remembered values in a text of a peer, where cutting too much does no harm.
    pub(crate) fn find(&self, text: &str) -> Vec<Cut> {
        self.find_all(text, |_| true)
    }

    /// Places of remembered values elsewhere in the same input: only values that are not words, as a
    /// password of `customer` would else black out every customer.
    pub(crate) fn find_opaque(&self, text: &str) -> Vec<Cut> {
        self.find_all(text, is_opaque)
    }

    fn find_all(&self, text: &str, wanted: impl Fn(&str) -> bool) -> Vec<Cut> {
        let mut cuts = Vec::new();
        for echo in self.values.iter().filter(|echo| wanted(&echo.plain)) {
            each(text, &echo.plain, |range| {
                cuts.push(Cut { range, place: ECHO })
            });
            each(text, &echo.percent, |range| {
                cuts.push(Cut { range, place: ECHO })
            });
            each(text, &echo.base64, |range| {
                cuts.push(Cut {
                    range: token_from(text, &range),
                    place: ECHO,
                })
            });
        }
        join(cuts)
    }

    /// Whether [`Echoes::find_opaque`] can find anything.
    pub(crate) fn any_opaque(&self) -> bool {
        self.values.iter().any(|echo| is_opaque(&echo.plain))
    }
}

impl fmt::Debug for Echoes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Echoes({} values)", self.values.len())
    }
}

/// Shortest value that is looked for elsewhere in the input.
const OPAQUE_BYTES_MIN: usize = 6;

/// Not a word: long, or with a digit or sign in it.
fn is_opaque(value: &str) -> bool {
    value.len() >= 16
        || (value.len() >= OPAQUE_BYTES_MIN
            && value.bytes().any(|byte| !byte.is_ascii_alphabetic()))
}

/// Part of a marker, or of a word JSON is full of.
fn is_common(value: &str, engine: &Engine) -> bool {
    "[redacted:]".contains(value)
        || matches!(value, "true" | "false" | "null")
        || engine.rules.iter().any(|rule| rule.id.contains(value))
        || engine.is_marker(value)
}

/// Each place of a value in a text.
fn each(text: &str, value: &str, mut found: impl FnMut(Range<usize>)) {
    if value.is_empty() {
        return;
    }
    for start in memchr::memmem::find_iter(text.as_bytes(), value.as_bytes()) {
        found(start..start.saturating_add(value.len()));
    }
}

/// From the start of a base64 match to the end of its token: the last group is spelled otherwise
/// when something follows.
fn token_from(text: &str, range: &Range<usize>) -> Range<usize> {
    let after = text.get(range.end..).unwrap_or_default().bytes();
    let rest = after.take_while(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
    });
    range.start..range.end.saturating_add(rest.count())
}

/// Base64 of a value, short of the last group, whose letters depend on what follows.
fn base64_stem(value: &[u8]) -> String {
    let whole = value.len().saturating_sub(value.len() % 3);
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(value.get(..whole).unwrap_or_default())
}

/// RFC 3986 section 2.1.
fn percent_encode(value: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn prefix(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}
