//! One chain on its way: what was read, what is under way, what is acknowledged. No I/O but reading
//! the spool; time comes in.
//!
//! ```text
//! spool ──▸ filling ──▸ batches  Ready ─▸ Flying ─▸ (Held ─▸) Done ──▸ acknowledged, in order
//!                                  ▴         │
//!                                  └─────────┘ lost answer, refusal that passes, gap
//! ```

use std::collections::{HashSet, VecDeque};

use affiant_entry::batch::BatchWriteError;
use affiant_entry::{Moment, SealPlace, SourceId, SpoolName};
use affiant_spool::{BlobId, Ordinal, ReadError};
use affiant_tlog::Checkpoint;

use super::batch::{Batch, Filling, Heading, Piece, Stage};
use super::keeper::Keeper;
use super::kept_proof::KeptProof;
use super::lock::FileLock;
use super::receipt_age::ReceiptAge;
use super::source::{Found, Group, Source};
use super::stats::SpoolCounts;
use crate::trail::Release;

/// Batches of one chain in memory, under way or not.
pub(super) const WINDOW_BATCHES: usize = 32;
/// The same while nothing can be sent: what waits, waits in the spool.
pub(super) const WINDOW_OFFLINE: usize = 2;
/// Batches read at once, before those that are ready are sent: reading ahead then costs no time in
/// which the aggregator has nothing to do.
const READ_BATCHES: usize = 2;
/// Longest wait for a batch to fill.
const LINGER_US: u64 = 200_000;
/// The same while nothing is under way: whoever waits for a receipt then waits for little else.
const LINGER_IDLE_US: u64 = 20_000;
/// Blobs remembered as sent, so that the end of a call does not send its input again.
const SENT_BLOBS_MAX: usize = 4096;
/// Blobs removed at once.
const BLOBS_REMOVED_MAX: usize = 256;
/// Times a chain may be rewound without a receipt in between; then what is missing is missing.
const REWINDS_MAX: u32 = 3;

/// One chain.
pub(super) struct Chain {
    pub(super) name: SpoolName,
    source_id: SourceId,
    source: Source,
    pub(super) keeper: Keeper,
    /// Held while this process ships the chain.
    pub(super) lock: Option<FileLock>,
    filling: Filling,
    filling_since_us: u64,
    batches: VecDeque<Batch>,
    /// Batches read and not acknowledged, at most.
    pub(super) window: usize,
    next_number: u64,
    newest: Option<SealPlace>,
    sent_blobs: HashSet<BlobId>,
    /// Behind the last ordinal that verified receipts cover without a hole.
    acknowledged: Ordinal,
    /// Where the newest acknowledged group begins: it stays, so that the next boot can link to it.
    kept_from: Ordinal,
    /// That the log has the seal of that group.
    proof: Option<KeptProof>,
    /// What the cursor on disk says.
    cursor: Ordinal,
    /// Bytes acknowledged and not released.
    pub(super) unreleased_bytes: usize,
    /// Entries are counted once, however often they are read.
    counted: Ordinal,
    counts: SpoolCounts,
    /// Entries that were counted, are not acknowledged, and will be read again.
    rewound: u64,
    rewinds: u32,
    /// Why nothing of this chain is sent any more.
    pub(super) stopped: Option<String>,
    /// The last look found nothing new.
    exhausted: bool,
    /// The last look failed.
    unreadable: bool,
}

/// What to do about a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GapAnswer {
    /// The batch had overtaken another; it waits for it.
    Wait,
    /// Reading goes back to what is expected.
    Rewound,
    /// What is expected is not here any more: the batch says so.
    Declared,
}

impl Chain {
    pub(super) fn new(
        dir: &std::path::Path,
        name: SpoolName,
        source_id: SourceId,
        keeper: Keeper,
        cursor: Ordinal,
    ) -> Self {
        let heading = Heading {
            source: source_id.clone(),
            spool: name.clone(),
            sent_utc_us: 0,
            newest: None,
            pending_entries: 0,
        };
        let mut source = Source::new(dir, cursor);
        if let Err(error) = source.learn_blobs(cursor) {
            tracing::warn!(%error, spool = %name, "blobs of acknowledged entries are not known");
        }
        Self {
            name,
            source_id,
            source,
            keeper,
            lock: None,
            filling: Filling::new(&heading),
            filling_since_us: 0,
            batches: VecDeque::new(),
            window: WINDOW_OFFLINE,
            next_number: 0,
            newest: None,
            sent_blobs: HashSet::new(),
            acknowledged: cursor,
            kept_from: Ordinal::FIRST,
            proof: None,
            cursor,
            unreleased_bytes: 0,
            counted: cursor,
            counts: SpoolCounts::default(),
            rewound: 0,
            rewinds: 0,
            stopped: None,
            exhausted: false,
            unreadable: false,
        }
    }

    /// The heading of batches sent now.
    pub(super) fn heading(&self, now: Moment) -> Heading {
        Heading {
            source: self.source_id.clone(),
            spool: self.name.clone(),
            sent_utc_us: now.utc_us,
            newest: self.newest,
            pending_entries: self.counts().pending,
        }
    }

    // === reading ===

    /// Reads what has become durable, as far as the window takes it.
    pub(super) fn fill(&mut self, now: Moment) -> Result<(), ReadError> {
        let until = self.window.min(self.batches.len() + READ_BATCHES);
        while self.stopped.is_none() && self.batches.len() < until {
            self.unreadable = true;
            let found = self.source.poll(self.keeper.durable())?;
            self.unreadable = false;
            self.exhausted = found.is_empty();
            if self.exhausted {
                break;
            }
            for found in found {
                match found {
                    Found::Group(group) => self.add(&group, now).inspect_err(|_| {
                        // A blob cannot be read: this group and those behind it are read again.
                        self.unreadable = true;
                        self.source.go_to(group.first);
                    })?,
                    Found::Lost { frames } => self.lose(frames, now),
                }
            }
        }
        if !self.filling.is_empty() && self.linger_ends_us() <= now.mono_us {
            self.close_batch(now);
        }
        Ok(())
    }

    fn linger_ends_us(&self) -> u64 {
        let linger = if self.batches.is_empty() {
            LINGER_IDLE_US
        } else {
            LINGER_US
        };
        self.filling_since_us.saturating_add(linger)
    }

    fn add(&mut self, group: &Group, now: Moment) -> Result<(), ReadError> {
        if !self.filling.fits(group.bytes()) {
            self.close_batch(now);
        }
        for &id in &group.blobs {
            if self.sent_blobs.contains(&id) {
                continue;
            }
            let Some(blob) = self.source.blob(id)? else {
                tracing::warn!(spool = %self.name, blob = %id, "blob is not there, its entry goes without");
                continue;
            };
            // A blob may travel ahead of its group, so a full batch goes and the next one takes it.
            if !self.filling.blob(&blob) {
                self.close_batch(now);
                if !self.filling.blob(&blob) {
                    tracing::warn!(spool = %self.name, blob = %id, bytes = blob.len(), "blob is too long to be sent");
                }
            }
            if self.sent_blobs.len() >= SENT_BLOBS_MAX {
                self.sent_blobs.clear();
            }
            self.sent_blobs.insert(id);
        }
        if self.filling.is_empty() {
            self.filling_since_us = now.mono_us;
        }
        let mut added = self.filling.group(group);
        if added == Err(BatchWriteError::Full) {
            self.close_batch(now);
            self.filling_since_us = now.mono_us;
            added = self.filling.group(group);
        }
        if let Err(error) = added {
            tracing::error!(%error, spool = %self.name, place = %group.place, "group cannot be sent");
            let frames = u64::try_from(group.entries.len()).unwrap_or(u64::MAX);
            self.lose_counted(frames, group.last, now);
            return Ok(());
        }
        self.newest = Some(group.place);
        let entries = u64::try_from(group.entries.len()).unwrap_or(u64::MAX);
        if group.last >= self.counted {
            self.counted = group.last.next();
            self.counts.appended += entries;
        } else if group.last >= self.acknowledged {
            self.rewound = self.rewound.saturating_sub(entries);
        }
        Ok(())
    }

    fn lose(&mut self, frames: u64, now: Moment) {
        let last = self.source.next().previous().unwrap_or_default();
        self.lose_counted(frames, last, now);
    }

    fn lose_counted(&mut self, frames: u64, last: Ordinal, now: Moment) {
        tracing::warn!(spool = %self.name, frames, "frames are lost");
        if self.filling.lose() {
            self.close_batch(now);
            self.filling.lose();
        }
        if last >= self.counted {
            self.counted = last.next();
            self.counts.appended += frames;
            self.counts.gap += frames;
        }
    }

    fn close_batch(&mut self, now: Moment) {
        let next = Filling::new(&self.heading(now));
        let full = std::mem::replace(&mut self.filling, next);
        // A batch of blobs alone goes too: the group that names them comes in the next one.
        self.batches.push_back(full.finish(self.next_number));
        self.next_number += 1;
    }

    // === sending ===

    /// The next batch that may be sent now.
    pub(super) fn next_to_send(&mut self, now: Moment) -> Option<&mut Batch> {
        if self.stopped.is_some() {
            return None;
        }
        let mut first_open = true;
        for batch in &mut self.batches {
            match batch.stage {
                Stage::Ready { not_before_us } if not_before_us <= now.mono_us => {
                    return Some(batch);
                }
                Stage::Behind if first_open => return Some(batch),
                // What stands behind one that waits would only overtake it.
                Stage::Ready { .. } | Stage::Behind => return None,
                Stage::Flying | Stage::Held(_) => first_open = false,
                Stage::Done => {}
            }
        }
        None
    }

    /// The batch with this number, if it is still on its way.
    pub(super) fn batch(&mut self, number: u64) -> Option<&mut Batch> {
        self.batches.iter_mut().find(|batch| batch.number == number)
    }

    /// Batches that were sent and have no answer.
    pub(super) fn flying(&self) -> usize {
        let flying = self.batches.iter().filter(|b| b.stage == Stage::Flying);
        flying.count()
    }

    /// When there will be something to do without anything happening: monotonic time.
    pub(super) fn due_us(&self) -> Option<u64> {
        if self.stopped.is_some() {
            return None;
        }
        let ready = self.batches.iter().find_map(|batch| match batch.stage {
            Stage::Ready { not_before_us } => Some(not_before_us),
            Stage::Behind | Stage::Flying | Stage::Held(_) | Stage::Done => None,
        });
        let filled = (!self.filling.is_empty() && self.batches.len() < self.window)
            .then(|| self.linger_ends_us());
        ready.into_iter().chain(filled).min()
    }

    /// Whether there is nothing to do before more becomes durable.
    pub(super) fn waits_for_growth(&self) -> bool {
        self.stopped.is_none()
            && self.exhausted
            && self.filling.is_empty()
            && self.batches.len() < self.window
    }

    /// Whether there is more to read at once, and room for it.
    pub(super) fn has_more(&self) -> bool {
        let readable = !self.exhausted && !self.unreadable;
        self.stopped.is_none() && readable && self.batches.len() < self.window
    }

    /// Whether a batch is filling, and room for more.
    pub(super) fn is_filling(&self) -> bool {
        self.stopped.is_none()
            && self.batches.len() < self.window
            && (!self.filling.is_empty() || !self.exhausted)
    }

    /// Whether everything that is durable is acknowledged.
    pub(super) fn is_caught_up(&self) -> bool {
        self.batches.is_empty() && self.filling.is_empty() && self.exhausted
    }

    /// Sends a batch again, this much later; those in flight behind it will most likely come back too.
    pub(super) fn put_back(&mut self, number: u64, not_before_us: u64) {
        if let Some(batch) = self.batch(number) {
            batch.stage = Stage::Ready { not_before_us };
        }
    }

    /// The answer to a batch that the aggregator cannot place.
    pub(super) fn gap(
        &mut self,
        number: u64,
        expected: Option<SealPlace>,
    ) -> Result<GapAnswer, ReadError> {
        let earlier = self
            .batches
            .iter()
            .take_while(|batch| batch.number != number)
            .any(|batch| batch.stage != Stage::Done);
        if earlier {
            if let Some(batch) = self.batch(number) {
                batch.stage = Stage::Behind;
            }
            return Ok(GapAnswer::Wait);
        }
        let first = self.batch(number).and_then(|batch| batch.ordinals());
        let found = self.source.find(expected)?;
        let rewindable = match (found, first) {
            (Some(found), Some((first, _))) => found < first,
            _ => false,
        };
        if let (true, Some(found)) = (rewindable && self.rewinds < REWINDS_MAX, found) {
            self.rewinds += 1;
            self.rewind(found);
            return Ok(GapAnswer::Rewound);
        }
        if let Some(batch) = self.batch(number) {
            batch.gap = Some(if batch.after_loss {
                "damaged"
            } else {
                "released"
            });
            batch.stage = Stage::Ready { not_before_us: 0 };
        }
        Ok(GapAnswer::Declared)
    }

    /// Reads on from an earlier place; what is on its way is forgotten, and its answers are ignored.
    fn rewind(&mut self, to: Ordinal) {
        self.rewound = self.counts().pending;
        self.batches.clear();
        let heading = self.heading(Moment::default());
        self.filling = Filling::new(&heading);
        self.sent_blobs.clear();
        self.source.go_to(to);
    }

    // === acknowledging ===

    /// Moves on over batches that are done, in order; how long the oldest entry of each has waited goes
    /// to `ages`.
    pub(super) fn advance(&mut self, now_utc_us: i64, ages: &ReceiptAge) {
        while self.batches.front().is_some_and(|b| b.stage == Stage::Done) {
            let Some(done) = self.batches.pop_front() else {
                break;
            };
            self.rewinds = 0;
            if let Some(oldest) = done.pieces.iter().map(|piece| piece.sealed_utc_us).min() {
                ages.observe_us(now_utc_us.saturating_sub(oldest));
            }
            self.unreleased_bytes += done.bytes();
            for piece in &done.pieces {
                if piece.last >= self.acknowledged {
                    self.acknowledged = piece.last.next();
                    self.kept_from = piece.first;
                    self.counts.acknowledged += piece.entries;
                }
            }
            // Not of groups that were sent again and are behind the newest.
            if done.pieces.last().map(|piece| piece.last.next()) == Some(self.acknowledged) {
                self.proof = done.proof;
            }
        }
    }

    /// Batches whose receipts verified under checkpoints that are not on the line.
    pub(super) fn held(&mut self) -> impl Iterator<Item = (&mut Batch, Checkpoint)> {
        self.batches.iter_mut().filter_map(|batch| {
            if let Stage::Held(checkpoint) = &batch.stage {
                let checkpoint = checkpoint.clone();
                Some((batch, checkpoint))
            } else {
                None
            }
        })
    }

    /// Whether the cursor on disk is behind.
    pub(super) fn cursor_is_behind(&self) -> bool {
        self.acknowledged > self.cursor
    }

    /// What may be let go of now.
    pub(super) fn release(&self) -> Option<Release> {
        let through = self.acknowledged.previous()?;
        let end = self
            .source
            .needed_from()
            .map_or(self.kept_from, |needed| needed.min(self.kept_from));
        let mut blobs = self.source.blobs_before(end);
        blobs.truncate(BLOBS_REMOVED_MAX);
        Some(Release {
            through,
            end,
            blobs,
        })
    }

    /// That the log has the newest seal of what may be let go of.
    pub(super) const fn proof(&self) -> Option<&KeptProof> {
        self.proof.as_ref()
    }

    /// It was let go of.
    pub(super) fn released(&mut self, done: &Release) {
        self.cursor = done.through.next();
        self.unreleased_bytes = 0;
        for id in &done.blobs {
            self.source.forget_blob(*id);
        }
    }

    /// The numbers of this chain.
    pub(super) fn counts(&self) -> SpoolCounts {
        let waiting: Vec<&Piece> = self
            .batches
            .iter()
            .flat_map(|batch| &batch.pieces)
            .chain(self.filling.pieces())
            .filter(|piece| piece.last >= self.acknowledged)
            .collect();
        let unread_frames = match &self.keeper {
            Keeper::Live(trail) => trail
                .durable()
                .end
                .get()
                .saturating_sub(self.source.next().get()),
            Keeper::Orphan => 0,
        };
        SpoolCounts {
            unread_frames,
            pending: waiting.iter().map(|piece| piece.entries).sum::<u64>() + self.rewound,
            oldest_utc_us: waiting.first().map(|piece| piece.sealed_utc_us),
            ..self.counts
        }
    }
}
