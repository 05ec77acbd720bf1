//! Roots and proofs from stored tiles.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::ops::Range;

use super::hashes::{ParseTileError, Tile};
use super::id::{TILE_HEIGHT, TileId};
use super::plan::{self, Place, Subtree};
use crate::hash::{Hash, empty_root, node_hash};
use crate::proof::{ConsistencyProof, InclusionProof, ProveError};
use crate::tree::{LeafIndex, TreeSize, root_of};

/// Where tiles are read from: a directory, an archive, what was fetched before.
///
/// Closures `Fn(TileId) -> Result<Option<Vec<u8>>, E>` are sources, and so are maps from [`TileId`]
/// to bytes.
pub trait TileSource {
    /// What can go wrong besides a tile not being there.
    type Error: Error + 'static;

    /// The bytes of a tile's file; `None` where there is no such file.
    ///
    /// A partial tile that is not there is asked for once more as the full tile at its place, since
    /// a log may delete partial tiles once they are superseded.
    ///
    /// # Errors
    ///
    /// What the source makes of a read that failed; it is passed on.
    fn read_tile(&self, tile: TileId) -> Result<Option<Vec<u8>>, Self::Error>;
}

impl<F, E> TileSource for F
where
    F: Fn(TileId) -> Result<Option<Vec<u8>>, E>,
    E: Error + 'static,
{
    type Error = E;

    fn read_tile(&self, tile: TileId) -> Result<Option<Vec<u8>>, E> {
        self(tile)
    }
}

impl TileSource for BTreeMap<TileId, Vec<u8>> {
    type Error = std::convert::Infallible;

    fn read_tile(&self, tile: TileId) -> Result<Option<Vec<u8>>, Self::Error> {
        Ok(self.get(&tile).cloned())
    }
}

/// Reads a tile, or the first hashes of the full tile at its place.
pub(super) fn read_tile<S: TileSource>(
    source: &S,
    id: TileId,
) -> Result<Tile, ReadTilesError<S::Error>> {
    let read = |id: TileId| {
        let bytes = source
            .read_tile(id)
            .map_err(|cause| ReadTilesError::Source { tile: id, cause })?;
        bytes
            .map(|bytes| Tile::from_bytes(id, &bytes).map_err(ReadTilesError::Malformed))
            .transpose()
    };
    if let Some(tile) = read(id)? {
        return Ok(tile);
    }
    if !id.is_full()
        && let Some(tile) = read(id.to_full())?
        && let Some(tile) = tile.truncate(id.width())
    {
        return Ok(tile);
    }
    Err(ReadTilesError::Missing { tile: id })
}

/// Roots and proofs of a tree of one size, from its tiles.
///
/// A proof costs at most two tiles a level. What comes out is as good as the source: a caller who
/// does not trust the source verifies it against a root that the log signed. Tiles that were read
/// are not kept; put a cache into the source where it pays.
///
/// ```
/// use std::collections::BTreeMap;
/// use affiant_tlog::{LeafIndex, leaf_hash, verify_inclusion};
/// use affiant_tlog::tile::{TileReader, TreeWriter};
///
/// let mut writer = TreeWriter::new();
/// for n in 0..1000_u32 {
///     writer.append(leaf_hash(&n.to_be_bytes()));
/// }
/// let files: BTreeMap<_, _> = writer.drain().iter().map(|t| (t.id(), t.to_bytes())).collect();
///
/// let reader = TileReader::new(&files, writer.size());
/// let proof = reader.inclusion_proof(LeafIndex(700))?;
/// let leaf = leaf_hash(&700_u32.to_be_bytes());
/// verify_inclusion(LeafIndex(700), writer.size(), &leaf, &proof, &writer.root())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TileReader<'s, S> {
    source: &'s S,
    size: TreeSize,
}

impl<'s, S: TileSource> TileReader<'s, S> {
    /// Reads a tree of this size from this source.
    pub const fn new(source: &'s S, size: TreeSize) -> Self {
        Self { source, size }
    }

    /// The size of the tree.
    pub const fn size(&self) -> TreeSize {
        self.size
    }

    /// The root of the tree, from its partial tiles.
    ///
    /// # Errors
    ///
    /// [`ReadTilesError`].
    pub fn root(&self) -> Result<Hash, ReadTilesError<S::Error>> {
        let mut hashes = self.hashes(&[plan::root(self.size)])?;
        Ok(hashes.pop().unwrap_or_else(empty_root))
    }

    /// The proof that the leaf at `index` is in the tree.
    ///
    /// # Errors
    ///
    /// [`ReadTilesError`], of which [`ReadTilesError::Prove`] where the tree has no such leaf.
    pub fn inclusion_proof(
        &self,
        index: LeafIndex,
    ) -> Result<InclusionProof, ReadTilesError<S::Error>> {
        let plan = plan::inclusion(index, self.size).map_err(ReadTilesError::Prove)?;
        self.hashes(&plan).map(InclusionProof)
    }

    /// The proof that the tree begins with its first `old` leaves.
    ///
    /// # Errors
    ///
    /// [`ReadTilesError`], of which [`ReadTilesError::Prove`] where the tree is smaller than `old`.
    pub fn consistency_proof(
        &self,
        old: TreeSize,
    ) -> Result<ConsistencyProof, ReadTilesError<S::Error>> {
        let plan = plan::consistency(old, self.size).map_err(ReadTilesError::Prove)?;
        self.hashes(&plan).map(ConsistencyProof)
    }

    /// The leaf hashes of this range of indexes, in order.
    ///
    /// # Errors
    ///
    /// [`ReadTilesError`], of which [`ReadTilesError::Prove`] where the range ends behind the tree.
    pub fn leaf_hashes(
        &self,
        range: Range<LeafIndex>,
    ) -> Result<Vec<Hash>, ReadTilesError<S::Error>> {
        if range.end.0 > self.size.0 {
            return Err(ReadTilesError::Prove(ProveError::IndexOutsideTree {
                index: range.end,
                size: self.size,
            }));
        }
        let mut hashes = Vec::new();
        let mut at = range.start.0;
        while at < range.end.0 {
            let Some(id) = TileId::in_tree(0, at >> TILE_HEIGHT, self.size) else {
                break;
            };
            let tile_start = (at >> TILE_HEIGHT) << TILE_HEIGHT;
            let skipped = usize::try_from(at.saturating_sub(tile_start)).unwrap_or(usize::MAX);
            let wanted = usize::try_from(range.end.0.saturating_sub(at)).unwrap_or(usize::MAX);
            let before = hashes.len();
            let tile = read_tile(self.source, id)?;
            hashes.extend(tile.hashes().iter().skip(skipped).take(wanted));
            let taken = hashes.len().saturating_sub(before);
            at = at.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
        }
        Ok(hashes)
    }

    /// The roots over these subtrees, each tile read once.
    fn hashes(&self, plan: &[Subtree]) -> Result<Vec<Hash>, ReadTilesError<S::Error>> {
        let mut tiles = BTreeMap::new();
        for id in needed(plan, self.size) {
            tiles.insert(id, read_tile(self.source, id)?);
        }
        plan.iter()
            .filter(|subtree| !subtree.is_empty())
            .map(|subtree| {
                let mut right_to_left = places(subtree, self.size).rev();
                let hash = |place: Place| {
                    tiles
                        .get(&place.tile)
                        .and_then(|tile| tile.hashes().get(place.offset..))
                        .and_then(|hashes| hashes.get(..place.count))
                        .map(root_of)
                        .ok_or(ReadTilesError::Missing { tile: place.tile })
                };
                let Some(last) = right_to_left.next() else {
                    return Ok(empty_root());
                };
                right_to_left.try_fold(hash(last)?, |right, place| {
                    Ok(node_hash(&hash(place)?, &right))
                })
            })
            .collect()
    }
}

/// Where the nodes of a subtree are. Every node of a plan is in the tree it was made for.
fn places(subtree: &Subtree, size: TreeSize) -> impl DoubleEndedIterator<Item = Place> {
    subtree.iter().filter_map(move |node| node.place(size))
}

fn needed(plan: &[Subtree], size: TreeSize) -> BTreeSet<TileId> {
    plan.iter()
        .flat_map(|subtree| places(subtree, size))
        .map(|place| place.tile)
        .collect()
}

/// The tiles that [`TileReader::root`] reads, for whoever must fetch them first; in order, each once.
///
/// Of a partial tile that is gone, the full tile at its place does as well.
pub fn tiles_for_root(size: TreeSize) -> Vec<TileId> {
    needed(&[plan::root(size)], size).into_iter().collect()
}

/// The tiles that [`TileReader::inclusion_proof`] reads, and the one that has the leaf's hash.
///
/// # Errors
///
/// [`ProveError::IndexOutsideTree`].
pub fn tiles_for_inclusion(index: LeafIndex, size: TreeSize) -> Result<Vec<TileId>, ProveError> {
    let mut tiles = needed(&plan::inclusion(index, size)?, size);
    tiles.extend(TileId::in_tree(0, index.0 >> TILE_HEIGHT, size));
    Ok(tiles.into_iter().collect())
}

/// The tiles that [`TileReader::consistency_proof`] reads.
///
/// # Errors
///
/// [`ProveError::OldSizeLarger`].
pub fn tiles_for_consistency(old: TreeSize, size: TreeSize) -> Result<Vec<TileId>, ProveError> {
    let plan = plan::consistency(old, size)?;
    Ok(needed(&plan, size).into_iter().collect())
}

/// Why tiles did not give what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadTilesError<E: Error + 'static> {
    /// The tree has no such leaf or older size. The caller's fault.
    #[error("no such proof")]
    Prove(#[source] ProveError),
    /// The source failed; it may work later.
    #[error("could not read {tile}")]
    Source {
        /// The tile that was asked for.
        tile: TileId,
        /// What the source says.
        #[source]
        cause: E,
    },
    /// The source has neither the tile nor the full tile at its place: the store lost it, or the log
    /// pruned it.
    #[error("{tile} is missing")]
    Missing {
        /// The tile.
        tile: TileId,
    },
    /// A tile has the wrong length: the store is damaged.
    #[error("tile is malformed")]
    Malformed(#[source] ParseTileError),
    /// The tiles give another root than the one expected: tiles or root are altered.
    #[error("tiles of size {size} give root {computed} instead of {expected}")]
    RootMismatch {
        /// The size of the tree.
        size: TreeSize,
        /// The root that was expected.
        expected: Hash,
        /// The root that the tiles give.
        computed: Hash,
    },
}

impl<E: Error + 'static> ReadTilesError<E> {
    /// The tile at fault, where one is.
    pub const fn tile(&self) -> Option<TileId> {
        match self {
            Self::Source { tile, .. } | Self::Missing { tile } => Some(*tile),
            Self::Malformed(cause) => Some(cause.tile),
            Self::Prove(_) | Self::RootMismatch { .. } => None,
        }
    }
}
