//! Which full tiles a range of leaves completes, and where each lies in their object.

use std::ops::Range;

use affiant_tlog::LeafIndex;
use affiant_tlog::tile::{TILE_LEVEL_MAX, TILE_WIDTH, TileId};

/// Bytes of a full tile.
pub(crate) const TILE_BYTES: usize = 256 * 32;

/// The tiles that became full when the tree grew over this range, by level, then index.
pub(crate) fn completed(range: &Range<LeafIndex>) -> impl Iterator<Item = TileId> {
    let (first, end) = (range.start.0, range.end.0);
    (0..=TILE_LEVEL_MAX).flat_map(move |level| {
        let indexes = full_at(level, first)..full_at(level, end);
        indexes.filter_map(move |index| TileId::new(level, index, TILE_WIDTH))
    })
}

/// Where a full tile lies in the object of this range; `None` if another range completed it.
pub(crate) fn offset(range: &Range<LeafIndex>, tile: TileId) -> Option<usize> {
    let (first, end) = (range.start.0, range.end.0);
    let mut before = 0;
    for level in 0..tile.level() {
        before += full_at(level, end) - full_at(level, first);
    }
    let indexes = full_at(tile.level(), first)..full_at(tile.level(), end);
    if !indexes.contains(&tile.index()) {
        return None;
    }
    before += tile.index() - indexes.start;
    usize::try_from(before).ok()?.checked_mul(TILE_BYTES)
}

/// The first leaf behind a full tile.
pub(crate) fn end_of(tile: TileId) -> u64 {
    let shift = 8 * (u32::from(tile.level()) + 1);
    tile.index()
        .checked_add(1)
        .and_then(|n| n.checked_shl(shift).filter(|v| v >> shift == n))
        .unwrap_or(u64::MAX)
}

/// Full tiles of a level in a tree of this size.
fn full_at(level: u8, size: u64) -> u64 {
    size.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use affiant_tlog::leaf_hash;
    use affiant_tlog::tile::TreeWriter;

    #[test]
    fn they_are_those_that_a_writer_completes() {
        let mut writer = TreeWriter::new();
        let mut first = 0;
        for end in [3_u64, 256, 300, 65_536, 65_537, 70_000] {
            for n in first..end {
                writer.append(leaf_hash(&n.to_be_bytes()));
            }
            let range = LeafIndex(first)..LeafIndex(end);
            let full = writer.drain();
            let full: Vec<TileId> = full
                .iter()
                .map(|t| t.id())
                .filter(|t| t.is_full())
                .collect();
            assert_eq!(completed(&range).collect::<Vec<_>>(), full);
            for (number, tile) in full.iter().enumerate() {
                assert_eq!(offset(&range, *tile), Some(number * TILE_BYTES));
                assert!((first + 1..=end).contains(&end_of(*tile)));
            }
            first = end;
        }
    }
}
