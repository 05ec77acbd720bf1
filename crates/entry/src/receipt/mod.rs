//! The receipt: what an aggregator gives for a batch, and what makes it worth believing.
//!
//! ```text
//! batch ─▸ append ─▸ checkpoint durable ─▸ receipt ─▸ Receipt::verify ─▸ the spool may let go
//! ```
//!
//! A receipt is JSON with a signed checkpoint and, for each group of the batch, an inclusion proof of
//! its seal entry. As the seal signs the root over its entries, and names the seal before it, whoever
//! holds a verified receipt can later prove that the log took all of them. A spool's cursor moves on
//! what [`Receipt::verify`] says, and on nothing less.
//!
//! # What is not checked
//!
//! That other people see the same log: witnesses are for that. That `first_index` is where the group
//! begins: only the seal's place is proven, the entries stand right before it.
//!
//! A batch that is not taken is answered by a [`Problem`] instead.
//!
//! Specification: `docs/spec/receipt.md`.

mod problem;
mod verify;
mod wire;

pub use problem::{Problem, ProblemCode, ProblemError};
pub use verify::{ReceiptError, SentSeal};
pub use wire::ParseReceiptError;

use affiant_tlog::{ConsistencyProof, InclusionProof, LeafIndex};
use serde::{Deserialize, Serialize};

use crate::ids::SealPlace;

/// Longest receipt in bytes: proofs of 64 hashes for each group of the longest batch, and a note.
pub const RECEIPT_BYTES_MAX: usize = 5 * 1024 * 1024;

/// Media type of a receipt.
pub const RECEIPT_MEDIA_TYPE: &str = "application/json";

/// The answer to a batch that was taken; nothing in it is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Origin of the log.
    pub log: String,
    /// The signed checkpoint (a C2SP signed note), cosignatures included.
    pub checkpoint: String,
    /// From the tree of the sender's remembered checkpoint to this one; empty if there is none, or
    /// both are the same.
    pub consistency: ConsistencyProof,
    /// One for each group of the batch, in its order.
    pub groups: Vec<ReceiptGroup>,
    /// What the sender may have under way from now on.
    pub credits: Credits,
}

/// Where one group stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptGroup {
    /// Which seal.
    pub place: SealPlace,
    /// Index of the group's first entry.
    pub first_index: LeafIndex,
    /// Index of its seal entry.
    pub seal_index: LeafIndex,
    /// Inclusion proof of the seal entry under the checkpoint.
    pub proof: InclusionProof,
    /// Whether the log had it before.
    pub duplicate: bool,
}

/// How much a source may have under way: sent, and without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credits {
    /// Bytes of batches, uncompressed.
    pub bytes: u64,
    /// Batches. With 0 of either the sender waits, and says hello later.
    pub batches: u64,
}

#[cfg(test)]
mod tests;
