//! Receipts to and from JSON.

use affiant_tlog::{ConsistencyProof, Hash, InclusionProof, LeafIndex};
use serde::{Deserialize, Serialize};

use super::{Credits, RECEIPT_BYTES_MAX, Receipt, ReceiptGroup};
use crate::batch::BATCH_GROUPS_MAX;
use crate::ids::{BootId, SealNumber, SealPlace};

/// Version of the receipt.
const RECEIPT_VERSION: u64 = 1;
/// Hashes in a proof: one a level of the largest tree, and one more between two sizes.
const PROOF_HASHES_MAX: usize = 65;

/// Bytes are not a receipt. The aggregator, or whoever stands between, is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseReceiptError {
    /// Longer than [`RECEIPT_BYTES_MAX`].
    #[error("receipt of {bytes} bytes is longer than {RECEIPT_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON of this shape.
    #[error("receipt cannot be read")]
    Json(#[source] serde_json::Error),
    /// Another version.
    #[error("receipt has version {found}, this reader supports {RECEIPT_VERSION}")]
    Version {
        /// The version found.
        found: u64,
    },
    /// More groups than a batch may have.
    #[error("receipt has more than {BATCH_GROUPS_MAX} groups")]
    TooManyGroups,
    /// A proof with a hash that is none, or with more hashes than any tree needs.
    #[error("receipt has a malformed proof")]
    Proof,
}

#[derive(Deserialize)]
struct Version {
    v: u64,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    v: u64,
    log: String,
    checkpoint: String,
    consistency: Vec<String>,
    groups: Vec<WireGroup>,
    credits: Credits,
}

#[derive(Serialize, Deserialize)]
struct WireGroup {
    boot: BootId,
    seal: SealNumber,
    first_index: u64,
    seal_index: u64,
    proof: Vec<String>,
    duplicate: bool,
}

impl Receipt {
    /// As compact JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let wire = Wire {
            v: RECEIPT_VERSION,
            log: self.log.clone(),
            checkpoint: self.checkpoint.clone(),
            consistency: spell(&self.consistency.0),
            groups: self.groups.iter().map(WireGroup::of).collect(),
            credits: self.credits,
        };
        // Only strings, numbers and booleans: nothing here can fail to serialise.
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// Reads a receipt; members it does not know are ignored. Verifies nothing: see
    /// [`Receipt::verify`].
    ///
    /// # Errors
    /// [`ParseReceiptError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseReceiptError> {
        if bytes.len() > RECEIPT_BYTES_MAX {
            return Err(ParseReceiptError::TooLong { bytes: bytes.len() });
        }
        let Version { v: found } =
            serde_json::from_slice(bytes).map_err(ParseReceiptError::Json)?;
        if found != RECEIPT_VERSION {
            return Err(ParseReceiptError::Version { found });
        }
        let wire: Wire = serde_json::from_slice(bytes).map_err(ParseReceiptError::Json)?;
        if wire.groups.len() > BATCH_GROUPS_MAX {
            return Err(ParseReceiptError::TooManyGroups);
        }
        let groups: Option<Vec<_>> = wire.groups.iter().map(WireGroup::read).collect();
        Ok(Self {
            log: wire.log,
            checkpoint: wire.checkpoint,
            consistency: hashes(&wire.consistency)
                .map(ConsistencyProof)
                .ok_or(ParseReceiptError::Proof)?,
            groups: groups.ok_or(ParseReceiptError::Proof)?,
            credits: wire.credits,
        })
    }
}

impl WireGroup {
    fn of(group: &ReceiptGroup) -> Self {
        Self {
            boot: group.place.boot,
            seal: group.place.seal,
            first_index: group.first_index.0,
            seal_index: group.seal_index.0,
            proof: spell(&group.proof.0),
            duplicate: group.duplicate,
        }
    }

    fn read(&self) -> Option<ReceiptGroup> {
        Some(ReceiptGroup {
            place: SealPlace {
                boot: self.boot,
                seal: self.seal,
            },
            first_index: LeafIndex(self.first_index),
            seal_index: LeafIndex(self.seal_index),
            proof: InclusionProof(hashes(&self.proof)?),
            duplicate: self.duplicate,
        })
    }
}

fn spell(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(Hash::to_base64).collect()
}

fn hashes(texts: &[String]) -> Option<Vec<Hash>> {
    if texts.len() > PROOF_HASHES_MAX {
        return None;
    }
    texts
        .iter()
        .map(|text| Hash::from_base64(text).ok())
        .collect()
}
