//! Reading a log: what the HTTP API serves, leaves, and proofs.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use affiant_tlog::bundle::Bundle;
use affiant_tlog::tile::{BundleId, LogPath, TileId, TileReader};
use affiant_tlog::{ConsistencyProof, Hash, InclusionProof, LeafIndex, TreeSize};

use crate::error::ReadLogError;
use crate::store::{DirReader, ReadObjects, StoreError};

/// Reads a log that this or another process writes, or that nobody writes any more.
///
/// What comes out is as good as the store: nothing here is checked against a signed root, except
/// where said. Cheap to clone; nothing is cached but what the operating system caches.
#[derive(Clone)]
pub struct LogReader {
    source: Arc<dyn ReadObjects>,
}

impl LogReader {
    /// Reads a directory in the tlog-tiles layout, without being its writer. Nothing is opened yet.
    pub fn open_dir(log: impl Into<PathBuf>) -> Self {
        Self::new(Arc::new(DirReader::new(log)))
    }

    /// Reads from any store.
    pub fn new(source: Arc<dyn ReadObjects>) -> Self {
        Self { source }
    }

    /// The published checkpoint as it lies there: a note nobody has verified.
    ///
    /// # Errors
    ///
    /// [`ReadLogError::Store`].
    pub fn checkpoint(&self) -> Result<Option<Vec<u8>>, ReadLogError> {
        Ok(self.source.get(CHECKPOINT)?)
    }

    /// The newest published checkpoint that a quorum of witnesses cosigned, where the log publishes at
    /// once: `checkpoint.cosigned`, which is no part of tlog-tiles. It may be behind the checkpoint.
    ///
    /// # Errors
    ///
    /// [`ReadLogError::Store`].
    pub fn cosigned_checkpoint(&self) -> Result<Option<Vec<u8>>, ReadLogError> {
        Ok(self.source.get(COSIGNED)?)
    }

    /// The file under a path of the read API (C2SP tlog-tiles, "APIs"), to be served as it is. All
    /// but the checkpoint never change.
    ///
    /// # Errors
    ///
    /// [`ReadLogError::Store`].
    pub fn file(&self, path: LogPath) -> Result<Option<Vec<u8>>, ReadLogError> {
        Ok(self.source.get(&path.to_string())?)
    }

    /// The leaf at an index of a tree of this size.
    ///
    /// # Errors
    ///
    /// [`ReadLogError`].
    pub fn leaf(&self, index: LeafIndex, size: TreeSize) -> Result<Vec<u8>, ReadLogError> {
        let end = LeafIndex(index.0.saturating_add(1));
        let mut leaves = self.leaves(index..end, size)?;
        leaves
            .pop()
            .ok_or(ReadLogError::OutsideTree { index, size })
    }

    /// The leaves of a range of indexes, in order. The size is that of any published tree that has
    /// the range; it says how wide the last bundle is.
    ///
    /// # Errors
    ///
    /// [`ReadLogError`].
    pub fn leaves(
        &self,
        range: Range<LeafIndex>,
        size: TreeSize,
    ) -> Result<Vec<Vec<u8>>, ReadLogError> {
        if range.end.0 > size.0 {
            return Err(ReadLogError::OutsideTree {
                index: range.end,
                size,
            });
        }
        let mut leaves = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let id =
                BundleId::holding(at, size).ok_or(ReadLogError::OutsideTree { index: at, size })?;
            let (id, bytes) = self.bundle(id)?;
            let bundle = Bundle::parse(id, &bytes)?;
            let first = id.first_entry().0;
            let skipped = usize::try_from(at.0.saturating_sub(first)).unwrap_or(usize::MAX);
            let wanted = usize::try_from(range.end.0.saturating_sub(at.0)).unwrap_or(usize::MAX);
            let entries = bundle.entries().iter().skip(skipped).take(wanted);
            leaves.extend(entries.map(|entry| entry.to_vec()));
            at = LeafIndex(first.saturating_add(u64::from(id.width())));
        }
        Ok(leaves)
    }

    /// A bundle's file, or that of the full bundle at its place, with the id it was found under.
    ///
    /// # Errors
    ///
    /// [`ReadLogError::BundleMissing`] where there is neither, [`ReadLogError::Store`].
    pub fn bundle(&self, id: BundleId) -> Result<(BundleId, Vec<u8>), ReadLogError> {
        for id in [id, id.to_full()] {
            if let Some(bytes) = self.source.get(&id.path())? {
                return Ok((id, bytes));
            }
        }
        Err(ReadLogError::BundleMissing { bundle: id })
    }

    /// The leaf hashes of a range of indexes of a tree of this size, from the tiles.
    ///
    /// # Errors
    ///
    /// [`ReadLogError::Tiles`].
    pub fn leaf_hashes(
        &self,
        range: Range<LeafIndex>,
        size: TreeSize,
    ) -> Result<Vec<Hash>, ReadLogError> {
        let source = |tile: TileId| self.source.get(&tile.path());
        Ok(TileReader::new(&source, size).leaf_hashes(range)?)
    }

    /// The root of the tree of this size, from the tiles at its right edge: those of trees that were
    /// never a head may be missing.
    ///
    /// # Errors
    ///
    /// [`ReadLogError::Tiles`].
    pub fn root(&self, size: TreeSize) -> Result<Hash, ReadLogError> {
        let source = |tile: TileId| self.source.get(&tile.path());
        Ok(TileReader::new(&source, size).root()?)
    }

    /// The proof that the leaf at `index` is in the tree of this size.
    ///
    /// # Errors
    ///
    /// [`ReadLogError::Tiles`].
    pub fn inclusion(
        &self,
        index: LeafIndex,
        size: TreeSize,
    ) -> Result<InclusionProof, ReadLogError> {
        let source = |tile: TileId| self.source.get(&tile.path());
        Ok(TileReader::new(&source, size).inclusion_proof(index)?)
    }

    /// The proof that the tree of size `new` begins with the tree of size `old`.
    ///
    /// # Errors
    ///
    /// [`ReadLogError::Tiles`].
    pub fn consistency(
        &self,
        old: TreeSize,
        new: TreeSize,
    ) -> Result<ConsistencyProof, ReadLogError> {
        let source = |tile: TileId| self.source.get(&tile.path());
        Ok(TileReader::new(&source, new).consistency_proof(old)?)
    }
}

impl ReadObjects for LogReader {
    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.source.get(path)
    }
}

impl std::fmt::Debug for LogReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogReader")
    }
}

/// The path of the published checkpoint.
pub(crate) const CHECKPOINT: &str = "checkpoint";
/// The path of the newest checkpoint with a quorum, where checkpoints do not wait for one.
pub(crate) const COSIGNED: &str = "checkpoint.cosigned";
