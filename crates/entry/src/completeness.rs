//! Twelve of twelve: which fields of a `call.end` are there.
//!
//! Completeness is computed from the bytes, never assumed. A field is *present*, *absent* (the entry
//! says that it is not there, and why) or *missing* (the entry says nothing). A complete entry has
//! none missing; what is absent counts as absent in every coverage figure.
//!
//! Not checked: whether a value is true, or whether an identity was verified (`agent.verified` says).

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::decode::{Decoded, Kind};
use crate::kind::LogKind;

mod probe;

use probe::Probe;

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
        match self {
            Self::Timestamp => "time",
            Self::Session => "session",
            Self::Agent => "agent",
            Self::Server => "server",
            Self::Tool => "tool",
            Self::Input => "input",
            Self::Status => "status",
            Self::Response => "response",
            Self::Latency => "latency_us",
            Self::Classification => "classification",
            Self::Policy => "policy",
            Self::Correlation => "correlation",
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
        if !matches!(
            end.header().kind,
            Kind::CallEnd | Kind::Log(LogKind::CallImport)
        ) {
            return None;
        }
        Some(Self {
            states: Field::ALL.map(|field| state(end, field)),
        })
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

fn state(end: &Decoded, field: Field) -> State<'_> {
    let Some(raw) = end.member(field.member()) else {
        return State::Missing;
    };
    let found = match field {
        // The strict reader has read it.
        Field::Timestamp => Some(State::Present),
        Field::Session => read(raw).map(|Session { id }| all([("id", id)])),
        Field::Agent => read(raw).map(|Agent { role, user, token }| {
            all([("role", role), ("user", user), ("token", token)])
        }),
        Field::Server => {
            read(raw).map(|Server { id, version }| all([("id", id), ("version", version)]))
        }
        Field::Tool => read(raw).map(tool),
        Field::Input => input(end, raw),
        Field::Status => read(raw).map(|Status { code, reason }| status(&code, &reason)),
        Field::Response => one(raw, |Response { bytes }| bytes.is_some()),
        Field::Latency => read(raw).map(|probe| match probe {
            Probe::Number => State::Present,
            Probe::Absent(reason) => State::Absent(reason),
            Probe::Text | Probe::Other | Probe::Nothing => State::Missing,
        }),
        Field::Classification => one(raw, |Classification { level }| level == Probe::Text),
        Field::Policy => one(raw, |Policy { decision }| decision == Probe::Text),
        Field::Correlation => read(raw)
            .map(|Correlation { id, request_id }| all([("id", id), ("request_id", request_id)])),
    };
    found.unwrap_or(State::Missing)
}

fn read<'a, T: Deserialize<'a>>(raw: &'a str) -> Option<T> {
    serde_json::from_str(raw).ok()
}

/// A field of several facts: missing if one is, absent if one is, with the reasons.
fn all<'a, const N: usize>(facts: [(&'static str, Probe<'a>); N]) -> State<'a> {
    if facts
        .iter()
        .any(|(_, probe)| !matches!(probe, Probe::Text | Probe::Absent(_)))
    {
        return State::Missing;
    }
    let mut reasons = facts
        .into_iter()
        .filter_map(|(name, probe)| probe.reason().map(|reason| (name, reason)));
    match (reasons.next(), N) {
        (None, _) => State::Present,
        (Some((_, reason)), 1) => State::Absent(reason),
        (Some((name, reason)), _) => {
            let more = reasons.map(|(name, reason)| format!("; {name}: {reason}"));
            State::Absent(Cow::Owned(
                std::iter::once(format!("{name}: {reason}"))
                    .chain(more)
                    .collect(),
            ))
        }
    }
}

/// A field that is one fact as a whole.
fn one<'a, T: Deserialize<'a>>(raw: &'a str, present: impl FnOnce(T) -> bool) -> Option<State<'a>> {
    match read(raw)? {
        Probe::Absent(reason) => Some(State::Absent(reason)),
        Probe::Other => read(raw)
            .map(present)
            .map(|is| if is { State::Present } else { State::Missing }),
        Probe::Text | Probe::Number | Probe::Nothing => None,
    }
}

fn status<'a>(code: &str, reason: &Probe<'a>) -> State<'a> {
    let known = matches!(code, "success" | "failure" | "error");
    if known && *reason == Probe::Text {
        State::Present
    } else {
        State::Missing
    }
}

fn tool<'a>(tool: Tool<'a>) -> State<'a> {
    let Tool {
        name,
        in_manifest,
        manifest,
    } = tool;
    let said = |probe: &Probe<'a>| *probe != Probe::Nothing;
    if said(&in_manifest) && said(&manifest) {
        all([("name", name)])
    } else {
        State::Missing
    }
}

fn input<'a>(end: &'a Decoded, raw: &'a str) -> Option<State<'a>> {
    let form: &str = serde_json::from_str(end.member("input_form")?).ok()?;
    let kept = read::<Kept<'_>>(raw);
    match form {
        "value" => Some(State::Present),
        "blob" => kept
            .filter(|k| k.blob == Probe::Text && k.commit == Probe::Text)
            .map(|_| State::Present),
        "withheld" => kept
            .filter(|k| k.commit == Probe::Text)
            .and_then(|k| k.withheld_reason())
            .map(|reason| State::Absent(Cow::Owned(format!("withheld: {reason}")))),
        "absent" => match read(raw)? {
            Probe::Absent(reason) => Some(State::Absent(reason)),
            Probe::Text | Probe::Number | Probe::Other | Probe::Nothing => None,
        },
        _ => None,
    }
}

#[derive(Deserialize)]
struct Session<'a> {
    #[serde(borrow, default)]
    id: Probe<'a>,
}

#[derive(Deserialize)]
struct Agent<'a> {
    #[serde(borrow, default)]
    role: Probe<'a>,
    #[serde(borrow, default)]
    user: Probe<'a>,
    #[serde(borrow, default)]
    token: Probe<'a>,
}

#[derive(Deserialize)]
struct Server<'a> {
    #[serde(borrow, default)]
    id: Probe<'a>,
    #[serde(borrow, default)]
    version: Probe<'a>,
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow, default)]
    name: Probe<'a>,
    #[serde(borrow, default)]
    in_manifest: Probe<'a>,
    #[serde(borrow, default)]
    manifest: Probe<'a>,
}

#[derive(Deserialize)]
struct Status<'a> {
    #[serde(borrow, default)]
    code: Cow<'a, str>,
    #[serde(borrow, default)]
    reason: Probe<'a>,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    bytes: Option<u64>,
}

#[derive(Deserialize)]
struct Classification<'a> {
    #[serde(borrow, default)]
    level: Probe<'a>,
}

#[derive(Deserialize)]
struct Policy<'a> {
    #[serde(borrow, default)]
    decision: Probe<'a>,
}

#[derive(Deserialize)]
struct Correlation<'a> {
    #[serde(borrow, default)]
    id: Probe<'a>,
    #[serde(borrow, default)]
    request_id: Probe<'a>,
}

#[derive(Deserialize)]
struct Kept<'a> {
    #[serde(borrow, default)]
    blob: Probe<'a>,
    #[serde(borrow, default)]
    withheld: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    commit: Probe<'a>,
}

impl<'a> Kept<'a> {
    fn withheld_reason(self) -> Option<Cow<'a, str>> {
        self.withheld.filter(|reason| !reason.is_empty())
    }
}
