//! RFC 6962 section 2.1.1: that a leaf is in a tree.

use super::{PathShape, ProveError, climb_border, climb_inner, split};
use crate::hash::Hash;
use crate::tree::{LeafIndex, TreeSize, root_of};

/// The sibling hashes from a leaf up to the root, nearest first (RFC 6962 "audit path").
///
/// Untrusted until [`verify_inclusion`] accepts it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InclusionProof(
    /// The siblings, nearest to the leaf first.
    pub Vec<Hash>,
);

/// The proof that the leaf at `index` is in the tree over these leaf hashes.
///
/// Hashes each leaf hash once: `O(n)`.
///
/// # Errors
///
/// [`ProveError::IndexOutsideTree`] where there is no such leaf.
pub fn inclusion_proof(leaves: &[Hash], index: LeafIndex) -> Result<InclusionProof, ProveError> {
    let outside = ProveError::IndexOutsideTree {
        index,
        size: TreeSize::of(leaves),
    };
    let mut at = usize::try_from(index.0).map_err(|_| outside)?;
    if at >= leaves.len() {
        return Err(outside);
    }
    let mut path = Vec::new();
    let mut subtree = leaves;
    while let Some((left, right)) = split(subtree) {
        match at.checked_sub(left.len()) {
            None => {
                path.push(root_of(right));
                subtree = left;
            }
            Some(at_right) => {
                path.push(root_of(left));
                subtree = right;
                at = at_right;
            }
        }
    }
    path.reverse();
    Ok(InclusionProof(path))
}

/// Checks that the tree of this size and root has the leaf hash at the index.
///
/// Does not check who vouches for `root`.
///
/// # Errors
///
/// [`InclusionError::IndexOutsideTree`], [`InclusionError::Length`] where the proof has hashes too
/// many or too few for index and size, [`InclusionError::RootMismatch`] where any of leaf, index,
/// size, proof and root is not what the others say.
pub fn verify_inclusion(
    index: LeafIndex,
    size: TreeSize,
    leaf: &Hash,
    proof: &InclusionProof,
    root: &Hash,
) -> Result<(), InclusionError> {
    let last = match size.0.checked_sub(1) {
        Some(last) if index.0 <= last => last,
        _ => return Err(InclusionError::IndexOutsideTree { index, size }),
    };
    let PathShape { inner, border } = PathShape::new(index.0, last);
    let siblings = &proof.0;
    let expected = inner.saturating_add(border);
    if u32::try_from(siblings.len()) != Ok(expected) {
        return Err(InclusionError::Length {
            expected,
            found: siblings.len(),
        });
    }
    let mut siblings = siblings.iter();
    let inner = usize::try_from(inner).unwrap_or(usize::MAX);
    let computed = climb_inner(*leaf, index.0, siblings.by_ref().take(inner));
    let computed = climb_border(computed, siblings);
    if computed == *root {
        Ok(())
    } else {
        Err(InclusionError::RootMismatch {
            expected: *root,
            computed,
        })
    }
}

/// Why an inclusion proof proves nothing. Whoever sent the proof, the leaf or the root is at fault;
/// retrying does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InclusionError {
    /// A tree of this size has no such leaf.
    #[error("leaf {index} is outside a tree of size {size}")]
    IndexOutsideTree {
        /// The index claimed.
        index: LeafIndex,
        /// The size claimed.
        size: TreeSize,
    },
    /// The proof cannot be for this index and size: hashes are extra or missing.
    #[error("inclusion proof has {found} hashes instead of {expected}")]
    Length {
        /// Hashes that index and size call for.
        expected: u32,
        /// Hashes in the proof.
        found: usize,
    },
    /// Leaf and proof lead to another root: the leaf is not there, or something was altered.
    #[error("inclusion proof leads to root {computed} instead of {expected}")]
    RootMismatch {
        /// The root given.
        expected: Hash,
        /// The root that leaf and proof give.
        computed: Hash,
    },
}
