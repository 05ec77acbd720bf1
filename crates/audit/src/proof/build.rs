//! Making a proof file.

use affiant_tlog::note::Note;
use affiant_tlog::tlog_proof::TlogProof;
use affiant_tlog::{Hash, InclusionProof, LeafIndex};

use super::extra::{Extra, Path, Proven, Seal};
use super::{EXTRA_VERSION, ProofFile};

/// A leaf with its place in the tree of the checkpoint.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its index.
    pub index: LeafIndex,
    /// Its inclusion proof.
    pub proof: InclusionProof,
}

/// A proof file cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The leaf is not text, so no entry.
    #[error("leaf {index} is not utf-8")]
    NotUtf8 {
        /// Which leaf.
        index: LeafIndex,
    },
    /// A bug in a type's `Serialize`.
    #[error("proof cannot be encoded")]
    Json(#[source] serde_json::Error),
}

/// Makes the proof of an entry under a checkpoint: with its seal and the path from the entry to the
/// seal's root (absent for an entry of the aggregator itself), and the log's word on the seal's key.
///
/// Does not verify what it is given: [`ProofFile::verify`] does.
///
/// # Errors
/// [`ProveError`].
pub fn build(
    checkpoint: Note,
    entry: &Leaf,
    seal: Option<(&Leaf, &InclusionProof)>,
    key: Option<&Leaf>,
) -> Result<ProofFile, ProveError> {
    let seal = match seal {
        Some((seal, group)) => Some(Seal {
            entry: text(seal)?,
            index: seal.index.0,
            path: Path::of(&seal.proof, &entry.proof),
            group: group.0.iter().map(Hash::to_base64).collect(),
        }),
        None => None,
    };
    let key = match key {
        Some(key) => Some(Proven {
            entry: text(key)?,
            index: key.index.0,
            path: Path::of(&key.proof, &entry.proof),
        }),
        None => None,
    };
    let extra = Extra {
        v: EXTRA_VERSION,
        entry: text(entry)?,
        seal,
        key,
    };
    let proof = TlogProof {
        extra: serde_json::to_vec(&extra).map_err(ProveError::Json)?,
        index: entry.index,
        proof: entry.proof.clone(),
        checkpoint,
    };
    Ok(ProofFile { proof, extra })
}

fn text(leaf: &Leaf) -> Result<String, ProveError> {
    String::from_utf8(leaf.bytes.clone()).map_err(|_| ProveError::NotUtf8 { index: leaf.index })
}
