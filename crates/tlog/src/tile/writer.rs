//! Growing a tree, and the tiles to be written for it.

use super::hashes::Tile;
use super::id::{TILE_HEIGHT, TILE_WIDTH, partial_tiles};
use super::reader::{ReadTilesError, TileSource, read_tile};
use crate::hash::{Hash, empty_root, node_hash};
use crate::tree::{CompactTree, LeafIndex, TreeSize};

/// An append-only tree that gives out its tiles as they are made.
///
/// It remembers its right edge only: at most 255 hashes a level, and the full tiles since the last
/// [`TreeWriter::drain`]. An append costs one node hash on average, whatever the size; a drain costs
/// what it gives out.
///
/// The writer does no I/O and knows no failure: whoever cannot store what it gave out drops the
/// writer and resumes from what is stored.
///
/// ```
/// use affiant_tlog::{leaf_hash, tile::TreeWriter};
///
/// let mut writer = TreeWriter::new();
/// for n in 0..257_u32 {
///     writer.append(leaf_hash(&n.to_be_bytes()));
/// }
/// let paths: Vec<String> = writer.drain().iter().map(|tile| tile.id().path()).collect();
/// assert_eq!(paths, ["tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"]);
/// assert!(writer.drain().is_empty());
/// ```
#[derive(Debug, Clone, Default)]
pub struct TreeWriter {
    size: TreeSize,
    /// As in [`CompactTree`]: the roots of perfect subtrees, largest first.
    frontier: Vec<Hash>,
    /// The partial tile of each level, lowest first.
    levels: Vec<Level>,
    /// Full tiles not yet drained, in the order they became full.
    full: Vec<Tile>,
}

/// The right end of a level.
#[derive(Debug, Clone, Default)]
struct Level {
    /// Full tiles of the level.
    tiles: u64,
    /// The hashes behind them, fewer than a tile.
    hashes: Vec<Hash>,
    /// How many of these were given out.
    drained: usize,
}

impl TreeWriter {
    /// A tree without leaves.
    pub const fn new() -> Self {
        Self {
            size: TreeSize(0),
            frontier: Vec::new(),
            levels: Vec::new(),
            full: Vec::new(),
        }
    }

    /// Goes on with a tree of this size from the partial tiles at its right edge, at most one a
    /// level. Nothing of them is given out again by [`TreeWriter::drain`].
    ///
    /// The tiles need no trust: a root other than `root`, which comes from the head that the log
    /// committed to, is an error.
    ///
    /// # Errors
    ///
    /// [`ReadTilesError`].
    pub fn resume<S: TileSource>(
        size: TreeSize,
        root: &Hash,
        source: &S,
    ) -> Result<Self, ReadTilesError<S::Error>> {
        let mut writer = Self::new();
        for level in 0..u8::try_from(u64::BITS / TILE_HEIGHT).unwrap_or(u8::MAX) {
            let hashes = super::id::hashes_at(level, size);
            if hashes > 0 {
                writer.levels.push(Level {
                    tiles: hashes >> TILE_HEIGHT,
                    ..Level::default()
                });
            }
        }
        for id in partial_tiles(size) {
            let tile = read_tile(source, id)?;
            let Some(level) = writer.levels.get_mut(usize::from(id.level())) else {
                continue;
            };
            level.hashes = tile.hashes().to_vec();
            level.drained = level.hashes.len();
        }
        writer.size = size;
        writer.frontier = writer.frontier_of_levels();
        let computed = writer.root();
        if computed == *root {
            Ok(writer)
        } else {
            Err(ReadTilesError::RootMismatch {
                size,
                expected: *root,
                computed,
            })
        }
    }

    /// Adds a leaf by its hash, and gives the index it now has.
    pub fn append(&mut self, leaf: Hash) -> LeafIndex {
        let index = self.size.0;
        self.push(0, leaf);
        let mut node = leaf;
        for height in 1..=index.trailing_ones() {
            let Some(left) = self.frontier.pop() else {
                break;
            };
            node = node_hash(&left, &node);
            if height % TILE_HEIGHT == 0 {
                self.push(height / TILE_HEIGHT, node);
            }
        }
        self.frontier.push(node);
        // Nobody appends 2^64 leaves: this never saturates.
        self.size = TreeSize(index.saturating_add(1));
        LeafIndex(index)
    }

    /// How many leaves the tree has.
    pub const fn size(&self) -> TreeSize {
        self.size
    }

    /// The Merkle tree hash over all leaves so far; of none, [`empty_root`].
    pub fn root(&self) -> Hash {
        let mut smallest_first = self.frontier.iter().rev().copied();
        let Some(last) = smallest_first.next() else {
            return empty_root();
        };
        smallest_first.fold(last, |right, left| node_hash(&left, &right))
    }

    /// All tiles that are new or have grown since the last drain, the rightmost partial one of each
    /// level among them; by level, then index. Together with what was given out before they are the
    /// tiles of a tree of [`TreeWriter::size`].
    pub fn drain(&mut self) -> Vec<Tile> {
        let mut tiles = std::mem::take(&mut self.full);
        for (level, number) in self.levels.iter_mut().zip(0..) {
            if level.hashes.len() > level.drained {
                level.drained = level.hashes.len();
                tiles.extend(Tile::new(number, level.tiles, level.hashes.clone()));
            }
        }
        tiles.sort_unstable_by_key(Tile::id);
        tiles
    }

    /// Puts a hash at the end of a level.
    fn push(&mut self, number: u32, hash: Hash) {
        let Ok(at) = usize::try_from(number) else {
            return;
        };
        if self.levels.len() <= at {
            self.levels
                .resize_with(at.saturating_add(1), Level::default);
        }
        let Some(level) = self.levels.get_mut(at) else {
            return;
        };
        level.hashes.push(hash);
        if level.hashes.len() < usize::from(TILE_WIDTH) {
            return;
        }
        let hashes = std::mem::replace(
            &mut level.hashes,
            Vec::with_capacity(usize::from(TILE_WIDTH)),
        );
        let number = u8::try_from(number).unwrap_or(u8::MAX);
        self.full.extend(Tile::new(number, level.tiles, hashes));
        level.tiles = level.tiles.saturating_add(1);
        level.drained = 0;
    }

    /// The perfect subtrees of the tree, largest first, from the hashes of the partial tiles.
    fn frontier_of_levels(&self) -> Vec<Hash> {
        let mut frontier = Vec::new();
        for level in self.levels.iter().rev() {
            let tree: CompactTree = level.hashes.iter().copied().collect();
            frontier.extend_from_slice(tree.frontier());
        }
        frontier
    }
}
