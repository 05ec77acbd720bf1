//! What an aggregator wrote in its own name, in a few words.

use affiant_entry::LogKind;
use affiant_entry::decode::Decoded;
use serde_json::Value;

use super::events::words;
use super::facts::{number, text};
use super::units;

/// What an entry of an aggregator says, in one line.
pub(super) fn sentence(entry: &Decoded, kind: LogKind) -> String {
    let at = |member: &str| text(entry, &[&format!("/{}/{member}", kind.member())]);
    let number = |member: &str| number(entry, &format!("/{}/{member}", kind.member()));
    let subject = || at("subject").unwrap_or_default();
    match kind {
        LogKind::Key => {
            let key = at("vkey").map(|key| units::short_key(&key).to_owned());
            let key = key.map_or_else(String::new, |key| format!(", key {key}"));
            let reason = at("reason").map_or_else(String::new, |why| format!(", {why}"));
            format!(
                "{} {}{key}{reason}",
                at("action").unwrap_or_default(),
                subject()
            )
        }
        LogKind::Roster => format!("serial {}", number("serial").unwrap_or_default()),
        LogKind::CheckpointAnchor => format!(
            "{} stamped {} at {}",
            at("authority").unwrap_or_default(),
            units::plural(number("size").unwrap_or_default(), "leaf", "leaves"),
            at("gen_time").unwrap_or_default()
        ),
        LogKind::ChainGap => {
            let lost = number("entries_lost").map_or_else(
                || "number of entries lost unknown".to_owned(),
                |n| format!("{} lost", units::plural(n, "entry", "entries")),
            );
            let before = number("got_seal/seal").unwrap_or_default();
            words(&[
                at("reason"),
                at("subject/source").map(|source| format!("of {source}")),
                at("subject/spool").map(|spool| format!("spool {spool},")),
                Some(format!("before seal {before}, {lost}")),
            ])
        }
        LogKind::Fork => words(&[
            at("source"),
            at("spool").map(|spool| format!("spool {spool}")),
            number("seal").map(|seal| format!("seal {seal}")),
        ]),
        LogKind::Quarantine => words(&[at("problem"), at("source"), at("leaf")]),
        LogKind::SourceSilent | LogKind::SourceHeard => words(&[
            at("subject"),
            at("last_heard").map(|last| format!("last heard {last}")),
        ]),
        LogKind::SourceUnrostered => subject(),
        LogKind::Refusal => {
            let count = units::plural(number("count").unwrap_or_default(), "batch", "batches");
            words(&[
                Some(count),
                at("code"),
                at("subject").map(|of| format!("of {of}")),
            ])
        }
        LogKind::Prune => format!(
            "before leaf {}, {}, {}",
            number("min_index").unwrap_or_default(),
            at("policy").unwrap_or_default(),
            at("reason").unwrap_or_default()
        ),
        LogKind::Erase => words(&[at("blob"), at("reason").map(|why| format!(", {why}"))]),
        LogKind::Context => {
            let stale = entry.value().ok().map_or(0, |value| {
                let sources = value.pointer("/context/sources").and_then(Value::as_array);
                let stale = |one: &&Value| one.get("stale") == Some(&Value::Bool(true));
                sources.map_or(0, |all| all.iter().filter(stale).count())
            });
            let stale = (stale > 0).then(|| {
                let stale = u64::try_from(stale).unwrap_or(u64::MAX);
                format!("({} stale)", units::plural(stale, "source", "sources"))
            });
            let range = format!(
                "for leaves {} to {}",
                number("first").unwrap_or_default(),
                number("end").unwrap_or_default().saturating_sub(1)
            );
            words(&[Some(range), stale])
        }
        LogKind::TrailRead => {
            let rows = number("rows").map(|rows| units::plural(rows, "row", "rows"));
            words(&[
                at("what"),
                at("outcome"),
                at("principal").map(|who| format!("for {who}")),
                at("role"),
                rows,
            ])
        }
        LogKind::CallImport => String::new(),
    }
}
