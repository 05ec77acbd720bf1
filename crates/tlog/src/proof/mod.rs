//! Inclusion and consistency proofs of RFC 6962 sections 2.1.1 and 2.1.2.
//!
//! Provers take the leaf hashes of the whole tree; verifiers take nothing but the proof and the
//! roots. A verifier needs the roots from somewhere it trusts, such as a
//! [`VerifiedNote`](crate::VerifiedNote): this module does not know who signed them.

mod consistency;
mod inclusion;

pub use consistency::{ConsistencyError, ConsistencyProof, consistency_proof, verify_consistency};
pub use inclusion::{InclusionError, InclusionProof, inclusion_proof, verify_inclusion};

use crate::hash::{Hash, node_hash};
use crate::tree::{LeafIndex, TreeSize};

/// Why there is no proof to make. The caller asked for what the tree does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The leaf is not in the tree.
    #[error("leaf {index} is outside a tree of size {size}")]
    IndexOutsideTree {
        /// The leaf asked for.
        index: LeafIndex,
        /// The size of the tree at hand.
        size: TreeSize,
    },
    /// The older tree is larger than the tree at hand.
    #[error("old size {old} is larger than the tree of size {size}")]
    OldSizeLarger {
        /// The older size asked for.
        old: TreeSize,
        /// The size of the tree at hand.
        size: TreeSize,
    },
}

/// The children of a tree's root: the left one has the largest power of two below the size
/// (RFC 6962 section 2.1). `None` for fewer than two leaves.
fn split(leaves: &[Hash]) -> Option<(&[Hash], &[Hash])> {
    let log2 = leaves.len().checked_sub(1)?.checked_ilog2()?;
    leaves.split_at_checked(1_usize.checked_shl(log2)?)
}

/// The shape of a leaf's path to the root, bottom to top.
///
/// ```text
///            root               up to `inner` levels the sibling is left or right, as the bits of
///           /    \              the index say; above them the leaf lies on the right border of the
///         /\      /\            tree, where only left siblings exist, `border` of them
///       inner    border
/// ```
struct PathShape {
    inner: u32,
    border: u32,
}

impl PathShape {
    /// The shape of the path of `index` in a tree whose last leaf is `last`.
    fn new(index: u64, last: u64) -> Self {
        let differing = index ^ last;
        let inner = u64::BITS.saturating_sub(differing.leading_zeros());
        Self {
            inner,
            border: index.checked_shr(inner).unwrap_or(0).count_ones(),
        }
    }
}

/// Climbs the inner part of a path: bit `i` of `index` says on which side of level `i` we are.
fn climb_inner<'a>(from: Hash, index: u64, siblings: impl Iterator<Item = &'a Hash>) -> Hash {
    let (hash, _) = siblings.fold((from, index), |(hash, index), sibling| {
        let parent = if index & 1 == 0 {
            node_hash(&hash, sibling)
        } else {
            node_hash(sibling, &hash)
        };
        (parent, index >> 1)
    });
    hash
}

/// Climbs a right border: every sibling is to the left.
fn climb_border<'a>(from: Hash, siblings: impl Iterator<Item = &'a Hash>) -> Hash {
    siblings.fold(from, |hash, sibling| node_hash(sibling, &hash))
}
