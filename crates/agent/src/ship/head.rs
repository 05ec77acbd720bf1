//! What is remembered of the log: a line of checkpoints, each proven to continue the one before.
//!
//! Several batches are under way at once, so a receipt may prove that its checkpoint continues one
//! that is not the newest any more. Such a checkpoint is believed only once it turns out to be one
//! of the line: a log that forked between two receipts would otherwise go unseen.
//!
//! ```text
//! line      C0 ──▸ C1 ──▸ C2          each arrow a verified consistency proof
//! receipt   C0 ─────────────▸ X       X = C2: on the line.  Larger than C2: not known yet.
//!                                     Same size as one of the line, another root: a fork.
//! ```

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;

use affiant_tlog::note::{Note, VerifierKey};
use affiant_tlog::{Checkpoint, TreeSize};
use fs_err as fs;

use super::checkpoint_path;
use super::lock::FileLock;
use crate::keys::write_whole;
use crate::state::DataDir;

/// Checkpoints kept in memory: more than can come while one batch is under way.
const LINE_MAX: usize = 4096;

/// Where a verified checkpoint stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On the line, perhaps as its new end.
    Known,
    /// It continues an older one of the line; whether it continues the newest is not known yet.
    Unlinked,
    /// It contradicts the line: the log has forked.
    Fork,
}

/// The line.
pub(super) struct Head {
    path: PathBuf,
    line: VecDeque<Checkpoint>,
    /// The newest, as a note.
    note: String,
    /// Size of the one on disk.
    saved: TreeSize,
}

/// The remembered checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// What is remembered is not a checkpoint of the enrolled log.
    #[error("`{}` is not a checkpoint of the log this source is enrolled with", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another process of this source was shown another log.
    #[error("`{}` contradicts a receipt of this process: the log has forked", path.display())]
    Fork {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("remembered checkpoint cannot be read or written")]
    Io(#[from] io::Error),
}

impl Head {
    /// Reads what is remembered.
    pub(super) fn load(dir: &DataDir, keys: &[VerifierKey]) -> Result<Self, HeadError> {
        let path = checkpoint_path(dir);
        let mut head = Self {
            path,
            line: VecDeque::new(),
            note: String::new(),
            saved: TreeSize(0),
        };
        if let Some((checkpoint, note)) = head.read(keys)? {
            head.saved = checkpoint.size;
            head.note = note;
            head.line.push_back(checkpoint);
        }
        Ok(head)
    }

    fn read(&self, keys: &[VerifierKey]) -> Result<Option<(Checkpoint, String)>, HeadError> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let opened = Note::parse(text.as_bytes()).ok().and_then(|note| {
            keys.iter()
                .find_map(|key| Checkpoint::open(&note, key).ok())
        });
        let checkpoint = opened.ok_or_else(|| HeadError::Foreign {
            path: self.path.clone(),
        })?;
        Ok(Some((checkpoint, text)))
    }

    /// The newest checkpoint.
    pub(super) fn newest(&self) -> Option<&Checkpoint> {
        self.line.back()
    }

    /// The newest checkpoint as a signed note; empty if there is none.
    pub(super) fn note(&self) -> &str {
        &self.note
    }

    /// Where a checkpoint stands that was verified to continue `base`; the line grows by it if `base`
    /// is its end.
    pub(super) fn admit(
        &mut self,
        base: Option<&Checkpoint>,
        found: &Checkpoint,
        note: &str,
    ) -> Place {
        let place = self.place(found);
        let grows = place == Place::Unlinked
            && self.newest() == base
            && self.newest().is_none_or(|newest| found.size > newest.size);
        if !grows {
            return place;
        }
        self.line.push_back(found.clone());
        note.clone_into(&mut self.note);
        if self.line.len() > LINE_MAX {
            self.line.pop_front();
        }
        Place::Known
    }

    /// Where a checkpoint stands now.
    pub(super) fn place(&self, found: &Checkpoint) -> Place {
        match self.line.binary_search_by_key(&found.size, |c| c.size) {
            Ok(at) if self.line.get(at) == Some(found) => Place::Known,
            Ok(_) => Place::Fork,
            Err(_) => Place::Unlinked,
        }
    }

    /// Makes the newest checkpoint durable, unless another process of this source has a larger one.
    /// What is released afterwards is covered by what is remembered.
    pub(super) fn save(&mut self, dir: &DataDir, keys: &[VerifierKey]) -> Result<(), HeadError> {
        let Some(newest) = self.line.back() else {
            return Ok(());
        };
        if newest.size == self.saved {
            return Ok(());
        }
        let _one_at_a_time = FileLock::wait(&dir.ship().join("lock"))?;
        if let Some((other, _)) = self.read(keys)? {
            match self.place(&other) {
                Place::Fork => {
                    return Err(HeadError::Fork {
                        path: self.path.clone(),
                    });
                }
                Place::Unlinked if other.size > newest.size => return Ok(()),
                Place::Known | Place::Unlinked => {}
            }
        }
        write_whole(&self.path, &self.note, 0o644)?;
        self.saved = newest.size;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use affiant_tlog::checkpoint::Origin;
    use affiant_tlog::leaf_hash;

    use super::*;

    fn checkpoint(size: u64, root: &str) -> Checkpoint {
        let origin = Origin::new("log.example").unwrap();
        Checkpoint::new(origin, TreeSize(size), leaf_hash(root.as_bytes()))
    }

    #[test]
    fn a_checkpoint_is_known_only_on_the_line_and_a_second_root_is_a_fork() {
        let mut head = Head {
            path: PathBuf::new(),
            line: VecDeque::new(),
            note: String::new(),
            saved: TreeSize(0),
        };
        let (one, two, four) = (checkpoint(1, "a"), checkpoint(2, "b"), checkpoint(4, "d"));
        assert_eq!(head.admit(None, &one, "1"), Place::Known);
        assert_eq!(head.admit(None, &two, "2"), Place::Unlinked);
        assert_eq!(head.admit(Some(&one), &two, "2"), Place::Known);
        assert_eq!(head.admit(Some(&one), &four, "4"), Place::Unlinked);
        assert_eq!(head.newest(), Some(&two));
        assert_eq!(head.admit(Some(&two), &four, "4"), Place::Known);
        assert_eq!(head.place(&two), Place::Known);
        assert_eq!(head.place(&checkpoint(2, "x")), Place::Fork);
        assert_eq!(head.place(&checkpoint(3, "c")), Place::Unlinked);
        assert_eq!(
            head.admit(Some(&four), &checkpoint(3, "c"), "3"),
            Place::Unlinked
        );
        assert_eq!(head.note, "4");
    }
}
