//! What is on disk once the calls are over.

use std::path::Path;

use affiant_agent::state::DataDir;
use affiant_entry::decode::{Decoded, Kind};
use fs_err as fs;

use super::{Told, broken};
use crate::entries::facts;
use crate::entries::merge::{Merge, Row};
use crate::error::ExpectedError;

/// Every entry of a data directory, by time.
pub(super) fn read(dir: &DataDir) -> Told<Vec<Row>> {
    let names = dir.spool_names().map_err(|e| ExpectedError::storage(&e))?;
    let mut merge = Merge::open(dir, &names)?;
    let mut rows = Vec::new();
    while let Some(row) = merge.next()? {
        rows.push(row);
    }
    if merge.is_troubled() {
        return Err(broken("entries that can be read", "damage"));
    }
    Ok(rows)
}

/// The ends of calls.
pub(super) fn ends(rows: &[Row]) -> impl Iterator<Item = &Row> {
    rows.iter()
        .filter(|row| row.entry.header().kind == Kind::CallEnd)
}

/// Tool and reason of each ended call of a server, sorted.
pub(super) fn outcomes(rows: &[Row], server: &str) -> Vec<(String, String)> {
    let mut out: Vec<_> = ends(rows)
        .filter(|row| facts::server(&row.entry).as_deref() == Some(server))
        .map(|row| (tool(&row.entry), reason(&row.entry)))
        .collect();
    out.sort();
    out
}

pub(super) fn tool(entry: &Decoded) -> String {
    facts::text(entry, &["/tool/name"]).unwrap_or_default()
}

pub(super) fn reason(entry: &Decoded) -> String {
    facts::text(entry, &["/status/reason"]).unwrap_or_default()
}

/// How often some words stand in the files of a directory.
#[derive(Debug, Default)]
pub(super) struct Search {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) hits: u64,
}

/// Looks for the bytes of `words` in every file below `dir`.
pub(super) fn search(dir: &Path, words: &[&str]) -> Told<Search> {
    let mut out = Search::default();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).map_err(|e| ExpectedError::storage(&e))? {
            let path = entry.map_err(|e| ExpectedError::storage(&e))?.path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let bytes = fs::read(&path).map_err(|e| ExpectedError::storage(&e))?;
            out.files += 1;
            out.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            out.hits += words.iter().map(|word| count(&bytes, word)).sum::<u64>();
        }
    }
    Ok(out)
}

fn count(bytes: &[u8], word: &str) -> u64 {
    let found = bytes
        .windows(word.len())
        .filter(|at| *at == word.as_bytes());
    u64::try_from(found.count()).unwrap_or(u64::MAX)
}
