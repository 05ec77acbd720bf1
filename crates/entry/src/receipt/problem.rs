//! Why a batch was not taken: RFC 9457 problem details.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::SealPlace;
use crate::limits::clip;

/// Media type of a problem (RFC 9457).
const PROBLEM_URI: &str = "https://affiant.dev/problems/";
/// Longest problem that is read, in bytes.
const PROBLEM_BYTES_MAX: usize = 64 * 1024;
/// Longest detail, in bytes.
const DETAIL_BYTES_MAX: usize = 1024;
/// What is kept of a longer one, before it says how much was cut.
const DETAIL_BYTES_KEPT: usize = 960;

/// Everything an aggregator can say instead of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ProblemCode {
    /// The bytes are no batch. Sending them again does not help.
    MalformedBatch,
    /// The certificate is another source's.
    WrongSource,
    /// The source or its key was revoked.
    Revoked,
    /// The source was never enrolled.
    NotEnrolled,
    /// The groups do not continue what the log holds: [`Problem::expected`] says what would.
    Gap,
    /// The groups contradict what the log holds. Recorded as evidence.
    Fork,
    /// The log is smaller than the tree in the batch's header: it was rolled back, or the sender remembers
    /// another log. [`Problem::checkpoint`] is what it has.
    RolledBack,
    /// A seal does not hold: spelling, signature, root, count or key.
    BadSeal,
    /// Longer than a batch may be.
    TooLarge,
    /// Too much at once: wait for [`Problem::retry_after_s`].
    SlowDown,
    /// The log cannot take anything now: wait for [`Problem::retry_after_s`].
    LogUnavailable,
}

impl ProblemCode {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::MalformedBatch,
        Self::WrongSource,
        Self::Revoked,
        Self::NotEnrolled,
        Self::Gap,
        Self::Fork,
        Self::RolledBack,
        Self::BadSeal,
        Self::TooLarge,
        Self::SlowDown,
        Self::LogUnavailable,
    ];

    /// Its name: the last part of the problem's `type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedBatch => "malformed-batch",
            Self::WrongSource => "wrong-source",
            Self::Revoked => "revoked",
            Self::NotEnrolled => "not-enrolled",
            Self::Gap => "gap",
            Self::Fork => "fork",
            Self::RolledBack => "rolled-back",
            Self::BadSeal => "bad-seal",
            Self::TooLarge => "too-large",
            Self::SlowDown => "slow-down",
            Self::LogUnavailable => "log-unavailable",
        }
    }

    /// The HTTP status it comes with.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::MalformedBatch => 400,
            Self::WrongSource | Self::Revoked | Self::NotEnrolled => 403,
            Self::Gap | Self::Fork | Self::RolledBack => 409,
            Self::TooLarge => 413,
            Self::BadSeal => 422,
            Self::SlowDown => 429,
            Self::LogUnavailable => 503,
        }
    }

    /// One line for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::MalformedBatch => "batch is malformed",
            Self::WrongSource => "certificate is another source's",
            Self::Revoked => "source is revoked",
            Self::NotEnrolled => "source is not enrolled",
            Self::Gap => "batch does not continue the chain",
            Self::Fork => "batch contradicts the chain",
            Self::RolledBack => "log is smaller than it was",
            Self::BadSeal => "seal does not hold",
            Self::TooLarge => "batch is too large",
            Self::SlowDown => "too much at once",
            Self::LogUnavailable => "log cannot take anything now",
        }
    }

    /// Whether the same batch may be taken later as it is.
    #[must_use]
    pub const fn passes(self) -> bool {
        matches!(self, Self::SlowDown | Self::LogUnavailable)
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal with its facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What.
    pub code: ProblemCode,
    /// What exactly, in our words; at most 1024 bytes.
    pub detail: String,
    /// For [`ProblemCode::Gap`]: the seal that would continue the chain; `None` if that is the first
    /// of a chain.
    pub expected: Option<SealPlace>,
    /// For [`ProblemCode::Fork`]: blob id of the evidence.
    pub evidence: Option<String>,
    /// For [`ProblemCode::RolledBack`]: the log's newest checkpoint, a signed note.
    pub checkpoint: Option<String>,
    /// For codes that pass: seconds to wait, as in the header `Retry-After`.
    pub retry_after_s: Option<u64>,
}

/// Bytes are not a problem that this version knows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProblemError {
    /// Too long, or not JSON of this shape.
    #[error("problem cannot be read")]
    Unreadable,
    /// A `type` that is not in the list.
    #[error("problem is of unknown type `{found}`")]
    Unknown {
        /// The type, clipped.
        found: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Wire {
    r#type: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    detail: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected: Option<SealPlace>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evidence: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
}

impl Problem {
    /// Media type of a problem (RFC 9457).
    pub const MEDIA_TYPE: &str = "application/problem+json";

    /// A problem without facts.
    #[must_use]
    pub fn new(code: ProblemCode, detail: &str) -> Self {
        Self {
            code,
            detail: if detail.len() > DETAIL_BYTES_MAX {
                clip(detail, DETAIL_BYTES_KEPT)
            } else {
                detail.to_owned()
            },
            expected: None,
            evidence: None,
            checkpoint: None,
            retry_after_s: None,
        }
    }

    /// As compact JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let wire = Wire {
            r#type: format!("{PROBLEM_URI}{}", self.code),
            title: self.code.title().to_owned(),
            status: self.code.status(),
            detail: self.detail.clone(),
            expected: self.expected,
            evidence: self.evidence.clone(),
            checkpoint: self.checkpoint.clone(),
            retry_after_s: self.retry_after_s,
        };
        // Only strings and numbers: nothing here can fail to serialise.
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// Reads a problem.
    ///
    /// # Errors
    /// [`ProblemError`]; a sender then goes by the HTTP status alone.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProblemError> {
        if bytes.len() > PROBLEM_BYTES_MAX {
            return Err(ProblemError::Unreadable);
        }
        let wire: Wire = serde_json::from_slice(bytes).map_err(|_| ProblemError::Unreadable)?;
        let code = wire
            .r#type
            .strip_prefix(PROBLEM_URI)
            .and_then(ProblemCode::of)
            .ok_or_else(|| ProblemError::Unknown {
                found: clip(&wire.r#type, 120),
            })?;
        Ok(Self {
            expected: wire.expected,
            evidence: wire.evidence,
            checkpoint: wire.checkpoint,
            retry_after_s: wire.retry_after_s,
            ..Self::new(code, &wire.detail)
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.title(), self.detail)
    }
}
