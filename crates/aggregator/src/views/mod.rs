//! Views: what is made from the log, and can be made again.
//!
//! ```text
//! log ─ published leaves, in order ─▸ driver (one thread a view) ─ apply ─▸ View, which keeps its cursor
//!                                        │ retries with back-off
//!                                        └▸ affiant_view_lag_leaves, affiant_view_failures_total
//! ```
//!
//! A store, an archive, an enricher: each reads by leaf index, at its own pace, with a cursor of its own.
//! Nothing waits for a view, and no view waits for another. What it keeps may be deleted; it begins again
//! at its cursor.
//!
//! Limits: [`BATCH_LEAVES_MAX`] and [`BATCH_BYTES_MAX`]; a view hears of a checkpoint within
//! [`IDLE_EVERY`].

mod driver;
mod gauges;
mod pen;

use std::fmt;
use std::time::Duration;

use affiant_entry::Moment;
use affiant_tlog::LeafIndex;

pub(crate) use driver::{ViewCounts, Views};
pub(crate) use gauges::OfParts;
pub use gauges::{Gauge, Gauges};
pub use pen::{Pen, RecordError};

/// Something that is made from the leaves of the log.
///
/// The driver calls it from one thread of its own, which may block.
pub trait View: Send {
    /// Its name in metrics and messages.
    fn name(&self) -> &'static str;

    /// Called once, before everything else, with what a view may have of the aggregator beside leaves.
    fn attach(&mut self, pen: &Pen) {
        let _ = pen;
    }

    /// The first leaf that it does not hold. What lies before is durable, or is made again by it alone.
    ///
    /// # Errors
    /// [`ViewError`]; it is asked again later.
    fn cursor(&self) -> Result<LeafIndex, ViewError>;

    /// Takes the leaves from `first` on, which is where its cursor was, and moves the cursor behind them.
    /// Leaves are published: a checkpoint covers them. Some may be no entries.
    ///
    /// # Errors
    /// [`ViewError`]; then the cursor is asked for, and the leaves behind it are given again, later.
    fn apply(&mut self, first: LeafIndex, leaves: &[Vec<u8>]) -> Result<(), ViewError>;

    /// Nothing new, or a while passed since the last call (at most [`IDLE_EVERY`], plus how long
    /// [`apply`](Self::apply) takes): time for what a view does on its own.
    ///
    /// # Errors
    /// [`ViewError`]; counted, and called again later.
    fn idle(&mut self, now: Moment) -> Result<(), ViewError> {
        let _ = now;
        Ok(())
    }
}

impl fmt::Debug for dyn View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("View").field(&self.name()).finish()
    }
}

/// A view could not do its part. It is tried again: the operator sees a line and a metric.
#[derive(Debug, thiserror::Error)]
#[error("{doing} failed")]
pub struct ViewError {
    /// What it was at.
    doing: String,
    /// Why it failed.
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl ViewError {
    /// `doing` in a few words such as `writing rows`, and why it failed.
    #[must_use]
    pub fn new(
        doing: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            doing: doing.into(),
            source: source.into(),
        }
    }
}

/// Most leaves in one call of [`View::apply`].
pub const BATCH_LEAVES_MAX: usize = 4096;

/// Most bytes of leaves in one call of [`View::apply`], but for a single leaf.
pub const BATCH_BYTES_MAX: usize = 8 << 20;

/// How long a view waits for leaves before it is told that there are none.
pub const IDLE_EVERY: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests;
