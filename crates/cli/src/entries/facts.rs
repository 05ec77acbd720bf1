//! What filters and tables ask of an entry, whatever its kind.

use affiant_entry::LogKind;
use affiant_entry::decode::{Decoded, Kind};
use affiant_entry::seal::SealText;
use affiant_tlog::note::Note;
use serde_json::Value;

/// The text at the first of these pointers that has one.
pub(crate) fn text(entry: &Decoded, pointers: &[&str]) -> Option<String> {
    pointers
        .iter()
        .find_map(|pointer| match entry.pointer(pointer) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        })
}

/// The number at a pointer.
pub(crate) fn number(entry: &Decoded, pointer: &str) -> Option<u64> {
    entry.pointer(pointer)?.as_u64()
}

/// Server id.
pub(crate) fn server(entry: &Decoded) -> Option<String> {
    let own = match entry.header().kind {
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
        | Kind::Unknown(_) => {
            return None;
        }
    };
    text(entry, &[own])
}

/// Session id.
pub(crate) fn session(entry: &Decoded) -> Option<String> {
    text(
        entry,
        &[
            "/session/id",
            "/session_info/id",
            "/anomaly/session",
            "/auth_failure/session",
        ],
    )
}

/// When: a seal's time stands in its note.
pub(crate) fn utc_us(entry: &Decoded) -> Option<i64> {
    entry.header().at.map(|at| at.utc_us).or_else(|| {
        let note = entry.note()?;
        let note = Note::parse(note.as_bytes()).ok()?;
        SealText::parse(note.text()).ok().map(|seal| seal.utc_us)
    })
}
