//! Entries that are no call, in a few words.

use affiant_entry::decode::{Decoded, Kind};

use super::facts::{number, text};
use super::{log_events, units};

/// What an entry says, in one line.
pub(crate) fn sentence(entry: &Decoded) -> String {
    let at = |pointer: &str| text(entry, &[pointer]);
    match &entry.header().kind {
        Kind::Boot => {
            let key = at("/boot_info/key").unwrap_or_default();
            let key = units::short_key(&key);
            format!(
                "{}, version {}, key {key}, pid {}",
                at("/boot_info/reason").unwrap_or_default(),
                at("/boot_info/version").unwrap_or_default(),
                number(entry, "/boot_info/pid").unwrap_or_default(),
            )
        }
        Kind::Stop => {
            let calls = number(entry, "/stop/calls").unwrap_or_default();
            let reason = at("/stop/reason").unwrap_or_default();
            let code = number(entry, "/stop/exit_code")
                .map_or_else(String::new, |code| format!(" {code}"));
            format!("{reason}{code}, {}", units::plural(calls, "call", "calls"))
        }
        Kind::Session => words(&[
            at("/session_info/phase"),
            at("/session_info/id"),
            at("/session_info/transport"),
            at("/session_info/protocol"),
            at("/session_info/client"),
        ]),
        Kind::Manifest => {
            let changed = |what: &str| {
                let list = entry.pointer(&format!("/manifest/{what}"));
                let n = list
                    .and_then(|list| list.as_array().map(Vec::len))
                    .unwrap_or_default();
                if n == 0 {
                    String::new()
                } else {
                    format!(", {n} {what}")
                }
            };
            let tools = number(entry, "/manifest/tools").unwrap_or_default();
            let first = at("/manifest/previous").is_none();
            let changes = ["added", "removed", "changed"].map(changed).concat();
            format!(
                "{}{}",
                units::plural(tools, "tool", "tools"),
                if first { String::new() } else { changes }
            )
        }
        Kind::Gap => {
            let lost = number(entry, "/gap/entries_lost").map_or_else(
                || "number of entries lost unknown".to_owned(),
                |n| format!("{} lost", units::plural(n, "entry", "entries")),
            );
            format!("{}, {lost}", at("/gap/reason").unwrap_or_default())
        }
        Kind::Anomaly => words(&[at("/anomaly/code"), at("/anomaly/direction")]),
        Kind::AuthFailure => words(&[
            at("/auth_failure/reason"),
            at("/auth_failure/by").map(|by| format!("by {by}")),
            at("/auth_failure/client_address"),
        ]),
        Kind::Heartbeat => {
            let open = number(entry, "/heartbeat/calls_open").unwrap_or_default();
            format!("{} open", units::plural(open, "call", "calls"))
        }
        Kind::CallTask => words(&[
            at("/task/id").map(|id| format!("task {id}")),
            at("/task/status"),
        ]),
        Kind::Seal => entry
            .seal()
            .map_or_else(String::new, |seal| format!("number {}", seal.0)),
        Kind::Log(kind) => log_events::sentence(entry, *kind),
        Kind::CallBegin | Kind::CallEnd | Kind::Unknown(_) => String::new(),
    }
}

/// The words that are there, with spaces between.
pub(super) fn words(parts: &[Option<String>]) -> String {
    parts
        .iter()
        .flatten()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}
