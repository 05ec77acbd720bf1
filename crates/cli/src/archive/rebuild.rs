//! A data directory of an aggregator from an archive alone: the log, the blobs, and what the log says of its
//! own keys and of sources.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use affiant_aggregator::sources::{Revocation, Source, Sources};
use affiant_aggregator::{StateDir, clock, files};
use affiant_archive::store::Objects;
use affiant_archive::{ArchiveError, Finding, Reader, restore};
use affiant_audit::log::LeafBlobs;
use affiant_entry::decode::{Decoded, Kind};
use affiant_entry::{LogKind, SourceId, rfc3339};
use fs_err as fs;

/// Most blobs that are restored.
const BLOBS_MAX: usize = 1_000_000;

/// What was rebuilt.
#[derive(Debug, Default)]
pub(crate) struct Rebuilt {
    pub(crate) log: String,
    pub(crate) vkey: String,
    pub(crate) leaves: u64,
    pub(crate) sets: u64,
    pub(crate) sources: usize,
    pub(crate) blobs: u64,
    /// Named by leaves, not erased, and not in the archive.
    pub(crate) blobs_missing: u64,
    pub(crate) findings: Vec<Finding>,
}

/// What the aggregator's own leaves say, in order.
#[derive(Default)]
struct Said {
    own: Option<SourceId>,
    sources: BTreeMap<SourceId, Source>,
    revoked: BTreeMap<SourceId, Revocation>,
    log_key: Option<String>,
    rotations: String,
    roster: Option<Roster>,
    blobs: BTreeSet<[u8; 32]>,
    erased: BTreeSet<[u8; 32]>,
}

enum Roster {
    Note(String),
    Blob([u8; 32]),
}

/// Writes a data directory that was not there.
pub(crate) fn rebuild(objects: &Arc<dyn Objects>, dir: &StateDir) -> Result<Rebuilt, ArchiveError> {
    dir.create()?;
    let mut said = Said::default();
    let now_ms = u64::try_from(clock::now().utc_us / 1_000).unwrap_or_default();
    let restored = restore(objects, &dir.log(), &dir.state(), now_ms, &mut |_, leaf| {
        said.hear(leaf)
    })?;
    let mut out = Rebuilt {
        log: restored.about.log.clone(),
        vkey: said.log_key.clone().unwrap_or(restored.about.vkey),
        leaves: restored.size.0,
        sets: restored.sets,
        sources: said.sources.len(),
        findings: restored.findings,
        ..Rebuilt::default()
    };
    blobs(objects, dir, &said, &mut out)?;
    said.write(dir, &out.vkey)?;
    Ok(out)
}

fn blobs(
    objects: &Arc<dyn Objects>,
    dir: &StateDir,
    said: &Said,
    out: &mut Rebuilt,
) -> Result<(), ArchiveError> {
    let mut reader = Reader::new(&**objects);
    for blob in said.blobs.difference(&said.erased) {
        match reader.blob(blob) {
            Ok(bytes) => {
                let path = dir.blobs().join(hex::encode(blob));
                files::replace_private(&path, &bytes).map_err(std::io::Error::other)?;
                out.blobs += 1;
            }
            Err(ArchiveError::Missing { .. } | ArchiveError::Changed { .. }) => {
                out.blobs_missing += 1;
            }
            Err(error) => return Err(error),
        }
    }
    out.findings.extend(reader.take_findings());
    Ok(())
}

impl Said {
    /// Takes a leaf. Only the aggregator's own say something here: its id is that of the first leaf, and no
    /// source may have it.
    fn hear(&mut self, leaf: &[u8]) {
        let blobs = LeafBlobs::of(leaf);
        if self.blobs.len() < BLOBS_MAX {
            self.blobs.extend(blobs.named);
        }
        let Ok(entry) = Decoded::parse_any_kind(leaf) else {
            return;
        };
        let header = entry.header();
        let own = self.own.get_or_insert_with(|| header.source.clone());
        if header.source != *own {
            return;
        }
        self.erased.extend(blobs.erased);
        let at = header.at.map_or_else(String::new, |at| rfc3339(at.utc_us));
        if header.kind == Kind::Log(LogKind::Key) {
            self.key(&entry, at);
        } else if header.kind == Kind::Log(LogKind::Roster) {
            self.roster = roster(&entry).or_else(|| self.roster.take());
        }
    }

    fn key(&mut self, entry: &Decoded, at: String) {
        let text = |pointer: &str| Some(entry.pointer(pointer)?.as_str()?.to_owned());
        let (Some(action), Some(subject)) = (text("/key/action"), text("/key/subject")) else {
            return;
        };
        let rotation = text("/key/rotation").unwrap_or_default();
        let vkey = text("/key/vkey").unwrap_or_default();
        if action == "log" {
            self.log_key = Some(vkey);
            self.rotations.push_str(&rotation);
            return;
        }
        let Ok(source) = SourceId::new(&subject) else {
            return;
        };
        if action == "revoke" {
            let revocation = Revocation {
                v: 1,
                source: source.clone(),
                revoked: at,
                reason: text("/key/reason"),
                logged: true,
            };
            self.revoked.insert(source, revocation);
            return;
        }
        let known = self
            .sources
            .entry(source.clone())
            .or_insert_with(|| Source {
                v: 1,
                source,
                vkey,
                rotations: String::new(),
                enrolled: at,
            });
        // An enrolment says all notes again.
        if !known.rotations.contains(&rotation) {
            match rotation.contains(&known.rotations) {
                true => known.rotations = rotation,
                false => known.rotations.push_str(&rotation),
            }
        }
    }

    fn write(&self, dir: &StateDir, vkey: &str) -> Result<(), ArchiveError> {
        let other = std::io::Error::other;
        let sources = Sources::new(dir);
        for source in self.sources.values() {
            sources.keep(source).map_err(other)?;
        }
        for revocation in self.revoked.values() {
            sources.keep_revocation(revocation).map_err(other)?;
        }
        let text = |path: std::path::PathBuf, text: &str| {
            files::replace(&path, text.as_bytes()).map_err(other)
        };
        if !self.rotations.is_empty() {
            text(dir.keys().join("log.rotations"), &self.rotations)?;
        }
        text(dir.log_vkey(), &format!("{vkey}\n"))?;
        let roster = match &self.roster {
            None => None,
            Some(Roster::Note(note)) => Some(note.clone().into_bytes()),
            Some(Roster::Blob(blob)) => fs::read(dir.blobs().join(hex::encode(blob))).ok(),
        };
        if let Some(roster) = roster {
            files::replace(&dir.roster(), &roster).map_err(other)?;
        }
        Ok(())
    }
}

fn roster(entry: &Decoded) -> Option<Roster> {
    if let Some(note) = entry
        .pointer("/roster/note")
        .as_ref()
        .and_then(|note| note.as_str())
    {
        return Some(Roster::Note(note.to_owned()));
    }
    let digest = entry.pointer("/roster/digest")?;
    let name = digest.as_str()?.strip_prefix("sha256:")?;
    let hash = hex::decode(name).ok()?.try_into().ok()?;
    Some(Roster::Blob(hash))
}
