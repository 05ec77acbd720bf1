//! Work between groups: room ahead, and room behind.

use std::io;

use super::{Released, Room, Spool, is_full, upkeep_failed};
use crate::cursor::{self, Cursor};
use crate::error::{AppendError, ReleaseError, UpkeepError};
use crate::live::Live;
use crate::ordinal::Ordinal;
use crate::reserve;

impl Spool {
    /// Upkeep between groups, off the hot path: begins the first segment, writes zeros ahead, begins
    /// a new segment early, restores the reserve. Does little when there is little to do, and
    /// nothing that an append would not do itself, only while its caller waits. Buffered groups may
    /// become durable by the way.
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

    /// Moves the cursor behind `through`, durably, unless it is there already, then deletes the
    /// segments that lie wholly before `through`'s end: a caller may acknowledge more than it releases.
    /// The live segment stays. Blobs stay: only the caller knows who refers to them.
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
            if segment.end > through.next() {
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
