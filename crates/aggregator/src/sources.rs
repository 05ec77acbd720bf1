//! Which sources are enrolled, with which keys, and which are revoked.
//!
//! One small file a source. They are read again for every batch: revoking a source is writing a
//! file, by whichever process, and takes effect with its next request.

use std::path::PathBuf;

use affiant_entry::{SourceId, Trust, rfc3339};
use affiant_tlog::VerifierKey;
use serde::{Deserialize, Serialize};

use crate::files::{self, FileError};
use crate::state::StateDir;

/// The enrolled sources of a data directory.
#[derive(Debug, Clone)]
pub struct Sources {
    sources: PathBuf,
    revoked: PathBuf,
}

/// One enrolled source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Version of the file.
    pub v: u64,
    /// Its id.
    pub source: SourceId,
    /// The key it was enrolled with first (C2SP vkey).
    pub vkey: String,
    /// Rotation notes that lead from it to the key in use, oldest first; may be empty.
    #[serde(default)]
    pub rotations: String,
    /// When it was enrolled first, RFC 3339.
    pub enrolled: String,
}

/// One revoked source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Version of the file.
    pub v: u64,
    /// Its id.
    pub source: SourceId,
    /// When, RFC 3339.
    pub revoked: String,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether the log says so already.
    #[serde(default)]
    pub logged: bool,
}

impl Source {
    /// The keys its seals may be by.
    ///
    /// # Errors
    /// When the file was altered and holds no key.
    pub fn trust(&self) -> Result<Trust, FileError> {
        let key: VerifierKey = self.vkey.parse().map_err(|_| FileError::Content {
            path: PathBuf::from(self.source.as_str()),
            what: "source's verifier key",
        })?;
        Ok(Trust::new([key]).with_rotations(&self.rotations))
    }
}

impl Sources {
    /// The sources of this data directory.
    #[must_use]
    pub fn new(dir: &StateDir) -> Self {
        Self {
            sources: dir.sources(),
            revoked: dir.revoked(),
        }
    }

    /// One source; `None` if it is not enrolled.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn find(&self, source: &SourceId) -> Result<Option<Source>, FileError> {
        files::read_json(&self.sources.join(source.as_str()), "enrolled source")
    }

    /// All sources, by id.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn all(&self) -> Result<Vec<Source>, FileError> {
        let names = files::names(&self.sources)?;
        let ids = names.iter().filter_map(|name| SourceId::new(name).ok());
        ids.filter_map(|id| self.find(&id).transpose()).collect()
    }

    /// Keeps a source.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, source: &Source) -> Result<(), FileError> {
        let path = self.sources.join(source.source.as_str());
        files::write_json(&path, source, 0o600)?;
        Ok(())
    }

    /// Follows rotation notes of an enrolled source, unless they are known.
    ///
    /// # Errors
    /// When its file cannot be read or written.
    pub(crate) fn add_rotations(&self, source: &SourceId, notes: &str) -> Result<(), FileError> {
        let Some(mut known) = self.find(source)? else {
            return Ok(());
        };
        if !known.rotations.contains(notes) {
            known.rotations.push_str(notes);
            self.keep(&known)?;
        }
        Ok(())
    }

    /// Whether a source is revoked, and why.
    ///
    /// # Errors
    /// When that cannot be read: a source that may be revoked is not let in.
    pub fn revocation(&self, source: &SourceId) -> Result<Option<Revocation>, FileError> {
        files::read_json(&self.revoked.join(source.as_str()), "revocation")
    }

    /// All revocations, by id.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn revocations(&self) -> Result<Vec<Revocation>, FileError> {
        let names = files::names(&self.revoked)?;
        let ids = names.iter().filter_map(|name| SourceId::new(name).ok());
        ids.filter_map(|id| self.revocation(&id).transpose())
            .collect()
    }

    /// Revokes a source, enrolled or not: from now on nothing of it is taken. False if it was before.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn revoke(&self, source: &SourceId, reason: Option<&str>) -> Result<bool, FileError> {
        if self.revocation(source)?.is_some() {
            return Ok(false);
        }
        self.keep_revocation(&Revocation {
            v: 1,
            source: source.clone(),
            revoked: rfc3339(crate::clock::now().utc_us),
            reason: reason.map(|text| affiant_entry::limits::clip(text, 200)),
            logged: false,
        })?;
        Ok(true)
    }

    /// Keeps a revocation, as it stands in the log.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_revocation(&self, revocation: &Revocation) -> Result<(), FileError> {
        files::private_dir(&self.revoked)?;
        let path = self.revoked.join(revocation.source.as_str());
        files::write_json(&path, revocation, 0o600)?;
        Ok(())
    }
}
