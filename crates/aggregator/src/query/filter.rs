//! Which entries are asked for.

use affiant_entry::LogKind;
use affiant_entry::decode::{Decoded, Kind};
use affiant_entry::seal::SealText;
use affiant_tlog::note::Note;
use serde_json::Value;

use super::ReadBounds;

/// All that must hold; an empty filter lets everything pass. An entry without a field that is asked for
/// does not pass. Texts are compared exactly.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryFilter {
    /// By the `time` of the entry.
    pub time: ReadBounds,
    /// Session id.
    pub session: Option<String>,
    /// User.
    pub user: Option<String>,
    /// Role of the agent.
    pub role: Option<String>,
    /// Server, by the id the operator gave it.
    pub server: Option<String>,
    /// Tool name.
    pub tool: Option<String>,
    /// Status code or reason.
    pub status: Option<String>,
    /// Policy decision.
    pub decision: Option<String>,
    /// Classification level.
    pub level: Option<String>,
    /// Kinds, any of them.
    pub kinds: Vec<String>,
    /// Source that sealed it, or the aggregator.
    pub source: Option<String>,
    /// Call id.
    pub call: Option<String>,
}

impl EntryFilter {
    /// Whether an entry is one of those.
    #[must_use]
    pub fn passes(&self, entry: &Decoded) -> bool {
        let header = entry.header();
        let kind = header.kind.as_str();
        let at = |pointer: &'static str| text(entry, pointer);
        (self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted == kind))
            && is(self.source.as_deref(), || Some(header.source.to_string()))
            && is(self.call.as_deref(), || {
                header.call.map(|call| call.to_string())
            })
            && is(self.tool.as_deref(), || at("/tool/name"))
            && is(self.server.as_deref(), || server(entry))
            && is(self.user.as_deref(), || at("/agent/user"))
            && is(self.role.as_deref(), || at("/agent/role"))
            && is(self.session.as_deref(), || session(entry))
            && is(self.decision.as_deref(), || at("/policy/decision"))
            && is(self.level.as_deref(), || at("/classification/level"))
            && self.status.as_deref().is_none_or(|wanted| {
                ["/status/code", "/status/reason"]
                    .iter()
                    .any(|pointer| text(entry, pointer).as_deref() == Some(wanted))
            })
            && (self.time == ReadBounds::default() || self.time.hold(utc_us(entry)))
    }
}

fn is(wanted: Option<&str>, found: impl FnOnce() -> Option<String>) -> bool {
    wanted.is_none_or(|wanted| found().as_deref() == Some(wanted))
}

fn text(entry: &Decoded, pointer: &str) -> Option<String> {
    let value: Value = entry.pointer(pointer)?;
    value.as_str().map(str::to_owned)
}

fn server(entry: &Decoded) -> Option<String> {
    let pointer = match entry.header().kind {
        Kind::CallBegin | Kind::CallEnd | Kind::Log(LogKind::CallImport) => "/server/id",
        Kind::Session => "/session_info/server",
        Kind::Manifest => "/manifest/server",
        Kind::AuthFailure => "/auth_failure/server",
        Kind::Anomaly => "/anomaly/server",
        Kind::CallTask
        | Kind::Boot
        | Kind::Stop
        | Kind::Heartbeat
        | Kind::Gap
        | Kind::Seal
        | Kind::Log(_)
        | Kind::Unknown(_) => return None,
    };
    text(entry, pointer)
}

fn session(entry: &Decoded) -> Option<String> {
    [
        "/session/id",
        "/session_info/id",
        "/anomaly/session",
        "/auth_failure/session",
    ]
    .iter()
    .find_map(|pointer| text(entry, pointer))
}

/// When: a seal's time stands in its note.
fn utc_us(entry: &Decoded) -> Option<i64> {
    entry.header().at.map(|at| at.utc_us).or_else(|| {
        let note = Note::parse(entry.note()?.as_bytes())
            .ok()?
            .text()
            .to_owned();
        SealText::parse(&note).ok().map(|seal| seal.utc_us)
    })
}
