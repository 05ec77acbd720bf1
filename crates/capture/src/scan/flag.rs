//! What is wrong with a text: errors that end the scan, and flags that do not.

use std::fmt;

/// Something about a text that readers of JSON are known to disagree on, or a bound that was hit.
///
/// A flag never stops the scan: a peer may well accept such a text, so its fields are still
/// captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flag {
    /// The text starts with a UTF-8 byte order mark (RFC 8259 section 8.1 forbids it).
    ByteOrderMark,
    /// A string holds bytes that are not UTF-8 (RFC 8259 section 8.1).
    InvalidUtf8,
    /// A `\u` escape names half a surrogate pair (RFC 8259 section 8.2).
    LoneSurrogate,
    /// `NaN`, `Infinity` or `-Infinity` stands where a value belongs: no JSON, but Python and
    /// others read it.
    NonFiniteNumber,
    /// An object on a captured path, or anywhere in `params`, has the same key twice after
    /// unescaping. The capture is of the last one.
    DuplicateKey,
    /// A key differs from one of MCP only in ASCII case; some readers match without case.
    CaseVariantKey,
    /// Nested deeper than [`DEPTH_MAX`](super::DEPTH_MAX); below, only brackets and strings were
    /// followed, so the text may still be malformed there.
    TooDeep,
    /// Keys were not compared, because of [`KEY_BYTES_MAX`](super::KEY_BYTES_MAX),
    /// [`KEYS_BYTES_MAX`](super::KEYS_BYTES_MAX) or [`KEYS_DEPTH_MAX`](super::KEYS_DEPTH_MAX):
    /// absence of [`Flag::DuplicateKey`] means nothing.
    KeysUnchecked,
    /// A captured field is larger than its bound and was only measured.
    FieldTooLong,
    /// `jsonrpc` is missing or is not `"2.0"` (JSON-RPC 2.0 section 4).
    JsonrpcVersion,
}

/// The flags of a text or message, each with the byte offset in the text where it first showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags(Vec<(Flag, u64)>);

impl Flags {
    /// Whether `flag` is raised.
    #[must_use]
    pub fn has(&self, flag: Flag) -> bool {
        self.offset(flag).is_some()
    }

    /// Where `flag` first showed: a byte offset from the start of the text.
    #[must_use]
    pub fn offset(&self, flag: Flag) -> Option<u64> {
        self.iter().find(|(f, _)| *f == flag).map(|(_, at)| at)
    }

    /// Whether no flag is raised.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All flags with their offsets, in the order they were raised.
    pub fn iter(&self) -> impl Iterator<Item = (Flag, u64)> + '_ {
        self.0.iter().copied()
    }

    /// Raises `flag`; keeps the offset of the first time.
    pub(crate) fn raise(&mut self, flag: Flag, offset: u64) {
        if !self.has(flag) {
            self.0.push((flag, offset));
        }
    }
}

/// The text is not JSON; the scan ended here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct SyntaxError {
    /// What stood there.
    pub kind: SyntaxErrorKind,
    /// Byte offset from the start of the text.
    pub offset: u64,
}

/// Why a text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SyntaxErrorKind {
    /// A byte that the grammar does not allow here.
    UnexpectedByte(u8),
    /// A raw control character in a string (RFC 8259 section 7).
    ControlCharacter(u8),
    /// More bytes after the value, other than whitespace. The message before them is reported.
    TrailingBytes,
    /// The text ended inside a value.
    UnexpectedEnd,
}

impl fmt::Display for SyntaxErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedByte(byte) => write!(f, "unexpected byte 0x{byte:02x}"),
            Self::ControlCharacter(byte) => write!(f, "control character 0x{byte:02x} in a string"),
            Self::TrailingBytes => f.write_str("bytes after the value"),
            Self::UnexpectedEnd => f.write_str("unexpected end"),
        }
    }
}
