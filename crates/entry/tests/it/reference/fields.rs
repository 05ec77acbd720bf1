//! The twelve fields, by serde.

use std::borrow::Cow;

use affiant_entry::Decoded;
use affiant_entry::completeness::{Field, State};
use serde::Deserialize;

use super::probe::Probe;

pub(crate) fn state(end: &Decoded, field: Field) -> State<'_> {
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
