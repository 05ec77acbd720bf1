//! One thread a view: leaves in, cursor on, again after errors.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use affiant_log::{Head, LogReader, ReadLogError};
use affiant_tlog::{LeafIndex, TreeSize};
use tokio::sync::watch;

use super::{BATCH_BYTES_MAX, BATCH_LEAVES_MAX, IDLE_EVERY, Pen, View, ViewError};
use crate::clock;
use crate::problem::chain;

/// The threads of all views.
#[derive(Debug, Default)]
pub(crate) struct Views {
    threads: Vec<JoinHandle<()>>,
}

/// How a view does, for the metrics.
#[derive(Debug)]
pub(crate) struct ViewCounts {
    pub(crate) name: &'static str,
    /// First leaf that it does not hold, as far as is known.
    cursor: AtomicU64,
    failures: AtomicU64,
}

impl ViewCounts {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            cursor: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    pub(crate) fn lag(&self, size: u64) -> u64 {
        size.saturating_sub(self.cursor.load(Ordering::Relaxed))
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}

impl Views {
    /// Starts a thread for each view; `counts` are theirs, in order.
    pub(crate) fn start(
        views: Vec<Box<dyn View>>,
        counts: &[Arc<ViewCounts>],
        pen: &Pen,
        heads: &watch::Receiver<Arc<Head>>,
        stop: &watch::Receiver<bool>,
    ) -> std::io::Result<Self> {
        let mut threads = Vec::with_capacity(views.len());
        for (mut view, counts) in views.into_iter().zip(counts) {
            let mut driver = Driver {
                counts: Arc::clone(counts),
                reader: pen.reader(),
                heads: heads.clone(),
                stop: stop.clone(),
                runtime: tokio::runtime::Handle::current(),
                batch: Batch::default(),
            };
            let pen = pen.clone();
            let thread = std::thread::Builder::new().name(format!("view-{}", view.name()));
            threads.push(thread.spawn(move || {
                view.attach(&pen);
                driver.run(view.as_mut());
            })?);
        }
        Ok(Self { threads })
    }

    /// Waits until all have ended; they do once `stop` said so. Blocks.
    pub(crate) fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("view panicked");
            }
        }
    }
}

struct Driver {
    counts: Arc<ViewCounts>,
    reader: LogReader,
    heads: watch::Receiver<Arc<Head>>,
    stop: watch::Receiver<bool>,
    runtime: tokio::runtime::Handle,
    batch: Batch,
}

/// Why a view does not move on.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    View(#[from] ViewError),
    #[error("log cannot be read")]
    Read(#[from] ReadLogError),
    #[error("view holds leaves up to {cursor}, the log has {size}: it is of another log")]
    Ahead { cursor: LeafIndex, size: TreeSize },
}

impl Driver {
    fn run(&mut self, view: &mut dyn View) {
        let mut wait = RETRY_FIRST;
        while !self.stopped() {
            match self.follow(view) {
                Ok(ControlFlow::Break(())) => return,
                Ok(ControlFlow::Continue(())) => wait = RETRY_FIRST,
                Err(error) => {
                    self.counts.failures.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(view = view.name(), error = %chain(&error), "view does not follow the log");
                    if self.nap(wait).is_break() {
                        return;
                    }
                    wait = wait.saturating_mul(2).min(RETRY_LAST);
                }
            }
        }
    }

    /// From the view's cursor on, until something fails or it is time to stop. Each success comes back
    /// here, so that one good step ends the back-off.
    fn follow(&mut self, view: &mut dyn View) -> Result<ControlFlow<()>, StepError> {
        let mut cursor = view.cursor()?;
        let mut idled_us = clock::now().mono_us;
        let mut steps = 0_u32;
        loop {
            if self.stopped() {
                return Ok(ControlFlow::Break(()));
            }
            self.counts.cursor.store(cursor.0, Ordering::Relaxed);
            let size = self.heads.borrow_and_update().checkpoint.size;
            if cursor.0 > size.0 {
                return Err(StepError::Ahead { cursor, size });
            }
            let caught_up = cursor.0 == size.0;
            if !caught_up {
                self.batch.read(&self.reader, cursor, size)?;
                view.apply(cursor, &self.batch.leaves)?;
                cursor = self.batch.end(cursor);
            }
            let now = clock::now();
            let since = now.mono_us.saturating_sub(idled_us);
            if caught_up || Duration::from_micros(since) >= IDLE_EVERY {
                view.idle(now)?;
                idled_us = now.mono_us;
            }
            if caught_up && self.wait_for_leaves().is_break() {
                return Ok(ControlFlow::Break(()));
            }
            steps = steps.saturating_add(1);
            if steps == STEPS_OF_HEALTH {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }

    fn wait_for_leaves(&mut self) -> ControlFlow<()> {
        let (heads, stop) = (&mut self.heads, &mut self.stop);
        self.runtime.block_on(async {
            tokio::select! {
                _ = stop.changed() => ControlFlow::Break(()),
                // A closed log has no more heads; those who stop us say so soon.
                changed = heads.changed() => {
                    if changed.is_err() {
                        tokio::time::sleep(IDLE_EVERY).await;
                    }
                    ControlFlow::Continue(())
                }
                () = tokio::time::sleep(IDLE_EVERY) => ControlFlow::Continue(()),
            }
        })
    }

    fn nap(&mut self, time: Duration) -> ControlFlow<()> {
        let stop = &mut self.stop;
        self.runtime.block_on(async {
            tokio::select! {
                _ = stop.changed() => ControlFlow::Break(()),
                () = tokio::time::sleep(time) => ControlFlow::Continue(()),
            }
        })
    }

    fn stopped(&self) -> bool {
        *self.stop.borrow() || self.stop.has_changed().is_err()
    }
}

/// Leaves for one call, and those of the last bundle that did not fit in it.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) leaves: Vec<Vec<u8>>,
    rest: Vec<Vec<u8>>,
    rest_first: Option<LeafIndex>,
}

impl Batch {
    /// Reads from `first` up to `size`, within the limits; at least one leaf.
    pub(super) fn read(
        &mut self,
        reader: &LogReader,
        first: LeafIndex,
        size: TreeSize,
    ) -> Result<(), ReadLogError> {
        self.leaves.clear();
        let mut rest = std::mem::take(&mut self.rest);
        if self.rest_first != Some(first) {
            rest.clear();
        }
        let (mut at, mut bytes) = (first, 0_usize);
        loop {
            if rest.is_empty() {
                if at.0 >= size.0 || self.leaves.len() >= BATCH_LEAVES_MAX {
                    return Ok(());
                }
                let to_bundle_end = BUNDLE_LEAVES - at.0 % BUNDLE_LEAVES;
                let end = at.0.saturating_add(to_bundle_end).min(size.0);
                rest = reader.leaves(at..LeafIndex(end), size)?;
            }
            let mut leaves = rest.into_iter();
            for leaf in leaves.by_ref() {
                let fits = bytes.saturating_add(leaf.len()) <= BATCH_BYTES_MAX
                    && self.leaves.len() < BATCH_LEAVES_MAX;
                if !fits && !self.leaves.is_empty() {
                    self.rest_first = Some(at);
                    self.rest.push(leaf);
                    self.rest.extend(leaves);
                    return Ok(());
                }
                bytes = bytes.saturating_add(leaf.len());
                self.leaves.push(leaf);
                at = LeafIndex(at.0.saturating_add(1));
            }
            rest = Vec::new();
        }
    }

    /// The leaf behind those that were read from `first` on.
    pub(super) fn end(&self, first: LeafIndex) -> LeafIndex {
        let count = u64::try_from(self.leaves.len()).unwrap_or(u64::MAX);
        LeafIndex(first.0.saturating_add(count))
    }
}

/// Leaves in a full bundle (C2SP tlog-tiles).
const BUNDLE_LEAVES: u64 = 256;
/// After so many steps without an error, a view is well again.
const STEPS_OF_HEALTH: u32 = 16;
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LAST: Duration = Duration::from_secs(30);
