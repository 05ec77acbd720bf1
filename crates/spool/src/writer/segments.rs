//! Which segment takes the next group, and how one gives way to another.

use std::io;

use super::{Failure, Room, Spool, is_full, to_u64};
use crate::error::FullReason;
use crate::live::{Live, Previous, TAIL_ROOM_BYTES};
use crate::ordinal::SegmentNumber;
use crate::recovery::ClosedSegment;
use crate::reserve;
use crate::segment::{HEADER_END, SegmentHeader};

impl Spool {
    /// Makes sure that the live segment takes `bytes` and keeps its tail room.
    pub(super) fn ensure_room(&mut self, bytes: u64, room: Room) -> Result<(), Failure> {
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
    pub(super) fn ensure_live(&mut self, bytes: u64, room: Room) -> Result<(), Failure> {
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
    pub(super) fn roll(&mut self) -> Result<(), Failure> {
        if !self.pending.is_empty() {
            self.sync_live()?;
        }
        // A segment that cannot be ended is given up behind its durable groups; the next header
        // says so, and nothing is lost.
        let _ = self.finish_live();
        Ok(())
    }

    /// Ends the live segment, if there is one, whose groups are all durable.
    pub(super) fn finish_live(&mut self) -> io::Result<()> {
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
    pub(super) fn give_up_live(&mut self) -> Option<SegmentNumber> {
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
    pub(super) fn available(&self, room: Room) -> u64 {
        let reserve = match room {
            Room::Ordinary => self.options.reserve_bytes,
            Room::Reserve => 0,
        };
        let held = self.held_bytes().saturating_add(reserve);
        self.options.bytes_max.saturating_sub(held)
    }

    /// What is used apart from the reserve.
    pub(super) fn held_bytes(&self) -> u64 {
        let live = self.live.as_ref().map_or(0, |live| live.filled);
        self.closed_bytes
            .saturating_add(live)
            .saturating_add(self.blob_bytes)
    }

    pub(super) fn restore_reserve(&mut self) -> io::Result<()> {
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
