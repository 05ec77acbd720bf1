//! What a proof carries beside the proof.

use affiant_tlog::{Hash, InclusionProof};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
pub(super) struct Version {
    pub(super) v: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Extra {
    pub(super) v: u64,
    pub(super) entry: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) seal: Option<Seal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<Proven>,
}

/// The seal over the entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seal {
    pub(super) entry: String,
    pub(super) index: u64,
    pub(super) path: Path,
    /// Inclusion proof of the entry under the seal's own root.
    pub(super) group: Vec<String>,
}

/// Another leaf of the same tree.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proven {
    pub(super) entry: String,
    pub(super) index: u64,
    pub(super) path: Path,
}

/// An inclusion proof: its own hashes, then as many from the end of the entry's proof.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Path {
    pub(super) own: Vec<String>,
    pub(super) shared: usize,
}

impl Path {
    /// The proof of another leaf, written against the entry's.
    pub(super) fn of(proof: &InclusionProof, entry: &InclusionProof) -> Self {
        let common = proof
            .0
            .iter()
            .rev()
            .zip(entry.0.iter().rev())
            .take_while(|(a, b)| a == b)
            .count();
        let own = proof.0.len().saturating_sub(common);
        Self {
            own: proof.0.iter().take(own).map(Hash::to_base64).collect(),
            shared: common,
        }
    }

    /// The whole proof; `None` if it cannot be one.
    pub(super) fn whole(&self, entry: &InclusionProof) -> Option<InclusionProof> {
        let mut hashes = parse_hashes(&self.own)?;
        let from = entry.0.len().checked_sub(self.shared)?;
        hashes.extend_from_slice(entry.0.get(from..)?);
        Some(InclusionProof(hashes))
    }
}

pub(super) fn parse_hashes(texts: &[String]) -> Option<Vec<Hash>> {
    texts
        .iter()
        .map(|text| Hash::from_base64(text).ok())
        .collect()
}
