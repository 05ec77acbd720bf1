//! What sort of thing stands in a place, without reading it.

use std::borrow::Cow;
use std::fmt;

use crate::decode::is_plain;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The sort of a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Probe<'a> {
    /// No value, `null`, or a string without characters.
    #[default]
    Nothing,
    /// A string.
    Text,
    /// A non-negative integer.
    Number,
    /// `{"absent":"<reason>"}`.
    Absent(Cow<'a, str>),
    /// Anything else.
    Other,
}

impl<'a> Probe<'a> {
    /// The sort of a value that has been read as JSON; `None` if serde cannot tell, as for what is
    /// nested too deeply.
    pub(super) fn of(raw: &'a str) -> Option<Self> {
        let sort = match raw.as_bytes() {
            [b'"', b'"'] | [b'n', ..] => Some(Self::Nothing),
            [b'"', ..] => Some(Self::Text),
            [b't' | b'f', ..] => Some(Self::Other),
            [b'0'..=b'9', rest @ ..] if rest.len() < 19 && rest.iter().all(u8::is_ascii_digit) => {
                Some(Self::Number)
            }
            [b'{', ..] => raw
                .strip_prefix("{\"absent\":\"")
                .and_then(|rest| rest.strip_suffix("\"}"))
                .filter(|reason| !reason.is_empty() && is_plain(reason))
                .map(|reason| Self::Absent(Cow::Borrowed(reason))),
            _ => None,
        };
        sort.or_else(|| serde_json::from_str(raw).ok())
    }

    pub(super) fn reason(self) -> Option<Cow<'a, str>> {
        if let Self::Absent(reason) = self {
            Some(reason)
        } else {
            None
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Probe<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(ProbeVisitor)
    }
}

struct ProbeVisitor;

impl<'de> Visitor<'de> for ProbeVisitor {
    type Value = Probe<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(if text.is_empty() {
            Probe::Nothing
        } else {
            Probe::Text
        })
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Probe::Number)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Probe::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Probe::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Probe::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Probe::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Probe::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut absent = None;
        let mut others = false;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if name == "absent" {
                absent = map.next_value::<Reason<'de>>()?.0;
            } else {
                let IgnoredAny = map.next_value()?;
                others = true;
            }
        }
        Ok(match absent {
            Some(reason) if !others && !reason.is_empty() => Probe::Absent(reason),
            _ => Probe::Other,
        })
    }
}

/// A string, or anything else as `None`.
struct Reason<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Reason<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw: &serde_json::value::RawValue = Deserialize::deserialize(d)?;
        let text = raw.get();
        let plain = text
            .strip_prefix('"')
            .and_then(|t| t.strip_suffix('"'))
            .filter(|t| !t.contains('\\'));
        Ok(Self(match plain {
            Some(plain) => Some(Cow::Borrowed(plain)),
            None => serde_json::from_str(text).ok().map(Cow::Owned),
        }))
    }
}
