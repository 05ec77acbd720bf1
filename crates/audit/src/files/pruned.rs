//! The beginning of a log that is not here: its hashes.
//!
//! Pruning takes bundles and perhaps the tiles of level 0; the tiles above stay, so the tree at the first leaf
//! that is here can be had from them (C2SP tlog-tiles, "Pruning"). Nothing of it needs trust: with the
//! leaves that follow it must come to the checkpoint's root.

use std::collections::{BTreeMap, BTreeSet};

use affiant_tlog::tile::{Tile, TileId, TileReader, TreeWriter, tiles_for_root};
use affiant_tlog::{CompactTree, Hash, TreeSize};

use super::{FileFault, FileFinding, Files};

/// Tiles that were read, by name.
type Tiles = BTreeMap<TileId, Vec<u8>>;

/// The tree of this size, from the tiles of the tree that it grew to; `None` where tiles are missing or do
/// not fit together.
pub(super) fn tree_of<F: Files>(
    files: &F,
    size: TreeSize,
    now: TreeSize,
) -> Result<Option<(TreeWriter, CompactTree)>, F::Error> {
    let mut wanted = tiles_for_root(size);
    wanted.extend(right_edge(size));
    let tiles = read(files, &wanted, now)?;
    let writer = TileReader::new(&tiles, size)
        .root()
        .and_then(|root| TreeWriter::resume(size, &root, &tiles));
    let Ok(writer) = writer else {
        return Ok(None);
    };
    // The largest subtrees are those of the highest level.
    let mut frontier = Vec::new();
    for id in right_edge(size).into_iter().rev() {
        let tile = tiles
            .get(&id)
            .and_then(|bytes| Tile::from_bytes(id, bytes).ok());
        let Some(tile) = tile else {
            return Ok(None);
        };
        let tree: CompactTree = tile.hashes().iter().copied().collect();
        frontier.extend_from_slice(tree.frontier());
    }
    let tree = CompactTree::from_frontier(size, frontier).ok();
    Ok(tree
        .filter(|tree| tree.root() == writer.root())
        .map(|tree| (writer, tree)))
}

/// The root of a smaller tree of a log that has `now` leaves today, from its tiles, which need no trust if
/// they were checked; `None` where that cannot be told, as it is larger or its hashes are gone.
///
/// # Errors
/// As [`Files::get`].
pub fn root_at<F: Files>(
    files: &F,
    size: TreeSize,
    now: TreeSize,
) -> Result<Option<Hash>, F::Error> {
    let tiles = read(files, &tiles_for_root(size), now)?;
    Ok(TileReader::new(&tiles, size).root().ok())
}

/// The partial tiles of a tree, lowest level first.
fn right_edge(size: TreeSize) -> Vec<TileId> {
    let mut edge = Vec::new();
    let (mut level, mut hashes) = (0_u8, size.0);
    while hashes > 0 {
        let width = u16::try_from(hashes & 0xff).unwrap_or_default();
        edge.extend(TileId::new(level, hashes >> 8, width));
        level = level.saturating_add(1);
        hashes >>= 8;
    }
    edge
}

/// Reads tiles; a narrow one as the beginning of the one at its place in the tree of today, which is
/// always there.
fn read<F: Files>(files: &F, wanted: &[TileId], now: TreeSize) -> Result<Tiles, F::Error> {
    let mut tiles = Tiles::new();
    for id in wanted {
        if let Some(tile) = tile_at(files, *id, now)? {
            tiles.insert(*id, tile.to_bytes());
        }
    }
    Ok(tiles)
}

/// A tile, or the beginning of the wider one at its place.
pub(super) fn tile_at<F: Files>(
    files: &F,
    id: TileId,
    now: TreeSize,
) -> Result<Option<Tile>, F::Error> {
    let today = TileId::in_tree(id.level(), id.index(), now).unwrap_or(id);
    for found in [today, id, id.to_full()] {
        let Some(bytes) = files.get(&found.path())? else {
            continue;
        };
        let tile = Tile::from_bytes(found, &bytes).ok();
        let hashes = tile.and_then(|tile| {
            let narrow = tile.hashes().get(..usize::from(id.width()))?;
            Tile::new(id.level(), id.index(), narrow.to_vec())
        });
        return Ok(hashes);
    }
    Ok(None)
}

/// What was found in the full tiles before the first leaf that is here.
pub(super) struct Before {
    pub(super) findings: Vec<FileFinding>,
    /// Tiles that were compared.
    pub(super) tiles: u64,
    /// Tiles of level 0 that are not here.
    pub(super) leaf_tiles_absent: u64,
    /// Which of the hashes asked for are leaves there.
    pub(super) found: BTreeSet<Hash>,
}

/// Holds each full tile that ends at or before `size` against the tile above it, and looks for leaves.
pub(super) fn look<F: Files>(
    files: &F,
    size: TreeSize,
    now: TreeSize,
    wanted: &[Hash],
) -> Result<Before, F::Error> {
    let mut before = Before {
        findings: Vec::new(),
        tiles: 0,
        leaf_tiles_absent: 0,
        found: BTreeSet::new(),
    };
    let wanted: BTreeSet<Hash> = wanted.iter().copied().collect();
    let mut level = 0_u8;
    let mut full = size.0 >> 8;
    while full > 0 {
        let above_level = level.saturating_add(1);
        let mut parents: Option<(u64, Option<Tile>)> = None;
        for index in 0..full {
            let Some(id) = TileId::new(level, index, 256) else {
                break;
            };
            let Some(bytes) = files.get(&id.path())? else {
                if level == 0 {
                    before.leaf_tiles_absent = before.leaf_tiles_absent.saturating_add(1);
                } else {
                    before.find(id, FileFault::Missing);
                }
                continue;
            };
            before.tiles = before.tiles.saturating_add(1);
            let above = index >> 8;
            if parents.as_ref().is_none_or(|(at, _)| *at != above) {
                let tile = match TileId::in_tree(above_level, above, now) {
                    Some(id) => tile_at(files, id, now)?,
                    None => None,
                };
                parents = Some((above, tile));
            }
            let expected = parents
                .as_ref()
                .and_then(|(_, tile)| tile.as_ref())
                .and_then(|tile| tile.hashes().get(usize::try_from(index & 0xff).ok()?));
            let tile = Tile::from_bytes(id, &bytes).ok();
            match (tile, expected) {
                (Some(tile), Some(expected)) if tile.root() == *expected => {
                    if level == 0 && !wanted.is_empty() {
                        let leaves = tile.hashes().iter().filter(|leaf| wanted.contains(leaf));
                        before.found.extend(leaves);
                    }
                }
                _ => before.find(id, FileFault::NotOfTheLeaves),
            }
        }
        level = level.saturating_add(1);
        full >>= 8;
    }
    Ok(before)
}

impl Before {
    fn find(&mut self, id: TileId, fault: FileFault) {
        self.findings.push(FileFinding::new(id.path(), fault));
    }
}
