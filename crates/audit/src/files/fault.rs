//! What can be wrong with a file of a log.

use std::fmt;

use affiant_entry::chain::Verdict;
use serde::{Serialize, Serializer};

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileFinding {
    /// The file, relative to the log.
    pub path: String,
    /// What it makes of the log.
    pub verdict: Verdict,
    /// What.
    pub fault: FileFault,
}

impl FileFinding {
    /// A fault of a file, with the verdict it leads to.
    #[must_use]
    pub const fn new(path: String, fault: FileFault) -> Self {
        Self {
            verdict: fault.verdict(),
            path,
            fault,
        }
    }
}

impl fmt::Display for FileFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.fault)
    }
}

/// Everything that can be wrong with a file. A log may remove bundles and tiles at its beginning, if a
/// `prune` entry says so: that is no fault. Anything else that is not there is MISSING.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileFault {
    /// The checkpoint covers it, and it is not there: MISSING.
    #[error("missing, though the checkpoint covers it")]
    Missing,
    /// It cannot be read as what its name says.
    #[error("malformed: {reason}")]
    Malformed {
        /// What the reader said.
        reason: String,
    },
    /// A tile with other hashes than the leaves give.
    #[error("does not follow from the leaves")]
    NotOfTheLeaves,
    /// A narrower file that the wider one at its place does not begin with.
    #[error("the wider file at its place does not begin like it")]
    Differs,
    /// A bundle that was read in another order than they stand: the caller's fault.
    #[error("read out of order")]
    OutOfOrder,
}

impl FileFault {
    /// What it makes of the log: what is missing was not altered, and what is there may hold.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Missing => Verdict::Incomplete,
            Self::Malformed { .. } | Self::NotOfTheLeaves | Self::Differs | Self::OutOfOrder => {
                Verdict::No
            }
        }
    }

    /// Its name for machines; never changes.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "file-missing",
            Self::Malformed { .. } => "file-malformed",
            Self::NotOfTheLeaves => "tile",
            Self::Differs => "file-differs",
            Self::OutOfOrder => "out-of-order",
        }
    }
}

impl Serialize for FileFault {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = s.serialize_map(Some(2))?;
        map.serialize_entry("code", self.code())?;
        map.serialize_entry("text", &self.to_string())?;
        map.end()
    }
}
