//! What the log holds, as `affiant entries` lists it.

use std::ffi::OsStr;
use std::path::Path;

use serde_json::Value;

use super::process::Stage;
use super::{Told, broken, len};

/// The entries of a log, in its order.
pub(super) struct Ledger {
    entries: Vec<Value>,
}

impl Ledger {
    /// Reads all of a hub's log.
    pub(super) async fn read(stage: &Stage, hub: &Path) -> Told<Self> {
        let args: [&OsStr; 5] = [
            "entries".as_ref(),
            "--format".as_ref(),
            "json".as_ref(),
            "--data-dir".as_ref(),
            hub.as_ref(),
        ];
        let ran = stage.run(&args).await?.expect(0)?;
        let lines = ran.stdout.lines().map(serde_json::from_str);
        let entries = lines.collect::<Result<_, _>>();
        let entries = entries.map_err(|error| broken("entries as JSON", error.to_string()))?;
        Ok(Self { entries })
    }

    /// How often the end of a call stands in it.
    pub(super) fn times(&self, call: &str) -> usize {
        let ends = self
            .entries
            .iter()
            .filter(|entry| text(entry, "kind") == "call.end" && text(entry, "call") == call);
        ends.count()
    }

    /// Entries of a source, and its seals.
    pub(super) fn of(&self, source: &str) -> (u64, u64) {
        let all = self.entries.iter();
        let own = all.filter(|entry| text(entry, "source") == source);
        let (seals, entries): (Vec<_>, Vec<_>) = own.partition(|e| text(e, "kind") == "seal");
        (len(entries.len()), len(seals.len()))
    }
}

fn text<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry.get(name).and_then(Value::as_str).unwrap_or_default()
}
