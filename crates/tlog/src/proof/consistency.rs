//! RFC 6962 section 2.1.2: that a tree is an older tree with leaves appended.

use super::{PathShape, ProveError, climb_border, climb_inner, split};
use crate::hash::{Hash, empty_root};
use crate::tree::{TreeSize, root_of};

/// The hashes from which both an older and a newer root follow (RFC 6962 "consistency proof").
///
/// Empty where the older tree is empty or both are the same. Untrusted until
/// [`verify_consistency`] accepts it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsistencyProof(
    /// The hashes in the order of RFC 6962.
    pub Vec<Hash>,
);

/// The proof that the tree over these leaf hashes begins with its own first `old` leaves.
///
/// RFC 6962 defines no proof from the empty tree; as in C2SP tlog-witness it is the empty proof.
/// Hashes each leaf hash at most once: `O(n)`.
///
/// # Errors
///
/// [`ProveError::OldSizeLarger`] where `old` is more than there is.
pub fn consistency_proof(leaves: &[Hash], old: TreeSize) -> Result<ConsistencyProof, ProveError> {
    let larger = ProveError::OldSizeLarger {
        old,
        size: TreeSize::of(leaves),
    };
    let mut old_in_subtree = usize::try_from(old.0).map_err(|_| larger)?;
    if old_in_subtree > leaves.len() {
        return Err(larger);
    }
    if old_in_subtree == 0 {
        return Ok(ConsistencyProof::default());
    }
    let mut hashes = Vec::new();
    let mut subtree = leaves;
    // The verifier has the old root: it need not be sent while the subtree is the old tree itself.
    let mut is_old_root = true;
    while old_in_subtree < subtree.len() {
        let Some((left, right)) = split(subtree) else {
            break;
        };
        match old_in_subtree.checked_sub(left.len()) {
            Some(old_in_right) if old_in_right > 0 => {
                hashes.push(root_of(left));
                subtree = right;
                old_in_subtree = old_in_right;
                is_old_root = false;
            }
            _ => {
                hashes.push(root_of(right));
                subtree = left;
            }
        }
    }
    if !is_old_root {
        hashes.push(root_of(subtree));
    }
    hashes.reverse();
    Ok(ConsistencyProof(hashes))
}

/// Checks that the newer tree begins with exactly the leaves of the older tree: nothing of the
/// older was altered, dropped or reordered.
///
/// An older size of 0 must come with [`empty_root`] and an empty proof. Does not check who vouches
/// for the roots.
///
/// # Errors
///
/// [`ConsistencyError::SizesReversed`] (a rollback), [`ConsistencyError::Length`] where the proof
/// has hashes too many or too few for the sizes, [`ConsistencyError::OldRootMismatch`] and
/// [`ConsistencyError::NewRootMismatch`] where a root does not follow from the proof (a fork, or an
/// altered proof).
pub fn verify_consistency(
    old: TreeSize,
    new: TreeSize,
    proof: &ConsistencyProof,
    old_root: &Hash,
    new_root: &Hash,
) -> Result<(), ConsistencyError> {
    if old > new {
        return Err(ConsistencyError::SizesReversed { old, new });
    }
    let Some(old_last) = old.0.checked_sub(1) else {
        expect_length(proof, 0)?;
        expect_old_root(&empty_root(), old_root)?;
        return if new.0 == 0 {
            expect_new_root(&empty_root(), new_root)
        } else {
            Ok(())
        };
    };
    if old == new {
        expect_length(proof, 0)?;
        return expect_new_root(old_root, new_root);
    }
    let (old_computed, new_computed) = climb_both(old_last, old, new, proof, old_root)?;
    expect_old_root(&old_computed, old_root)?;
    expect_new_root(&new_computed, new_root)
}

/// The old and new root that the proof leads to, for `0 < old < new`.
///
/// The walk begins at the root of the largest perfect subtree that ends where the old tree ends,
/// called the seed. If that is the whole old tree, the seed is the old root and is not in the proof.
fn climb_both(
    old_last: u64,
    old: TreeSize,
    new: TreeSize,
    proof: &ConsistencyProof,
    old_root: &Hash,
) -> Result<(Hash, Hash), ConsistencyError> {
    let seed_level = old.0.trailing_zeros();
    let PathShape { inner, border } = PathShape::new(old_last, new.0.saturating_sub(1));
    let inner = inner.saturating_sub(seed_level);
    let above_seed = inner.saturating_add(border);

    let mut hashes = proof.0.iter();
    let seed = if old.0.is_power_of_two() {
        expect_length(proof, above_seed)?;
        old_root
    } else {
        let expected = above_seed.saturating_add(1);
        expect_length(proof, expected)?;
        hashes
            .next()
            .ok_or(ConsistencyError::Length { expected, found: 0 })?
    };

    let index = old_last.checked_shr(seed_level).unwrap_or(0);
    let inner = usize::try_from(inner).unwrap_or(usize::MAX);
    let inner_hashes = hashes.clone().take(inner);
    let border_hashes = hashes.skip(inner);

    // The old tree has no leaves right of the seed: of the inner siblings only the left are its own.
    let left_of_seed = inner_hashes
        .clone()
        .enumerate()
        .filter_map(|(level, hash)| {
            let level = u32::try_from(level).ok()?;
            (index.checked_shr(level).unwrap_or(0) & 1 == 1).then_some(hash)
        });
    let old_computed = climb_border(*seed, left_of_seed.chain(border_hashes.clone()));
    let new_computed = climb_border(climb_inner(*seed, index, inner_hashes), border_hashes);
    Ok((old_computed, new_computed))
}

fn expect_length(proof: &ConsistencyProof, expected: u32) -> Result<(), ConsistencyError> {
    let found = proof.0.len();
    if u32::try_from(found) == Ok(expected) {
        Ok(())
    } else {
        Err(ConsistencyError::Length { expected, found })
    }
}

fn expect_old_root(computed: &Hash, expected: &Hash) -> Result<(), ConsistencyError> {
    if computed == expected {
        Ok(())
    } else {
        Err(ConsistencyError::OldRootMismatch {
            expected: *expected,
            computed: *computed,
        })
    }
}

fn expect_new_root(computed: &Hash, expected: &Hash) -> Result<(), ConsistencyError> {
    if computed == expected {
        Ok(())
    } else {
        Err(ConsistencyError::NewRootMismatch {
            expected: *expected,
            computed: *computed,
        })
    }
}

/// Why two trees are not proved to be one history. Fatal for whoever signed both roots, unless the
/// proof itself was altered on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConsistencyError {
    /// The tree called older is larger than the newer: a rollback, or swapped arguments.
    #[error("old size {old} is larger than new size {new}")]
    SizesReversed {
        /// The older size.
        old: TreeSize,
        /// The newer size.
        new: TreeSize,
    },
    /// The proof cannot be for these sizes: hashes are extra or missing.
    #[error("consistency proof has {found} hashes instead of {expected}")]
    Length {
        /// Hashes that the sizes call for.
        expected: u32,
        /// Hashes in the proof.
        found: usize,
    },
    /// The older root does not follow from the proof.
    #[error("consistency proof leads to old root {computed} instead of {expected}")]
    OldRootMismatch {
        /// The older root given.
        expected: Hash,
        /// The older root that the proof gives.
        computed: Hash,
    },
    /// The newer root does not follow from the proof.
    #[error("consistency proof leads to new root {computed} instead of {expected}")]
    NewRootMismatch {
        /// The newer root given.
        expected: Hash,
        /// The newer root that the proof gives.
        computed: Hash,
    },
}
