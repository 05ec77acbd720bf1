//! What a proof came to, and its story.

use affiant_entry::chain::Verdict;
use serde::{Serialize, Serializer};

/// The judgement over one proof.
#[derive(Debug, Clone, Serialize)]
pub struct ProofReport {
    /// The worst of all findings.
    pub verdict: Verdict,
    /// Index of the leaf.
    pub index: u64,
    /// The log, as its checkpoint calls it.
    pub origin: String,
    /// Size of the tree.
    pub size: u64,
    /// Witnesses that cosigned, with the time each says, seconds since the Unix epoch.
    pub witnesses: Vec<(String, u64)>,
    /// Whose entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Its boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// Its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its time, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The key of its seal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal_key: Option<String>,
    /// Why that key is believed.
    pub key_trust: KeyTrust,
    /// What is wrong.
    pub findings: Vec<ProofFinding>,
    /// What was checked, in sentences.
    pub checked: Vec<String>,
    /// What was not, in sentences.
    pub not_checked: Vec<String>,
}

/// Why the key of a seal is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyTrust {
    /// The verifier's trust file names it.
    Pinned,
    /// The log gave it to the source: its aggregator says so, under the same checkpoint.
    Logged,
    /// Nothing says so.
    Unknown,
    /// There is no seal: an entry of the aggregator itself.
    NoSeal,
}

/// One thing that is wrong with a proof.
#[derive(Debug, Clone, Serialize)]
pub struct ProofFinding {
    /// What it makes of the proof.
    pub verdict: Verdict,
    /// What.
    pub fault: ProofFault,
}

/// Everything that can be wrong with a proof that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofFault {
    /// The checkpoint is by a log or a key that the trust file does not name.
    #[error("checkpoint is not by a log you trust: {reason}")]
    LogUntrusted {
        /// What the policy says.
        reason: String,
    },
    /// A signature or cosignature by a trusted key is bad, or the checkpoint is none.
    #[error("checkpoint does not hold: {reason}")]
    Checkpoint {
        /// What the policy says.
        reason: String,
    },
    /// Too few of the verifier's witnesses cosigned.
    #[error("too few of your witnesses saw this checkpoint: {cosigned} cosigned")]
    Quorum {
        /// How many did.
        cosigned: usize,
    },
    /// A leaf is not in the tree at its place.
    #[error("{what} is not in the log at leaf {index}: {reason}")]
    NotInLog {
        /// Which leaf.
        what: &'static str,
        /// Its index.
        index: u64,
        /// Why.
        reason: String,
    },
    /// A leaf is no entry.
    #[error("{what} is not an entry: {reason}")]
    NotAnEntry {
        /// Which leaf.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// An entry of a source comes without its seal.
    #[error("seal is missing: nothing says that the source made this entry")]
    NoSeal,
    /// The seal cannot be read, or is not over this entry.
    #[error("seal is not over this entry: {reason}")]
    Seal {
        /// Why.
        reason: String,
    },
    /// The seal's signature does not fit.
    #[error("signature of the seal does not fit its text")]
    Signature,
    /// The seal's key is not one that the verifier pinned for the source.
    #[error("seal is by {key}, which is not the key your trust file has for this source")]
    KeyNotPinned {
        /// The key.
        key: String,
    },
    /// Nothing says whose key sealed.
    #[error("nothing says whose key {key} is")]
    KeyUnknown {
        /// The key.
        key: String,
    },
    /// The log's word on the key is about something else.
    #[error("key entry does not give this key to this source: {reason}")]
    Key {
        /// Why.
        reason: &'static str,
    },
}

impl ProofFault {
    /// What it makes of a proof.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::LogUntrusted { .. } | Self::KeyNotPinned { .. } | Self::KeyUnknown { .. } => {
                Verdict::Untrusted
            }
            Self::Quorum { .. } => Verdict::Incomplete,
            Self::Checkpoint { .. }
            | Self::NotInLog { .. }
            | Self::NotAnEntry { .. }
            | Self::NoSeal
            | Self::Seal { .. }
            | Self::Signature
            | Self::Key { .. } => Verdict::No,
        }
    }

    /// Its name for machines; never changes.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::LogUntrusted { .. } => "log-untrusted",
            Self::Checkpoint { .. } => "checkpoint",
            Self::Quorum { .. } => "quorum",
            Self::NotInLog { .. } => "not-in-log",
            Self::NotAnEntry { .. } => "not-an-entry",
            Self::NoSeal => "no-seal",
            Self::Seal { .. } => "seal",
            Self::Signature => "signature",
            Self::KeyNotPinned { .. } => "key-not-pinned",
            Self::KeyUnknown { .. } => "key-unknown",
            Self::Key { .. } => "key",
        }
    }
}

impl Serialize for ProofFault {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = s.serialize_map(Some(2))?;
        map.serialize_entry("code", self.code())?;
        map.serialize_entry("text", &self.to_string())?;
        map.end()
    }
}
