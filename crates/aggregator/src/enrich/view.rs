//! The enricher as a view of the log.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use affiant_enrich::{Snapshot, Sources};
use affiant_entry::record::{Body, ContextSource, Subject};
use affiant_entry::{Decoded, Moment, SourceId};
use affiant_log::ReadLogError;
use affiant_tlog::LeafIndex;

use super::LOOK_BACK_LEAVES;
use super::counts::Enriching;
use super::draft::{Draft, Drafted};
use super::recall::{Recalled, recall};
use crate::views::{BATCH_LEAVES_MAX, Pen, View, ViewError};

/// Writes context for what it reads.
#[derive(Debug)]
pub(super) struct Enricher {
    sources: Sources,
    own: SourceId,
    counts: Arc<Enriching>,
    pen: Option<Pen>,
    /// Where it stands; `None` when only the log knows.
    stand: RefCell<Option<Recalled>>,
    /// Context that is not written yet: behind a long queue of leaves several batches are written together,
    /// as each write waits for a checkpoint. If it is lost, the log says where to begin again.
    pending: Vec<Pending>,
}

/// A draft, and the sources as they stood.
type Pending = (Drafted, Arc<[ContextSource]>);

impl Enricher {
    pub(super) const fn new(sources: Sources, own: SourceId, counts: Arc<Enriching>) -> Self {
        Self {
            sources,
            own,
            counts,
            pen: None,
            stand: RefCell::new(None),
            pending: Vec::new(),
        }
    }

    fn pen(&self) -> Result<&Pen, ViewError> {
        let none = || ViewError::new("writing context", "there is no log yet");
        self.pen.as_ref().ok_or_else(none)
    }

    /// Context for leaves that had none.
    fn follow(&mut self, first: u64, leaves: &[Vec<u8>]) -> Result<(), ViewError> {
        let end = first.saturating_add(u64::try_from(leaves.len()).unwrap_or(u64::MAX));
        let snapshot = self.sources.snapshot();
        self.pending.extend(draft(&snapshot, first, leaves));
        if let Some(stand) = self.stand.get_mut() {
            stand.cursor = end;
        }
        // A whole batch: there are more leaves behind it, most likely.
        if leaves.len() == BATCH_LEAVES_MAX && self.pending.len() < PENDING_MAX {
            return Ok(());
        }
        self.write()
    }

    /// Writes what is pending.
    fn write(&mut self) -> Result<(), ViewError> {
        let pending = std::mem::take(&mut self.pending);
        let said: Vec<_> = pending
            .iter()
            .map(|(draft, sources)| (draft.first..draft.end, stale(sources)))
            .collect();
        self.say(pending, false)?;
        if let Some(stand) = self.stand.get_mut() {
            for (leaves, stale) in said {
                stand.owed.said(leaves, stale);
            }
        }
        Ok(())
    }

    /// Context for leaves that had it from a stale source, if one of them is back.
    fn catch_up(&mut self) -> Result<(), ViewError> {
        let pen = self.pen()?.clone();
        let size = pen.head().checkpoint.size;
        let snapshot = self.sources.snapshot();
        let Some(stand) = self.stand.get_mut() else {
            return Ok(());
        };
        let oldest = size.0.saturating_sub(LOOK_BACK_LEAVES);
        stand.owed.forget_before(oldest);
        let given_up = stand.owed.take_given_up();
        if given_up > 0 {
            tracing::warn!(
                leaves = given_up,
                "context stays as a stale source gave it: too far back"
            );
            self.counts.given_up.fetch_add(given_up, Ordering::Relaxed);
        }
        // A source that is not configured any more is not waited for.
        let back = |id: &str| snapshot.is_stale(id) != Some(true);
        let due = stand.owed.due(LATE_LEAVES_MAX, back);
        self.counts
            .owed
            .store(stand.owed.leaves(), Ordering::Relaxed);
        let Some(range) = due else { return Ok(()) };
        let leaves = pen
            .reader()
            .leaves(LeafIndex(range.start)..LeafIndex(range.end), size);
        let leaves = match leaves {
            Ok(leaves) => leaves,
            // Pruned meanwhile: nobody will ask for its context.
            Err(ReadLogError::BundleMissing { .. }) => Vec::new(),
            Err(error) => return Err(ViewError::new("reading leaves again", error)),
        };
        self.say_again(&snapshot, &range, &leaves)
    }

    fn say_again(
        &mut self,
        snapshot: &Snapshot,
        range: &Range<u64>,
        leaves: &[Vec<u8>],
    ) -> Result<(), ViewError> {
        self.say(draft(snapshot, range.start, leaves), true)?;
        if let Some(stand) = self.stand.get_mut() {
            stand.owed.said_again(range, &stale(&snapshot.sources()));
            self.counts
                .owed
                .store(stand.owed.leaves(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// After a failure only the log knows what was written.
    fn begin_anew_unless(&mut self, done: Result<(), ViewError>) -> Result<(), ViewError> {
        if done.is_err() {
            *self.stand.get_mut() = None;
            self.pending.clear();
        }
        done
    }

    /// Writes leaves, together.
    fn say(&mut self, drafts: Vec<Pending>, late: bool) -> Result<(), ViewError> {
        if drafts.is_empty() {
            return Ok(());
        }
        let pen = self.pen()?.clone();
        let head = pen.head().checkpoint.size.0;
        let Some(stand) = self.stand.get_mut() else {
            return Err(ViewError::new(
                "writing context",
                "its place in the log is not known",
            ));
        };
        let mut bodies = Vec::with_capacity(drafts.len());
        for (draft, sources) in drafts {
            let same_as = stand.said.find(&draft, &sources, head);
            add(&self.counts.same_as, u64::from(same_as.is_some()));
            add(&self.counts.passed_over, draft.passed_over);
            bodies.push(draft.body(sources.to_vec(), late, same_as));
        }
        let count = u64::try_from(bodies.len()).unwrap_or(u64::MAX);
        let records = bodies.iter().cloned().map(Box::new).map(Body::Context);
        let place = match pen.record(records.collect()) {
            Ok(place) => place,
            Err(error) => return Err(ViewError::new("writing context", error)),
        };
        for (index, body) in (place.start.0..).zip(&bodies) {
            stand.said.keep(index, body);
        }
        add(&self.counts.leaves, count);
        add(&self.counts.late, if late { count } else { 0 });
        Ok(())
    }
}

impl View for Enricher {
    fn name(&self) -> &'static str {
        "enrich"
    }

    /// Gives the sources a moment for their first read, so that a start does not say first that nothing was
    /// read and then what was.
    fn attach(&mut self, pen: &Pen) {
        self.pen = Some(pen.clone());
        for _ in 0..FIRST_READ_STEPS {
            if self.sources.states().iter().all(|source| source.reads > 0) {
                return;
            }
            std::thread::sleep(FIRST_READ_STEP);
        }
    }

    fn cursor(&self) -> Result<LeafIndex, ViewError> {
        let mut stand = self.stand.borrow_mut();
        if let Some(stand) = &*stand {
            return Ok(LeafIndex(stand.cursor));
        }
        let pen = self.pen()?;
        let recalled = recall(&pen.reader(), pen.head().checkpoint.size, &self.own);
        let recalled = recalled.map_err(|error| ViewError::new("reading context back", error))?;
        let cursor = recalled.cursor;
        *stand = Some(recalled);
        Ok(LeafIndex(cursor))
    }

    fn apply(&mut self, first: LeafIndex, leaves: &[Vec<u8>]) -> Result<(), ViewError> {
        let done = self.follow(first.0, leaves);
        self.begin_anew_unless(done)
    }

    fn idle(&mut self, _now: Moment) -> Result<(), ViewError> {
        let done = self.write().and_then(|()| self.catch_up());
        self.begin_anew_unless(done)
    }
}

/// What is known of the subjects of these leaves.
fn draft(snapshot: &Snapshot, first: u64, leaves: &[Vec<u8>]) -> Vec<Pending> {
    let sources: Arc<[ContextSource]> = snapshot.sources().into();
    let mut draft = Draft::new(snapshot, &sources);
    let mut end = first;
    for leaf in leaves {
        if let Ok(entry) = Decoded::parse(leaf) {
            draft.leaf(end, Subject::of_entry(&entry));
        }
        end = end.saturating_add(1);
    }
    let drafts = draft.finish(end).into_iter();
    drafts.map(|one| (one, Arc::clone(&sources))).collect()
}

fn stale(sources: &[ContextSource]) -> BTreeSet<String> {
    let stale = sources.iter().filter(|source| source.stale);
    stale.map(|source| source.id.clone()).collect()
}

fn add(to: &AtomicU64, more: u64) {
    to.fetch_add(more, Ordering::Relaxed);
}

/// Most leaves that are read again at once; at most 64 MiB of the longest.
const LATE_LEAVES_MAX: u64 = 1024;
/// Most drafts that wait to be written together; about two megabytes.
const PENDING_MAX: usize = 32;
/// Two seconds in all.
const FIRST_READ_STEPS: u32 = 40;
const FIRST_READ_STEP: Duration = Duration::from_millis(50);
