//! The index: a view of the log that answers "where is this seal" and "how far is this chain".
//!
//! ```text
//! log ─▸ Row (a group, or one entry of our own) ─▸ one transaction: rows, chains, cursor
//! ```
//!
//! The log is the truth. The index is one file that may be deleted: what it lacks is read from the
//! log again, from its cursor on. Rows, chains and cursor change in one transaction, so it never says
//! that it has what it has not. A live row comes from whoever appended it, so that busy leaves are not
//! read back; rows are applied in the order of the log, and a hole between them is filled from the log.
//!
//! It is a [redb](https://docs.rs/redb) file: a B-tree with transactions and a bounded cache, without
//! threads of its own. A log-structured store would write less, but compaction in the background and
//! a second journal are what an index of 100 bytes a seal does not need.
//!
//! # Limits
//!
//! Cache [`CACHE_BYTES`]. About 150 bytes on disk for each seal.

mod follow;
mod replay;
mod row;
mod store;

pub(crate) use follow::{Follower, Source as FollowSource};
pub use replay::ReplayError;
pub(crate) use row::{ChainRow, GroupRow, OwnRow, Row, SealRow, Subject};
pub(crate) use store::Index;
pub use store::IndexError;

/// Memory of the file's cache, in bytes.
pub(crate) const CACHE_BYTES: usize = 64 << 20;
