//! `archive.json`: which log an archive is of.

use serde::{Deserialize, Serialize};

use crate::error::{ArchiveError, ManifestError};
use crate::key::Key;
use crate::store::{Created, Objects, Version};

/// The longest `archive.json`, bytes.
pub(crate) const ABOUT_BYTES_MAX: u64 = 4096;

/// What `archive.json` says. Written once, before the first set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    v: u64,
    /// Origin of the log.
    pub log: String,
    /// Verifier key of the log when the archive began. A hint for people: a verifier brings his own.
    pub vkey: String,
}

impl About {
    /// What is said of a log.
    #[must_use]
    pub const fn new(log: String, vkey: String) -> Self {
        Self { v: 1, log, vkey }
    }

    /// Reads what an archive says of itself; `None` where there is none yet. Of several versions the oldest
    /// counts: it was written first, and nobody writes it again.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn read(objects: &dyn Objects) -> Result<Option<Self>, ArchiveError> {
        Ok(Self::find(objects)?.map(|(about, _)| about))
    }

    /// As [`About::read`], and the version that hides it.
    pub(crate) fn find(
        objects: &dyn Objects,
    ) -> Result<Option<(Self, Option<Version>)>, ArchiveError> {
        let key = Key::about();
        let versions = objects.versions(&key)?;
        let oldest = versions.iter().rev().find(|v| !v.is_delete_marker);
        let Some(bytes) = objects.get(&key, oldest, ABOUT_BYTES_MAX)? else {
            return Ok(None);
        };
        let hiding = versions.first().filter(|newest| Some(*newest) != oldest);
        Ok(Some((Self::parse(&bytes)?, hiding.cloned())))
    }

    fn parse(bytes: &[u8]) -> Result<Self, ArchiveError> {
        let key = Key::about();
        let about: Self =
            serde_json::from_slice(bytes).map_err(|error| ArchiveError::Manifest {
                key: key.clone(),
                source: ManifestError::Syntax {
                    problem: error.to_string(),
                },
            })?;
        if about.v != 1 {
            let source = ManifestError::Version { found: about.v };
            return Err(ArchiveError::Manifest { key, source });
        }
        Ok(about)
    }

    /// Begins an archive, or checks that it is of the same log.
    ///
    /// # Errors
    /// [`ArchiveError::OtherLog`].
    pub(crate) fn ensure(&self, objects: &dyn Objects) -> Result<(), ArchiveError> {
        if Self::read(objects)?.is_none() {
            let mut bytes = serde_json::to_vec(self).unwrap_or_default();
            bytes.push(b'\n');
            match objects.create(&Key::about(), bytes.into())? {
                Created::New | Created::Exists => {}
            }
        }
        let there =
            Self::read(objects)?.ok_or_else(|| ArchiveError::ReadBack { key: Key::about() })?;
        if there.log == self.log {
            return Ok(());
        }
        Err(ArchiveError::OtherLog {
            expected: self.log.clone(),
            found: there.log,
        })
    }
}
