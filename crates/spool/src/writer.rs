//! Writing a spool: groups in, durable positions out.
//!
//! The commit point is one line, `live.sync()`. Die before it, and the group is torn off or found
//! whole by the next open, never in part; die after it, and it is found whole.

mod blobs;
mod segments;
mod upkeep;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::blob;
use crate::catalog::LOCK_FILE;
use crate::error::{AppendError, FullReason, OpenError, ReadError, UpkeepError};
use crate::frame::{self, FRAME_BYTES_MAX, Frame, GROUP_BYTES_MAX};
use crate::live::{Live, Previous};
use crate::options::Options;
use crate::ordinal::{Ordinal, Position, SegmentNumber, SpoolId};
use crate::recovery::{self, ClosedSegment, Recovery};
use crate::reserve;
use crate::storage::{LockGuard, LockOutcome, OsStorage, Storage};

/// Where a group lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupPosition {
    /// Ordinal of the group's first frame.
    pub first: Ordinal,
    /// Ordinal of the group's last frame.
    pub last: Ordinal,
    /// Where the group begins. Provisional until the group is durable: a failed sync moves it.
    pub start: Position,
    /// A segment that was given up for a storage error during this call, although the call
    /// succeeded: worth a warning, and a look at the disk.
    pub poisoned: Option<SegmentNumber>,
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
///
/// Dropping it gives up the lock and leaves the spool as a crash would, which loses nothing that
/// was durable; [`Spool::close`] leaves it without slack.
pub struct Spool {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    options: Options,
    id: SpoolId,
    live: Option<Live>,
    /// What the next segment's header says about the one before.
    previous: Previous,
    next_segment: SegmentNumber,
    closed: VecDeque<ClosedSegment>,
    closed_bytes: u64,
    blob_bytes: u64,
    has_reserve: bool,
    next: Ordinal,
    durable_end: Ordinal,
    acknowledged_end: Ordinal,
    /// Groups that are not durable, as encoded: what must be written again if a sync fails.
    pending: Vec<u8>,
    /// The group being appended, as encoded.
    group: Vec<u8>,
    /// Last, so that it is given up last.
    lock: Box<dyn LockGuard>,
}

/// Which room an append may use.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    Ordinary,
    Reserve,
}

// === opening and closing ===

impl Spool {
    /// Opens or creates the spool in `dir`: takes its lock, reads it (see [`crate::Scan`]), and
    /// ends its last segment, cutting off a torn tail.
    ///
    /// Nothing is preallocated yet; [`Spool::maintain`] does so before the first group, if called.
    ///
    /// # Errors
    ///
    /// [`OpenError::Locked`] if another writer lives, [`OpenError::Version`] for a spool of a
    /// later format, [`OpenError::Option`] for options outside their limits, and
    /// [`OpenError::Storage`] if the disk refuses. A full disk is no reason to fail, but the
    /// reserve may be missing then.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<(Self, Recovery), OpenError> {
        Self::open_on(Arc::new(OsStorage), dir, options)
    }

    /// [`Spool::open`] on another storage.
    ///
    /// # Errors
    ///
    /// As for [`Spool::open`].
    pub fn open_on(
        storage: Arc<dyn Storage>,
        dir: impl AsRef<Path>,
        options: Options,
    ) -> Result<(Self, Recovery), OpenError> {
        let dir = dir.as_ref();
        options.check()?;
        let failed = |source| OpenError::Storage {
            dir: dir.to_owned(),
            source,
        };
        storage
            .create_dir_all(&dir.join(blob::BLOB_DIR))
            .map_err(failed)?;
        let pid = std::process::id().to_string();
        let lock = match storage.lock(&dir.join(LOCK_FILE), &pid).map_err(failed)? {
            LockOutcome::Taken(lock) => lock,
            LockOutcome::Held { pid } => {
                return Err(OpenError::Locked {
                    dir: dir.to_owned(),
                    pid,
                });
            }
        };
        let recovered =
            recovery::recover(&storage, dir, options.scan).map_err(|error| match error {
                ReadError::Version { segment, found } => OpenError::Version { segment, found },
                ReadError::Storage { source } => failed(source),
                ReadError::NoSpool { .. } => failed(io::ErrorKind::NotFound.into()),
            })?;
        let id = match recovered.id.or(options.new_id) {
            Some(id) => id,
            None => random_id().map_err(failed)?,
        };
        let blob_bytes = blobs::blob_bytes(&*storage, dir).map_err(failed)?;
        let report = recovered.report;
        let closed = recovered.closed;
        let mut spool = Self {
            dir: dir.to_owned(),
            id,
            live: None,
            previous: recovered.previous,
            next_segment: recovered.next_segment,
            closed_bytes: closed.iter().map(|segment| segment.bytes).sum(),
            closed,
            blob_bytes,
            has_reserve: false,
            next: report.next,
            durable_end: report.next,
            acknowledged_end: recovered.acknowledged_end,
            pending: Vec::new(),
            group: Vec::new(),
            lock,
            storage,
            options,
        };
        spool.restore_reserve().map_err(failed)?;
        sync_names(&*spool.storage, dir, report.created).map_err(failed)?;
        Ok((spool, report))
    }

    /// Whether a live writer holds the spool in `dir`. A directory without a spool is not locked.
    ///
    /// The answer is about now: who means to adopt an orphan opens it, and minds
    /// [`OpenError::Locked`].
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn is_locked(dir: impl AsRef<Path>) -> io::Result<bool> {
        OsStorage.is_locked(&dir.as_ref().join(LOCK_FILE))
    }

    /// Makes buffered groups durable, ends the live segment with a trailer at its exact length, and
    /// gives up the lock.
    ///
    /// # Errors
    ///
    /// See [`UpkeepError`]. The lock is given up in any case; the next open ends the segment.
    pub fn close(mut self) -> Result<(), UpkeepError> {
        self.sync().map_err(UpkeepError::Append)?;
        self.finish_live()
            .and_then(|()| self.lock.clear())
            .map_err(upkeep_failed)
    }
}

// === appending ===

impl Spool {
    /// Appends a group and makes it durable before returning: one write, one `fdatasync`. Groups
    /// buffered before become durable with it.
    ///
    /// If the disk fails, the segment is given up, never synced again, and everything that is not
    /// durable is written to a fresh one; [`GroupPosition::poisoned`] tells.
    ///
    /// # Errors
    ///
    /// See [`AppendError`]. After any error the group is not acknowledged and its ordinals are free.
    pub fn append_group(&mut self, frames: &[Frame<'_>]) -> Result<GroupPosition, AppendError> {
        self.append(frames, true, Room::Ordinary)
    }

    /// Appends a group without waiting for the disk: readers see it, and a crash may lose it (of the
    /// machine; of this process alone only if a segment was given up meanwhile), until [`Spool::sync`] or a synced append returns.
    ///
    /// Syncs by itself once `unsynced_bytes_max` is buffered.
    ///
    /// # Errors
    ///
    /// As for [`Spool::append_group`].
    pub fn append_unsynced(&mut self, frames: &[Frame<'_>]) -> Result<GroupPosition, AppendError> {
        self.append(frames, false, Room::Ordinary)
    }

    /// [`Spool::append_group`] that gives up the reserve if there is no other room: for what must
    /// be said about a full spool. Its groups should be small; [`Spool::maintain`] restores the
    /// reserve once there is room.
    ///
    /// # Errors
    ///
    /// As for [`Spool::append_group`].
    pub fn append_reserved(&mut self, frames: &[Frame<'_>]) -> Result<GroupPosition, AppendError> {
        match self.append(frames, true, Room::Ordinary) {
            Err(AppendError::Full { .. }) => {}
            result => return result,
        }
        let next = self.next;
        reserve::give_up(&*self.storage, &self.dir)
            .map_err(|source| AppendError::Storage { next, source })?;
        self.has_reserve = false;
        self.append(frames, true, Room::Reserve)
    }

    /// Makes all buffered groups durable; returns the first ordinal that is not durable, which is
    /// [`Spool::next_ordinal`].
    ///
    /// # Errors
    ///
    /// [`AppendError::Storage`] or [`AppendError::Full`]: the groups stay buffered, and the next
    /// call tries again in a fresh segment.
    pub fn sync(&mut self) -> Result<Ordinal, AppendError> {
        if self.pending.is_empty() {
            return Ok(self.durable_end);
        }
        self.attempt(|spool| {
            spool.ensure_live(0, Room::Reserve)?;
            spool.sync_live()
        })?;
        Ok(self.durable_end)
    }

    fn append(
        &mut self,
        frames: &[Frame<'_>],
        durable: bool,
        room: Room,
    ) -> Result<GroupPosition, AppendError> {
        let bytes = check_group(frames)?;
        let durable = durable || self.pending.len() + bytes > self.options.unsynced_bytes_max;
        let first = self.next;
        let ((start, next), poisoned) = self.attempt(|spool| {
            spool.ensure_room(to_u64(bytes), room)?;
            spool.write_group(frames, durable)
        })?;
        self.next = next;
        if durable {
            self.durable_end = next;
            self.pending.clear();
        } else {
            self.pending.extend_from_slice(&self.group);
        }
        let last = next.previous().unwrap_or(first);
        Ok(GroupPosition {
            first,
            last,
            start,
            poisoned,
        })
    }

    /// Writes a group into room that is there.
    fn write_group(
        &mut self,
        frames: &[Frame<'_>],
        durable: bool,
    ) -> Result<(Position, Ordinal), Failure> {
        let Some(live) = &mut self.live else {
            return Err(Failure::no_segment());
        };
        self.group.clear();
        frame::encode_group(frames, self.next, self.pending.is_empty(), &mut self.group);
        let start = Position {
            segment: live.number,
            offset: live.end,
        };
        live.write(&self.group).map_err(Failure::Poisoned)?;
        if durable {
            // Commit point. Behind it the group survives whatever happens.
            live.sync().map_err(Failure::Poisoned)?;
        }
        Ok((
            start,
            Ordinal::new(self.next.get().saturating_add(to_u64(frames.len()))),
        ))
    }

    /// Runs `work`; if its segment fails, gives that up and runs it once more on a fresh one.
    fn attempt<T>(
        &mut self,
        mut work: impl FnMut(&mut Self) -> Result<T, Failure>,
    ) -> Result<(T, Option<SegmentNumber>), AppendError> {
        let mut poisoned = None;
        loop {
            let failure = match work(self) {
                Ok(done) => return Ok((done, poisoned)),
                Err(failure) => failure,
            };
            let source = match failure {
                Failure::Full {
                    reason,
                    bytes_needed,
                } => return Err(self.full(reason, bytes_needed)),
                Failure::NoSegment(source) => source,
                Failure::Poisoned(source) => {
                    let given_up = self.give_up_live();
                    if poisoned.is_none() {
                        poisoned = given_up;
                        continue;
                    }
                    source
                }
            };
            return Err(AppendError::Storage {
                next: self.next,
                source,
            });
        }
    }

    fn sync_live(&mut self) -> Result<(), Failure> {
        let Some(live) = &mut self.live else {
            return Err(Failure::no_segment());
        };
        live.sync().map_err(Failure::Poisoned)?;
        self.durable_end = self.next;
        self.pending.clear();
        Ok(())
    }

    fn full(&self, reason: FullReason, bytes_needed: u64) -> AppendError {
        let (bytes_used, bytes_max) = (self.bytes_used(), self.options.bytes_max);
        AppendError::Full {
            reason,
            bytes_needed,
            bytes_used,
            bytes_max,
        }
    }
}

/// Why work on the live segment did not go through.
enum Failure {
    /// No room; nothing has changed.
    Full {
        reason: FullReason,
        bytes_needed: u64,
    },
    /// A segment could not be created.
    NoSegment(io::Error),
    /// The live segment failed and must be given up.
    Poisoned(io::Error),
}

impl Failure {
    fn no_segment() -> Self {
        Self::NoSegment(io::ErrorKind::NotFound.into())
    }
}

// === getters ===

impl Spool {
    /// The ordinal the next frame will get.
    #[must_use]
    pub fn next_ordinal(&self) -> Ordinal {
        self.next
    }

    /// The first ordinal that is not durable.
    #[must_use]
    pub fn durable_end(&self) -> Ordinal {
        self.durable_end
    }

    /// The first ordinal that is not acknowledged by the cursor.
    #[must_use]
    pub fn acknowledged_end(&self) -> Ordinal {
        self.acknowledged_end
    }

    /// Bytes held: segments with their preallocated room, blobs, and the reserve.
    #[must_use]
    pub fn bytes_used(&self) -> u64 {
        let reserve = if self.has_reserve {
            self.options.reserve_bytes
        } else {
            0
        };
        self.held_bytes().saturating_add(reserve)
    }

    /// The quota, in bytes.
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        self.options.bytes_max
    }

    /// The spool's id.
    #[must_use]
    pub fn id(&self) -> SpoolId {
        self.id
    }

    /// The spool's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// The size of a group as encoded, if it is within the limits.
fn check_group(frames: &[Frame<'_>]) -> Result<usize, AppendError> {
    if frames.is_empty() {
        return Err(AppendError::EmptyGroup);
    }
    for (index, frame) in frames.iter().enumerate() {
        let bytes = frame.payload.len();
        if bytes > FRAME_BYTES_MAX {
            return Err(AppendError::FrameTooLarge {
                index,
                bytes,
                max: FRAME_BYTES_MAX,
            });
        }
    }
    let bytes = frames.iter().map(Frame::encoded_bytes).sum();
    if bytes > GROUP_BYTES_MAX {
        return Err(AppendError::GroupTooLarge {
            bytes,
            max: GROUP_BYTES_MAX,
        });
    }
    Ok(bytes)
}

/// Makes durable which files there are: what recovery saw must be what a crash leaves, also where
/// the writer before died before it could sync the directory.
fn sync_names(storage: &dyn Storage, dir: &Path, created: bool) -> io::Result<()> {
    storage.sync_dir(dir)?;
    match dir.parent() {
        Some(parent) if created && !parent.as_os_str().is_empty() => storage.sync_dir(parent),
        Some(_) | None => Ok(()),
    }
}

fn random_id() -> io::Result<SpoolId> {
    let mut bytes = [0; 16];
    // Sixteen bytes come in one piece: getrandom(2) is not interrupted below 256.
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(SpoolId::new(bytes))
}

/// The disk, or the quota the system has for us, is full.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn upkeep_failed(source: io::Error) -> UpkeepError {
    UpkeepError::Storage { source }
}

fn to_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
