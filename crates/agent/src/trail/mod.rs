//! The trail of one process: records become sealed, durable entries of one chain.
//!
//! Whoever needs durability now commits for everyone who waits (leader and followers share one
//! fdatasync and one signature); what can wait is committed by a thread of its own within
//! [`FLUSH_DELAY`]. The lock round the `committer` is the ownership of the chain head: it moves only
//! after the spool accepted.

mod adopt;
mod blobs;
mod committer;
mod group;
mod loss;
mod open;
mod recover;
mod release;
mod shrink;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use affiant_entry::call::Blob;
use affiant_entry::record::{Body, Heartbeat, Record, Stop};
use tokio::sync::oneshot;

pub use adopt::{Adopted, adopt_orphans};
pub use committer::CommitStats;
pub use open::{OpenTrailError, TrailOptions};
pub use recover::RecoverError;

pub(crate) use adopt::adopt_orphan;
pub(crate) use blobs::blob_named;
pub(crate) use open::orphan_options;
pub(crate) use release::Release;

use committer::Committer;

use crate::ship::ShipStats;
use crate::state::DataDir;

/// Longest time a record that nobody waits for stays in memory.
pub const FLUSH_DELAY: Duration = Duration::from_millis(20);

/// Calls open, with the one that asks, up to which it commits for itself.
const CALLS_ALONE: u64 = 1;

/// Most turns that the trail's own thread leaves to others before it commits.
const GATHER_TURNS_MAX: usize = 4;

/// Most submissions waiting in memory; whoever brings the last one commits.
const QUEUE_MAX: usize = 8192;

/// What must be true before a request is forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Intent {
    /// Its `call.begin` is on disk.
    #[default]
    Durable,
    /// Its `call.begin` is queued; it is on disk within [`FLUSH_DELAY`].
    Buffered,
}

/// The answer to a full disk, a full quota, a failed fsync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFull {
    /// Hold the request until there is room.
    Block,
    /// Answer the request with an error; the server does not see it.
    #[default]
    Refuse,
    /// Forward the request without evidence, counted and later recorded as a gap.
    Drop,
}

/// One record on its way into the trail.
#[derive(Debug)]
pub struct Item {
    /// The record.
    pub record: Record,
    /// The blob its input names, to be stored before it.
    pub blob: Option<Blob>,
}

impl From<Record> for Item {
    fn from(record: Record) -> Self {
        Self { record, blob: None }
    }
}

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is on disk under a seal.
    Durable,
    /// The trail could not take it and `on_full = "refuse"`: do not forward.
    Refused {
        /// Whether its records wait in memory for room; else they are lost, and counted.
        recorded: bool,
    },
    /// The trail could not take it and `on_full = "drop"`: forward; the loss is counted.
    Dropped,
}

/// A submission that can be waited for.
#[derive(Debug)]
pub struct Ticket {
    trail: Trail,
    done: oneshot::Receiver<Outcome>,
}

impl Ticket {
    /// Waits on this thread, committing for everyone who waits if nobody else does.
    #[must_use]
    pub fn wait(mut self) -> Outcome {
        self.trail.commit_queue();
        match self.done.try_recv() {
            Ok(outcome) => outcome,
            Err(_) => self
                .done
                .blocking_recv()
                .unwrap_or(Outcome::Refused { recorded: false }),
        }
    }

    /// Waits without holding a thread for longer than a quick disk takes.
    ///
    /// A call that is alone is committed right here: nobody else waits for this thread, and to hand
    /// it to another and back takes half as long as the disk. Where there is company, or the disk is
    /// slow or in trouble, the trail's own thread commits for all who wait.
    pub async fn ready(mut self) -> Outcome {
        if self.trail.calls_open() <= CALLS_ALONE {
            self.trail.commit_if_quick();
        }
        if let Ok(outcome) = self.done.try_recv() {
            return outcome;
        }
        self.trail.inner.wake();
        self.done
            .await
            .unwrap_or(Outcome::Refused { recorded: false })
    }
}

/// Handle to the trail; clones share it.
#[derive(Debug, Clone)]
pub struct Trail {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    queue: Mutex<Queue>,
    waker: Condvar,
    committer: Mutex<Option<Committer>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    stopping: Arc<AtomicBool>,
    stats: Arc<CommitStats>,
    calls: AtomicU64,
    calls_ended: AtomicU64,
    start_mono_us: u64,
    heartbeat: Duration,
    name: String,
    dir: DataDir,
    shipping: Arc<ShipStats>,
}

#[derive(Debug, Default)]
struct Queue {
    pending: VecDeque<Pending>,
    /// Someone waits for the trail's own thread.
    urgent: bool,
    /// The trail's own thread sleeps with nothing to do.
    napping: bool,
    closed: bool,
}

/// A submission: its items stand or fall together.
#[derive(Debug)]
struct Pending {
    items: Vec<Item>,
    done: Option<oneshot::Sender<Outcome>>,
}

impl Trail {
    /// Opens the trail of this process: finds or makes keys and a spool, recovers what an earlier
    /// process left open, and seals a `boot` entry.
    ///
    /// # Errors
    /// When keys or spool cannot be used.
    pub fn open(options: &TrailOptions) -> Result<Self, OpenTrailError> {
        let heartbeat = options.heartbeat;
        let dir = options.dir.clone();
        let opened = open::open(options)?;
        let inner = Arc::new(Inner {
            queue: Mutex::default(),
            waker: Condvar::new(),
            stopping: opened.committer.stopping(),
            stats: opened.committer.stats(),
            committer: Mutex::new(Some(opened.committer)),
            thread: Mutex::new(None),
            calls: AtomicU64::new(0),
            calls_ended: AtomicU64::new(0),
            start_mono_us: crate::clock::now().mono_us,
            heartbeat,
            name: opened.name,
            dir,
            shipping: Arc::default(),
        });
        let thread = std::thread::Builder::new()
            .name("trail".to_owned())
            .spawn({
                let inner = Arc::clone(&inner);
                move || inner.flush_until_closed()
            })
            .map_err(OpenTrailError::Thread)?;
        *lock(&inner.thread) = Some(thread);
        Ok(Self { inner })
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &DataDir {
        &self.inner.dir
    }

    /// Name of the spool.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Counters, for metrics and readiness.
    #[must_use]
    pub fn stats(&self) -> &CommitStats {
        &self.inner.stats
    }

    /// How shipping goes, if there is a shipper beside this trail.
    #[must_use]
    pub fn shipping(&self) -> Arc<ShipStats> {
        Arc::clone(&self.inner.shipping)
    }

    /// Calls begun in this boot.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.inner.calls.load(Ordering::Relaxed)
    }

    /// Calls begun and not yet ended.
    #[must_use]
    pub fn calls_open(&self) -> u64 {
        self.calls()
            .saturating_sub(self.inner.calls_ended.load(Ordering::Relaxed))
    }

    /// Hands over records that nobody waits for. They are on disk within [`FLUSH_DELAY`], unless the
    /// storage fails; that loss is counted and recorded.
    pub fn submit(&self, items: Vec<Item>) {
        self.push(Pending { items, done: None });
    }

    /// [`Trail::submit`], unless there is nothing to hand over.
    pub fn submit_some(&self, items: Vec<Item>) {
        if !items.is_empty() {
            self.submit(items);
        }
    }

    /// Hands over records that someone waits for.
    #[must_use]
    pub fn submit_durable(&self, items: Vec<Item>) -> Ticket {
        let (send, done) = oneshot::channel();
        self.push(Pending {
            items,
            done: Some(send),
        });
        Ticket {
            trail: self.clone(),
            done,
        }
    }

    /// Commits all that was handed over so far, on this thread.
    pub fn flush(&self) {
        self.commit_queue();
    }

    /// Ends the boot: commits what is queued, seals a `stop` entry, closes the spool. A second call
    /// does nothing. Records handed over later are lost with the process, so callers stop first.
    pub fn close(&self, reason: &'static str, signal: Option<i32>, exit_code: Option<i32>) {
        self.inner.stopping.store(true, Ordering::SeqCst);
        {
            let mut queue = lock(&self.inner.queue);
            if queue.closed {
                return;
            }
            queue.closed = true;
        }
        self.inner.waker.notify_all();
        if let Some(thread) = lock(&self.inner.thread).take() {
            let _ = thread.join();
        }
        let mut guard = lock(&self.inner.committer);
        self.inner.drain_into(&mut guard);
        if let Some(committer) = guard.take() {
            let at = crate::clock::now();
            let stop = Stop {
                reason: reason.into(),
                signal,
                exit_code,
                calls: self.calls(),
                uptime_us: at.mono_us.saturating_sub(self.inner.start_mono_us),
            };
            committer.close(Record {
                at,
                call: None,
                body: Body::Stop(stop),
            });
        }
    }

    fn push(&self, pending: Pending) {
        self.inner.count(&pending.items);
        let (napping, full) = {
            let mut queue = lock(&self.inner.queue);
            queue.pending.push_back(pending);
            (
                std::mem::take(&mut queue.napping),
                queue.pending.len() >= QUEUE_MAX,
            )
        };
        if napping {
            self.inner.waker.notify_one();
        }
        if full {
            self.commit_queue();
        }
    }

    /// Commits all that was handed over so far, unless that could take long.
    fn commit_if_quick(&self) {
        let Ok(mut guard) = self.inner.committer.try_lock() else {
            return;
        };
        let Some(committer) = guard.as_mut().filter(|c| c.is_quick()) else {
            return;
        };
        let batch = self.inner.take_queue();
        let left = committer.try_commit(batch);
        if !left.is_empty() {
            // Still under the lock, so before all that came meanwhile.
            self.inner.put_back(left);
        }
    }

    fn commit_queue(&self) {
        let mut committer = lock(&self.inner.committer);
        self.inner.drain_into(&mut committer);
    }
}

// === impl Inner ===

impl Inner {
    /// Someone waits and has no thread to commit with.
    fn wake(&self) {
        lock(&self.queue).urgent = true;
        self.waker.notify_one();
    }

    fn count(&self, items: &[Item]) {
        for item in items {
            if matches!(item.record.body, Body::CallBegin(_)) {
                self.calls.fetch_add(1, Ordering::Relaxed);
            } else if matches!(item.record.body, Body::CallEnd(..)) {
                self.calls_ended.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn drain_into(&self, committer: &mut MutexGuard<'_, Option<Committer>>) {
        let batch = self.take_queue();
        if let Some(committer) = committer.as_mut() {
            committer.commit(batch);
        }
    }

    fn take_queue(&self) -> VecDeque<Pending> {
        let mut queue = lock(&self.queue);
        queue.urgent = false;
        std::mem::take(&mut queue.pending)
    }

    fn put_back(&self, mut batch: VecDeque<Pending>) {
        let mut queue = lock(&self.queue);
        batch.append(&mut queue.pending);
        queue.pending = batch;
    }

    /// The trail's own thread: flushes what nobody waits for, wakes for async waiters, beats.
    fn flush_until_closed(&self) {
        loop {
            let closed = self.sleep_until_due();
            if closed {
                return;
            }
            self.gather();
            let mut committer = lock(&self.committer);
            self.drain_into(&mut committer);
            if let Some(committer) = committer.as_mut() {
                committer.maintain();
                if committer.idle_us()
                    > u64::try_from(self.heartbeat.as_micros()).unwrap_or(u64::MAX)
                {
                    committer.commit(VecDeque::from([Pending {
                        items: vec![self.heartbeat(committer)],
                        done: None,
                    }]));
                }
            }
        }
    }

    /// Lets threads run that are about to hand something over, as long as more comes: a group costs the
    /// same for one as for many. Costs nothing while there are processors to spare.
    fn gather(&self) {
        let mut seen = 0;
        for _ in 0..GATHER_TURNS_MAX {
            let queued = lock(&self.queue).pending.len();
            if queued <= seen {
                return;
            }
            seen = queued;
            std::thread::yield_now();
        }
    }

    /// Sleeps until someone waits without a thread of his own, something waited [`FLUSH_DELAY`], or
    /// housekeeping is due. True when the trail closes.
    fn sleep_until_due(&self) -> bool {
        let nap = self.heartbeat.min(Duration::from_secs(1));
        // Whoever was woken and found that another had committed meanwhile naps again, and must be woken
        // again: so each look at the queue says it anew.
        let idle = |queue: &mut Queue| {
            queue.napping = queue.pending.is_empty();
            queue.napping && !queue.closed && !queue.urgent
        };
        let calm = |queue: &mut Queue| !queue.closed && !queue.urgent;
        let queue = lock(&self.queue);
        let (mut queue, _) = self
            .waker
            .wait_timeout_while(queue, nap, idle)
            .unwrap_or_else(PoisonError::into_inner);
        queue.napping = false;
        // Whoever commits meanwhile takes along what waits here; then there is nothing left to do.
        let delay = if queue.pending.is_empty() {
            Duration::ZERO
        } else {
            FLUSH_DELAY
        };
        let (queue, _) = self
            .waker
            .wait_timeout_while(queue, delay, calm)
            .unwrap_or_else(PoisonError::into_inner);
        queue.closed
    }

    fn heartbeat(&self, committer: &Committer) -> Item {
        let at = crate::clock::now();
        let calls = self.calls.load(Ordering::Relaxed);
        let beat = Heartbeat {
            uptime_us: at.mono_us.saturating_sub(self.start_mono_us),
            calls,
            calls_open: calls.saturating_sub(self.calls_ended.load(Ordering::Relaxed)),
            spool_bytes: committer.spool_bytes(),
            clock: crate::clock::kernel_clock(),
        };
        Item::from(Record {
            at,
            call: None,
            body: Body::Heartbeat(beat),
        })
    }
}

/// Locks, taking over from a thread that panicked: the guarded state is valid between statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
