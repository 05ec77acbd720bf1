//! The kinds of entries, as a reader meets them.

use std::fmt;

use serde::{Serialize, Serializer};

/// What an entry is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `call.begin`
    CallBegin,
    /// `call.task`
    CallTask,
    /// `call.end`
    CallEnd,
    /// `boot`
    Boot,
    /// `stop`
    Stop,
    /// `heartbeat`
    Heartbeat,
    /// `gap`
    Gap,
    /// `session`
    Session,
    /// `manifest`
    Manifest,
    /// `auth.failure`
    AuthFailure,
    /// `anomaly`
    Anomaly,
    /// `seal`
    Seal,
    /// A kind this version does not know. Readers refuse it unless they ask for it.
    Unknown(String),
}

impl Kind {
    /// The kind of this name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            "call.begin" => Self::CallBegin,
            "call.task" => Self::CallTask,
            "call.end" => Self::CallEnd,
            "boot" => Self::Boot,
            "stop" => Self::Stop,
            "heartbeat" => Self::Heartbeat,
            "gap" => Self::Gap,
            "session" => Self::Session,
            "manifest" => Self::Manifest,
            "auth.failure" => Self::AuthFailure,
            "anomaly" => Self::Anomaly,
            "seal" => Self::Seal,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// Its name as it stands in the entry.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::CallBegin => "call.begin",
            Self::CallTask => "call.task",
            Self::CallEnd => "call.end",
            Self::Boot => "boot",
            Self::Stop => "stop",
            Self::Heartbeat => "heartbeat",
            Self::Gap => "gap",
            Self::Session => "session",
            Self::Manifest => "manifest",
            Self::AuthFailure => "auth.failure",
            Self::Anomaly => "anomaly",
            Self::Seal => "seal",
            Self::Unknown(name) => name,
        }
    }

    /// Whether an entry of this kind must name its invocation.
    #[must_use]
    pub const fn needs_call(&self) -> bool {
        matches!(self, Self::CallBegin | Self::CallTask | Self::CallEnd)
    }

    /// Whether an entry of this kind takes a sequence number and has a time: all but `seal`.
    #[must_use]
    pub const fn needs_place(&self) -> bool {
        !matches!(self, Self::Seal)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}
