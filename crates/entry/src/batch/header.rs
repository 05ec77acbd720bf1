//! What a sender says before its groups.

use affiant_tlog::TreeSize;
use serde::{Deserialize, Serialize};

use crate::ids::{SealPlace, SourceId, SpoolName};
use crate::limits::{INTEGER_MAX, clip};
use crate::moment::{parse_rfc3339, rfc3339, serialize_utc};

/// Version of the batch header.
const HEADER_VERSION: u64 = 1;
/// Longest reason for a gap, in bytes.
const REASON_BYTES_MAX: usize = 120;
/// What is kept of a longer one, before it says how much was cut.
const REASON_BYTES_KEPT: usize = 80;

/// Whose groups follow, and how far the sender is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchHeader {
    /// The source; the receiver compares it with the sender's certificate.
    pub source: SourceId,
    /// The spool whose chain the groups belong to.
    pub spool: SpoolName,
    /// When the batch was made: the sender's wall clock, microseconds since the Unix epoch.
    pub sent_utc_us: i64,
    /// Size of the tree of the sender's remembered checkpoint: the receipt proves consistency from
    /// there. 0 if it has none.
    pub old: TreeSize,
    /// The newest seal in the sender's spool; `None` before its first.
    pub newest: Option<SealPlace>,
    /// Sealed entries in the spool that no receipt covers, those of this batch among them.
    pub pending_entries: u64,
    /// The sender does not have what the receiver expects, and says why: the receiver records the
    /// gap and goes on with this batch.
    pub gap: Option<AcceptedGap>,
}

/// A hole in the chain that the sender owns up to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedGap {
    /// Why, in the sender's words; at most 120 bytes.
    pub reason: String,
}

/// Bytes are not the header of a batch.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchHeaderError {
    /// Longer than [`BATCH_HEADER_BYTES_MAX`](super::BATCH_HEADER_BYTES_MAX).
    #[error("header of {bytes} bytes is too long")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON of this shape.
    #[error("header cannot be read")]
    Json(#[source] serde_json::Error),
    /// Another version.
    #[error("header has version {found}, this reader supports {HEADER_VERSION}")]
    Version {
        /// The version found.
        found: u64,
    },
    /// A member cannot be what it should be.
    #[error("member `{member}` is malformed")]
    Malformed {
        /// Which.
        member: &'static str,
    },
}

#[derive(Serialize, Deserialize)]
struct Version {
    v: u64,
}

#[derive(Serialize)]
struct Writing<'a> {
    v: u64,
    source: &'a SourceId,
    spool: &'a SpoolName,
    #[serde(serialize_with = "serialize_utc")]
    sent_at: i64,
    old: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<SealPlace>,
    pending_entries: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<AcceptedGap>,
}

#[derive(Deserialize)]
struct Reading {
    source: SourceId,
    spool: SpoolName,
    sent_at: String,
    old: u64,
    #[serde(default)]
    newest: Option<SealPlace>,
    pending_entries: u64,
    #[serde(default)]
    gap: Option<AcceptedGap>,
}

impl AcceptedGap {
    /// A gap for this reason.
    #[must_use]
    pub fn new(reason: &str) -> Self {
        Self {
            reason: if reason.len() > REASON_BYTES_MAX {
                clip(reason, REASON_BYTES_KEPT)
            } else {
                reason.to_owned()
            },
        }
    }
}

impl BatchHeader {
    /// As compact JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let writing = Writing {
            v: HEADER_VERSION,
            source: &self.source,
            spool: &self.spool,
            sent_at: self.sent_utc_us,
            old: self.old.0,
            newest: self.newest,
            pending_entries: self.pending_entries,
            gap: self.gap.as_ref().map(|gap| AcceptedGap::new(&gap.reason)),
        };
        // Only strings and numbers: nothing here can fail to serialise.
        serde_json::to_vec(&writing).unwrap_or_default()
    }

    /// Reads a header; members it does not know are ignored.
    ///
    /// # Errors
    /// [`BatchHeaderError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchHeaderError> {
        if bytes.len() > super::BATCH_HEADER_BYTES_MAX {
            return Err(BatchHeaderError::TooLong { bytes: bytes.len() });
        }
        let Version { v: found } = serde_json::from_slice(bytes).map_err(BatchHeaderError::Json)?;
        if found != HEADER_VERSION {
            return Err(BatchHeaderError::Version { found });
        }
        let reading: Reading = serde_json::from_slice(bytes).map_err(BatchHeaderError::Json)?;
        let malformed = |member| BatchHeaderError::Malformed { member };
        for (member, number) in [
            ("old", reading.old),
            ("pending_entries", reading.pending_entries),
        ] {
            if number > INTEGER_MAX {
                return Err(malformed(member));
            }
        }
        let sent_utc_us = parse_rfc3339(&reading.sent_at)
            .filter(|utc_us| rfc3339(*utc_us) == reading.sent_at)
            .ok_or_else(|| malformed("sent_at"))?;
        let reason = reading.gap.as_ref().map(|gap| gap.reason.len());
        if reason.is_some_and(|bytes| bytes > REASON_BYTES_MAX) {
            return Err(malformed("gap"));
        }
        Ok(Self {
            source: reading.source,
            spool: reading.spool,
            sent_utc_us,
            old: TreeSize(reading.old),
            newest: reading.newest,
            pending_entries: reading.pending_entries,
            gap: reading.gap,
        })
    }
}
