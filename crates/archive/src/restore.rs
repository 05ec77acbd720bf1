//! A log's directories from an archive alone.

use std::sync::Arc;

use affiant_log::restore::LogRestore;
use affiant_tlog::{LeafIndex, Note, TreeSize};

use crate::chunk;
use crate::error::ArchiveError;
use crate::manifest::Manifest;
use crate::origin::About;
use crate::read::{Finding, Reader};
use crate::store::Objects;

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// Which log.
    pub about: About,
    /// Leaves.
    pub size: TreeSize,
    /// Sets.
    pub sets: u64,
    /// What was found hidden on the way.
    pub findings: Vec<Finding>,
}

/// Writes the log of an archive into directories that hold none: `log` in the tlog-tiles layout with the
/// checkpoint of the newest set, `state` with the head to go on from. `seen` gets every leaf, in order.
///
/// Each leaf is hashed; the tree of each set must be the one its checkpoint names, and the manifests must
/// follow from each other. Whether the checkpoint is signed by the log is what `affiant verify` looks at:
/// here it need only have been signed by `key`, a text `name+id`, which the head record names.
///
/// # Errors
/// [`ArchiveError`]; then the directories hold part of a log, without a head, and nobody goes on from them.
pub fn restore(
    objects: &Arc<dyn Objects>,
    log: &std::path::Path,
    state: &std::path::Path,
    now_ms: u64,
    seen: &mut dyn FnMut(LeafIndex, &[u8]),
) -> Result<Restored, ArchiveError> {
    let mut reader = Reader::new(&**objects);
    let about = reader.about()?.ok_or(ArchiveError::NotAnArchive)?;
    let mut out = LogRestore::begin(log, state)?;
    let mut at: Option<(Manifest, [u8; 32])> = None;
    let mut newest = None;
    loop {
        let set = at
            .as_ref()
            .map_or(0, |(manifest, _)| manifest.set.saturating_add(1));
        let Some((manifest, hash)) = reader.manifest(set, at.as_ref())? else {
            break;
        };
        if manifest.log != about.log {
            return Err(ArchiveError::OtherLog {
                expected: about.log,
                found: manifest.log,
            });
        }
        leaves(&mut reader, &manifest, &mut out, seen)?;
        if (out.size(), out.root()) != (manifest.size(), manifest.root()) {
            return Err(ArchiveError::RootMismatch { set });
        }
        newest = Some(reader.note(&manifest)?);
        at = Some((manifest, hash));
    }
    let (Some((manifest, _)), Some((note, bytes))) = (at, newest) else {
        return Err(ArchiveError::NotAnArchive);
    };
    let key = signer(&note, &about.log).ok_or(ArchiveError::Checkpoint { set: manifest.set })?;
    out.finish(&bytes, &key, now_ms)?;
    Ok(Restored {
        size: manifest.size(),
        sets: manifest.set.saturating_add(1),
        about,
        findings: reader.take_findings(),
    })
}

fn leaves(
    reader: &mut Reader<'_>,
    manifest: &Manifest,
    out: &mut LogRestore,
    seen: &mut dyn FnMut(LeafIndex, &[u8]),
) -> Result<(), ArchiveError> {
    for chunk in &manifest.chunks {
        let packed = reader.object(&chunk.leaves)?;
        let raw = chunk::unpack(&chunk.leaves, &packed)?;
        let range = chunk.range();
        let key = chunk.leaves.key();
        for (leaf, index) in chunk::leaves(&key, range.start, range.end, &raw)?
            .iter()
            .zip(range.start.0..)
        {
            out.append(leaf)?;
            seen(LeafIndex(index), leaf);
        }
    }
    Ok(())
}

/// The first signature in the log's name.
fn signer(note: &Note, log: &str) -> Option<String> {
    let mut refs = note
        .signatures()
        .iter()
        .map(|line| line.key_ref().to_string());
    refs.find(|text| text.rsplit_once('+').is_some_and(|(name, _)| name == log))
}
