//! Ids of JSON-RPC messages, by which requests and responses find each other.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use crate::scan;

/// A request id, progress token or subscription id.
///
/// Two ids are equal when they have the same type and the same value: a number by its raw text, so
/// that `1`, `1.0` and `"1"` are three ids, a string by its unescaped text, because a peer may
/// write it back with other escapes. For peers that rewrite numbers there is
/// [`is_same_number`](Self::is_same_number).
#[derive(Clone, Debug)]
pub struct RpcId {
    kind: IdKind,
    raw: Box<[u8]>,
    /// The unescaped value of a string with escapes.
    unescaped: Option<Box<[u8]>>,
}

/// The JSON type of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IdKind {
    /// A number.
    Number,
    /// A string.
    String,
    /// `null`: only in errors about a request whose id could not be read.
    Null,
}

impl RpcId {
    /// Reads the raw JSON text of an id. `None` for other types than number, string and null.
    ///
    /// Does not check the grammar: `raw` is taken to be one JSON value.
    #[must_use]
    pub fn from_raw(raw: &[u8]) -> Option<Self> {
        let kind = match raw.first()? {
            b'"' => IdKind::String,
            b'n' => IdKind::Null,
            b'-' | b'0'..=b'9' => IdKind::Number,
            _ => return None,
        };
        let unescaped = match scan::unescape_bytes(raw) {
            Some(Cow::Owned(bytes)) => Some(bytes.into_boxed_slice()),
            Some(Cow::Borrowed(_)) | None => None,
        };
        Some(Self {
            kind,
            raw: raw.into(),
            unescaped,
        })
    }

    /// The JSON type.
    #[must_use]
    pub fn kind(&self) -> IdKind {
        self.kind
    }

    /// The JSON text as it stood, a string with its quotes.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The id as text: a string unescaped, without quotes; a number as it stood.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.value())
    }

    /// Whether both are numbers of the same value, as readers with 64-bit floats see them.
    ///
    /// Some peers answer `1.0` with `1` and 12345678901234567890123 with 1.2345678901234568e+22.
    /// Look for an equal id first: different large integers are the same number here.
    #[must_use]
    pub fn is_same_number(&self, other: &Self) -> bool {
        let float = |id: &Self| match id.kind {
            IdKind::Number => std::str::from_utf8(&id.raw).ok()?.parse::<f64>().ok(),
            IdKind::String | IdKind::Null => None,
        };
        matches!((float(self), float(other)), (Some(a), Some(b)) if a == b)
    }

    fn value(&self) -> &[u8] {
        match (&self.unescaped, self.kind) {
            (Some(value), _) => value,
            (None, IdKind::String) => {
                let inner = self
                    .raw
                    .strip_prefix(b"\"")
                    .and_then(|raw| raw.strip_suffix(b"\""));
                inner.unwrap_or(&self.raw)
            }
            (None, IdKind::Number | IdKind::Null) => &self.raw,
        }
    }
}

impl PartialEq for RpcId {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for RpcId {}

impl Ord for RpcId {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.kind, self.value()).cmp(&(other.kind, other.value()))
    }
}

impl PartialOrd for RpcId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for RpcId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.kind, self.value()).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(raw: &str) -> RpcId {
        RpcId::from_raw(raw.as_bytes()).unwrap()
    }

    #[test]
    fn number_and_string_of_the_same_digits_differ() {
        assert_ne!(id("1"), id("\"1\""));
        assert_ne!(id("0"), id("null"));
        assert_ne!(id("null"), id("\"null\""));
        assert_eq!(id("0"), id("0"));
    }

    #[test]
    fn numbers_keep_their_spelling() {
        let huge = "12345678901234567890123";
        assert_eq!(id(huge).raw(), huge.as_bytes());
        assert_ne!(id("1"), id("1.0"));
        assert_ne!(id("1"), id("1e0"));
        assert!(id("1").is_same_number(&id("1.0")));
        assert!(id(huge).is_same_number(&id("1.2345678901234568e+22")));
        assert!(!id("1").is_same_number(&id("2")));
        assert!(!id("\"1\"").is_same_number(&id("1")));
    }

    #[test]
    fn strings_are_equal_whatever_their_escapes() {
        assert_eq!(id(r#""caf\u00e9""#), id("\"café\""));
        assert_eq!(id(r#""caf\u00e9""#).text(), "café");
        assert_eq!(id(r#""caf\u00e9""#).raw(), br#""caf\u00e9""#);
        assert_ne!(id(r#""\ud800""#), id(r#""\ud801""#));
    }

    #[test]
    fn other_types_are_no_ids() {
        for raw in ["", "{}", "[1]", "true", "NaN"] {
            assert_eq!(RpcId::from_raw(raw.as_bytes()), None, "{raw}");
        }
    }
}
