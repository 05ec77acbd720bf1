//! One entry, proven to whoever is offline: a C2SP tlog-proof that carries the entry, its seal and the
//! log's word on the key.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64 of JSON>     {"v":1,"entry":"…",
//!                             "seal":{"entry":"…","index":n,"path":{"own":[…],"shared":k},"group":[…]},
//!                             "key":{"entry":"…","index":n,"path":{…}}}
//! index <n>                  of the entry's leaf
//! <inclusion proof>
//!
//! <checkpoint with signatures and cosignatures>
//! ```
//!
//! Nobody signs the extra data; each of its parts is proven on its own: entry, seal and key entry are
//! leaves under the one checkpoint, and the seal's signature and root cover the entry. Paths to the root
//! meet: `shared` counts the hashes at the end of the entry's path that another leaf's path has too, so
//! that a seal a few leaves away costs a few hashes.
//!
//! Any reader of C2SP tlog-proof can check such a file without us; it learns that the leaf is in the log,
//! not who sealed it.
//!
//! Specification: `docs/spec/proof.md`, <https://c2sp.org/tlog-proof>.

mod build;
mod extra;
mod report;
mod verify;

pub use build::{Leaf, ProveError, build};
pub use report::{KeyTrust, ProofFault, ProofFinding, ProofReport};

use affiant_tlog::LeafIndex;
use affiant_tlog::tlog_proof::{ParseProofError, TlogProof};

use extra::Extra;

/// Version of the extra data.
const EXTRA_VERSION: u64 = 1;

/// A proof file that can be read. Nothing in it is to be believed before [`ProofFile::verify`].
#[derive(Debug, Clone)]
pub struct ProofFile {
    proof: TlogProof,
    extra: Extra,
}

/// Bytes are not a proof of an entry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProofFileError {
    /// Not a tlog-proof.
    #[error("not a proof")]
    Proof(#[source] ParseProofError),
    /// A tlog-proof that carries no entry: it may be fine, but does not say what it proves.
    #[error("proof carries no entry")]
    NoEntry,
    /// A later version of the extra data.
    #[error("proof carries data of version {found}, this reader supports {EXTRA_VERSION}")]
    Version {
        /// The version found.
        found: u64,
    },
    /// The extra data cannot be read.
    #[error("data of the proof is malformed")]
    Extra(#[source] serde_json::Error),
}

impl ProofFile {
    /// Reads a proof file. Never panics, whatever the bytes.
    ///
    /// # Errors
    /// [`ProofFileError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofFileError> {
        let proof = TlogProof::parse(bytes).map_err(ProofFileError::Proof)?;
        if proof.extra.is_empty() {
            return Err(ProofFileError::NoEntry);
        }
        let version: extra::Version =
            serde_json::from_slice(&proof.extra).map_err(ProofFileError::Extra)?;
        if version.v != EXTRA_VERSION {
            return Err(ProofFileError::Version { found: version.v });
        }
        let extra = serde_json::from_slice(&proof.extra).map_err(ProofFileError::Extra)?;
        Ok(Self { proof, extra })
    }

    /// Index of the leaf it claims to prove.
    #[must_use]
    pub const fn index(&self) -> LeafIndex {
        self.proof.index
    }

    /// The entry it claims to prove, byte for byte.
    #[must_use]
    pub fn entry(&self) -> &str {
        &self.extra.entry
    }

    /// The file as its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.proof.to_bytes()
    }
}
