//! Twelve of twelve: which fields of a `call.end` are there.
//!
//! Completeness is computed from the bytes, never assumed. A field is *present*, *absent* (the entry
//! says that it is not there, and why) or *missing* (the entry says nothing). A complete entry has
//! none missing; what is absent counts as absent in every coverage figure.
//!
//! Not checked: whether a value is true, or whether an identity was verified (`agent.verified` says).

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::decode::{Decoded, Kind, Known, Members};
use crate::kind::LogKind;

mod probe;
mod state;

use state::Reasons;

/// The twelve fields of a tool invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// F1: `time`.
    Timestamp,
    /// F2: `session`.
    Session,
    /// F3: `agent`: role, user and token.
    Agent,
    /// F4: `server`: identifier and version.
    Server,
    /// F5: `tool`: its name, and whether it stood in the manifest.
    Tool,
    /// F6: `input`, by `input_form`.
    Input,
    /// F7: `status`.
    Status,
    /// F8: `response`: its volume.
    Response,
    /// F9: `latency_us`.
    Latency,
    /// F10: `classification`.
    Classification,
    /// F11: `policy`.
    Policy,
    /// F12: `correlation`.
    Correlation,
}

/// Number of fields.
pub const FIELDS: usize = 12;

impl Field {
    /// All twelve, in order.
    pub const ALL: [Self; FIELDS] = [
        Self::Timestamp,
        Self::Session,
        Self::Agent,
        Self::Server,
        Self::Tool,
        Self::Input,
        Self::Status,
        Self::Response,
        Self::Latency,
        Self::Classification,
        Self::Policy,
        Self::Correlation,
    ];

    /// Its short name, `F1` to `F12`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Timestamp => "F1",
            Self::Session => "F2",
            Self::Agent => "F3",
            Self::Server => "F4",
            Self::Tool => "F5",
            Self::Input => "F6",
            Self::Status => "F7",
            Self::Response => "F8",
            Self::Latency => "F9",
            Self::Classification => "F10",
            Self::Policy => "F11",
            Self::Correlation => "F12",
        }
    }

    /// The member that holds it.
    #[must_use]
    pub const fn member(self) -> &'static str {
        self.known().as_str()
    }

    const fn known(self) -> Known {
        match self {
            Self::Timestamp => Known::Time,
            Self::Session => Known::Session,
            Self::Agent => Known::Agent,
            Self::Server => Known::Server,
            Self::Tool => Known::Tool,
            Self::Input => Known::Input,
            Self::Status => Known::Status,
            Self::Response => Known::Response,
            Self::Latency => Known::LatencyUs,
            Self::Classification => Known::Classification,
            Self::Policy => Known::Policy,
            Self::Correlation => Known::Correlation,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id(), self.member())
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.id())
    }
}

/// Whether a field is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State<'a> {
    /// It is.
    Present,
    /// It is not, and the entry says why.
    Absent(Cow<'a, str>),
    /// The entry does not say, or what it says cannot be read.
    Missing,
}

/// The twelve fields of one `call.end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completeness<'a> {
    states: [State<'a>; FIELDS],
}

impl<'a> Completeness<'a> {
    /// Looks at the fields of a `call.end` or `call.import`; `None` for an entry of another kind.
    #[must_use]
    pub fn of(end: &'a Decoded) -> Option<Self> {
        if !has_fields(&end.header().kind) {
            return None;
        }
        let members = end.view();
        Some(Self {
            states: Field::ALL.map(|field| state::of(members, field, Reasons::All)),
        })
    }

    /// The same of the members of an entry that has the fields; of several reasons why a field is absent only
    /// the first is given: for whoever counts.
    pub(crate) fn brief(members: Members<'a>) -> Self {
        Self {
            states: Field::ALL.map(|field| state::of(members, field, Reasons::First)),
        }
    }

    /// Whether a field is there.
    #[must_use]
    pub fn state(&self, field: Field) -> &State<'a> {
        self.fields()
            .find(|(each, _)| *each == field)
            .map_or(&State::Missing, |(_, state)| state)
    }

    /// All fields with their states, in order.
    pub fn fields(&self) -> impl Iterator<Item = (Field, &State<'a>)> {
        Field::ALL.into_iter().zip(&self.states)
    }

    /// Twelve of twelve: no field is missing.
    #[must_use]
    pub fn complete(&self) -> bool {
        !self.states.contains(&State::Missing)
    }

    /// The fields that are missing, in order.
    pub fn missing(&self) -> impl Iterator<Item = Field> {
        self.fields()
            .filter(|(_, state)| **state == State::Missing)
            .map(|(field, _)| field)
    }
}

const fn has_fields(kind: &Kind) -> bool {
    matches!(kind, Kind::CallEnd | Kind::Log(LogKind::CallImport))
}
