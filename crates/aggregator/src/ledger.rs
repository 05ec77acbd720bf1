//! What goes into the log, and what it means to the index.
//!
//! Everything that is appended goes through [`Ledger::submit`]: groups of sources and entries of our
//! own, in one submission where they belong together, so that all of it is there or none.
//!
//! # When a submission fails
//!
//! Nobody may build on leaves that may not be there. A failed round moves the [`Ledger::epoch`] on, before
//! anybody is told: what was submitted in an older epoch and still waits is refused by the log, so that no
//! group stands behind a hole; chain heads that were taken from memory in an older epoch are read again from
//! the index, which first catches up with the log; and our own chain begins a new boot. This is the way a
//! restart takes.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use affiant_entry::record::{Body, Record};
use affiant_entry::{Decoded, EncodeError, SourceId};
use affiant_log::{Appended, Head, Log, Pending, SequenceError};
use affiant_tlog::{LeafIndex, TreeSize};
use tokio::sync::oneshot;

use crate::index::{Follower, GroupRow, Index, OwnRow, Row};
use crate::own::{self, OwnChain};

/// The log with its index and our own chain. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    log: Log,
    index: Arc<Index>,
    follower: Mutex<Follower>,
    applied: tokio::sync::watch::Receiver<LeafIndex>,
    own: Mutex<OwnChain>,
    own_id: SourceId,
    /// Whether the last submission failed.
    failing: AtomicBool,
}

/// A piece of a submission.
#[derive(Debug)]
pub(crate) enum Part {
    /// A group: its entries and its seal, and what it is. The row's `first` is set when it is known.
    Group(Vec<Vec<u8>>, Box<GroupRow>),
    /// Entries of our own.
    Own(Vec<Record>),
}

/// Nothing was appended, or nobody knows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LedgerError {
    /// The log did not take it.
    #[error("log did not take the leaves")]
    Log(#[from] SequenceError),
    /// A round failed since what is submitted was decided upon: decide anew.
    #[error("log failed meanwhile")]
    Failed,
    /// A record of our own is no entry: a bug.
    #[error("record cannot be encoded")]
    Encode(#[from] EncodeError),
    /// The index does not catch up.
    #[error("index is behind the log")]
    Behind,
}

/// A submission under way. Dropping it takes nothing back.
#[derive(Debug)]
pub(crate) struct Submission {
    outcome: oneshot::Receiver<Result<Appended, LedgerError>>,
    leaves: u64,
}

impl Submission {
    /// How many leaves it has.
    pub(crate) const fn leaves(&self) -> u64 {
        self.leaves
    }

    /// Waits until a checkpoint covers it.
    pub(crate) async fn settled(self) -> Result<Appended, LedgerError> {
        self.outcome.await.unwrap_or(Err(LedgerError::Behind))
    }
}

impl Ledger {
    pub(crate) fn new(log: Log, index: Arc<Index>, follower: Follower, own: OwnChain) -> Self {
        let applied = follower.applied();
        Self {
            inner: Arc::new(Inner {
                log,
                index,
                follower: Mutex::new(follower),
                applied,
                own_id: own.source().clone(),
                own: Mutex::new(own),
                failing: AtomicBool::new(false),
            }),
        }
    }

    pub(crate) fn log(&self) -> &Log {
        &self.inner.log
    }

    pub(crate) fn index(&self) -> &Arc<Index> {
        &self.inner.index
    }

    /// The aggregator's own id.
    pub(crate) fn own_id(&self) -> &SourceId {
        &self.inner.own_id
    }

    /// How often the log failed: what was known in memory in an older epoch is void.
    pub(crate) fn epoch(&self) -> u64 {
        self.inner.log.epoch()
    }

    /// Whether the last submission failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.inner.failing.load(Ordering::SeqCst)
    }

    /// Submits parts in order, contiguous, unless the log failed since `epoch`. What is refused at once is
    /// an error here.
    pub(crate) fn submit(&self, epoch: u64, parts: Vec<Part>) -> Result<Submission, LedgerError> {
        let has_own = parts.iter().any(|part| matches!(part, Part::Own(_)));
        // Held until the log has the leaves, so that our numbers are in its order.
        let mut own = has_own.then(|| lock(&self.inner.own));
        if epoch != self.epoch() {
            // Before numbers of ours are given out: they would be missing.
            return Err(LedgerError::Failed);
        }
        let (mut leaves, mut drafts) = (Vec::new(), Vec::new());
        for part in parts {
            match part {
                Part::Group(group, row) => {
                    drafts.push(Draft::Group(leaves.len(), row));
                    leaves.extend(group);
                }
                Part::Own(records) => {
                    let Some(own) = own.as_deref_mut() else {
                        continue;
                    };
                    for leaf in own.encode(epoch, &records)? {
                        drafts.push(Draft::Own(leaves.len(), leaf.clone()));
                        leaves.push(leaf);
                    }
                }
            }
        }
        let count = u64::try_from(leaves.len()).unwrap_or(u64::MAX);
        let mut pending = self.inner.log.submit_in(epoch, leaves);
        let early = match answered_at_once(&mut pending) {
            Some(Err(error)) => {
                if let Some(own) = own.as_deref_mut() {
                    own.begin_anew();
                }
                return Err(error.into());
            }
            Some(Ok(appended)) => Some(appended),
            None => None,
        };
        drop(own);
        let (tell, outcome) = oneshot::channel();
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            let settled = match early {
                Some(appended) => Ok(appended),
                None => pending.await,
            };
            let settled = inner.settle(settled, drafts);
            // Whoever asked may be gone; the index knows all the same.
            let _ = tell.send(settled);
        });
        Ok(Submission {
            outcome,
            leaves: count,
        })
    }

    /// Submits entries of our own that nobody waits for.
    pub(crate) fn record(&self, bodies: Vec<Body>) {
        let kinds: Vec<_> = bodies.iter().map(Body::kind).collect();
        let records = bodies.into_iter().map(own::record).collect();
        if let Err(error) = self.submit(self.epoch(), vec![Part::Own(records)]) {
            tracing::warn!(%error, ?kinds, "entry of the aggregator is not in the log");
        }
    }

    /// Submits entries of our own and waits for a checkpoint over them.
    pub(crate) async fn record_durably(&self, bodies: Vec<Body>) -> Result<Appended, LedgerError> {
        let records = bodies.into_iter().map(own::record).collect();
        let submission = self.submit(self.epoch(), vec![Part::Own(records)])?;
        submission.settled().await
    }

    /// As [`record_durably`](Self::record_durably), and says where they stand.
    pub(crate) async fn record_at(
        &self,
        bodies: Vec<Body>,
    ) -> Result<std::ops::Range<LeafIndex>, LedgerError> {
        let count = u64::try_from(bodies.len()).unwrap_or(u64::MAX);
        let records = bodies.into_iter().map(own::record).collect();
        let submission = self.submit(self.epoch(), vec![Part::Own(records)])?;
        let leaves = submission.leaves();
        let appended = submission.settled().await?;
        // A boot entry of our own may stand before them.
        let end = appended.first.0.saturating_add(leaves);
        Ok(LeafIndex(end.saturating_sub(count))..LeafIndex(end))
    }

    /// Waits until the index has all that is published now.
    pub(crate) async fn caught_up(&self) -> Result<(), LedgerError> {
        self.followed_to(self.inner.log.head().checkpoint.size)
            .await
    }

    /// Waits until the index has all that the log took, though it may wait for witnesses.
    pub(crate) async fn settled(&self) -> Result<(), LedgerError> {
        self.followed_to(self.inner.log.sequenced()).await
    }

    async fn followed_to(&self, size: TreeSize) -> Result<(), LedgerError> {
        let mut applied = self.inner.applied.clone();
        if applied.borrow_and_update().0 >= size.0 {
            return Ok(());
        }
        // Most of the time its rows are on their way.
        let soon = applied.wait_for(|at| at.0 >= size.0);
        if tokio::time::timeout(ROWS_COME, soon)
            .await
            .is_ok_and(|at| at.is_ok())
        {
            return Ok(());
        }
        lock(&self.inner.follower).resync();
        let wait = applied.wait_for(|at| at.0 >= size.0);
        match tokio::time::timeout(CATCH_UP, wait).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(LedgerError::Behind),
        }
    }

    /// Each time the index moves on.
    pub(crate) fn applied(&self) -> tokio::sync::watch::Receiver<LeafIndex> {
        self.inner.applied.clone()
    }

    /// The published head.
    pub(crate) fn head(&self) -> Arc<Head> {
        self.inner.log.head()
    }

    /// Ends: what waits is sequenced, the index is durable. Blocks.
    pub(crate) fn close(&self) {
        self.inner.log.close();
        lock(&self.inner.follower).stop();
    }
}

impl Inner {
    fn settle(
        &self,
        settled: Result<Appended, SequenceError>,
        drafts: Vec<Draft>,
    ) -> Result<Appended, LedgerError> {
        match settled {
            Ok(appended) => {
                self.failing.store(false, Ordering::SeqCst);
                let rows = drafts.into_iter().filter_map(|d| d.row(appended.first));
                lock(&self.follower).tell(rows.collect());
                Ok(appended)
            }
            Err(error) => {
                tracing::warn!(%error, "leaves were not appended, or it is not known");
                self.failing.store(true, Ordering::SeqCst);
                lock(&self.follower).resync();
                Err(error.into())
            }
        }
    }
}

/// A row whose leaf is at an offset in its submission.
#[derive(Debug)]
enum Draft {
    Group(usize, Box<GroupRow>),
    Own(usize, Vec<u8>),
}

impl Draft {
    fn row(self, first: LeafIndex) -> Option<Row> {
        let at = |offset: usize| {
            LeafIndex(
                first
                    .0
                    .saturating_add(u64::try_from(offset).unwrap_or(u64::MAX)),
            )
        };
        match self {
            Self::Group(offset, mut row) => {
                row.first = at(offset);
                Some(Row::Group(row))
            }
            Self::Own(offset, leaf) => {
                let entry = Decoded::parse_any_kind(&leaf).ok()?;
                Some(Row::Own(OwnRow::read(&entry, at(offset))))
            }
        }
    }
}

/// A full or closed log answers at once. Seen here, so that no group is submitted behind one that was
/// refused.
fn answered_at_once(pending: &mut Pending) -> Option<Result<Appended, SequenceError>> {
    let mut context = Context::from_waker(Waker::noop());
    match Pin::new(pending).poll(&mut context) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

/// How long rows may be on their way before the log is read instead.
const ROWS_COME: Duration = Duration::from_millis(200);
/// How long a chain waits for the index after a failed submission.
const CATCH_UP: Duration = Duration::from_secs(10);
