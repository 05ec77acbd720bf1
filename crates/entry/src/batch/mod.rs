//! The batch: sealed groups on their way from a source to an aggregator.
//!
//! # The bytes
//!
//! ```text
//! affiant.dev/batch/v1⏎
//! ┌────┬────────────┬─────────┐
//! │ u8 │ u32, big-  │ payload │   kind 0  header: compact JSON; exactly the first frame
//! │kind│ endian     │         │   kind 1  entry
//! └────┴────────────┴─────────┘   kind 2  seal entry: ends the group of the entries before it
//!        length of payload        kind 3  blob; its id is the SHA-256 of the payload
//!
//! header  blob* entry+ seal  blob* entry+ seal  …  blob*
//!         └──── a group ──┘  └──── a group ──┘     └ for a later batch
//! ```
//!
//! Blobs stand before the entries that name them. A blob is found by its content, so it may also
//! travel in a batch before that of its group: that is how a group with more blobs than a batch may
//! hold gets through. A batch without any group is a hello: it says that the sender lives, and learns
//! credits and position.
//!
//! These are the uncompressed bytes; what HTTP does to them stands in the specification.
//!
//! # Limits
//!
//! Entries and seals of all groups together have at most [`BATCH_GROUPS_BYTES_MAX`], unless there is
//! one group alone. The whole has at most [`BATCH_BYTES_MAX`]; a receiver stops decompressing there.
//!
//! # What is not checked
//!
//! Reading a batch splits it. Whether its entries are entries, its seals hold and its groups fit the
//! chain is for [`link`](crate::link) to say; whose batch it is, for the receiver's TLS.
//!
//! Specification: `docs/spec/batch.md`.

mod header;
mod reader;
mod writer;

pub use header::{AcceptedGap, BatchHeader, BatchHeaderError};
pub use reader::{BatchError, BatchReader, Group};
pub use writer::{BatchWriteError, BatchWriter};

/// First line of every batch.
pub const BATCH_MAGIC: &[u8] = b"affiant.dev/batch/v1\n";

/// Media type of a batch, before content encoding.
pub const BATCH_MEDIA_TYPE: &str = "application/vnd.affiant.batch";

/// Most bytes of entries and seals in a batch of more than one group: what is lost by sending it
/// again, and what an aggregator holds while it waits for a checkpoint.
pub const BATCH_GROUPS_BYTES_MAX: usize = 1024 * 1024;

/// Most bytes of a batch, uncompressed and with its blobs: four of the largest inputs that are kept.
pub const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Most groups in a batch: bounds its receipt, which has a proof for each.
pub const BATCH_GROUPS_MAX: usize = 1024;

/// Most bytes of the header.
pub const BATCH_HEADER_BYTES_MAX: usize = 4096;

/// Bytes of kind and length before each payload.
const FRAME_HEAD_BYTES: usize = 5;

/// Kinds of frames.
mod frame {
    pub(super) const HEADER: u8 = 0;
    pub(super) const ENTRY: u8 = 1;
    pub(super) const SEAL: u8 = 2;
    pub(super) const BLOB: u8 = 3;
}

#[cfg(test)]
mod tests;
