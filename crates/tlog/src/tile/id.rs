//! Which tile or entry bundle, and which of them a tree has.

use crate::tree::{LeafIndex, TreeSize};

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// The highest level that a path can name. A tree that fits in memory or on disk ends at level 7.
pub const TILE_LEVEL_MAX: u8 = 63;

/// log2 of [`TILE_WIDTH`]: levels of the tree in a tile.
pub(super) const TILE_HEIGHT: u32 = 8;

/// [`TILE_WIDTH`] as a number of leaves.
const WIDTH: u64 = 256;

/// A Merkle tile: its level, its index within the level, and how many hashes it has.
///
/// Tiles of one place and several widths are different tiles, of which the wider begins with the
/// hashes of the narrower. `Display` and `FromStr` use the path, such as `tile/0/x001/234.p/17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    level: u8,
    index: u64,
    width: u16,
}

impl TileId {
    /// The tile of these numbers; `None` where the level is above [`TILE_LEVEL_MAX`] or the width is
    /// not 1 to [`TILE_WIDTH`].
    pub const fn new(level: u8, index: u64, width: u16) -> Option<Self> {
        if level > TILE_LEVEL_MAX || width == 0 || width > TILE_WIDTH {
            return None;
        }
        Some(Self {
            level,
            index,
            width,
        })
    }

    /// The tile at this level and index in a tree of this size, as wide as it is there; `None` where
    /// the tree has no hash in it.
    pub fn in_tree(level: u8, index: u64, size: TreeSize) -> Option<Self> {
        let width = width_at(hashes_at(level, size), index)?;
        Self::new(level, index, width)
    }

    /// The level: 0 for leaf hashes.
    pub const fn level(self) -> u8 {
        self.level
    }

    /// How many tiles of the level are left of this one.
    pub const fn index(self) -> u64 {
        self.index
    }

    /// How many hashes it has, 1 to [`TILE_WIDTH`].
    pub const fn width(self) -> u16 {
        self.width
    }

    /// Whether it has all its hashes, and so never changes.
    pub const fn is_full(self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The full tile at the same place.
    pub const fn to_full(self) -> Self {
        Self {
            width: TILE_WIDTH,
            ..self
        }
    }
}

/// An entry bundle: its index, and how many entries it has.
///
/// `Display` and `FromStr` use the path, such as `tile/entries/x001/234.p/17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleId {
    index: u64,
    width: u16,
}

impl BundleId {
    /// The bundle of these numbers; `None` where the width is not 1 to [`TILE_WIDTH`].
    pub const fn new(index: u64, width: u16) -> Option<Self> {
        if width == 0 || width > TILE_WIDTH {
            return None;
        }
        Some(Self { index, width })
    }

    /// The bundle at this index in a tree of this size, as wide as it is there; `None` where the tree
    /// has no entry in it.
    pub fn in_tree(index: u64, size: TreeSize) -> Option<Self> {
        Some(Self {
            index,
            width: width_at(size.0, index)?,
        })
    }

    /// The bundle that holds this entry in a tree of this size; `None` where the tree has no such
    /// entry.
    pub fn holding(entry: LeafIndex, size: TreeSize) -> Option<Self> {
        if size.contains(entry) {
            Self::in_tree(entry.0 >> TILE_HEIGHT, size)
        } else {
            None
        }
    }

    /// How many bundles are left of this one.
    pub const fn index(self) -> u64 {
        self.index
    }

    /// How many entries it has, 1 to [`TILE_WIDTH`].
    pub const fn width(self) -> u16 {
        self.width
    }

    /// Whether it has all its entries, and so never changes.
    pub const fn is_full(self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The full bundle at the same place.
    pub const fn to_full(self) -> Self {
        Self {
            index: self.index,
            width: TILE_WIDTH,
        }
    }

    /// The index of its first entry.
    pub const fn first_entry(self) -> LeafIndex {
        LeafIndex(self.index.saturating_mul(WIDTH))
    }

    /// The level 0 tile that has the leaf hashes of its entries.
    pub const fn leaf_tile(self) -> TileId {
        TileId {
            level: 0,
            index: self.index,
            width: self.width,
        }
    }
}

/// The tiles of a tree of size `new` that a tree of size `old` does not have: new ones and grown
/// ones, the rightmost of each level among them. By level, then index. Of `old` 0, all tiles.
///
/// Empty where `new` is not larger than `old`.
pub fn tiles_between(old: TreeSize, new: TreeSize) -> impl Iterator<Item = TileId> {
    levels(new).flat_map(move |level| {
        let had = hashes_at(level, old);
        let has = hashes_at(level, new);
        tile_indexes(had, has).filter_map(move |index| TileId::in_tree(level, index, new))
    })
}

/// The bundles of a tree of size `new` that a tree of size `old` does not have, by index.
///
/// Empty where `new` is not larger than `old`.
pub fn bundles_between(old: TreeSize, new: TreeSize) -> impl Iterator<Item = BundleId> {
    tile_indexes(old.0, new.0).filter_map(move |index| BundleId::in_tree(index, new))
}

/// The partial tiles of a tree, one for each level that has one, lowest level first.
pub(super) fn partial_tiles(size: TreeSize) -> impl Iterator<Item = TileId> {
    levels(size).filter_map(move |level| {
        let index = hashes_at(level, size) >> TILE_HEIGHT;
        TileId::in_tree(level, index, size)
    })
}

/// The levels at which a tree has hashes.
fn levels(size: TreeSize) -> impl Iterator<Item = u8> {
    (0..=TILE_LEVEL_MAX).take_while(move |&level| hashes_at(level, size) > 0)
}

/// How many hashes a tree has at a tile level.
pub(super) fn hashes_at(level: u8, size: TreeSize) -> u64 {
    size.0
        .checked_shr(u32::from(level).saturating_mul(TILE_HEIGHT))
        .unwrap_or(0)
}

/// The indexes of tiles that got hashes when a level grew from `had` to `has` of them.
fn tile_indexes(had: u64, has: u64) -> std::ops::Range<u64> {
    if has > had {
        (had >> TILE_HEIGHT)..has.div_ceil(WIDTH)
    } else {
        0..0
    }
}

/// The width of the tile at `index` of a level with this many hashes.
fn width_at(hashes: u64, index: u64) -> Option<u16> {
    let before = index.checked_mul(WIDTH)?;
    let width = hashes.checked_sub(before)?.min(WIDTH);
    u16::try_from(width).ok().filter(|&width| width > 0)
}
