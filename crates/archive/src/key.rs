//! Names of objects: made from numbers and hashes only, and read back strictly.

use std::fmt;
use std::ops::Range;

use affiant_tlog::LeafIndex;

/// The longest key, in bytes, without the prefix of the store.
pub const KEY_BYTES_MAX: usize = 200;

/// How often a name may be tried again that is taken by other bytes, as after a crash.
pub(crate) const ATTEMPTS_MAX: u8 = 9;

/// The name of an object, relative to the archive.
///
/// Parts of lowercase letters, digits, `.`, `-`, `_`, split by single `/`; no part is empty or begins with a
/// dot. So no key leaves the archive, whatever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// A text is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a key of an archive", text.escape_default())]
pub struct KeyError {
    /// The text, cut to the longest key.
    pub text: String,
}

/// What an object of a set holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Leaves, zstd.
    Leaves,
    /// Full tiles.
    Tiles,
    /// The leaves as rows, Parquet.
    Rows,
    /// Which blobs the leaves name, zstd.
    Blobs,
    /// The signed note.
    Checkpoint,
}

impl Kind {
    const fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::Leaves => ("leaves", "zst"),
            Self::Tiles => ("tiles", "bin"),
            Self::Rows => ("rows", "parquet"),
            Self::Blobs => ("blobs", "zst"),
            Self::Checkpoint => ("checkpoint", "txt"),
        }
    }
}

impl Key {
    /// Reads a key.
    ///
    /// # Errors
    /// [`KeyError`] for anything but a key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let good = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|b| {
                    b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_')
                })
        };
        if text.len() <= KEY_BYTES_MAX && text.split('/').all(good) {
            return Ok(Self(text.to_owned()));
        }
        let text = text.chars().take(KEY_BYTES_MAX).collect();
        Err(KeyError { text })
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `archive.json`.
    #[must_use]
    pub fn about() -> Self {
        Self("archive.json".to_owned())
    }

    /// The manifest of a set.
    #[must_use]
    pub fn manifest(set: u64) -> Self {
        Self(format!("{}/manifest.json", Self::set_dir(set)))
    }

    /// What all objects of a set begin with.
    #[must_use]
    pub fn set_dir(set: u64) -> String {
        format!("sets/{set:010}")
    }

    /// A blob, by the SHA-256 of its bytes.
    #[must_use]
    pub fn blob(hash: &[u8; 32]) -> Self {
        let name = hex::encode(hash);
        let (two, _) = name.split_at(2);
        Self(format!("blobs/{two}/{name}"))
    }

    /// An object of a set, at the `attempt`-th name for it, counted from 1.
    #[must_use]
    pub fn object(set: u64, kind: Kind, range: &Range<LeafIndex>, attempt: u8) -> Self {
        let (name, extension) = kind.name();
        let again = match attempt {
            0 | 1 => String::new(),
            n => format!("-{n}"),
        };
        Self(format!(
            "{}/{name}-{:020}-{:020}{again}.{extension}",
            Self::set_dir(set),
            range.start.0,
            range.end.0
        ))
    }

    /// Whether it is one of the names of this object.
    #[must_use]
    pub fn names(&self, set: u64, kind: Kind, range: &Range<LeafIndex>) -> bool {
        (1..=ATTEMPTS_MAX).any(|attempt| Self::object(set, kind, range, attempt) == *self)
    }

    /// The set whose manifest this is.
    #[must_use]
    pub fn manifest_of(&self) -> Option<u64> {
        let number = self
            .0
            .strip_prefix("sets/")?
            .strip_suffix("/manifest.json")?;
        let set = number.parse().ok()?;
        (Self::manifest(set) == *self).then_some(set)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_leaves_the_archive() {
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "../x",
            "sets/../../x",
            "sets//x",
            "sets/.",
            "a/./b",
            "a\\b",
            "a b",
            "sets/0000000001/..",
            "sets/%2e%2e/x",
            "a\0b",
            "A",
            "ä",
            "blobs/.hidden",
            "a/",
        ] {
            assert!(Key::parse(bad).is_err(), "{bad}");
        }
        assert!(Key::parse(&"a".repeat(KEY_BYTES_MAX + 1)).is_err());
        assert!(Key::parse("sets/0000000001/manifest.json").is_ok());
    }

    #[test]
    fn a_manifest_has_one_name() {
        assert_eq!(Key::manifest(7).manifest_of(), Some(7));
        for other in [
            "sets/7/manifest.json",
            "sets/+000000007/manifest.json",
            "sets/0000000007/manifest.json.x",
        ] {
            let key = Key::parse(other);
            assert_eq!(key.ok().and_then(|key| key.manifest_of()), None, "{other}");
        }
    }

    #[test]
    fn an_object_has_few_names() {
        let range = LeafIndex(0)..LeafIndex(256);
        let key = Key::object(1, Kind::Leaves, &range, 3);
        assert!(key.names(1, Kind::Leaves, &range));
        assert!(!key.names(2, Kind::Leaves, &range));
        assert!(!key.names(1, Kind::Tiles, &range));
        assert!(!Key::object(1, Kind::Leaves, &range, 10).names(1, Kind::Leaves, &range));
        assert!(Key::parse(key.as_str()).is_ok());
    }
}
