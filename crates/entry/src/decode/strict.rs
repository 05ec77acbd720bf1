//! JSON read without doubled names.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::DecodeError;
use crate::limits::{ENTRY_BYTES_MAX, clip};

/// Deepest nesting below a top-level member of ours; the codec needs 4.
const LEVELS_MAX: u8 = 64;
/// Names that are compared each with each.
const NAMES_FEW: usize = 24;
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
    if braced && ![b'\n', b'\r'].iter().any(|end| bytes.contains(end)) {
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
        let mut reader = serde_json::Deserializer::from_str(raw);
        let found = Doubled::TOP
            .deserialize(&mut reader)
            .map_err(DecodeError::Json)?;
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

/// A name that occurs twice. Few names are compared each with each; many are sorted, so that an entry
/// of 64 KiB of names costs milliseconds, not minutes.
fn doubled(names: &[Cow<'_, str>]) -> Option<String> {
    if names.len() <= NAMES_FEW {
        let twice = |(at, name): (usize, &Cow<'_, str>)| {
            names.iter().skip(at.saturating_add(1)).any(|n| n == name)
        };
        let found = names.iter().enumerate().find(|each| twice(*each));
        return found.map(|(_, name)| clip(name, 80));
    }
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
                    let found = map.next_value_seed(Doubled::TOP)?;
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

/// Skims a value of ours, gives the first doubled name below it, and refuses to go deeper than the
/// levels left.
#[derive(Clone, Copy)]
struct Doubled {
    levels: u8,
}

impl Doubled {
    const TOP: Self = Self { levels: LEVELS_MAX };

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let levels = self.levels.checked_sub(1);
        levels
            .map(|levels| Self { levels })
            .ok_or_else(|| E::custom("nested too deeply"))
    }
}

impl<'de> DeserializeSeed<'de> for Doubled {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Doubled {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let below_this = self.deeper()?;
        let mut names = Vec::with_capacity(8);
        let mut below = None;
        while let Some(name) = map.next_key_seed(Name)? {
            names.push(name);
            let found = map.next_value_seed(below_this)?;
            below = below.or(found);
        }
        Ok(below.or_else(|| doubled(&names)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let below_this = self.deeper()?;
        let mut below = None;
        while let Some(found) = seq.next_element_seed(below_this)? {
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
