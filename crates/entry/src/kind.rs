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
    /// A kind that only an aggregator writes, in its own name.
    Log(LogKind),
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
            other => LogKind::of(other).map_or_else(|| Self::Unknown(other.to_owned()), Self::Log),
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
            Self::Log(kind) => kind.as_str(),
            Self::Unknown(name) => name,
        }
    }

    /// Whether an entry of this kind must name its invocation.
    #[must_use]
    pub const fn needs_call(&self) -> bool {
        matches!(
            self,
            Self::CallBegin | Self::CallTask | Self::CallEnd | Self::Log(LogKind::CallImport)
        )
    }

    /// Whether an entry of this kind takes a sequence number and has a time: all but `seal`.
    #[must_use]
    pub const fn needs_place(&self) -> bool {
        !matches!(self, Self::Seal)
    }
}

/// The kinds that only an aggregator writes: see `docs/spec/leaf-kinds.md`. In the chain of a source
/// they have no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogKind {
    /// `key`
    Key,
    /// `roster`
    Roster,
    /// `fork`
    Fork,
    /// `chain.gap`
    ChainGap,
    /// `quarantine`
    Quarantine,
    /// `source.silent`
    SourceSilent,
    /// `source.heard`
    SourceHeard,
    /// `source.unrostered`
    SourceUnrostered,
    /// `refusal`
    Refusal,
    /// `checkpoint.anchor`
    CheckpointAnchor,
    /// `call.import`
    CallImport,
    /// `prune`
    Prune,
    /// `erase`
    Erase,
    /// `context`
    Context,
    /// `trail.read`
    TrailRead,
}

impl LogKind {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Key,
        Self::Roster,
        Self::Fork,
        Self::ChainGap,
        Self::Quarantine,
        Self::SourceSilent,
        Self::SourceHeard,
        Self::SourceUnrostered,
        Self::Refusal,
        Self::CheckpointAnchor,
        Self::CallImport,
        Self::Prune,
        Self::Erase,
        Self::Context,
        Self::TrailRead,
    ];

    /// The kind of this name, if it is one of these.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Its name as it stands in the entry.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Roster => "roster",
            Self::Fork => "fork",
            Self::ChainGap => "chain.gap",
            Self::Quarantine => "quarantine",
            Self::SourceSilent => "source.silent",
            Self::SourceHeard => "source.heard",
            Self::SourceUnrostered => "source.unrostered",
            Self::Refusal => "refusal",
            Self::CheckpointAnchor => "checkpoint.anchor",
            Self::CallImport => "call.import",
            Self::Prune => "prune",
            Self::Erase => "erase",
            Self::Context => "context",
            Self::TrailRead => "trail.read",
        }
    }

    /// The member that holds its content.
    #[must_use]
    pub const fn member(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Roster => "roster",
            Self::Fork => "fork",
            Self::ChainGap => "gap",
            Self::Quarantine => "quarantine",
            Self::SourceSilent => "silent",
            Self::SourceHeard => "heard",
            Self::SourceUnrostered => "unrostered",
            Self::Refusal => "refusal",
            Self::CheckpointAnchor => "anchor",
            Self::CallImport => "import",
            Self::Prune => "prune",
            Self::Erase => "erase",
            Self::Context => "context",
            Self::TrailRead => "read",
        }
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
