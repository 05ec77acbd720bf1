//! Loading a log from storage: what a start does, and what follows every error.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use affiant_tlog::bundle::{Bundle, BundleWriter};
use affiant_tlog::note::Signature;
use affiant_tlog::tile::bundles_between;
use affiant_tlog::tile::{
    BundleId, ReadTilesError, TILE_WIDTH, TileId, TileReader, TileSource, TreeWriter,
};
use affiant_tlog::{Checkpoint, Note, TreeSize, leaf_hash};

use super::{Edge, Engine, Parts, settle};
use crate::error::LoadError;
use crate::head::{HeadRecord, Tree};
use crate::reader::CHECKPOINT;
use crate::signer::SignerError;
use crate::store::{Object, Store, StoreError};

/// What was published of a loaded log before.
pub(crate) struct Published {
    /// The published note and what it says; a beginning of the head's tree.
    pub(crate) note: Option<(Note, Checkpoint)>,
}

impl Published {
    /// The note of the head's own tree: a new one, or the published one, with the cosignatures it has and
    /// the lines of ours that it lacks, as after a change of keys.
    pub(crate) fn note(&self, engine: &Engine) -> Result<Note, SignerError> {
        match &self.note {
            Some((note, checkpoint)) if checkpoint.size == engine.record.tree.size => {
                let mut note = note.clone();
                for line in engine.sign()?.signatures() {
                    let has = |there: &Signature| there.key_ref() == line.key_ref();
                    if !note.signatures().iter().any(has) {
                        let attached = note.attach(line.clone());
                        attached.map_err(|error| SignerError::new(&error))?;
                    }
                }
                Ok(note)
            }
            _ => engine.sign(),
        }
    }
}

impl Engine {
    /// Checks that a tree somebody was told of is a beginning of this one.
    pub(crate) fn check_told(&self, told: &Checkpoint) -> Result<(), LoadError> {
        let source = |tile: TileId| self.parts.store.get(&tile.path());
        check_beginning(&source, &self.record, told)
    }

    /// Reads the head, ends the round it names, and checks that storage holds the head's tree.
    ///
    /// Checked: the head is of this log and key; the newest round re-hashes, leaf by leaf, to the
    /// head's root; the right edge leads to that root; the last bundle has the leaves that its tile
    /// says; the published checkpoint is signed by a known key, and is a beginning of the head's
    /// tree. Not checked: older tiles and bundles, which is an auditor's work.
    pub(crate) fn load(parts: &Arc<Parts>) -> Result<(Self, Published), LoadError> {
        let store = &*parts.store;
        let record = load_record(parts)?;
        let published = read_published(parts, &record)?;
        let name = record.stage_name();
        let staged = match store.staged(&name) {
            Err(StoreError::Damaged { .. }) => None,
            staged => staged?,
        };
        let overlay = Overlay::new(store, staged.as_deref().unwrap_or_default());
        let edge = rebuild(&overlay, &record, staged.as_deref())?;
        if let Some((_, checkpoint)) = &published {
            let source = |tile: TileId| overlay.get(&tile.path());
            check_beginning(&source, &record, checkpoint)?;
        }
        // All is as it must be; only now is anything written.
        settle(store, &record, staged.as_deref().unwrap_or_default())?;
        let engine = Self {
            parts: Arc::clone(parts),
            record,
            edge,
        };
        Ok((engine, Published { note: published }))
    }
}

/// Reads the head record, or makes the first.
fn load_record(parts: &Parts) -> Result<HeadRecord, LoadError> {
    let store = &*parts.store;
    let Some(head) = store.head()? else {
        return begin(parts);
    };
    let record = HeadRecord::parse(&head).ok_or(LoadError::HeadMalformed)?;
    if record.origin != parts.origin {
        return Err(LoadError::OtherLog {
            expected: parts.origin.to_string(),
            found: record.origin.to_string(),
        });
    }
    let mut known = parts.known_keys().into_iter();
    if known.any(|key| key.key_ref().to_string() == record.key) {
        Ok(record)
    } else {
        Err(LoadError::OtherKey { found: record.key })
    }
}

/// Begins a log where there is none. Where something was published, a head was lost, and a second
/// beginning would be a fork.
fn begin(parts: &Parts) -> Result<HeadRecord, LoadError> {
    let store = &*parts.store;
    let first = BundleId::new(0, TILE_WIDTH).map(BundleId::path);
    for path in first.iter().map(String::as_str).chain([CHECKPOINT]) {
        if store.get(path)?.is_some() {
            return Err(LoadError::HeadMissing);
        }
    }
    let key = parts.key().ok_or_else(|| LoadError::OtherKey {
        found: parts.key_text(),
    })?;
    let record = HeadRecord::first(parts.origin.clone(), key.key_ref(), parts.clock.utc_ms());
    store.swap_head(None, &record.to_bytes())?;
    Ok(record)
}

/// The published checkpoint, verified, not yet compared with the tiles.
fn read_published(
    parts: &Parts,
    record: &HeadRecord,
) -> Result<Option<(Note, Checkpoint)>, LoadError> {
    let Some(bytes) = parts.store.get(CHECKPOINT)? else {
        return Ok(None);
    };
    let note = Note::parse(&bytes).map_err(|_| LoadError::CheckpointMalformed)?;
    let keys = parts.known_keys();
    let Some(checkpoint) = keys
        .iter()
        .find_map(|key| Checkpoint::open(&note, key).ok())
    else {
        let signatures = note.signatures().iter();
        let found: Vec<String> = signatures.map(|s| s.key_ref().to_string()).collect();
        return Err(LoadError::OtherKey {
            found: found.join(", "),
        });
    };
    if checkpoint.size > record.tree.size {
        return Err(LoadError::RolledBack {
            head: record.tree.size,
            published: checkpoint.size,
        });
    }
    Ok(Some((note, checkpoint)))
}

/// Checks that a tree which somebody was told of is a beginning of the head's.
fn check_beginning(
    source: &impl TileSource<Error = StoreError>,
    record: &HeadRecord,
    told: &Checkpoint,
) -> Result<(), LoadError> {
    if told.size > record.tree.size {
        return Err(LoadError::RolledBack {
            head: record.tree.size,
            published: told.size,
        });
    }
    let root = if told.size == record.tree.size {
        record.tree.root
    } else {
        TileReader::new(source, told.size).root()?
    };
    if root == told.root {
        Ok(())
    } else {
        Err(LoadError::Forked { size: told.size })
    }
}

/// Makes the newest round once more from its leaves, compares every object with what is stored, and
/// gives the edge behind it.
fn rebuild(
    source: &Overlay<'_>,
    record: &HeadRecord,
    staged: Option<&[Object]>,
) -> Result<Edge, LoadError> {
    let mut edge = resume(source, record.from)?;
    for id in bundles_between(record.from.size, record.tree.size) {
        let bytes = source.get(&id.path())?;
        let bytes = bytes.ok_or(LoadError::BundleMissing { bundle: id })?;
        let bundle = Bundle::parse(id, &bytes)?;
        let skipped = record.from.size.0.saturating_sub(id.first_entry().0);
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        for entry in bundle.entries().iter().skip(skipped) {
            let pushed = edge.bundles.append(entry);
            pushed.map_err(|_| LoadError::BundleMismatch { bundle: id })?;
            edge.tree.append(leaf_hash(entry));
        }
    }
    if edge.tree() != record.tree {
        return Err(LoadError::Tiles(ReadTilesError::RootMismatch {
            size: record.tree.size,
            expected: record.tree.root,
            computed: edge.tree().root,
        }));
    }
    let mismatch = |path: &str| LoadError::RoundMismatch {
        path: path.to_owned(),
    };
    let needed = edge.drain();
    for object in &needed {
        let stored = source.get(&object.path)?;
        if stored.as_ref() != Some(&object.bytes) {
            return Err(mismatch(&object.path));
        }
    }
    let needed: BTreeSet<&str> = needed.iter().map(|object| object.path.as_str()).collect();
    let mut staged = staged.unwrap_or_default().iter();
    match staged.find(|object| !needed.contains(object.path.as_str())) {
        Some(foreign) => Err(mismatch(&foreign.path)),
        None => Ok(edge),
    }
}

/// The edge of a tree: its partial tiles, which must lead to the root, and its last bundle, whose
/// leaves must be those of its tile.
fn resume(source: &Overlay<'_>, tree: Tree) -> Result<Edge, LoadError> {
    let tiles = |tile: TileId| source.get(&tile.path());
    let writer = TreeWriter::resume(tree.size, &tree.root, &tiles)?;
    let bundles = resume_bundles(source, tree.size)?;
    Ok(Edge {
        tree: writer,
        bundles,
    })
}

fn resume_bundles(source: &Overlay<'_>, size: TreeSize) -> Result<BundleWriter, LoadError> {
    let Some(last) = size.0.checked_sub(1) else {
        return Ok(BundleWriter::new());
    };
    let last = affiant_tlog::LeafIndex(last);
    let Some(id) = BundleId::holding(last, size) else {
        return Ok(BundleWriter::new());
    };
    let (found, bytes) = source.bundle(id)?;
    let bundle = Bundle::parse(found, &bytes)?;
    let tiles = |tile: TileId| source.get(&tile.path());
    let end = affiant_tlog::LeafIndex(size.0);
    let hashes = TileReader::new(&tiles, size).leaf_hashes(id.first_entry()..end)?;
    let width = usize::from(id.width());
    if bundle.leaf_hashes().get(..width) != Some(hashes.as_slice()) {
        return Err(LoadError::BundleMismatch { bundle: id });
    }
    let mut writer = BundleWriter::resume_behind(id.index());
    if id.is_full() {
        return Ok(BundleWriter::resume_behind(id.index().saturating_add(1)));
    }
    for entry in bundle.entries().iter().take(width) {
        let pushed = writer.append(entry);
        pushed.map_err(|_| LoadError::BundleMismatch { bundle: id })?;
    }
    drop(writer.drain());
    Ok(writer)
}

/// The log as it will be when the staged objects are in their places.
struct Overlay<'s> {
    store: &'s dyn Store,
    staged: BTreeMap<&'s str, &'s [u8]>,
}

impl<'s> Overlay<'s> {
    fn new(store: &'s dyn Store, staged: &'s [Object]) -> Self {
        let staged = staged.iter();
        Self {
            store,
            staged: staged
                .map(|o| (o.path.as_str(), o.bytes.as_slice()))
                .collect(),
        }
    }

    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self.staged.get(path) {
            Some(bytes) => Ok(Some(bytes.to_vec())),
            None => self.store.get(path),
        }
    }

    /// A bundle, or the full one at its place.
    fn bundle(&self, id: BundleId) -> Result<(BundleId, Vec<u8>), LoadError> {
        for id in [id, id.to_full()] {
            if let Some(bytes) = self.get(&id.path())? {
                return Ok((id, bytes));
            }
        }
        Err(LoadError::BundleMissing { bundle: id })
    }
}
