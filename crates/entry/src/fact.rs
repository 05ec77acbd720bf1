//! A fact that is there, or whose absence is said.

use std::borrow::Cow;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// A value, or the reason why there is none. Serialised as the value itself or as
/// `{"absent":"<reason>"}`: an entry never leaves a field out in silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact<T> {
    /// The value is known.
    Known(T),
    /// It is not, for this reason (our own words, never a peer's).
    Absent(Cow<'static, str>),
}

impl<T> Fact<T> {
    /// Absent, for a fixed reason.
    #[must_use]
    pub const fn absent(reason: &'static str) -> Self {
        Self::Absent(Cow::Borrowed(reason))
    }

    /// The value, if known.
    #[must_use]
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent(_) => None,
        }
    }

    /// From an option, with the reason for `None`.
    #[must_use]
    pub fn from_option(value: Option<T>, reason: &'static str) -> Self {
        value.map_or_else(|| Self::absent(reason), Self::Known)
    }
}

impl<T: Serialize> Serialize for Fact<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(value) => value.serialize(s),
            Self::Absent(reason) => {
                let mut map = s.serialize_map(Some(1))?;
                map.serialize_entry("absent", reason)?;
                map.end()
            }
        }
    }
}
