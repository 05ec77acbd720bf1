//! The store as a view: follows the log, flushes, merges files on a thread of its own.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use affiant_aggregator::views::{Pen, View, ViewError};
use affiant_entry::Moment;
use affiant_store::{OpenError, RawLeaves, Store};
use affiant_tlog::LeafIndex;

use crate::error::chain;

/// How often files are looked at, for merging.
const MERGE_EVERY: Duration = Duration::from_secs(5);

/// Feeds a store from an aggregator's log.
pub(crate) struct StoreView {
    store: Store,
    log: LogLeaves,
    merging: Option<Merging>,
}

/// Leaves of the log, once the aggregator runs.
#[derive(Clone, Default)]
pub(crate) struct LogLeaves(Arc<OnceLock<Pen>>);

impl RawLeaves for LogLeaves {
    fn leaf(&self, index: LeafIndex) -> Option<Vec<u8>> {
        let pen = self.0.get()?;
        let size = pen.head().checkpoint.size;
        match pen.reader().leaf(index, size) {
            Ok(leaf) => Some(leaf),
            Err(error) => {
                tracing::warn!(leaf = index.0, error = %chain(&error), "leaf cannot be read");
                None
            }
        }
    }
}

impl StoreView {
    /// Opens the store in a directory, or makes it.
    pub(crate) fn open(root: &Path, own: &str, log: &str) -> Result<Self, OpenError> {
        let leaves = LogLeaves::default();
        let store = Store::open(root, own, log, Arc::new(leaves.clone()))?;
        Ok(Self {
            store,
            log: leaves,
            merging: None,
        })
    }

    pub(crate) fn store(&self) -> Store {
        self.store.clone()
    }

    pub(crate) fn log(&self) -> LogLeaves {
        self.log.clone()
    }
}

impl View for StoreView {
    fn name(&self) -> &'static str {
        "store"
    }

    fn attach(&mut self, pen: &Pen) {
        // Called once; a second pen would be of the same log.
        let _ = self.log.0.set(pen.clone());
        match Merging::start(self.store.clone()) {
            Ok(merging) => self.merging = Some(merging),
            Err(error) => tracing::warn!(%error, "files of the store will not be merged"),
        }
    }

    fn cursor(&self) -> Result<LeafIndex, ViewError> {
        Ok(self.store.cursor())
    }

    fn apply(&mut self, first: LeafIndex, leaves: &[Vec<u8>]) -> Result<(), ViewError> {
        let taken = self.store.append(first, leaves);
        taken.map_err(|error| ViewError::new("writing rows", error))
    }

    fn idle(&mut self, now: Moment) -> Result<(), ViewError> {
        let done = self.store.idle(now.utc_us);
        done.map_err(|error| ViewError::new("writing files of the store", error))
    }
}

impl Drop for StoreView {
    fn drop(&mut self) {
        if let Some(merging) = self.merging.take() {
            merging.end();
        }
        if let Err(error) = self.store.flush() {
            // The log has it all; the next start reads on from the files.
            tracing::warn!(error = %chain(&error), "rows in memory were not written");
        }
    }
}

/// The thread that merges files.
struct Merging {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Merging {
    fn start(store: Store) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("store-merge".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Acquire) {
                    match store.compact() {
                        Ok(true) => continue,
                        Ok(false) => {}
                        Err(error) => {
                            tracing::warn!(error = %chain(&error), "files of the store were not merged");
                        }
                    }
                    std::thread::park_timeout(MERGE_EVERY);
                }
            })?;
        Ok(Self { stop, thread })
    }

    fn end(self) {
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("merging files of the store panicked");
        }
    }
}
