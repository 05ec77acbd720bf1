//! Roles.

use serde::{Deserialize, Serialize};

/// What somebody may do. What each means stands in the table of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Keeps it running: state and metrics, imports; reads no entries.
    Operator,
    /// Reads entries and asks questions.
    Analyst,
    /// Reads entries and asks questions, within dates that were given to him.
    Auditor,
    /// Delivers foreign records, and reads nothing.
    Source,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Admin,
        Self::Operator,
        Self::Analyst,
        Self::Auditor,
        Self::Source,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Analyst => "analyst",
            Self::Auditor => "auditor",
            Self::Source => "source",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}
