//! Writing a spool: groups in, durable positions out.
//!
//! The commit point is one line, `live.sync()`. Die before it, and the group is torn off or found
//! whole by the next open, never in part; die after it, and it is found whole.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::blob::{self, BlobId};
use crate::catalog::LOCK_FILE;
use crate::cursor::{self, Cursor};
use crate::error::{
    AppendError, BlobError, FullReason, OpenError, ReadError, ReleaseError, UpkeepError,
};
use crate::frame::{self, FRAME_BYTES_MAX, Frame, GROUP_BYTES_MAX};
use crate::live::{Live, Previous, TAIL_ROOM_BYTES};
use crate::options::Options;
use crate::ordinal::{Ordinal, Position, SegmentNumber, SpoolId};
use crate::recovery::{self, ClosedSegment, Recovery};
use crate::reserve;
use crate::segment::{HEADER_END, SegmentHeader};
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
        let blob_bytes = blob_bytes(&*storage, dir).map_err(failed)?;
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
        sync_new_directory(&*spool.storage, dir, &report).map_err(failed)?;
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

    /// Appends a group without waiting for the disk: readers see it, a crash of this process keeps
    /// it, a crash of the machine may lose it, until [`Spool::sync`] or a synced append returns.
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

// === segments ===

impl Spool {
    /// Makes sure that the live segment takes `bytes` and keeps its tail room.
    fn ensure_room(&mut self, bytes: u64, room: Room) -> Result<(), Failure> {
        let over = |live: &Live, limit| live.end_with(bytes) > limit;
        let segment_bytes = self.options.segment_bytes;
        if self
            .live
            .as_ref()
            .is_some_and(|live| live.has_frames() && over(live, segment_bytes))
        {
            self.roll()?;
        }
        self.ensure_live(bytes, room)?;
        let (available, step) = (self.available(room), self.options.prealloc_step_bytes);
        let Some(live) = &mut self.live else {
            return Err(Failure::no_segment());
        };
        if !over(live, live.filled) {
            return Ok(());
        }
        let exact = live.end_with(bytes);
        let step = live.filled.saturating_add(step).min(segment_bytes);
        extend(live, exact, step, available)?;
        // The sync that made the zeros durable did so for everything before them.
        self.durable_end = self.next;
        self.pending.clear();
        Ok(())
    }

    /// Makes sure that there is a live segment, and that it holds all that is pending.
    fn ensure_live(&mut self, bytes: u64, room: Room) -> Result<(), Failure> {
        if self.live.is_some() {
            return Ok(());
        }
        let pending = to_u64(self.pending.len());
        let exact = HEADER_END + pending + bytes + TAIL_ROOM_BYTES;
        let available = self.available(room);
        if exact > available {
            return Err(Failure::Full {
                reason: FullReason::Quota,
                bytes_needed: exact,
            });
        }
        let wanted = self
            .options
            .prealloc_first_bytes
            .min(self.options.segment_bytes);
        let header = SegmentHeader {
            spool_id: self.id,
            segment: self.next_segment,
            first_ordinal: self.durable_end,
            previous_end: self.previous.end,
            previous_abandoned: self.previous.abandoned,
        };
        let create = |size| Live::create(&*self.storage, &self.dir, &header, size);
        let created = create(wanted.max(exact).min(available)).or_else(|error| {
            if is_full(&error) {
                create(exact)
            } else {
                Err(error)
            }
        });
        let mut live = created.map_err(|error| {
            if is_full(&error) {
                Failure::Full {
                    reason: FullReason::Disk,
                    bytes_needed: exact,
                }
            } else {
                Failure::NoSegment(error)
            }
        })?;
        let written = live.write(&self.pending);
        self.live = Some(live);
        written.map_err(Failure::Poisoned)
    }

    /// Ends the live segment in good order, so that the next group begins another.
    fn roll(&mut self) -> Result<(), Failure> {
        if !self.pending.is_empty() {
            self.sync_live()?;
        }
        // A segment that cannot be ended is given up behind its durable groups; the next header
        // says so, and nothing is lost.
        let _ = self.finish_live();
        Ok(())
    }

    /// Ends the live segment, if there is one, whose groups are all durable.
    fn finish_live(&mut self) -> io::Result<()> {
        let Some(live) = self.live.take() else {
            return Ok(());
        };
        let (number, filled) = (live.number, live.filled);
        let (previous, result) = live.finish(self.durable_end);
        let bytes = if previous.abandoned {
            filled
        } else {
            previous.end
        };
        self.retire(number, previous, bytes);
        result
    }

    /// Gives up the live segment after an error. If nothing in it is durable, the next one takes
    /// its number and its place.
    fn give_up_live(&mut self) -> Option<SegmentNumber> {
        let live = self.live.take()?;
        if live.has_durable_frames() {
            let previous = Previous {
                end: live.synced_end,
                abandoned: true,
            };
            self.retire(live.number, previous, live.filled);
        }
        Some(live.number)
    }

    fn retire(&mut self, number: SegmentNumber, previous: Previous, bytes: u64) {
        self.previous = previous;
        self.next_segment = number.next();
        self.closed_bytes = self.closed_bytes.saturating_add(bytes);
        let name = number.file_name();
        self.closed.push_back(ClosedSegment {
            name,
            bytes,
            end: self.durable_end,
        });
    }

    /// Bytes that segments may still take.
    fn available(&self, room: Room) -> u64 {
        let reserve = match room {
            Room::Ordinary => self.options.reserve_bytes,
            Room::Reserve => 0,
        };
        let held = self.held_bytes().saturating_add(reserve);
        self.options.bytes_max.saturating_sub(held)
    }

    /// What is used apart from the reserve.
    fn held_bytes(&self) -> u64 {
        let live = self.live.as_ref().map_or(0, |live| live.filled);
        self.closed_bytes
            .saturating_add(live)
            .saturating_add(self.blob_bytes)
    }

    fn restore_reserve(&mut self) -> io::Result<()> {
        let bytes = self.options.reserve_bytes;
        if self.has_reserve || bytes == 0 {
            return Ok(());
        }
        if self.held_bytes().saturating_add(bytes) > self.options.bytes_max {
            return Ok(());
        }
        match reserve::ensure(&*self.storage, &self.dir, bytes) {
            Ok(()) => {
                self.has_reserve = true;
                Ok(())
            }
            Err(error) if is_full(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Extends to `step` if there is room, else to `exact`.
fn extend(live: &mut Live, exact: u64, step: u64, available: u64) -> Result<(), Failure> {
    let limit = live.filled.saturating_add(available);
    let bytes_needed = exact.saturating_sub(live.filled);
    if exact > limit {
        return Err(Failure::Full {
            reason: FullReason::Quota,
            bytes_needed,
        });
    }
    let extended = live.extend(step.min(limit).max(exact)).or_else(|error| {
        if is_full(&error) {
            live.extend(exact)
        } else {
            Err(error)
        }
    });
    extended.map_err(|error| {
        if is_full(&error) {
            Failure::Full {
                reason: FullReason::Disk,
                bytes_needed,
            }
        } else {
            Failure::Poisoned(error)
        }
    })
}

// === upkeep ===

impl Spool {
    /// Upkeep between groups, off the hot path: begins the first segment, writes zeros ahead, begins
    /// a new segment early, restores the reserve. Does little when there is little to do, and
    /// nothing that an append would not do itself, later and more slowly. May buffer no group
    /// but syncs buffered ones when it touches the live segment.
    ///
    /// A full disk or quota is no error here.
    ///
    /// # Errors
    ///
    /// See [`UpkeepError`]. A segment that failed has been given up; appending may go on.
    pub fn maintain(&mut self) -> Result<(), UpkeepError> {
        let segment_bytes = self.options.segment_bytes;
        let low = self.options.prealloc_low_bytes.min(segment_bytes / 4);
        let room = |live: &Live, limit| live.has_frames() && live.end_with(low) > limit;
        let outcome = self.attempt(|spool| {
            if spool
                .live
                .as_ref()
                .is_some_and(|live| room(live, segment_bytes))
            {
                spool.roll()?;
            }
            spool.ensure_live(0, Room::Ordinary)?;
            if spool
                .live
                .as_ref()
                .is_some_and(|live| live.end_with(low) > live.filled)
            {
                spool.ensure_room(low, Room::Ordinary)?;
            }
            Ok(())
        });
        match outcome {
            Ok(_) | Err(AppendError::Full { .. }) => {}
            Err(error) => return Err(UpkeepError::Append(error)),
        }
        self.restore_reserve().map_err(upkeep_failed)
    }

    /// Moves the cursor behind `through`, durably, then deletes the segments that lie wholly before
    /// it. The live segment stays. Blobs stay: only the caller knows who refers to them.
    ///
    /// # Errors
    ///
    /// See [`ReleaseError`].
    pub fn release_through(&mut self, through: Ordinal) -> Result<Released, ReleaseError> {
        self.acknowledge_through(through)?;
        let failed = |source| ReleaseError::Storage { source };
        let mut released = Released::default();
        // Die anywhere here, and the cursor says why segments are missing.
        while let Some(segment) = self.closed.front() {
            if segment.end > self.acknowledged_end {
                break;
            }
            match self.storage.remove(&self.dir.join(&segment.name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                Ok(()) | Err(_) => {}
            }
            released.segments = released.segments.saturating_add(1);
            released.bytes = released.bytes.saturating_add(segment.bytes);
            self.closed_bytes = self.closed_bytes.saturating_sub(segment.bytes);
            self.closed.pop_front();
        }
        if released.segments > 0 {
            self.storage.sync_dir(&self.dir).map_err(failed)?;
        }
        Ok(released)
    }

    /// Moves the cursor behind `through`, durably, and deletes nothing. An ordinal that is
    /// acknowledged already changes nothing.
    ///
    /// # Errors
    ///
    /// See [`ReleaseError`].
    pub fn acknowledge_through(&mut self, through: Ordinal) -> Result<(), ReleaseError> {
        if through >= self.durable_end {
            let durable_end = self.durable_end;
            return Err(ReleaseError::NotDurable {
                asked: through,
                durable_end,
            });
        }
        let acknowledged_end = through.next();
        if acknowledged_end <= self.acknowledged_end {
            return Ok(());
        }
        let next_segment = self
            .live
            .as_ref()
            .map_or(self.next_segment, |live| live.number);
        let cursor = Cursor {
            spool_id: self.id,
            acknowledged_end,
            next_segment,
        };
        let mut written = cursor::write(&*self.storage, &self.dir, &cursor);
        if written.as_ref().is_err_and(is_full) {
            // A full disk must not keep us from making room.
            let given_up = reserve::give_up(&*self.storage, &self.dir);
            self.has_reserve = false;
            written = given_up.and_then(|_| cursor::write(&*self.storage, &self.dir, &cursor));
        }
        written.map_err(|source| ReleaseError::Storage { source })?;
        self.acknowledged_end = acknowledged_end;
        Ok(())
    }
}

// === blobs ===

impl Spool {
    /// Stores a blob under the SHA-256 of its content, durably; returns false if it was there with
    /// this content already. One with other content (a damaged one) is replaced.
    ///
    /// Does not check that the content fits the name.
    ///
    /// # Errors
    ///
    /// See [`BlobError`].
    pub fn put_blob(&mut self, id: BlobId, content: &[u8]) -> Result<bool, BlobError> {
        let failed = |source| BlobError::Storage { id, source };
        let bytes_needed = to_u64(content.len());
        let old = blob::len(&*self.storage, &self.dir, id).map_err(failed)?;
        if old == Some(bytes_needed) {
            let found = blob::read(&*self.storage, &self.dir, id).map_err(failed)?;
            if found.as_deref() == Some(content) {
                blob::sync(&*self.storage, &self.dir).map_err(failed)?;
                return Ok(false);
            }
        }
        if bytes_needed > self.available(Room::Ordinary) {
            return Err(self.blob_full(FullReason::Quota, bytes_needed));
        }
        match blob::write(&*self.storage, &self.dir, id, content) {
            Err(error) if is_full(&error) => {
                return Err(self.blob_full(FullReason::Disk, bytes_needed));
            }
            written => written.map_err(failed)?,
        }
        let others = self.blob_bytes.saturating_sub(old.unwrap_or_default());
        self.blob_bytes = others.saturating_add(bytes_needed);
        Ok(true)
    }

    /// The content of a blob, or `None` if there is none of that name.
    ///
    /// # Errors
    ///
    /// [`BlobError::Storage`] if the disk refuses.
    pub fn read_blob(&self, id: BlobId) -> Result<Option<Vec<u8>>, BlobError> {
        blob::read(&*self.storage, &self.dir, id)
            .map_err(|source| BlobError::Storage { id, source })
    }

    /// Removes a blob, durably; returns false if there was none.
    ///
    /// # Errors
    ///
    /// [`BlobError::Storage`] if the disk refuses.
    pub fn remove_blob(&mut self, id: BlobId) -> Result<bool, BlobError> {
        let failed = |source| BlobError::Storage { id, source };
        let bytes = blob::len(&*self.storage, &self.dir, id).map_err(failed)?;
        let removed = blob::remove(&*self.storage, &self.dir, id).map_err(failed)?;
        self.blob_bytes = self.blob_bytes.saturating_sub(bytes.unwrap_or_default());
        Ok(removed)
    }

    fn blob_full(&self, reason: FullReason, bytes_needed: u64) -> BlobError {
        let (bytes_used, bytes_max) = (self.bytes_used(), self.options.bytes_max);
        BlobError::Full {
            reason,
            bytes_needed,
            bytes_used,
            bytes_max,
        }
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

fn blob_bytes(storage: &dyn Storage, dir: &Path) -> io::Result<u64> {
    let mut bytes = 0_u64;
    for id in blob::ids(storage, dir)? {
        bytes = bytes.saturating_add(blob::len(storage, dir, id)?.unwrap_or_default());
    }
    Ok(bytes)
}

/// Makes the names of a new spool's directories durable.
fn sync_new_directory(storage: &dyn Storage, dir: &Path, report: &Recovery) -> io::Result<()> {
    if report.created {
        storage.sync_dir(dir)?;
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            storage.sync_dir(parent)?;
        }
    }
    Ok(())
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
