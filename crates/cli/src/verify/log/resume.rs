//! A long verification that can be broken off: how far it got, and what it had found.
//!
//! What was judged before is hashed again when it is taken up, and not judged again. The file is the
//! verifier's own: whoever can write it can make a verifier skip.

use std::path::{Path, PathBuf};

use affiant_tlog::{Hash, TreeSize};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::error::ExpectedError;

/// How often the state is written, in leaves.
const EVERY_LEAVES: u64 = 1 << 18;

/// How far a verification got.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    v: u32,
    /// The log.
    pub(super) origin: String,
    /// Leaves that were judged.
    pub(super) leaves: u64,
    /// The root over them, base64.
    root: String,
    /// Whether all of them held.
    pub(super) clean: bool,
}

/// Where the state is kept.
pub(super) struct Resume {
    path: PathBuf,
    written: u64,
}

impl Resume {
    /// The state file, and what it holds for this log.
    pub(super) fn open(path: &Path, origin: &str) -> Result<(Self, Option<State>), ExpectedError> {
        let state = match fs::read(path) {
            Ok(bytes) => {
                let state: State = serde_json::from_slice(&bytes).map_err(|_| {
                    let message =
                        format!("`{}` is not the state of a verification", path.display());
                    ExpectedError::usage(message)
                })?;
                Some(state)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(ExpectedError::storage(&error)),
        };
        let state = state.filter(|state| state.v == 1 && state.origin == origin);
        let resume = Self {
            path: path.to_owned(),
            written: state.as_ref().map_or(0, |state| state.leaves),
        };
        Ok((resume, state))
    }

    /// Writes how far it got, every so often. A state that cannot be written costs nothing but time.
    pub(super) fn note(&mut self, origin: &str, leaves: u64, root: impl Fn() -> Hash, clean: bool) {
        if leaves < self.written.saturating_add(EVERY_LEAVES) {
            return;
        }
        self.written = leaves;
        let state = State {
            v: 1,
            origin: origin.to_owned(),
            leaves,
            root: root().to_base64(),
            clean,
        };
        let temporary = self.path.with_extension("tmp");
        let kept = serde_json::to_vec(&state)
            .map_err(std::io::Error::other)
            .and_then(|json| fs::write(&temporary, json))
            .and_then(|()| fs::rename(&temporary, &self.path));
        if let Err(error) = kept {
            tracing::warn!(%error, "state of the verification not written");
        }
    }

    /// The verification is over: there is nothing to take up.
    pub(super) fn done(self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl State {
    /// Size and root that the log must still have.
    pub(super) fn tree(&self) -> Option<(TreeSize, Hash)> {
        let root = Hash::from_base64(&self.root).ok()?;
        Some((TreeSize(self.leaves), root))
    }
}
