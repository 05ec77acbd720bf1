//! A log's directories written anew from its leaves, as from an archive.
//!
//! Objects are staged and promoted as in a round, so that all is durable before there is a head. Nobody
//! signs: the checkpoint is one that the log signed before.

use std::collections::BTreeMap;
use std::path::Path;

use affiant_tlog::bundle::{BundleWriter, EntryTooLong};
use affiant_tlog::checkpoint::Origin;
use affiant_tlog::tile::{Tile, TreeWriter};
use affiant_tlog::{Checkpoint, Hash, Note, TreeSize, leaf_hash};

use crate::head::{HeadRecord, Tree};
use crate::reader::CHECKPOINT;
use crate::store::{DirStore, Object, OpenStoreError, Store, StoreError};

/// Leaves between two syncs.
const BATCH_LEAVES: u64 = 65_536;

/// A log on its way back into directories.
#[derive(Debug)]
pub struct LogRestore {
    store: DirStore,
    tree: TreeWriter,
    bundles: BundleWriter,
    batches: u64,
    /// The partial tile of each level, which only the last tree needs.
    partial: BTreeMap<u8, Tile>,
}

/// A log could not be restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The directories cannot be had.
    #[error("directories cannot be prepared")]
    Open(#[from] OpenStoreError),
    /// The disk refused.
    #[error("storage failed")]
    Store(#[from] StoreError),
    /// There is a log already, or what is left of one.
    #[error("there is a log already")]
    NotEmpty,
    /// A leaf is longer than any log holds.
    #[error("leaf is too long")]
    Leaf(#[from] EntryTooLong),
    /// The note is not a checkpoint of the tree of these leaves.
    #[error("checkpoint is not of the tree of these leaves")]
    Checkpoint,
}

impl LogRestore {
    /// Begins in directories that hold no log.
    ///
    /// # Errors
    /// [`RestoreError::NotEmpty`], and what the disk fails with.
    pub fn begin(log: &Path, state: &Path) -> Result<Self, RestoreError> {
        let used = |dir: &Path, name: &str| dir.join(name).exists();
        if used(log, "tile") || used(log, CHECKPOINT) || used(state, "head") {
            return Err(RestoreError::NotEmpty);
        }
        Ok(Self {
            store: DirStore::open(log, state)?,
            tree: TreeWriter::new(),
            bundles: BundleWriter::new(),
            batches: 0,
            partial: BTreeMap::new(),
        })
    }

    /// Puts a leaf behind all others.
    ///
    /// # Errors
    /// [`RestoreError`].
    pub fn append(&mut self, leaf: &[u8]) -> Result<(), RestoreError> {
        self.bundles.append(leaf)?;
        self.tree.append(leaf_hash(leaf));
        if self.tree.size().0.is_multiple_of(BATCH_LEAVES) {
            let objects = self.drain();
            self.write(&objects)?;
        }
        Ok(())
    }

    /// Leaves so far.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.tree.size()
    }

    /// Root of the tree of the leaves so far.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// Ends with a published checkpoint of this tree, which `key` signed (`name+id`). From here on the log
    /// may be opened and gone on with.
    ///
    /// # Errors
    /// [`RestoreError::Checkpoint`] where it is of another tree.
    pub fn finish(mut self, note: &[u8], key: &str, now_ms: u64) -> Result<(), RestoreError> {
        let checkpoint = Note::parse(note).ok();
        let checkpoint = checkpoint.and_then(|note| Checkpoint::parse(note.text()).ok());
        let checkpoint = checkpoint.ok_or(RestoreError::Checkpoint)?;
        if (checkpoint.size, checkpoint.root) != (self.size(), self.root()) {
            return Err(RestoreError::Checkpoint);
        }
        let mut objects = self.drain();
        objects.extend(std::mem::take(&mut self.partial).values().map(object));
        self.write(&objects)?;
        self.store.publish(CHECKPOINT, note)?;
        let tree = Tree {
            size: checkpoint.size,
            root: checkpoint.root,
        };
        let head = head(checkpoint.origin, key, now_ms, tree);
        self.store.swap_head(None, &head.to_bytes())?;
        Ok(())
    }

    /// What became full since the last time; partial tiles are kept for the end.
    fn drain(&mut self) -> Vec<Object> {
        let mut objects = Vec::new();
        for tile in self.tree.drain() {
            let (level, index) = (tile.id().level(), tile.id().index());
            if !tile.id().is_full() {
                self.partial.insert(level, tile);
                continue;
            }
            objects.push(object(&tile));
            if self
                .partial
                .get(&level)
                .is_some_and(|kept| kept.id().index() <= index)
            {
                self.partial.remove(&level);
            }
        }
        // Batches end at full bundles, so that only the last tree's is partial.
        objects.extend(self.bundles.drain().into_iter().map(|(id, bytes)| Object {
            path: id.path(),
            bytes,
        }));
        objects
    }

    fn write(&mut self, objects: &[Object]) -> Result<(), RestoreError> {
        let name = format!("restore-{}", self.batches);
        self.store.stage(&name, objects)?;
        self.store.promote(&name, objects)?;
        self.store.sync()?;
        self.store.unstage(&name)?;
        self.batches = self.batches.saturating_add(1);
        Ok(())
    }
}

fn object(tile: &Tile) -> Object {
    Object {
        path: tile.id().path(),
        bytes: tile.to_bytes(),
    }
}

/// A head that adds nothing to the tree before it: there is no round to be made again.
fn head(origin: Origin, key: &str, now_ms: u64, tree: Tree) -> HeadRecord {
    HeadRecord {
        origin,
        key: key.to_owned(),
        epoch: 0,
        time_ms: now_ms,
        tree,
        from: tree,
    }
}
