//! Spools whose process is gone: found, adopted, and taken for shipping.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use affiant_entry::SpoolName;
use affiant_spool::Ordinal;
use fs_err as fs;

use super::keeper::{acknowledged_end, is_taken};
use super::lock::FileLock;
use crate::state::DataDir;
use crate::trail::adopt_orphan;

/// What the files of a spool looked like when there was nothing left to ship: names, lengths, times.
pub(super) type Looks = Vec<(String, u64, Option<SystemTime>)>;

/// A spool to ship.
pub(super) struct Orphan {
    pub(super) name: SpoolName,
    pub(super) lock: FileLock,
    pub(super) cursor: Ordinal,
}

/// Looks at every spool of the data directory that nobody writes to, closes what its process left
/// open, and takes those that may hold something to ship. `shipped` are known to hold nothing as long
/// as they look the same.
pub(super) fn scan(
    dir: &DataDir,
    busy: &BTreeSet<String>,
    shipped: &BTreeMap<String, Looks>,
) -> std::io::Result<Vec<Orphan>> {
    let mut found = Vec::new();
    for name in dir.spool_names()? {
        if busy.contains(&name) || is_taken(dir, &name) {
            continue;
        }
        if shipped
            .get(&name)
            .is_some_and(|was| *was == looks(dir, &name))
        {
            continue;
        }
        let Ok(spool) = SpoolName::new(&name) else {
            continue;
        };
        let Some(lock) = take(dir, &name)? else {
            continue;
        };
        if let Err(error) = adopt_orphan(dir, &name) {
            tracing::warn!(%error, spool = name, "orphan cannot be adopted");
        }
        let cursor = acknowledged_end(dir, &name);
        found.push(Orphan {
            name: spool,
            lock,
            cursor,
        });
    }
    Ok(found)
}

/// The right to ship a spool, if no other process has it.
pub(super) fn take(dir: &DataDir, name: &str) -> std::io::Result<Option<FileLock>> {
    let locks = dir.ship().join("locks");
    fs::create_dir_all(&locks)?;
    FileLock::attempt(&locks.join(name))
}

/// What the segments of a spool look like now.
pub(super) fn looks(dir: &DataDir, name: &str) -> Looks {
    let Ok(entries) = fs::read_dir(dir.spool(name)) else {
        return Looks::new();
    };
    let mut looks: Looks = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let meta = entry.metadata().ok()?;
            name.ends_with(".aff")
                .then(|| (name, meta.len(), meta.modified().ok()))
        })
        .collect();
    looks.sort();
    looks
}
