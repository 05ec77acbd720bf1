//! Writing a spool.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::blob::BlobId;
use crate::damage::{Damage, Tail};
use crate::error::{AppendError, BlobError, OpenError, ReleaseError, UpkeepError};
use crate::frame::Frame;
use crate::options::Options;
use crate::ordinal::{Ordinal, Position, SegmentNumber, SpoolId};
use crate::storage::{OsStorage, Storage};

/// Where a group lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupPosition {
    /// Ordinal of the group's first frame.
    pub first: Ordinal,
    /// Ordinal of the group's last frame.
    pub last: Ordinal,
    /// Where the group begins. Provisional until the group is durable.
    pub start: Position,
    /// A segment that was given up for a storage error during this call; worth a warning.
    pub poisoned: Option<SegmentNumber>,
}

/// What opening a spool found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Whether the spool did not exist.
    pub created: bool,
    /// How the spool ended; a torn tail has been cut off after it was reported here.
    pub tail: Tail,
    /// What is wrong with it, in order. At most [`Recovery::DAMAGE_MAX`].
    pub damage: Vec<Damage>,
    /// Damage beyond that.
    pub damage_omitted: u64,
    /// The first frame that is still there.
    pub first: Ordinal,
    /// The ordinal the next frame will get.
    pub next: Ordinal,
}

impl Recovery {
    /// How much damage is listed one by one.
    pub const DAMAGE_MAX: usize = 1024;
}

/// What a release removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Released {
    /// Segment files.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The one writer of a spool.
pub struct Spool {
    dir: PathBuf,
    _storage: Arc<dyn Storage>,
}

impl Spool {
    /// Opens or creates the spool in `dir`, taking its lock and recovering it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<(Self, Recovery), OpenError> {
        Self::open_on(Arc::new(OsStorage), dir, options)
    }

    /// [`Spool::open`] on another storage.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_on(
        storage: Arc<dyn Storage>,
        dir: impl AsRef<Path>,
        _options: Options,
    ) -> Result<(Self, Recovery), OpenError> {
        let spool = Self {
            dir: dir.as_ref().to_owned(),
            _storage: storage,
        };
        Err(OpenError::Storage {
            dir: spool.dir,
            source: io::ErrorKind::Unsupported.into(),
        })
    }

    /// Whether a live writer holds the spool in `dir`.
    ///
    /// # Errors
    /// What the system says; a directory without a spool is not locked.
    pub fn is_locked(dir: impl AsRef<Path>) -> io::Result<bool> {
        OsStorage.is_locked(&dir.as_ref().join("lock"))
    }

    /// Appends a group and makes it durable before returning.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append_group(&mut self, _frames: &[Frame<'_>]) -> Result<GroupPosition, AppendError> {
        Err(self.unsupported())
    }

    /// Appends a group without waiting for the disk; [`Spool::sync`] makes it durable.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append_unsynced(&mut self, _frames: &[Frame<'_>]) -> Result<GroupPosition, AppendError> {
        Err(self.unsupported())
    }

    /// [`Spool::append_group`] that may use the reserve: for `gap` and `stop`.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append_reserved(&mut self, _frames: &[Frame<'_>]) -> Result<GroupPosition, AppendError> {
        Err(self.unsupported())
    }

    /// Makes all buffered groups durable; returns the first ordinal that is not durable.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn sync(&mut self) -> Result<Ordinal, AppendError> {
        Err(self.unsupported())
    }

    /// Upkeep between groups: preallocates, rolls segments early, restores the reserve.
    ///
    /// # Errors
    /// See [`UpkeepError`].
    pub fn maintain(&mut self) -> Result<(), UpkeepError> {
        Ok(())
    }

    /// The ordinal the next frame will get.
    #[must_use]
    pub fn next_ordinal(&self) -> Ordinal {
        Ordinal::FIRST
    }

    /// The first ordinal that is not durable.
    #[must_use]
    pub fn durable_end(&self) -> Ordinal {
        Ordinal::FIRST
    }

    /// The first ordinal that is not acknowledged by the cursor.
    #[must_use]
    pub fn acknowledged_end(&self) -> Ordinal {
        Ordinal::FIRST
    }

    /// Bytes held: segments with their preallocated room, blobs and reserve.
    #[must_use]
    pub fn bytes_used(&self) -> u64 {
        0
    }

    /// The quota, in bytes.
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        0
    }

    /// The spool's id.
    #[must_use]
    pub fn id(&self) -> SpoolId {
        SpoolId::new([0; 16])
    }

    /// The spool's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Moves the cursor behind `through`, durably, and deletes whole segments before it.
    ///
    /// # Errors
    /// See [`ReleaseError`].
    pub fn release_through(&mut self, through: Ordinal) -> Result<Released, ReleaseError> {
        Err(ReleaseError::NotDurable {
            asked: through,
            durable_end: Ordinal::FIRST,
        })
    }

    /// Moves the cursor behind `through`, durably, and deletes nothing.
    ///
    /// # Errors
    /// See [`ReleaseError`].
    pub fn acknowledge_through(&mut self, through: Ordinal) -> Result<(), ReleaseError> {
        Err(ReleaseError::NotDurable {
            asked: through,
            durable_end: Ordinal::FIRST,
        })
    }

    /// Stores a blob durably; returns false if it was there already.
    ///
    /// # Errors
    /// See [`BlobError`].
    pub fn put_blob(&mut self, id: BlobId, _content: &[u8]) -> Result<bool, BlobError> {
        Err(BlobError::Storage {
            id,
            source: io::ErrorKind::Unsupported.into(),
        })
    }

    /// Removes a blob; returns false if there was none.
    ///
    /// # Errors
    /// See [`BlobError`].
    pub fn remove_blob(&mut self, id: BlobId) -> Result<bool, BlobError> {
        Err(BlobError::Storage {
            id,
            source: io::ErrorKind::Unsupported.into(),
        })
    }

    /// Syncs, writes the trailer, cuts the segment to its exact length, gives up the lock.
    ///
    /// # Errors
    /// See [`UpkeepError`].
    pub fn close(self) -> Result<(), UpkeepError> {
        Ok(())
    }

    fn unsupported(&self) -> AppendError {
        AppendError::Storage {
            next: self.next_ordinal(),
            source: io::ErrorKind::Unsupported.into(),
        }
    }
}
