//! The members every entry begins with.

use super::{DecodeError, Kind};
use crate::codec::ENTRY_VERSION;
use crate::ids::{BootId, CallId, SealNumber, Seq, SourceId};
use crate::limits::{INTEGER_MAX, clip};
use crate::moment::{Moment, parse_rfc3339};

/// Who, where and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// What the entry is about.
    pub kind: Kind,
    /// Who made it.
    pub source: SourceId,
    /// In which boot.
    pub boot: BootId,
    /// Its number within the boot; `None` for a seal.
    pub seq: Option<Seq>,
    /// Number of the seal; `None` for all other kinds.
    pub seal: Option<SealNumber>,
    /// The invocation it belongs to.
    pub call: Option<CallId>,
    /// When; `None` for a seal, whose time stands in its note. For a call that recovery closed, the
    /// monotonic reading is that of the boot it began in.
    pub at: Option<Moment>,
}

/// Length of `2026-11-22T06:54:01.123456Z`.
const TIME_CHARS: usize = 27;

impl Header {
    /// Reads the header of an entry and checks the rest as strictly as
    /// [`Decoded::parse`](super::Decoded::parse) does, without keeping it.
    ///
    /// # Errors
    /// As [`Decoded::parse`](super::Decoded::parse).
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let header = Self::parse_any_kind(bytes)?;
        header.known_kind()?;
        Ok(header)
    }

    /// As [`Header::parse`], for an entry of an unknown kind too.
    ///
    /// # Errors
    /// As [`Decoded::parse_any_kind`](super::Decoded::parse_any_kind).
    pub fn parse_any_kind(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (text, scan) = super::read(bytes)?;
        Self::of(|name| scan.find(text, name))
    }

    pub(super) fn known_kind(&self) -> Result<(), DecodeError> {
        if let Kind::Unknown(kind) = &self.kind {
            return Err(DecodeError::UnknownKind {
                kind: clip(kind, 80),
            });
        }
        Ok(())
    }

    /// From raw members; the version is judged before anything else.
    pub(super) fn of<'a>(find: impl Fn(&str) -> Option<&'a str>) -> Result<Self, DecodeError> {
        let need = |member| find(member).ok_or(DecodeError::Missing { member });
        let found = integer("v", need("v")?)?;
        if found != ENTRY_VERSION {
            return Err(DecodeError::Version { found });
        }
        let kind = Kind::of(word("kind", need("kind")?)?);
        let source = text("source", need("source")?, |t| SourceId::new(t).ok())?;
        let boot = text("boot", need("boot")?, |t| {
            canonical(t, BootId::parse(t).ok())
        })?;
        let seal = find("seal")
            .map(|raw| integer("seal", raw))
            .transpose()?
            .map(SealNumber);
        if !kind.needs_place() {
            need("seal")?;
            need("note")?;
            for member in ["seq", "call", "time", "mono_us"] {
                if find(member).is_some() {
                    return Err(DecodeError::Unexpected { member });
                }
            }
            return Ok(Self {
                kind,
                source,
                boot,
                seq: None,
                seal,
                call: None,
                at: None,
            });
        }
        let call = find("call")
            .map(|raw| text("call", raw, |t| canonical(t, CallId::parse(t).ok())))
            .transpose()?;
        if seal.is_some() && !matches!(kind, Kind::Unknown(_)) {
            return Err(DecodeError::Unexpected { member: "seal" });
        }
        if kind.needs_call() && call.is_none() {
            return Err(DecodeError::Missing { member: "call" });
        }
        let seq = Seq(integer("seq", need("seq")?)?);
        let utc_us = text("time", need("time")?, time)?;
        let mono_us = integer("mono_us", need("mono_us")?)?;
        let at = Some(Moment { utc_us, mono_us });
        Ok(Self {
            kind,
            source,
            boot,
            seq: Some(seq),
            seal,
            call,
            at,
        })
    }
}

/// A string without escapes: all that header members hold.
fn word<'a>(member: &'static str, raw: &'a str) -> Result<&'a str, DecodeError> {
    raw.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .filter(|text| !text.contains('\\'))
        .ok_or(DecodeError::Malformed { member })
}

fn text<T>(
    member: &'static str,
    raw: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, DecodeError> {
    parse(word(member, raw)?).ok_or(DecodeError::Malformed { member })
}

/// Digits alone, as JSON has no leading zeros: `1.0` and `1e0` are other spellings of a number.
fn integer(member: &'static str, raw: &str) -> Result<u64, DecodeError> {
    let digits = raw.bytes().all(|b| b.is_ascii_digit());
    let number = raw.parse().ok().filter(|n| digits && *n <= INTEGER_MAX);
    number.ok_or(DecodeError::Malformed { member })
}

/// Lowercase, I, L, O for 1, 1, 0, and a first character above 7 are other spellings of a ULID.
fn canonical<T>(text: &str, id: Option<T>) -> Option<T> {
    let fits = text.starts_with(|first| matches!(first, '0'..='7'));
    let spelled =
        |b| matches!(b, b'0'..=b'9' | b'A'..=b'Z') && !matches!(b, b'I' | b'L' | b'O' | b'U');
    id.filter(|_| fits && text.bytes().all(spelled))
}

fn time(text: &str) -> Option<i64> {
    let shaped = text.len() == TIME_CHARS
        && text.bytes().enumerate().all(|(at, b)| match at {
            4 | 7 => b == b'-',
            10 => b == b'T',
            13 | 16 => b == b':',
            19 => b == b'.',
            26 => b == b'Z',
            _ => b.is_ascii_digit(),
        });
    // A leap second would be read as the second before it: not a spelling the codec writes.
    let leap = text.get(17..19) == Some("60");
    if shaped && !leap {
        parse_rfc3339(text)
    } else {
        None
    }
}
