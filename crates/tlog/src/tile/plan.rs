//! Which nodes of a tree a proof is made of, without the tree.

use super::id::{TILE_HEIGHT, TileId};
use crate::proof::ProveError;
use crate::tree::{LeafIndex, TreeSize};

/// A perfect subtree: the leaves from `index << height` up to `(index + 1) << height`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    height: u32,
    index: u64,
}

/// Where a node's hash is to be had: over `count` hashes of a tile from `offset` on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) tile: TileId,
    pub(super) offset: usize,
    pub(super) count: usize,
}

/// A hash of a proof: the root over these perfect subtrees, largest first.
pub(super) type Subtree = Vec<Node>;

impl Node {
    /// Where the node is in the tiles of a tree of this size; `None` where the tree has no such node.
    pub(super) fn place(self, size: TreeSize) -> Option<Place> {
        let level = u8::try_from(self.height.checked_div(TILE_HEIGHT)?).ok()?;
        let within = self.height.checked_rem(TILE_HEIGHT)?;
        let first = self.index.checked_shl(within)?;
        let tile = TileId::in_tree(level, first >> TILE_HEIGHT, size)?;
        let offset = usize::try_from(first & 0xff).ok()?;
        let count = 1_usize.checked_shl(within)?;
        (offset.checked_add(count)? <= usize::from(tile.width())).then_some(Place {
            tile,
            offset,
            count,
        })
    }
}

/// The leaves from `start` up to `end`, where `start` is a multiple of the smallest power of two
/// that is not below their number: a subtree of RFC 6962.
fn subtree(start: u64, end: u64) -> Subtree {
    let mut nodes = Vec::new();
    let mut at = start;
    while let Some(height) = end.saturating_sub(at).checked_ilog2() {
        nodes.push(Node {
            height,
            index: at.checked_shr(height).unwrap_or(0),
        });
        at = at.saturating_add(1_u64.checked_shl(height).unwrap_or(0));
    }
    nodes
}

/// The first leaf of the right child of a subtree of two leaves or more (RFC 6962 section 2.1).
fn middle(start: u64, end: u64) -> Option<u64> {
    let log2 = end.checked_sub(start)?.checked_sub(1)?.checked_ilog2()?;
    start.checked_add(1_u64.checked_shl(log2)?)
}

/// The whole tree.
pub(super) fn root(size: TreeSize) -> Subtree {
    subtree(0, size.0)
}

/// The hashes of an inclusion proof (RFC 6962 section 2.1.1).
pub(super) fn inclusion(index: LeafIndex, size: TreeSize) -> Result<Vec<Subtree>, ProveError> {
    if !size.contains(index) {
        return Err(ProveError::IndexOutsideTree { index, size });
    }
    let mut path = Vec::new();
    let (mut start, mut end) = (0, size.0);
    while let Some(middle) = middle(start, end) {
        if index.0 < middle {
            path.push(subtree(middle, end));
            end = middle;
        } else {
            path.push(subtree(start, middle));
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The hashes of a consistency proof (RFC 6962 section 2.1.2); none from the empty tree.
pub(super) fn consistency(old: TreeSize, size: TreeSize) -> Result<Vec<Subtree>, ProveError> {
    if old > size {
        return Err(ProveError::OldSizeLarger { old, size });
    }
    let mut path = Vec::new();
    if old.0 == 0 {
        return Ok(path);
    }
    let (mut start, mut end) = (0, size.0);
    while old.0 < end {
        let Some(middle) = middle(start, end) else {
            break;
        };
        if old.0 <= middle {
            path.push(subtree(middle, end));
            end = middle;
        } else {
            path.push(subtree(start, middle));
            start = middle;
        }
    }
    // The verifier has the old root: it is not sent where the subtree is the old tree itself.
    if start > 0 {
        path.push(subtree(start, end));
    }
    path.reverse();
    Ok(path)
}
