//! A JSON value of which only a scalar, or why there is none, is wanted.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A fact: a value, or why it is absent. Whatever else stands there is [`Scalar::Other`], never an error.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) enum Scalar<'a> {
    /// Not there, or `null`.
    #[default]
    Missing,
    /// A string.
    Text(Cow<'a, str>),
    /// An integer that fits.
    Int(i64),
    /// A boolean.
    Bool(bool),
    /// `{"absent":"<reason>"}`.
    Absent(Cow<'a, str>),
    /// Anything else.
    Other,
}

impl<'a> Scalar<'a> {
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) const fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) const fn bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn absent(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Absent(reason) => Some(reason),
            _ => None,
        }
    }

    /// The value, or the reason, whichever it is.
    pub(super) fn split(self) -> (Option<Cow<'a, str>>, Option<Cow<'a, str>>) {
        match self {
            Self::Text(text) => (Some(text), None),
            Self::Absent(reason) => (None, Some(reason)),
            _ => (None, None),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(value).map_or(Scalar::Other, Scalar::Int))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Missing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Scalar::Other;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if name == "absent" {
                if let Scalar::Text(reason) = map.next_value()? {
                    found = Scalar::Absent(reason);
                }
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}
