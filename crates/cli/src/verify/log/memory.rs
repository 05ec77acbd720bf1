//! What the verifier remembers of a log: the last checkpoint it found whole.
//!
//! A log that is perfect in itself can still be an older or another one; only who remembers can tell.
//! One file a log under the user's state directory, apart from any data directory.

use std::path::PathBuf;

use affiant_audit::TrustFile;
use affiant_tlog::{Checkpoint, Note};
use fs_err as fs;
use sha2::{Digest as _, Sha256};

use crate::data_dir;
use crate::error::chain;

/// The memory of one log.
pub(super) struct Memory {
    path: Option<PathBuf>,
    /// The checkpoint remembered.
    pub(super) older: Option<Checkpoint>,
    /// Why what is there cannot be used.
    pub(super) trouble: Option<String>,
}

impl Memory {
    /// No memory, as asked.
    pub(super) const fn none() -> Self {
        Self {
            path: None,
            older: None,
            trouble: None,
        }
    }

    /// What is remembered of the log that signed this checkpoint.
    pub(super) fn of(checkpoint: &Checkpoint, trust: &TrustFile) -> Self {
        let mut memory = Self::none();
        let Some(dir) = data_dir::default_dir() else {
            memory.trouble =
                Some("there is no home directory to remember checkpoints in".to_owned());
            return memory;
        };
        let digest = Sha256::digest(checkpoint.origin.as_str().as_bytes());
        let name = hex::encode(digest.get(..16).unwrap_or_default());
        let path = dir.join("verifier").join(format!("{name}.checkpoint"));
        match fs::read(&path) {
            Ok(bytes) => match Note::parse(&bytes)
                .map_err(|e| chain(&e))
                .and_then(|note| trust.policy.check(&note).map_err(|error| chain(&error)))
            {
                Ok(report) => memory.older = Some(report.checkpoint().clone()),
                Err(error) => {
                    memory.trouble = Some(format!("{}: {error}", path.display()));
                }
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => memory.trouble = Some(error.to_string()),
        }
        memory.path = Some(path);
        memory
    }

    /// Remembers a checkpoint whose whole log was found to hold. An older one never takes the place
    /// of a newer one.
    pub(super) fn keep(&self, checkpoint: &Checkpoint, note: &Note) -> Result<(), String> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let newer = self
            .older
            .as_ref()
            .is_none_or(|older| older.size < checkpoint.size);
        if !newer || self.trouble.is_some() {
            return Ok(());
        }
        let keep = || {
            if let Some(dir) = path.parent() {
                fs::create_dir_all(dir)?;
            }
            let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
            fs::write(&temporary, note.to_bytes())?;
            fs::rename(&temporary, path)
        };
        keep().map_err(|error: std::io::Error| error.to_string())
    }
}
