//! What the operations of a log can fail with.

use std::sync::Arc;

use affiant_tlog::TreeSize;
use affiant_tlog::bundle::{ENTRY_BYTES_MAX, ParseBundleError};
use affiant_tlog::tile::{BundleId, ReadTilesError};

use crate::signer::SignerError;
use crate::store::{OpenStoreError, StoreError};
use crate::witness::AskError;

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenLogError {
    /// The directory could not be had for writing.
    #[error("could not open the log's storage")]
    Store(#[source] OpenStoreError),
    /// What is stored is not a log that may be continued.
    #[error("could not load the log")]
    Load(#[source] LoadError),
    /// A witness has seen another history of this log: storage was rolled back, or the log forked.
    #[error("witness objects")]
    Witness(#[source] AskError),
    /// The system gave no thread.
    #[error("could not start the sequencer")]
    Thread(#[source] std::io::Error),
    /// An option cannot be used.
    #[error("log option is not usable: {reason}")]
    Option {
        /// Which, and why.
        reason: String,
    },
}

/// Why stored state is not a log that this process may continue.
///
/// All but [`LoadError::Store`] and [`LoadError::Sign`] need a person: trying again does not help.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Storage failed; it may work later.
    #[error("storage failed")]
    Store(#[from] StoreError),
    /// The head could not be signed; it may work later.
    #[error("could not sign the head")]
    Sign(#[from] SignerError),
    /// The head record is not one.
    #[error("head record is malformed")]
    HeadMalformed,
    /// There are published objects, but no head: the head was lost, or `state` belongs to another log.
    #[error("log has a published checkpoint but no head record")]
    HeadMissing,
    /// The head is of another log.
    #[error("head is of log `{found}`, but the key is of `{expected}`")]
    OtherLog {
        /// The name of our key.
        expected: String,
        /// The origin in the head.
        found: String,
    },
    /// The head or the published checkpoint is by a key that is not among the log's keys.
    #[error("log was last signed by key `{found}`, which is not one of this log's keys")]
    OtherKey {
        /// `name+id` of that key, or of the keys on the note.
        found: String,
    },
    /// The published checkpoint is not a note or not a checkpoint.
    #[error("published checkpoint is malformed")]
    CheckpointMalformed,
    /// The head is behind what was published: an older copy of `state` was restored.
    #[error("head has size {head}, but size {published} was published")]
    RolledBack {
        /// The size in the head record.
        head: TreeSize,
        /// The size in the published checkpoint, or last seen by this process.
        published: TreeSize,
    },
    /// A tree that was published is not a beginning of the head's tree.
    #[error("published tree of size {size} is not a part of the log")]
    Forked {
        /// The size of that tree.
        size: TreeSize,
    },
    /// A tile is missing, malformed, or does not lead to the head's root.
    #[error("tiles do not give the head's tree")]
    Tiles(#[from] ReadTilesError<StoreError>),
    /// A bundle is missing.
    #[error("{bundle} is missing")]
    BundleMissing {
        /// The bundle.
        bundle: BundleId,
    },
    /// A bundle cannot be read.
    #[error("bundle is malformed")]
    BundleMalformed(#[from] ParseBundleError),
    /// A bundle's entries are not those that its tile commits to.
    #[error("{bundle} does not have the leaves that its tile says")]
    BundleMismatch {
        /// The bundle.
        bundle: BundleId,
    },
    /// A staged or promoted object is not what the head's tree needs.
    #[error("`{path}` of the newest round is not what the head says")]
    RoundMismatch {
        /// The path in the log.
        path: String,
    },
}

impl LoadError {
    /// Whether trying again may help.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Store(StoreError::Io { .. })
                | Self::Sign(SignerError::Device { .. })
                | Self::Tiles(ReadTilesError::Source { .. })
        )
    }
}

/// Why a round did not end as it should.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RoundError {
    /// Storage failed, or another writer was there.
    #[error("storage failed")]
    Store(#[from] StoreError),
    /// The head could not be signed.
    #[error("could not sign the head")]
    Sign(#[from] SignerError),
    /// After the failure of a round before, the log could not be loaded.
    #[error("could not load the log again")]
    Load(#[from] LoadError),
    /// A witness has seen another history of this log.
    #[error("witness objects")]
    Witness(#[source] AskError),
    /// A round failed after the epoch that the submission was made in.
    #[error("round before it failed")]
    Earlier,
    /// The sequencer ended without an answer: a bug.
    #[error("sequencer ended without an answer")]
    Gone,
}

/// Why leaves were not appended, or why it is not known.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SequenceError {
    /// A leaf is larger than the format holds. The caller's fault; nothing was appended.
    #[error("leaf {index} has {bytes} bytes, more than {ENTRY_BYTES_MAX}")]
    LeafTooLong {
        /// Which leaf of the submission.
        index: usize,
        /// Its length in bytes.
        bytes: usize,
    },
    /// Too much is waiting. Nothing was appended; try again later.
    #[error("{queued_bytes} bytes are waiting for the log")]
    Full {
        /// Bytes that wait.
        queued_bytes: usize,
    },
    /// The log is closed or was dropped. Nothing was appended.
    #[error("log is closed")]
    Closed,
    /// The round failed, and the leaves are not in the log. Submitting them again is safe.
    #[error("round failed, leaves are not in the log")]
    NotAppended(#[source] Arc<RoundError>),
    /// The round failed, and it is not known whether the leaves are in the log. They may turn up
    /// there: look before submitting them again.
    #[error("round failed, leaves may be in the log")]
    Unknown(#[source] Arc<RoundError>),
    /// The leaves are in the log, but the log closed before a checkpoint over them was published.
    #[error("leaves are in the log, but no checkpoint over them was published")]
    Unpublished,
    /// The log has stopped: continuing could fork it. It needs a person and a restart.
    #[error("log has stopped")]
    Stopped(#[source] Arc<RoundError>),
}

impl SequenceError {
    /// Whether it is certain that the leaves are not in the log.
    pub fn is_absent(&self) -> bool {
        match self {
            Self::LeafTooLong { .. } | Self::Full { .. } | Self::Closed | Self::NotAppended(_) => {
                true
            }
            Self::Unknown(_) | Self::Unpublished | Self::Stopped(_) => false,
        }
    }
}

/// Why something could not be read from a log.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReadLogError {
    /// Storage failed.
    #[error("storage failed")]
    Store(#[from] StoreError),
    /// Tiles do not give what was asked for.
    #[error("tiles do not give what was asked for")]
    Tiles(#[from] ReadTilesError<StoreError>),
    /// The tree has no such leaf.
    #[error("leaf {index} is outside a tree of size {size}")]
    OutsideTree {
        /// The index asked for.
        index: affiant_tlog::LeafIndex,
        /// The size of the tree.
        size: TreeSize,
    },
    /// A bundle is missing: lost or pruned.
    #[error("{bundle} is missing")]
    BundleMissing {
        /// The bundle.
        bundle: BundleId,
    },
    /// A bundle cannot be read.
    #[error("bundle is malformed")]
    BundleMalformed(#[from] ParseBundleError),
}
