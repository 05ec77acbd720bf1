//! Where imported records go.

use std::future::Future;
use std::ops::Range;

use super::importer::Imported;

/// Takes imported records into the aggregator's own chain.
pub trait Sink: Send + Sync + 'static {
    /// Makes the blobs durable, then appends the records in their order, and answers once they are
    /// under a signed checkpoint. Gives the leaf indexes from the first to behind the last (entries of
    /// others may lie between). All of them are in the log, or none.
    ///
    /// # Errors
    /// [`SinkError`].
    fn append(
        &self,
        imported: Vec<Imported>,
    ) -> impl Future<Output = Result<Range<u64>, SinkError>> + Send;
}

/// Records were not appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// They are not in the log; the sender may try again.
    #[error("log is unavailable")]
    Unavailable,
    /// Nobody knows whether they are in the log. A second try may double them; both entries then have
    /// the same `call`.
    #[error("outcome is unknown")]
    Unknown,
}
