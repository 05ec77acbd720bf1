//! JSON read without doubled names, by serde.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use affiant_entry::limits::ENTRY_BYTES_MAX;

/// Deepest nesting below a top-level member of ours; the codec needs 4.
const LEVELS_MAX: u8 = 64;
/// Names that are compared each with each.
const NAMES_FEW: usize = 24;
/// Members an entry usually has.
const MEMBERS_USUAL: usize = 24;

/// One object on one line, by its first and last byte.
pub(crate) fn one_line(bytes: &[u8]) -> Result<&str, Refused> {
    if bytes.len() > ENTRY_BYTES_MAX {
        return Err(Refused::Shape);
    }
    let text = str::from_utf8(bytes).map_err(|_| Refused::Shape)?;
    let braced = text.starts_with('{') && text.ends_with('}');
    if braced && ![b'\n', b'\r'].iter().any(|end| bytes.contains(end)) {
        Ok(text)
    } else {
        Err(Refused::Shape)
    }
}

/// Name and raw JSON.
pub(crate) type Pair<'a> = (&'a str, &'a str);

/// Why bytes are no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Shape,
    Json,
    Duplicate,
}

/// The members of an entry, in order; no name doubled there or below, but in `input`.
pub(crate) fn members(bytes: &[u8]) -> Result<Vec<Pair<'_>>, Refused> {
    let text = one_line(bytes)?;
    let Entry { kept, names, below } = EntryVisitor::read(text)?;
    let mut doubled = None;
    for (_, raw) in kept.iter().filter(|(name, _)| *name != "input") {
        let mut reader = serde_json::Deserializer::from_str(raw);
        let found = Doubled::TOP
            .deserialize(&mut reader)
            .map_err(|_| Refused::Json)?;
        doubled = doubled.or(found);
    }
    refuse_doubled(&names, doubled.or(below))?;
    Ok(kept)
}

fn refuse_doubled(names: &[Cow<'_, str>], below: Option<String>) -> Result<(), Refused> {
    match below.or_else(|| doubled(names)) {
        Some(_) => Err(Refused::Duplicate),
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
        return found.map(|(_, name)| (*name).to_string());
    }
    let mut sorted: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    sorted.sort_unstable();
    let pair = sorted.windows(2).find(|pair| pair.first() == pair.last())?;
    pair.first().map(|name| (*name).to_owned())
}

/// A top-level object in the reading.
struct Entry<'a> {
    kept: Vec<Pair<'a>>,
    names: Vec<Cow<'a, str>>,
    below: Option<String>,
}

struct EntryVisitor;

impl EntryVisitor {
    fn read(text: &str) -> Result<Entry<'_>, Refused> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let entry = reader.deserialize_map(Self).map_err(|_| Refused::Json)?;
        reader.end().map_err(|_| Refused::Json)?;
        Ok(entry)
    }
}

impl<'de> Visitor<'de> for EntryVisitor {
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
                Cow::Borrowed(plain) => {
                    let raw: &RawValue = map.next_value()?;
                    entry.kept.push((plain, raw.get()));
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
