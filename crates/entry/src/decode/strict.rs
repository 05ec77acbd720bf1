//! JSON read without doubled names.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::DecodeError;
use crate::limits::{ENTRY_BYTES_MAX, clip};

/// Members an entry usually has.
const MEMBERS_USUAL: usize = 24;

/// One object on one line, by its first and last byte.
pub(super) fn one_line(bytes: &[u8]) -> Result<&str, DecodeError> {
    if bytes.len() > ENTRY_BYTES_MAX {
        return Err(DecodeError::TooLong { bytes: bytes.len() });
    }
    let text = str::from_utf8(bytes).map_err(|error| DecodeError::NotUtf8 {
        offset: error.valid_up_to(),
    })?;
    let braced = text.starts_with('{') && text.ends_with('}');
    if braced && !text.bytes().any(|b| matches!(b, b'\n' | b'\r')) {
        Ok(text)
    } else {
        Err(DecodeError::NotOneLine)
    }
}

/// Where a piece of a text stands in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    start: usize,
    end: usize,
}

impl Span {
    /// The place of `piece`, which was cut out of `text`.
    pub(super) fn of(text: &str, piece: &str) -> Self {
        let start = piece.as_ptr().addr().saturating_sub(text.as_ptr().addr());
        Self {
            start,
            end: start.saturating_add(piece.len()),
        }
    }

    pub(super) fn cut(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// Name and raw JSON.
pub(super) type Pair<'a> = (&'a str, &'a str);

/// The members of the top-level object, in order; no name doubled there or below, but in `input`.
pub(super) fn members(text: &str) -> Result<Vec<Pair<'_>>, DecodeError> {
    let visitor = EntryVisitor {
        keep: |_: &str| true,
    };
    let Entry { kept, names, below } = visitor.read(text)?;
    refuse_doubled(&names, below)?;
    for (_, raw) in kept
        .iter()
        .filter(|(name, raw)| *name != "input" && is_container(raw))
    {
        let Doubled(found) = serde_json::from_str(raw).map_err(DecodeError::Json)?;
        refuse_doubled(&[], found)?;
    }
    Ok(kept)
}

/// The header members alone; the others are checked as [`members`] does, and dropped.
pub(super) struct HeaderSpans<'a>(Vec<Pair<'a>>);

impl<'a> HeaderSpans<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, DecodeError> {
        let visitor = EntryVisitor { keep: is_header };
        let Entry { kept, names, below } = visitor.read(text)?;
        refuse_doubled(&names, below)?;
        Ok(Self(kept))
    }

    pub(super) fn find(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|pair| pair.0 == name).map(|pair| pair.1)
    }
}

fn is_header(name: &str) -> bool {
    matches!(
        name,
        "v" | "kind" | "source" | "boot" | "seq" | "seal" | "note" | "call" | "time" | "mono_us"
    )
}

fn is_container(raw: &str) -> bool {
    raw.starts_with(['{', '['])
}

fn refuse_doubled(names: &[Cow<'_, str>], below: Option<String>) -> Result<(), DecodeError> {
    match below.or_else(|| doubled(names)) {
        Some(member) => Err(DecodeError::Duplicate { member }),
        None => Ok(()),
    }
}

/// A name that occurs twice. Sorted, not compared each with each: an entry of 64 KiB of names costs
/// milliseconds, not minutes.
fn doubled(names: &[Cow<'_, str>]) -> Option<String> {
    let mut sorted: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    sorted.sort_unstable();
    let pair = sorted.windows(2).find(|pair| pair.first() == pair.last())?;
    pair.first().map(|name| clip(name, 80))
}

/// A top-level object in the reading.
struct Entry<'a> {
    kept: Vec<Pair<'a>>,
    names: Vec<Cow<'a, str>>,
    below: Option<String>,
}

struct EntryVisitor<F> {
    keep: F,
}

impl<F: Fn(&str) -> bool> EntryVisitor<F> {
    fn read(self, text: &str) -> Result<Entry<'_>, DecodeError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let entry = reader.deserialize_map(self).map_err(DecodeError::Json)?;
        reader.end().map_err(DecodeError::Json)?;
        Ok(entry)
    }
}

impl<'de, F: Fn(&str) -> bool> Visitor<'de> for EntryVisitor<F> {
    type Value = Entry<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an entry")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (kept, names) = (
            Vec::with_capacity(MEMBERS_USUAL),
            Vec::with_capacity(MEMBERS_USUAL),
        );
        let mut entry = Entry {
            kept,
            names,
            below: None,
        };
        while let Some(name) = map.next_key_seed(Name)? {
            match name {
                Cow::Borrowed(plain) if (self.keep)(plain) => {
                    let raw: &RawValue = map.next_value()?;
                    entry.kept.push((plain, raw.get()));
                }
                Cow::Borrowed("input") => {
                    let IgnoredAny = map.next_value()?;
                }
                Cow::Borrowed(_) => {
                    let Doubled(found) = map.next_value()?;
                    entry.below = entry.below.or(found);
                }
                // The codec escapes no name: a member behind an escaped one would be read by some
                // readers and not by others.
                Cow::Owned(_) => {
                    return Err(serde::de::Error::custom("top-level name with an escape"));
                }
            }
            entry.names.push(name);
        }
        Ok(entry)
    }
}

/// A member's name, borrowed where it has no escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// Skims any value and keeps the first doubled name below it.
struct Doubled(Option<String>);

impl<'de> Deserialize<'de> for Doubled {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(DoubledVisitor).map(Self)
    }
}

struct DoubledVisitor;

impl<'de> Visitor<'de> for DoubledVisitor {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut names = Vec::new();
        let mut below = None;
        while let Some(name) = map.next_key_seed(Name)? {
            names.push(name);
            let Doubled(found) = map.next_value()?;
            below = below.or(found);
        }
        Ok(below.or_else(|| doubled(&names)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut below = None;
        while let Some(Doubled(found)) = seq.next_element()? {
            below = below.or(found);
        }
        Ok(below)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
}
