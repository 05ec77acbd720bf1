//! The names that tie entries together: source, boot, sequence number and call.

use std::fmt;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

/// One place where calls are captured; also the key name in seals and, later, the certificate SAN.
///
/// 1 to 64 characters of `[a-z0-9._-]`, starting with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct SourceId(String);

/// A source id was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "source id `{given}` is not 1 to 64 characters of a-z, 0-9, `.`, `_`, `-` that start with a letter or digit"
)]
#[non_exhaustive]
pub struct SourceIdError {
    /// What was given, clipped.
    pub given: String,
}

impl SourceId {
    /// Checks and takes a source id.
    ///
    /// # Errors
    /// When the text is empty, longer than 64 bytes, or has other characters.
    pub fn new(text: &str) -> Result<Self, SourceIdError> {
        let first = text.bytes().next();
        let starts_well = first.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let all_well = text.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-')
        });
        if starts_well && all_well && text.len() <= 64 {
            Ok(Self(text.to_owned()))
        } else {
            Err(SourceIdError {
                given: crate::limits::clip(text, 80),
            })
        }
    }

    /// Makes a valid id out of any text (a host name, a server name): lowers it and replaces what
    /// is not allowed by `-`; an empty result becomes `source`.
    #[must_use]
    pub fn sanitized(text: &str) -> Self {
        let mut out: String = text
            .to_lowercase()
            .chars()
            .map(|c| {
                if c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-') {
                    c
                } else {
                    '-'
                }
            })
            .take(64)
            .collect();
        out = out.trim_start_matches(['.', '_', '-']).to_owned();
        if out.is_empty() {
            Self("source".to_owned())
        } else {
            Self(out)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SourceId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// Name of a spool, the directory that holds one chain: 1 to 128 characters of `[A-Za-z0-9._-]` that
/// do not begin with a dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct SpoolName(String);

/// A spool name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "spool name `{given}` is not 1 to 128 characters of a-z, A-Z, 0-9, `.`, `_`, `-` that do not begin with a dot"
)]
#[non_exhaustive]
pub struct SpoolNameError {
    /// What was given, clipped.
    pub given: String,
}

impl SpoolName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// When the text is empty, longer than 128 bytes, begins with a dot, or has other characters.
    pub fn new(text: &str) -> Result<Self, SpoolNameError> {
        let all_well = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if all_well && !text.is_empty() && !text.starts_with('.') && text.len() <= 128 {
            Ok(Self(text.to_owned()))
        } else {
            Err(SpoolNameError {
                given: crate::limits::clip(text, 140),
            })
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SpoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SpoolName {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

macro_rules! ulid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Ulid);

        impl $name {
            /// Makes an id from the wall clock (microseconds since 1970) and 80 bits of randomness
            /// (the low 80 bits of `entropy`).
            #[must_use]
            pub fn from_parts(utc_us: i64, entropy: u128) -> Self {
                let ms = u64::try_from(utc_us.max(0) / 1000).unwrap_or(0);
                Self(Ulid::from_parts(ms, entropy))
            }

            /// Reads the 26 characters of Crockford base 32.
            ///
            /// # Errors
            /// When the text is not a ULID.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                Ulid::from_string(text).map(Self).map_err(|_| IdError { given: crate::limits::clip(text, 40) })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

/// An id is not a ULID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a ULID")]
#[non_exhaustive]
pub struct IdError {
    /// What was given, clipped.
    pub given: String,
}

ulid_id!(
    /// One life of one chain: from `boot` to `stop`, or to a crash. A ULID.
    BootId
);
ulid_id!(
    /// One tool invocation; `call.begin`, `call.task` and `call.end` share it. A ULID.
    CallId
);

/// Number of an entry within its boot: 0, 1, 2, … without holes. Seal entries take none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

/// Number of a seal within its boot: 0, 1, 2, … without holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealNumber(pub u64);

/// Which seal of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SealPlace {
    /// Its boot.
    pub boot: BootId,
    /// Its number within the boot.
    pub seal: SealNumber,
}

impl fmt::Display for SealPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seal {} of boot {}", self.seal.0, self.boot)
    }
}
