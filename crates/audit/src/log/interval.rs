//! What stretches of a source's evidence are worth.

use affiant_entry::{BootId, SealNumber, Seq};
use serde::{Serialize, Serializer};

/// What one stretch is worth. What is absent never reads like what is present: only
/// [`Complete`](IntervalVerdict::Complete) is here in full, and [`Pruned`](IntervalVerdict::Pruned) is the
/// one absence that is no fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IntervalVerdict {
    /// Every entry the source sealed is here, in order, linked from boot to boot.
    Complete,
    /// Seals are not here, and the aggregator says so itself; with the number of entries, if known.
    Gap(Option<u64>),
    /// The source should have spoken and did not.
    Silent,
    /// A boot does not link to what came before it.
    Discontinuous,
    /// The source itself says that it lost entries; with their number, if known.
    Dropped(Option<u64>),
    /// The evidence holds, but nobody expects this source.
    Unrostered,
    /// Removed under a retention policy that stands in the log (`prune`).
    Pruned,
    /// Made unreadable under an erasure that stands in the log (`erase`): said of blobs, never of a
    /// stretch of a chain.
    Erased,
    /// Seals are not here, and nobody said so.
    Missing(Option<u64>),
    /// Something here was altered or forged, or cannot be judged: the findings say what.
    Faulty,
}

impl IntervalVerdict {
    /// The word in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Complete => "COMPLETE",
            Self::Gap(_) => "GAP",
            Self::Silent => "SILENT",
            Self::Discontinuous => "DISCONTINUOUS",
            Self::Dropped(_) => "DROPPED",
            Self::Unrostered => "UNROSTERED",
            Self::Pruned => "PRUNED",
            Self::Erased => "ERASED",
            Self::Missing(_) => "MISSING",
            Self::Faulty => "FAULTY",
        }
    }

    /// How many entries are concerned, where that is known.
    #[must_use]
    pub const fn entries(self) -> Option<u64> {
        match self {
            Self::Gap(n) | Self::Dropped(n) | Self::Missing(n) => n,
            Self::Complete
            | Self::Silent
            | Self::Discontinuous
            | Self::Unrostered
            | Self::Pruned
            | Self::Erased
            | Self::Faulty => None,
        }
    }
}

impl Serialize for IntervalVerdict {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.word())
    }
}

/// One stretch of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interval {
    /// What it is worth.
    pub verdict: IntervalVerdict,
    /// Entries concerned: those that are here, or those known to be missing or lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// Its first place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Edge>,
    /// Its last place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Edge>,
}

/// One end of a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// The leaf.
    pub leaf: u64,
    /// The boot.
    pub boot: BootId,
    /// The seal.
    pub seal: SealNumber,
    /// The entry: the first the seal covers, or the last.
    pub seq: Seq,
    /// The seal's own time, microseconds since the Unix epoch.
    pub utc_us: i64,
}
