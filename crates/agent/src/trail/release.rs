//! Giving back the room of what an aggregator holds.

use std::sync::atomic::Ordering::SeqCst;

use affiant_spool::{BlobId, Ordinal, ReleaseError, Spool};
use tokio::sync::Notify;

use super::{Trail, lock};
use crate::ship::Durable;

/// What verified receipts cover, and how much of it may go.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    /// The last ordinal that is covered: the cursor moves behind it.
    pub(crate) through: Ordinal,
    /// Segments wholly before this may go; not behind `through`.
    pub(crate) end: Ordinal,
    /// Blobs that nothing behind `end` names, as far as was read.
    pub(crate) blobs: Vec<BlobId>,
}

impl Release {
    /// Does it; `blobs` are those that may go indeed.
    pub(crate) fn apply(&self, spool: &mut Spool, blobs: &[BlobId]) -> Result<(), ReleaseError> {
        spool.acknowledge_through(self.through)?;
        if let Some(through) = self.end.previous() {
            spool.release_through(through)?;
        }
        if let Err(error) = spool.remove_blobs(blobs) {
            tracing::warn!(%error, "blob cannot be removed");
        }
        Ok(())
    }
}

impl Trail {
    /// How far the spool may be read by a shipper.
    pub(crate) fn durable(&self) -> Durable {
        let stats = self.stats();
        // In this order: an append that failed counts before anything takes its ordinals.
        let end = Ordinal::new(stats.durable_end.load(SeqCst));
        Durable {
            end,
            failures: stats.append_failures.load(SeqCst),
        }
    }

    /// Told of each group that becomes durable.
    pub(crate) fn grown(&self) -> &Notify {
        &self.stats().grown
    }

    /// Gives back room, under the lock of the chain head: appends wait for about one file to be
    /// written and synced, so do it seldom. `None` once the trail is closed.
    pub(crate) fn release(&self, of: &Release) -> Option<Result<(), ReleaseError>> {
        lock(&self.inner.committer)
            .as_mut()
            .map(|committer| committer.release(of))
    }
}
