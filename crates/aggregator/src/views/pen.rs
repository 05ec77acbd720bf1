//! What a view may have of the aggregator: the log to read, and a way to say something in it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use affiant_entry::record::Body;
use affiant_log::{Head, LogReader};
use affiant_tlog::LeafIndex;
use tokio::runtime::Handle;

use crate::ledger::Ledger;

/// Reads the log, and writes entries in the aggregator's name. Cheap to clone; for threads outside the
/// runtime.
#[derive(Clone)]
pub struct Pen {
    ledger: Ledger,
    runtime: Handle,
}

/// An entry is not in the log, or nobody knows whether it is.
#[derive(Debug, thiserror::Error)]
#[error("log did not take the entry")]
pub struct RecordError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Pen {
    pub(crate) const fn new(ledger: Ledger, runtime: Handle) -> Self {
        Self { ledger, runtime }
    }

    /// Reads leaves, tiles and checkpoints of the log.
    #[must_use]
    pub fn reader(&self) -> LogReader {
        self.ledger.log().reader()
    }

    /// The published head.
    #[must_use]
    pub fn head(&self) -> Arc<Head> {
        self.ledger.head()
    }

    /// Writes entries into the aggregator's own chain, together and in order, and waits until a checkpoint
    /// covers them. Gives their place in the log. Blocks; never call it on a thread of the runtime.
    ///
    /// # Errors
    /// When the log takes no leaves, or it is not known whether it took them: they may come up later.
    pub fn record(&self, bodies: Vec<Body>) -> Result<Range<LeafIndex>, RecordError> {
        let recording = self.ledger.record_at(bodies);
        let place = self.runtime.block_on(recording);
        place.map_err(|error| RecordError(Box::new(error)))
    }
}

impl fmt::Debug for Pen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pen").finish_non_exhaustive()
    }
}
