//! The owner of the chain head: encodes, seals and appends groups, one after the other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use affiant_entry::record::Record;
use affiant_entry::seal::{Prepared, SealError, Sealer};
use affiant_entry::{CommitKey, Moment};
use affiant_spool::{
    AppendError, BlobError, BlobId, Frame, FrameKind, FullReason, ReleaseError, Spool,
};
use affiant_tlog::note::SignerKey;

use super::blobs::{BlobsNamed, blob_named};
use super::group::{calls_begun, finish, give_back, has_blobs, next_group};
use super::loss::Loss;
use super::release::Release;
use super::shrink::shrink;
use super::{Item, OnFull, Outcome, Pending};
use crate::keys::HeadFile;

/// Most records that wait in memory for room when the storage fails and `on_full` is not `drop`.
const BACKLOG_RECORDS_MAX: usize = 4096;
/// Pause between two tries of the storage while it fails: a try costs encoding and signing.
const RETRY: Duration = Duration::from_millis(100);
/// An append that took longer than this is not repeated by a thread that others need.
const QUICK_US: u64 = 5_000;
/// Records of the backlog that are tried at once.
const BACKLOG_GROUP_RECORDS: usize = 256;

/// Counters of a trail; read by metrics and readiness.
#[derive(Debug, Default)]
pub struct CommitStats {
    /// Entries on disk under a seal, without the seals.
    pub entries: AtomicU64,
    /// Seals made.
    pub seals: AtomicU64,
    /// Bytes the spool uses.
    pub spool_bytes: AtomicU64,
    /// Bytes the spool may use.
    pub spool_bytes_max: AtomicU64,
    /// Calls refused because the trail could not take them.
    pub calls_refused: AtomicU64,
    /// Calls forwarded without evidence.
    pub calls_dropped: AtomicU64,
    /// Entries lost.
    pub entries_lost: AtomicU64,
    /// Whether the storage takes entries now.
    pub failing: AtomicBool,
    /// The first ordinal of the spool that is not durable.
    pub(crate) durable_end: AtomicU64,
    /// Appends that failed: what a reader saw of one may be replaced by another group.
    pub(crate) append_failures: AtomicU64,
    /// Told of each group that became durable.
    pub(crate) grown: tokio::sync::Notify,
}

/// Why a group did not get onto the disk.
#[derive(Debug)]
enum Trouble {
    Full(&'static str),
    Failed(&'static str),
}

/// What the committer is made of.
pub(super) struct Parts {
    pub(super) spool: Spool,
    pub(super) head: HeadFile,
    pub(super) sealer: Sealer,
    pub(super) signer: SignerKey,
    pub(super) commit_key: CommitKey,
    pub(super) on_full: OnFull,
    pub(super) server: String,
}

/// The owner of one chain's head.
pub(super) struct Committer {
    parts: Parts,
    blobs: BlobsNamed,
    loss: Option<Loss>,
    backlog: VecDeque<Item>,
    last_commit: Moment,
    /// How long the last append took, microseconds.
    append_us: u64,
    /// Monotonic time before which failing storage is not tried again, microseconds.
    retry_at_us: u64,
    stats: Arc<CommitStats>,
    stopping: Arc<AtomicBool>,
}

impl std::fmt::Debug for Committer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Committer")
            .field("server", &self.parts.server)
            .finish_non_exhaustive()
    }
}

impl Committer {
    pub(super) fn new(parts: Parts) -> Self {
        let stats = CommitStats::default();
        stats
            .spool_bytes_max
            .store(parts.spool.bytes_max(), Ordering::Relaxed);
        stats
            .durable_end
            .store(parts.spool.durable_end().get(), Ordering::Relaxed);
        Self {
            parts,
            blobs: BlobsNamed::default(),
            loss: None,
            backlog: VecDeque::new(),
            last_commit: crate::clock::now(),
            append_us: 0,
            retry_at_us: 0,
            stats: Arc::new(stats),
            stopping: Arc::default(),
        }
    }

    pub(super) fn stats(&self) -> Arc<CommitStats> {
        Arc::clone(&self.stats)
    }

    pub(super) fn stopping(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stopping)
    }

    pub(super) fn spool_bytes(&self) -> u64 {
        self.parts.spool.bytes_used()
    }

    /// Microseconds since the last group.
    pub(super) fn idle_us(&self) -> u64 {
        crate::clock::now().since_us(&self.last_commit)
    }

    /// Work between groups: room ahead, and another try for what waits for room.
    pub(super) fn maintain(&mut self) {
        if let Err(error) = self.parts.spool.maintain() {
            tracing::debug!(%error, "spool upkeep failed");
        }
        if !self.backlog.is_empty() && self.may_try() {
            self.retry_backlog();
        }
    }

    /// Appends the first records of a boot.
    pub(super) fn begin(&mut self, mut records: Vec<Record>) -> Result<(), &'static str> {
        let at = crate::clock::now();
        let tried = self.append_records(&mut records, at, false);
        tried.map_err(|(Trouble::Full(reason) | Trouble::Failed(reason))| reason)
    }

    /// Commits submissions in order, in groups; each learns its outcome.
    pub(super) fn commit(&mut self, mut batch: VecDeque<Pending>) {
        while !batch.is_empty() {
            let group = next_group(&mut batch);
            self.commit_group(group);
        }
    }

    /// Whether the next group may be expected to be on disk in a moment.
    pub(super) fn is_quick(&self) -> bool {
        self.loss.is_none() && self.backlog.is_empty() && self.append_us < QUICK_US
    }

    /// Like [`Committer::commit`], but returns at the first group that finds trouble or that has blobs,
    /// files of their own to be written, with what is not committed.
    pub(super) fn try_commit(&mut self, mut batch: VecDeque<Pending>) -> VecDeque<Pending> {
        while !batch.is_empty() {
            let mut group = next_group(&mut batch);
            if has_blobs(&group) || self.append(&mut group).is_err() {
                let mut left = VecDeque::from(group);
                left.append(&mut batch);
                return left;
            }
            finish(group, Outcome::Durable);
        }
        batch
    }

    fn commit_group(&mut self, mut group: Vec<Pending>) {
        loop {
            if self.may_try() {
                let caught_up = self.backlog.is_empty() || self.retry_backlog();
                match caught_up.then(|| self.append(&mut group)) {
                    Some(Ok(())) => {
                        finish(group, Outcome::Durable);
                        return;
                    }
                    Some(Err(trouble)) => self.note_trouble(&trouble),
                    None => {}
                }
            }
            let block =
                self.parts.on_full == OnFull::Block && !self.stopping.load(Ordering::SeqCst);
            if !block {
                break;
            }
            std::thread::sleep(RETRY);
        }
        self.give_up(group);
    }

    /// Whether the storage is in order, or failed long enough ago.
    fn may_try(&self) -> bool {
        self.loss.is_none() || crate::clock::now().mono_us >= self.retry_at_us
    }

    /// Encodes, seals and appends one group behind what a finished loss has to say.
    fn append(&mut self, group: &mut [Pending]) -> Result<(), Trouble> {
        for pending in group.iter_mut() {
            for item in &mut pending.items {
                self.store_blob(item)?;
            }
        }
        let at = crate::clock::now();
        let mut records: Vec<Record> = self
            .loss
            .as_ref()
            .map(|loss| loss.closing(at))
            .unwrap_or_default();
        let closing = records.len();
        let lent: Vec<usize> = group.iter().map(|pending| pending.items.len()).collect();
        for pending in group.iter_mut() {
            records.extend(pending.items.drain(..).map(|item| item.record));
        }
        let appended = self.append_records(&mut records, at, false);
        if appended.is_err() {
            give_back(records.drain(closing..), group, &lent);
        }
        appended?;
        if self.loss.take().is_some() {
            self.stats.failing.store(false, Ordering::Relaxed);
            tracing::warn!("trail takes entries again");
        }
        Ok(())
    }

    fn append_records(
        &mut self,
        records: &mut [Record],
        at: Moment,
        reserved: bool,
    ) -> Result<(), Trouble> {
        let prepared = self.prepare(records, at)?;
        let mut frames: Vec<Frame<'_>> = prepared
            .entries
            .iter()
            .map(|e| Frame {
                kind: FrameKind::Entry,
                payload: e.as_slice(),
            })
            .collect();
        frames.push(Frame {
            kind: FrameKind::Seal,
            payload: prepared.seal.as_slice(),
        });
        let before_us = crate::clock::now().mono_us;
        let appended = if reserved {
            self.parts.spool.append_reserved(&frames)
        } else {
            self.parts.spool.append_group(&frames)
        };
        self.append_us = crate::clock::now().mono_us.saturating_sub(before_us);
        appended.map_err(|error| {
            self.stats.append_failures.fetch_add(1, Ordering::SeqCst);
            trouble_of(&error)
        })?;
        // The group is durable and whole: a crash from here on finds it. Only now the head moves, in
        // memory and in the holder's memory; a crash between the two leaves the remembered head one
        // seal behind, which every verifier accepts.
        let end = self.parts.spool.next_ordinal();
        for id in prepared
            .entries
            .iter()
            .filter_map(|e| blob_named(e.as_slice()))
        {
            self.blobs.named(id, end);
        }
        let entries = u64::try_from(prepared.entries.len()).unwrap_or(u64::MAX);
        if let Err(error) = self.parts.sealer.advance(&prepared) {
            tracing::error!(%error, "chain head cannot be moved");
            return Err(Trouble::Failed("seal-failed"));
        }
        if let Err(error) = self.parts.head.remember(&prepared.note) {
            tracing::warn!(%error, "head cannot be remembered");
        }
        self.last_commit = at;
        self.stats.entries.fetch_add(entries, Ordering::Relaxed);
        self.stats.seals.fetch_add(1, Ordering::Relaxed);
        self.stats
            .spool_bytes
            .store(self.parts.spool.bytes_used(), Ordering::Relaxed);
        self.stats
            .durable_end
            .store(self.parts.spool.durable_end().get(), Ordering::SeqCst);
        self.stats.grown.notify_one();
        Ok(())
    }

    fn prepare(&self, records: &mut [Record], at: Moment) -> Result<Prepared, Trouble> {
        // Each round makes one record fit; the second round for the same record leaves a notice.
        for _ in 0..=records.len().saturating_mul(2) {
            match self.parts.sealer.prepare(&*records, at, &self.parts.signer) {
                Ok(prepared) => return Ok(prepared),
                Err(SealError::TooLong { index, bytes }) => {
                    if let Some(record) = records.get_mut(index) {
                        shrink(record, bytes, &self.parts.commit_key, &self.parts.server);
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "group cannot be sealed");
                    return Err(Trouble::Failed("seal-failed"));
                }
            }
        }
        Err(Trouble::Failed("seal-failed"))
    }

    fn store_blob(&mut self, item: &mut Item) -> Result<(), Trouble> {
        if let Some(blob) = &item.blob {
            self.parts
                .spool
                .put_blob(BlobId::new(blob.sha256), &blob.bytes)
                .map_err(|error| {
                    if matches!(error, BlobError::Full { .. }) {
                        return Trouble::Full("spool-full");
                    }
                    tracing::error!(%error, "blob cannot be stored");
                    Trouble::Failed("storage-failed")
                })?;
            item.blob = None;
        }
        Ok(())
    }

    /// Says once that a gap begins, from the reserve, and marks the trail as failing.
    fn note_trouble(&mut self, trouble: &Trouble) {
        let retry_us = u64::try_from(RETRY.as_micros()).unwrap_or(u64::MAX);
        self.retry_at_us = crate::clock::now().mono_us.saturating_add(retry_us);
        if self.loss.is_some() {
            return;
        }
        let (Trouble::Full(reason) | Trouble::Failed(reason)) = trouble;
        let at = crate::clock::now();
        let loss = Loss::new(reason, at);
        tracing::error!(reason, "trail cannot take entries");
        self.stats.failing.store(true, Ordering::Relaxed);
        let opening = loss.opening(at);
        self.loss = Some(loss);
        if self.append_records(&mut [opening], at, true).is_err() {
            tracing::error!("the beginning of the gap cannot be recorded either");
        }
    }

    /// The configured answer for a group that found no room.
    fn give_up(&mut self, group: Vec<Pending>) {
        let at = crate::clock::now();
        let drop = self.parts.on_full == OnFull::Drop;
        for Pending { items, done } in group {
            let begun = calls_begun(&items);
            let calls = u64::try_from(begun.len()).unwrap_or(u64::MAX);
            // What is dropped are calls that ask to be forwarded. Whatever is said of calls that are on
            // record, their ends above all, waits for room like everything else.
            let (dropped, kept): (Vec<Item>, Vec<Item>) = items.into_iter().partition(|item| {
                drop && done.is_some() && item.record.call.is_some_and(|call| begun.contains(&call))
            });
            let recorded = self.backlog.len() + kept.len() <= BACKLOG_RECORDS_MAX;
            let mut lost = dropped.len();
            if recorded {
                self.backlog.extend(kept);
            } else {
                lost += kept.len();
            }
            let (calls_refused, calls_dropped) = match (drop, lost) {
                (false, _) => (calls, 0),
                (true, 0) => (0, 0),
                (true, _) => (0, calls),
            };
            let lost = u64::try_from(lost).unwrap_or(u64::MAX);
            let count = |counter: &AtomicU64, n| counter.fetch_add(n, Ordering::Relaxed);
            count(&self.stats.calls_refused, calls_refused);
            count(&self.stats.calls_dropped, calls_dropped);
            count(&self.stats.entries_lost, lost);
            if let Some(loss) = self.loss.as_mut().filter(|_| lost > 0) {
                loss.count(at, lost, calls_refused, calls_dropped);
            }
            if let Some(done) = done {
                let _ = done.send(if drop {
                    Outcome::Dropped
                } else {
                    Outcome::Refused { recorded }
                });
            }
        }
    }

    /// Tries to append what waits for room; true if nothing waits any more.
    fn retry_backlog(&mut self) -> bool {
        while !self.backlog.is_empty() {
            let some = self.backlog.len().min(BACKLOG_GROUP_RECORDS);
            let items: Vec<Item> = self.backlog.drain(..some).collect();
            let mut group = [Pending { items, done: None }];
            if let Err(trouble) = self.append(&mut group) {
                self.note_trouble(&trouble);
                let [pending] = group;
                for item in pending.items.into_iter().rev() {
                    self.backlog.push_front(item);
                }
                return false;
            }
        }
        true
    }

    /// Lets go of what a verified receipt covers.
    pub(super) fn release(&mut self, of: &Release) -> Result<(), ReleaseError> {
        // What waits for room may name blobs that are stored already.
        let waits = self.loss.is_some() || !self.backlog.is_empty();
        let blobs = self.blobs.release(&of.blobs, of.end, waits);
        of.apply(&mut self.parts.spool, &blobs)?;
        self.stats
            .spool_bytes
            .store(self.parts.spool.bytes_used(), Ordering::Relaxed);
        Ok(())
    }

    /// Seals the last group, closes the spool, makes the remembered head durable.
    pub(super) fn close(mut self, stop: Record) {
        if !self.retry_backlog() {
            let lost = u64::try_from(self.backlog.len()).unwrap_or(u64::MAX);
            self.stats.entries_lost.fetch_add(lost, Ordering::Relaxed);
            let at = crate::clock::now();
            if let Some(loss) = &mut self.loss {
                loss.count(at, lost, 0, 0);
            }
        }
        let at = crate::clock::now();
        let mut records = self
            .loss
            .as_ref()
            .map(|loss| loss.closing(at))
            .unwrap_or_default();
        records.push(stop);
        if self.append_records(&mut records, at, false).is_err()
            && self.append_records(&mut records, at, true).is_err()
        {
            tracing::error!("the stop cannot be recorded; the next start will recover");
        }
        if let Err(error) = self.parts.spool.close() {
            tracing::error!(%error, "spool cannot be closed");
        }
        if let Err(error) = self.parts.head.sync() {
            tracing::warn!(%error, "head cannot be synced");
        }
    }
}

fn trouble_of(error: &AppendError) -> Trouble {
    if let AppendError::Full { reason, .. } = error {
        return Trouble::Full(match reason {
            FullReason::Quota => "spool-full",
            FullReason::Disk => "disk-full",
        });
    }
    tracing::error!(%error, "append failed");
    Trouble::Failed("storage-failed")
}
