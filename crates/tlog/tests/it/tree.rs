//! What holds for all trees: every proof is accepted, everything else is refused.

use affiant_tlog::{
    CompactTree, ConsistencyError, ConsistencyProof, FrontierError, Hash, InclusionError,
    InclusionProof, LeafIndex, ParseHashError, ProveError, TreeSize, consistency_proof, empty_root,
    inclusion_proof, leaf_hash, node_hash, root_of, verify_consistency, verify_inclusion,
};
use proptest::prelude::*;

/// All sizes up to here are tried: past two levels of perfect trees and their borders.
const SIZE_MAX: u64 = 70;

/// Different leaves: their big-endian index.
fn leaves(size: u64) -> Vec<Hash> {
    (0..size)
        .map(|index| leaf_hash(&index.to_be_bytes()))
        .collect()
}

/// The Merkle tree hash as RFC 6962 section 2.1 writes it down: recursive and slow.
fn recursive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&recursive_root(left), &recursive_root(right))
        }
    }
}

#[test]
fn appending_gives_the_recursive_root_at_every_size() {
    let all = leaves(SIZE_MAX);
    let mut tree = CompactTree::new();
    for (index, leaf) in all.iter().enumerate() {
        assert_eq!(tree.append(*leaf), LeafIndex(index as u64));
        assert_eq!(tree.root(), recursive_root(&all[..=index]));
        let restored = CompactTree::from_frontier(tree.size(), tree.frontier().to_vec()).unwrap();
        assert_eq!(restored, tree);
    }
}

#[test]
fn every_leaf_of_every_tree_is_proved() {
    for size in 1..=SIZE_MAX {
        let leaves = leaves(size);
        let root = root_of(&leaves);
        for (index, leaf) in leaves.iter().enumerate() {
            let index = LeafIndex(index as u64);
            let proof = inclusion_proof(&leaves, index).unwrap();
            verify_inclusion(index, TreeSize(size), leaf, &proof, &root).unwrap();
        }
    }
}

#[test]
fn every_tree_is_proved_to_grow_from_every_smaller_one() {
    let all = leaves(SIZE_MAX);
    for new in 0..=SIZE_MAX {
        let new_leaves = &all[..usize::try_from(new).unwrap()];
        for old in 0..=new {
            let old_root = root_of(&all[..usize::try_from(old).unwrap()]);
            let proof = consistency_proof(new_leaves, TreeSize(old)).unwrap();
            let (old, new) = (TreeSize(old), TreeSize(new));
            verify_consistency(old, new, &proof, &old_root, &root_of(new_leaves)).unwrap();
        }
    }
}

#[test]
fn proof_for_one_leaf_is_refused_for_any_other_index_and_size() {
    let leaves = leaves(13);
    let root = root_of(&leaves);
    for at in 0..13_u64 {
        let leaf = leaves[usize::try_from(at).unwrap()];
        let proof = inclusion_proof(&leaves, LeafIndex(at)).unwrap();
        for index in (0..20).filter(|&index| index != at) {
            let verdict = verify_inclusion(LeafIndex(index), TreeSize(13), &leaf, &proof, &root);
            assert!(verdict.is_err(), "proof of {at} taken for {index}");
        }
    }
    let proof = inclusion_proof(&leaves, LeafIndex(12)).unwrap();
    assert_eq!(
        verify_inclusion(LeafIndex(13), TreeSize(13), &leaves[12], &proof, &root),
        Err(InclusionError::IndexOutsideTree {
            index: LeafIndex(13),
            size: TreeSize(13)
        }),
    );
    // The tree's shape to the left does not depend on the size: the root does, and is signed with it.
    let last = inclusion_proof(&leaves, LeafIndex(12)).unwrap();
    for size in [0, 1, 12, 14, 15, 16, u64::MAX] {
        let verdict = verify_inclusion(LeafIndex(12), TreeSize(size), &leaves[12], &last, &root);
        assert!(verdict.is_err(), "proof for size 13 taken for {size}");
    }
}

#[test]
fn extra_and_missing_hashes_are_refused() {
    let leaves = leaves(11);
    let root = root_of(&leaves);
    let InclusionProof(path) = inclusion_proof(&leaves, LeafIndex(9)).unwrap();
    for wrong in [
        path[1..].to_vec(),
        [path.as_slice(), &[root]].concat(),
        Vec::new(),
    ] {
        let found = wrong.len();
        assert_eq!(
            verify_inclusion(
                LeafIndex(9),
                TreeSize(11),
                &leaves[9],
                &InclusionProof(wrong),
                &root
            ),
            Err(InclusionError::Length { expected: 3, found }),
        );
    }
    let old_root = root_of(&leaves[..6]);
    let ConsistencyProof(hashes) = consistency_proof(&leaves, TreeSize(6)).unwrap();
    for wrong in [
        hashes[1..].to_vec(),
        [hashes.as_slice(), &[root]].concat(),
        Vec::new(),
    ] {
        let found = wrong.len();
        let proof = ConsistencyProof(wrong);
        assert_eq!(
            verify_consistency(TreeSize(6), TreeSize(11), &proof, &old_root, &root),
            Err(ConsistencyError::Length { expected: 4, found }),
        );
    }
}

#[test]
fn rollback_and_fork_have_their_own_errors() {
    let (history, forked) = (leaves(9), {
        let mut forked = leaves(9);
        forked[2] = leaf_hash(b"rewritten");
        forked
    });
    let proof = consistency_proof(&history, TreeSize(5)).unwrap();
    let (old_root, new_root) = (root_of(&history[..5]), root_of(&history));
    assert_eq!(
        verify_consistency(TreeSize(9), TreeSize(5), &proof, &new_root, &old_root),
        Err(ConsistencyError::SizesReversed {
            old: TreeSize(9),
            new: TreeSize(5)
        }),
    );
    let fork_proof = consistency_proof(&forked, TreeSize(5)).unwrap();
    assert!(matches!(
        verify_consistency(
            TreeSize(5),
            TreeSize(9),
            &fork_proof,
            &old_root,
            &root_of(&forked)
        ),
        Err(ConsistencyError::OldRootMismatch { .. }),
    ));
    assert!(matches!(
        verify_consistency(
            TreeSize(5),
            TreeSize(9),
            &proof,
            &old_root,
            &root_of(&forked)
        ),
        Err(ConsistencyError::NewRootMismatch { .. }),
    ));
    let nothing = ConsistencyProof::default();
    assert!(matches!(
        verify_consistency(
            TreeSize(9),
            TreeSize(9),
            &nothing,
            &new_root,
            &root_of(&forked)
        ),
        Err(ConsistencyError::NewRootMismatch { .. }),
    ));
}

#[test]
fn empty_tree_precedes_every_tree_but_has_only_its_own_root() {
    let root = root_of(&leaves(3));
    let nothing = ConsistencyProof::default();
    verify_consistency(TreeSize(0), TreeSize(3), &nothing, &empty_root(), &root).unwrap();
    verify_consistency(
        TreeSize(0),
        TreeSize(0),
        &nothing,
        &empty_root(),
        &empty_root(),
    )
    .unwrap();
    assert!(verify_consistency(TreeSize(0), TreeSize(3), &nothing, &root, &root).is_err());
    assert!(verify_consistency(TreeSize(0), TreeSize(0), &nothing, &empty_root(), &root).is_err());
    let something = ConsistencyProof(vec![root]);
    assert!(
        verify_consistency(TreeSize(0), TreeSize(3), &something, &empty_root(), &root).is_err()
    );
}

#[test]
fn what_the_tree_does_not_have_is_not_proved() {
    let leaves = leaves(4);
    assert_eq!(
        inclusion_proof(&leaves, LeafIndex(4)),
        Err(ProveError::IndexOutsideTree {
            index: LeafIndex(4),
            size: TreeSize(4)
        }),
    );
    assert_eq!(
        inclusion_proof(&[], LeafIndex(0)),
        Err(ProveError::IndexOutsideTree {
            index: LeafIndex(0),
            size: TreeSize(0)
        }),
    );
    assert_eq!(
        consistency_proof(&leaves, TreeSize(5)),
        Err(ProveError::OldSizeLarger {
            old: TreeSize(5),
            size: TreeSize(4)
        }),
    );
}

#[test]
fn largest_sizes_and_indexes_do_not_overflow() {
    let hash = leaf_hash(b"x");
    for index in [0, 1, 1 << 63, u64::MAX - 1, u64::MAX] {
        for size in [0, 1, 1 << 63, u64::MAX] {
            for count in [0, 1, 63, 64, 65, 200] {
                let inclusion = InclusionProof(vec![hash; count]);
                let verdict =
                    verify_inclusion(LeafIndex(index), TreeSize(size), &hash, &inclusion, &hash);
                assert_eq!(verdict.is_ok(), (index, size, count) == (0, 1, 0));
                let consistency = ConsistencyProof(vec![hash; count]);
                let verdict =
                    verify_consistency(TreeSize(index), TreeSize(size), &consistency, &hash, &hash);
                assert_eq!(verdict.is_ok(), index == size && index > 0 && count == 0);
            }
        }
    }
}

#[test]
fn the_largest_paths_verify() {
    // No tree of this size fits anywhere, but its leftmost and rightmost paths can be made up.
    let leaf = leaf_hash(b"x");
    let path: Vec<Hash> = (0..64_u64)
        .map(|level| leaf_hash(&level.to_be_bytes()))
        .collect();
    let left = path
        .iter()
        .fold(leaf, |hash, sibling| node_hash(&hash, sibling));
    let (size, proof) = (TreeSize(u64::MAX), InclusionProof(path));
    verify_inclusion(LeafIndex(0), size, &leaf, &proof, &left).unwrap();
    assert!(verify_inclusion(LeafIndex(1), size, &leaf, &proof, &left).is_err());
}

#[test]
fn damaged_frontiers_are_refused() {
    let hash = empty_root();
    assert_eq!(
        CompactTree::from_frontier(TreeSize(5), vec![hash]),
        Err(FrontierError::Length {
            size: TreeSize(5),
            found: 1
        }),
    );
    assert_eq!(
        CompactTree::from_frontier(TreeSize(0), vec![hash]),
        Err(FrontierError::Length {
            size: TreeSize(0),
            found: 1
        }),
    );
    let size = TreeSize(1 << 63);
    assert_eq!(
        CompactTree::from_frontier(size, vec![hash]),
        Err(FrontierError::Size { size }),
    );
}

#[test]
fn hashes_have_one_spelling_each() {
    let hash = leaf_hash(b"spelled");
    assert_eq!(hash.to_string().parse(), Ok(hash));
    assert_eq!(Hash::from_base64(&hash.to_base64()), Ok(hash));
    assert_eq!(Hash::try_from(hash.as_ref()), Ok(hash));

    let upper = hash.to_string().to_uppercase();
    assert_eq!(upper.parse::<Hash>(), Err(ParseHashError::Hex));
    assert_eq!("0g".parse::<Hash>(), Err(ParseHashError::Hex));
    assert_eq!(
        "00ff".parse::<Hash>(),
        Err(ParseHashError::Length { found_bytes: 2 })
    );
    assert_eq!(
        Hash::from_base64("AA=="),
        Err(ParseHashError::Length { found_bytes: 1 })
    );
    let unpadded = hash.to_base64().replace('=', "");
    assert_eq!(Hash::from_base64(&unpadded), Err(ParseHashError::Base64));
    // The last character before the padding has two unused bits: setting one spells the same bytes.
    let zero = Hash([0; 32]).to_base64();
    assert_eq!(
        Hash::from_base64(&zero.replace("A=", "B=")),
        Err(ParseHashError::Base64)
    );
}

/// A hash with one bit flipped.
fn flipped(hash: &Hash, bit: usize) -> Hash {
    let mut bytes = hash.0;
    bytes[bit / 8 % 32] ^= 1 << (bit % 8);
    Hash(bytes)
}

proptest! {
    #[test]
    fn altered_inclusion_is_refused(
        size in 1..200_u64,
        at: prop::sample::Index,
        what: prop::sample::Index,
        bit in 0..256_usize,
    ) {
        let leaves = leaves(size);
        let index = at.index(leaves.len());
        let (leaf, root) = (leaves[index], root_of(&leaves));
        let index = LeafIndex(index as u64);
        let proof = inclusion_proof(&leaves, index).unwrap();
        verify_inclusion(index, TreeSize(size), &leaf, &proof, &root).unwrap();

        let (mut leaf, mut root, mut proof) = (leaf, root, proof);
        match what.index(proof.0.len() + 2) {
            0 => leaf = flipped(&leaf, bit),
            1 => root = flipped(&root, bit),
            sibling => proof.0[sibling - 2] = flipped(&proof.0[sibling - 2], bit),
        }
        let is_mismatch = matches!(
            verify_inclusion(index, TreeSize(size), &leaf, &proof, &root),
            Err(InclusionError::RootMismatch { .. })
        );
        prop_assert!(is_mismatch);
    }

    #[test]
    fn altered_consistency_is_refused(
        new in 2..200_u64,
        at: prop::sample::Index,
        what: prop::sample::Index,
        bit in 0..256_usize,
    ) {
        let leaves = leaves(new);
        let old = 1 + at.index(leaves.len() - 1);
        let (old_root, new_root) = (root_of(&leaves[..old]), root_of(&leaves));
        let (old, new) = (TreeSize(old as u64), TreeSize(new));
        let proof = consistency_proof(&leaves, old).unwrap();
        verify_consistency(old, new, &proof, &old_root, &new_root).unwrap();

        let (mut old_root, mut new_root, mut proof) = (old_root, new_root, proof);
        match what.index(proof.0.len() + 2) {
            0 => old_root = flipped(&old_root, bit),
            1 => new_root = flipped(&new_root, bit),
            hash => proof.0[hash - 2] = flipped(&proof.0[hash - 2], bit),
        }
        prop_assert!(verify_consistency(old, new, &proof, &old_root, &new_root).is_err());
    }

    #[test]
    fn roots_tell_any_two_lists_of_leaves_apart(
        a in prop::collection::vec(0..2_u8, 0..5),
        b in prop::collection::vec(0..2_u8, 0..5),
    ) {
        let root = |leaves: &[u8]| {
            root_of(&leaves.iter().map(|leaf| leaf_hash(&[*leaf])).collect::<Vec<_>>())
        };
        prop_assert_eq!(root(&a) == root(&b), a == b);
    }
}
