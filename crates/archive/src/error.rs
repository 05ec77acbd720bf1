//! What the operations of an archive can fail with.

use affiant_log::ReadLogError;
use affiant_tlog::{LeafIndex, TreeSize};

use crate::key::Key;
use crate::store::StoreError;

/// An operation on an archive failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The store failed, or cannot be reached. It may work later.
    #[error("archive store failed")]
    Store(#[from] StoreError),
    /// The log cannot be read. It may work later.
    #[error("log cannot be read")]
    Log(#[from] ReadLogError),
    /// A manifest is not one. Somebody changed the archive, or a later version wrote it.
    #[error("`{key}` cannot be used")]
    Manifest {
        /// Which.
        key: Key,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// An object is not there, in no version.
    #[error("`{key}` is missing")]
    Missing {
        /// Which.
        key: Key,
    },
    /// An object has other bytes than its manifest says, in every version.
    #[error("`{key}` is not what its manifest says")]
    Changed {
        /// Which.
        key: Key,
    },
    /// What was written did not come back. Nothing counts as archived.
    #[error("`{key}` did not come back as it was written")]
    ReadBack {
        /// Which.
        key: Key,
    },
    /// An object is not locked as the configuration asks for. Nothing counts as archived.
    #[error(
        "`{key}` is not locked: wanted {wanted}, found {found}; give the bucket a default retention"
    )]
    Unlocked {
        /// Which.
        key: Key,
        /// What was asked for.
        wanted: String,
        /// What the store says.
        found: String,
    },
    /// All names for an object are taken by other bytes: somebody else writes there.
    #[error("`{key}` and all other names for it are taken by other content")]
    Occupied {
        /// The first name.
        key: Key,
    },
    /// The archive is of another log.
    #[error("archive is of log `{found}`, not of `{expected}`")]
    OtherLog {
        /// Our log.
        expected: String,
        /// What stands in `archive.json`.
        found: String,
    },
    /// There is no archive at this place.
    #[error("there is no archive: `archive.json` is missing")]
    NotAnArchive,
    /// The newest set that this process or directory knows of is gone: an older archive was put in its place.
    #[error("archive ends at set {found}, but set {remembered} was written")]
    RolledBack {
        /// The newest set known.
        remembered: u64,
        /// The newest set there.
        found: u64,
    },
    /// The archive has more leaves than the log: the log was rolled back, or is another.
    #[error("archive has {archived} leaves, the log {log}")]
    LogBehind {
        /// Leaves archived.
        archived: TreeSize,
        /// Leaves of the log.
        log: TreeSize,
    },
    /// The log's tree is not what the archive has of it: a fork.
    #[error("log's tree of size {size} is not the archive's")]
    Forked {
        /// The size.
        size: TreeSize,
    },
    /// The leaves of the archive do not lead to the root that its checkpoint signed.
    #[error("leaves of set {set} do not give the root of its checkpoint")]
    RootMismatch {
        /// Which set.
        set: u64,
    },
    /// The checkpoint of a set is not one, or is not of its tree.
    #[error("checkpoint of set {set} is not of its tree")]
    Checkpoint {
        /// Which set.
        set: u64,
    },
    /// Whoever asked wants to end. The next attempt goes on with what is there.
    #[error("archiving was interrupted")]
    Interrupted,
    /// The log has no published checkpoint.
    #[error("log has no published checkpoint")]
    NoCheckpoint,
    /// A chunk cannot be decoded though its hash is right: a later version wrote it.
    #[error("`{key}` cannot be decoded: {problem}")]
    Decode {
        /// Which.
        key: Key,
        /// Why.
        problem: String,
    },
    /// A blob cannot be read from where it is kept.
    #[error("blob {blob} named by leaf {leaf} cannot be read")]
    Blob {
        /// Its id, hex.
        blob: String,
        /// The leaf that names it.
        leaf: LeafIndex,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A blob is longer than is archived.
    #[error("blob {blob} has {bytes} bytes, more than are archived")]
    BlobTooLong {
        /// Its id, hex.
        blob: String,
        /// Its length.
        bytes: u64,
    },
    /// The directory that is restored to cannot be used.
    #[error("restoring failed")]
    Restore(#[from] affiant_log::restore::RestoreError),
    /// A local file cannot be used.
    #[error("local state of the archive cannot be used")]
    Io(#[from] std::io::Error),
}

/// Why a manifest is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not the JSON of a manifest.
    #[error("it is not a manifest: {problem}")]
    Syntax {
        /// What the parser says.
        problem: String,
    },
    /// Of a later version.
    #[error("it has version {found}; this program knows 1")]
    Version {
        /// The version.
        found: u64,
    },
    /// A member has a value that no writer gives.
    #[error("`{member}` has a value that does not fit")]
    Value {
        /// Which.
        member: &'static str,
    },
    /// It does not follow from the manifest before.
    #[error("it does not follow from set {before}")]
    Chain {
        /// The set before.
        before: u64,
    },
}
