//! From the bytes of a leaf to a row.

mod members;
mod scalar;

use std::borrow::Cow;

use affiant_entry::LogKind;
use affiant_entry::decode::{Decoded, Kind};
use affiant_entry::seal::SealText;
use affiant_tlog::{LeafIndex, Note};

use crate::columns::Row;
use members::read;

/// Microseconds of an hour and of a day.
const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

/// The row of a leaf. `own` is the id of the aggregator: only its entries are believed where only it
/// may write the kind (`docs/spec/leaf-kinds.md`).
pub(crate) fn of<'a>(
    index: LeafIndex,
    bytes: usize,
    entry: Option<&'a Decoded>,
    own: &str,
) -> Row<'a> {
    let mut row = Row {
        leaf: i64::try_from(index.0).ok(),
        bytes: i64::try_from(bytes).ok(),
        ..Row::default()
    };
    let Some(entry) = entry else {
        row.problem = Some("not-an-entry".into());
        return row;
    };
    header(&mut row, entry);
    row.problem = problem(entry, own).map(Cow::Borrowed);
    match &entry.header().kind {
        Kind::CallBegin | Kind::CallEnd | Kind::Log(LogKind::CallImport) => call(&mut row, entry),
        Kind::Session | Kind::Manifest | Kind::AuthFailure | Kind::Anomaly => {
            around(&mut row, entry);
            row.body = body(entry);
        }
        Kind::CallTask
        | Kind::Boot
        | Kind::Stop
        | Kind::Heartbeat
        | Kind::Gap
        | Kind::Seal
        | Kind::Log(_)
        | Kind::Unknown(_) => row.body = body(entry),
    }
    row
}

fn problem(entry: &Decoded, own: &str) -> Option<&'static str> {
    let header = entry.header();
    match header.kind {
        Kind::Unknown(_) => Some("unknown-kind"),
        Kind::Log(_) if header.source.as_str() != own => Some("foreign-kind"),
        _ => None,
    }
}

fn header<'a>(row: &mut Row<'a>, entry: &'a Decoded) {
    let header = entry.header();
    row.kind = Some(Cow::Borrowed(header.kind.as_str()));
    row.source = Some(Cow::Borrowed(header.source.as_str()));
    row.boot = Some(Cow::Owned(header.boot.to_string()));
    row.seq = header.seq.and_then(|seq| i64::try_from(seq.0).ok());
    row.call = header.call.map(|call| Cow::Owned(call.to_string()));
    row.mono_us = header.at.and_then(|at| i64::try_from(at.mono_us).ok());
    row.time = header
        .at
        .map_or_else(|| seal_time(entry), |at| Some(at.utc_us));
    row.hour = row.time.map(|at| at.saturating_sub(at.rem_euclid(HOUR_US)));
    row.day = row.time.and_then(day_of);
}

/// Days since the Unix epoch.
pub(crate) fn day_of(utc_us: i64) -> Option<i32> {
    i32::try_from(utc_us.div_euclid(DAY_US)).ok()
}

/// When a seal was made: its note says so.
fn seal_time(entry: &Decoded) -> Option<i64> {
    let note = entry.note()?;
    let note = Note::parse(note.as_bytes()).ok()?;
    SealText::parse(note.text()).ok().map(|seal| seal.utc_us)
}

fn call<'a>(row: &mut Row<'a>, entry: &'a Decoded) {
    let member = |name| entry.member(name);
    let session: members::Session<'_> = read(member("session"));
    (row.session_id, row.session_absent) = session.id.split();
    row.session_origin = session.origin.text();
    row.session_turn = session.turn.text();

    let agent: members::Agent<'_> = read(member("agent"));
    (row.role, row.role_absent) = agent.role.split();
    (row.user, row.user_absent) = agent.user.split();
    (row.token, row.token_absent) = agent.token.split();
    row.client = agent.client.text();
    row.verified = agent.verified.and_then(|raw| joined(raw.get()));

    let server: members::Server<'_> = read(member("server"));
    row.server = server.id.text();
    row.server_name = server.name.text();
    row.server_version = server.version.text();
    row.protocol = server.protocol.text();
    row.transport = server.transport.text();

    let tool: members::Tool<'_> = read(member("tool"));
    (row.tool, row.tool_absent) = tool.name.split();
    row.in_manifest = tool.in_manifest.bool();
    row.manifest = tool.manifest.text();

    input(row, entry);
    outcome(row, entry);

    let classification: members::Classification<'_> = read(member("classification"));
    row.level = classification.level.text();
    row.level_rule = classification.rule.text();
    row.level_absent = classification.absent.text();

    let policy: members::Policy<'_> = read(member("policy"));
    row.decision = policy.decision.text();
    row.mode = policy.mode.text();
    row.policy_set = policy.set.text();
    row.evaluated = policy.evaluated.and_then(|raw| list(raw.get()));
    row.decision_absent = policy.absent.text();

    let correlation: members::Correlation<'_> = read(member("correlation"));
    row.correlation_id = correlation.id.text();
    row.correlation_origin = correlation.origin.text();
    row.traceparent = correlation.traceparent.text();
    row.request_id = correlation.request_id.text();
    kin(row, entry);
}

/// What ties a call to others: rounds, tasks, recovery, imports.
fn kin<'a>(row: &mut Row<'a>, entry: &'a Decoded) {
    if let Some(raw) = entry.member("chain") {
        let chain: members::Chain<'_> = read(Some(raw));
        row.chain_first = chain.first.text();
        row.chain_round = chain.round.int();
    }
    if let Some(raw) = entry.member("task") {
        row.task = read::<scalar::Scalar<'_>>(Some(raw)).text();
    }
    if let Some(raw) = entry.member("closed_by") {
        row.closed_by = read::<members::ClosedBy<'_>>(Some(raw)).boot.text();
    }
    if let Some(raw) = entry.member("import") {
        let import: members::Import<'_> = read(Some(raw));
        row.import_door = import.door.text();
        row.import_format = import.format.text();
    }
}

fn input<'a>(row: &mut Row<'a>, entry: &'a Decoded) {
    let form = read::<scalar::Scalar<'_>>(entry.member("input_form")).text();
    let raw = entry.member("input");
    if form.as_deref() == Some("value") {
        row.input = raw.map(Cow::Borrowed);
    } else {
        let input: members::Elsewhere<'_> = read(raw);
        row.input_blob = input.blob.text();
        row.input_bytes = input.bytes.int();
        row.input_commit = input.commit.text();
        row.input_absent = input.absent.text().or_else(|| input.withheld.text());
    }
    row.input_form = form;
    row.redactions = entry.member("redactions").and_then(list);
    let listed = row.redactions.as_deref().map_or(0, |raw| {
        serde_json::from_str::<Vec<serde::de::IgnoredAny>>(raw).map_or(0, |all| all.len())
    });
    let more: scalar::Scalar<'_> = read(entry.member("redactions_more"));
    row.redacted = i64::try_from(listed)
        .ok()
        .map(|listed| listed.saturating_add(more.int().unwrap_or(0)));
}

fn outcome<'a>(row: &mut Row<'a>, entry: &'a Decoded) {
    if let Some(raw) = entry.member("status") {
        let status: members::Status<'_> = read(Some(raw));
        row.status = status.code.text();
        row.status_reason = status.reason.text();
        row.rpc_code = status.rpc_code.int();
        row.http_status = status.http_status.int();
    }
    if let Some(raw) = entry.member("response") {
        let response: members::Response<'_> = read(Some(raw));
        row.response_bytes = response.bytes.int();
        row.response_commit = response.commit.text();
        row.response_absent = response.absent.text();
    }
    if let Some(raw) = entry.member("latency_us") {
        let latency: scalar::Scalar<'_> = read(Some(raw));
        row.latency_us = latency.int();
        row.latency_absent = latency.absent();
    }
}

/// Session, server and client of an entry that is no call.
fn around<'a>(row: &mut Row<'a>, entry: &'a Decoded) {
    let name = match entry.header().kind {
        Kind::Session => "session_info",
        Kind::Manifest => "manifest",
        Kind::AuthFailure => "auth_failure",
        _ => "anomaly",
    };
    let around: members::Around<'_> = read(entry.member(name));
    row.server = around.server.text();
    row.client = around.client.text();
    row.protocol = around.protocol.text();
    row.transport = around.transport.text();
    row.token = around.token.text();
    if matches!(entry.header().kind, Kind::Session) {
        row.session_id = around.id.text();
        row.session_origin = around.origin.text();
    } else {
        (row.session_id, row.session_absent) = around.session.split();
    }
}

const HEADER: [&str; 8] = [
    "v", "kind", "source", "boot", "seq", "call", "time", "mono_us",
];

/// All members behind the header: the one member as it is spelled, or an object of them all.
fn body(entry: &Decoded) -> Option<Cow<'_, str>> {
    let mut members = entry.members().filter(|(name, _)| !HEADER.contains(name));
    let (name, first) = members.next()?;
    let mut rest = members.peekable();
    if rest.peek().is_none() {
        return Some(Cow::Borrowed(first));
    }
    let mut text = format!("{{\"{name}\":{first}");
    for (name, raw) in rest {
        text.push_str(",\"");
        text.push_str(name);
        text.push_str("\":");
        text.push_str(raw);
    }
    text.push('}');
    Some(Cow::Owned(text))
}

/// An array as it is spelled; `None` if it is empty.
fn list(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('[')?.strip_suffix(']')?;
    (!inner.trim().is_empty()).then_some(Cow::Borrowed(raw))
}

/// The strings of an array with commas between.
fn joined<'a>(raw: &str) -> Option<Cow<'a, str>> {
    let words: Vec<Cow<'_, str>> = serde_json::from_str(raw).ok()?;
    (!words.is_empty()).then(|| Cow::Owned(words.join(",")))
}
