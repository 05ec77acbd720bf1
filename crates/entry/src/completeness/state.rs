//! The state of one field.
//!
//! Entries are read by the million, and nearly all look alike: an object of strings, numbers and
//! `{"absent":"…"}`. Those are judged by the spans that the strict reader left; anything else by serde,
//! which knows more shapes than the codec writes. Both say the same of what both can read.

use std::borrow::Cow;

use serde::Deserialize;

use super::probe::Probe;
use super::{Field, State};
use crate::decode::{Children, Known, Members, Name};

const ID: Name = Name::of("id");
const ROLE: Name = Name::of("role");
const USER: Name = Name::of("user");
const TOKEN: Name = Name::of("token");
const VERSION: Name = Name::of("version");
const NAME: Name = Name::of("name");
const IN_MANIFEST: Name = Name::of("in_manifest");
const MANIFEST: Name = Name::of("manifest");
const REASON: Name = Name::of("reason");
const REQUEST_ID: Name = Name::of("request_id");
const LEVEL: Name = Name::of("level");
const DECISION: Name = Name::of("decision");
const CODE: Name = Name::of("code");
const BYTES: Name = Name::of("bytes");
const ABSENT: Name = Name::of("absent");

/// How many of the reasons are wanted why a field of several facts is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reasons {
    All,
    First,
}

pub(super) fn of<'a>(end: Members<'a>, field: Field, reasons: Reasons) -> State<'a> {
    // The strict reader has read it.
    if field == Field::Timestamp {
        return State::Present;
    }
    let Some(raw) = end.known(field.known()) else {
        return State::Missing;
    };
    let found = end.children(field.known()).map_or_else(
        || of_any(end, field, raw, reasons),
        |object| of_object(field, object, reasons).or_else(|| of_any(end, field, raw, reasons)),
    );
    found.unwrap_or(State::Missing)
}

/// The field is an object with plainly spelled names; `None` if that is not enough to tell.
fn of_object<'a>(field: Field, object: Children<'a>, reasons: Reasons) -> Option<State<'a>> {
    let fact = |name| match object.find(name) {
        Some(raw) => Probe::of(raw),
        None => Some(Probe::Nothing),
    };
    let is_text = |name| fact(name).map(|probe| present_if(probe == Probe::Text));
    match field {
        Field::Session => Some(all([("id", fact(ID)?)], reasons)),
        Field::Agent => {
            let (role, user, token) = (fact(ROLE)?, fact(USER)?, fact(TOKEN)?);
            Some(all(
                [("role", role), ("user", user), ("token", token)],
                reasons,
            ))
        }
        Field::Server => {
            let (id, version) = (fact(ID)?, fact(VERSION)?);
            Some(all([("id", id), ("version", version)], reasons))
        }
        Field::Tool => Some(tool(
            Tool {
                name: fact(NAME)?,
                in_manifest: fact(IN_MANIFEST)?,
                manifest: fact(MANIFEST)?,
            },
            reasons,
        )),
        Field::Status => match object.find(CODE) {
            Some(code) => Some(status(plain(code)?, &fact(REASON)?)),
            None => Some(State::Missing),
        },
        Field::Correlation => {
            let (id, request_id) = (fact(ID)?, fact(REQUEST_ID)?);
            Some(all([("id", id), ("request_id", request_id)], reasons))
        }
        // An object is one fact as a whole, unless it says that there is none.
        _ if object.find(ABSENT).is_some() => None,
        Field::Response => Some(present_if(object.find(BYTES).is_some_and(is_u64))),
        Field::Classification => is_text(LEVEL),
        Field::Policy => is_text(DECISION),
        Field::Timestamp | Field::Input | Field::Latency => None,
    }
}

/// The field is anything.
fn of_any<'a>(end: Members<'a>, field: Field, raw: &'a str, reasons: Reasons) -> Option<State<'a>> {
    match field {
        Field::Timestamp => Some(State::Present),
        Field::Session => read(raw).map(|Session { id }| all([("id", id)], reasons)),
        Field::Agent => read(raw).map(|Agent { role, user, token }| {
            all([("role", role), ("user", user), ("token", token)], reasons)
        }),
        Field::Server => {
            read(raw).map(|Server { id, version }| all([("id", id), ("version", version)], reasons))
        }
        Field::Tool => read(raw).map(|it| tool(it, reasons)),
        Field::Input => input(end, raw),
        Field::Status => read(raw).map(|Status { code, reason }| status(&code, &reason)),
        Field::Response => one(raw, |Response { bytes }| bytes.is_some()),
        Field::Latency => match Probe::of(raw)? {
            Probe::Number => Some(State::Present),
            Probe::Absent(reason) => Some(State::Absent(reason)),
            Probe::Text | Probe::Other | Probe::Nothing => None,
        },
        Field::Classification => one(raw, |Classification { level }| level == Probe::Text),
        Field::Policy => one(raw, |Policy { decision }| decision == Probe::Text),
        Field::Correlation => read(raw).map(|Correlation { id, request_id }| {
            all([("id", id), ("request_id", request_id)], reasons)
        }),
    }
}

fn read<'a, T: Deserialize<'a>>(raw: &'a str) -> Option<T> {
    serde_json::from_str(raw).ok()
}

/// The text of a string without escapes.
fn plain(raw: &str) -> Option<&str> {
    raw.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .filter(|text| !text.contains('\\'))
}

fn is_u64(raw: &str) -> bool {
    raw.bytes().all(|b| b.is_ascii_digit()) && raw.parse::<u64>().is_ok()
}

const fn present_if<'a>(is: bool) -> State<'a> {
    if is { State::Present } else { State::Missing }
}

/// A field of several facts: missing if one is, absent if one is, with the reasons.
fn all<'a, const N: usize>(facts: [(&'static str, Probe<'a>); N], wanted: Reasons) -> State<'a> {
    if facts
        .iter()
        .any(|(_, probe)| !matches!(probe, Probe::Text | Probe::Absent(_)))
    {
        return State::Missing;
    }
    let mut reasons = facts
        .into_iter()
        .filter_map(|(name, probe)| probe.reason().map(|reason| (name, reason)));
    match reasons.next() {
        None => State::Present,
        Some((_, reason)) if N == 1 || wanted == Reasons::First => State::Absent(reason),
        Some((name, reason)) => {
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
    match Probe::of(raw)? {
        Probe::Absent(reason) => Some(State::Absent(reason)),
        Probe::Other => read(raw).map(present).map(present_if),
        Probe::Text | Probe::Number | Probe::Nothing => None,
    }
}

fn status<'a>(code: &str, reason: &Probe<'a>) -> State<'a> {
    present_if(matches!(code, "success" | "failure" | "error") && *reason == Probe::Text)
}

fn tool(tool: Tool<'_>, reasons: Reasons) -> State<'_> {
    let Tool {
        name,
        in_manifest,
        manifest,
    } = tool;
    if in_manifest == Probe::Nothing || manifest == Probe::Nothing {
        State::Missing
    } else {
        all([("name", name)], reasons)
    }
}

fn input<'a>(end: Members<'a>, raw: &'a str) -> Option<State<'a>> {
    let kept = || read::<Kept<'_>>(raw);
    match plain(end.known(Known::InputForm)?)? {
        "value" => Some(State::Present),
        "blob" => kept()
            .filter(|k| k.blob == Probe::Text && k.commit == Probe::Text)
            .map(|_| State::Present),
        "withheld" => kept()
            .filter(|k| k.commit == Probe::Text)
            .and_then(Kept::withheld_reason)
            .map(|reason| State::Absent(Cow::Owned(format!("withheld: {reason}")))),
        "absent" => match Probe::of(raw)? {
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
