//! `ct-merkle` and `tlog_tiles`, a port of Go's `sumdb/tlog`, as judges of roots and proofs.

use affiant_tlog::{
    ConsistencyProof, Hash, InclusionProof, LeafIndex, TreeSize, consistency_proof,
    inclusion_proof, leaf_hash, root_of, verify_consistency, verify_inclusion,
};
use ct_merkle::RootHash;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2::Sha256;
use tlog_tiles::HashReader;

/// All sizes up to here are judged.
const SIZE_MAX: u64 = 40;

fn leaf(index: u64) -> Vec<u8> {
    format!("leaf {index}").into_bytes()
}

fn leaf_hashes(size: u64) -> Vec<Hash> {
    (0..size).map(|index| leaf_hash(&leaf(index))).collect()
}

fn ct_tree(size: u64) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    (0..size).for_each(|index| tree.push(leaf(index)));
    tree
}

fn ct_root(root: &Hash, size: u64) -> RootHash<Sha256> {
    RootHash::new(root.0.into(), size)
}

fn concat(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

fn split(bytes: &[u8]) -> Vec<Hash> {
    bytes
        .chunks(32)
        .map(|hash| Hash::try_from(hash).unwrap())
        .collect()
}

/// The stored hashes of a `tlog_tiles` log, in memory.
struct Stored(Vec<tlog_tiles::Hash>);

impl Stored {
    fn of(size: u64) -> Self {
        let mut stored = Self(Vec::new());
        for index in 0..size {
            let hashes = tlog_tiles::stored_hashes(index, &leaf(index), &stored).unwrap();
            stored.0.extend(hashes);
        }
        stored
    }
}

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes
            .iter()
            .map(|&index| self.0[usize::try_from(index).unwrap()])
            .collect())
    }
}

fn to_tiles(hashes: &[Hash]) -> Vec<tlog_tiles::Hash> {
    hashes.iter().map(|hash| tlog_tiles::Hash(hash.0)).collect()
}

fn from_tiles(hashes: &[tlog_tiles::Hash]) -> Vec<Hash> {
    hashes.iter().map(|hash| Hash(hash.0)).collect()
}

#[test]
fn all_have_the_same_root_and_spelling() {
    let stored = Stored::of(SIZE_MAX);
    for size in 0..=SIZE_MAX {
        let root = root_of(&leaf_hashes(size));
        assert_eq!(ct_tree(size).root().as_bytes()[..], root.0);
        let tiles_root = tlog_tiles::tree_hash(size, &stored).unwrap();
        assert_eq!(tiles_root.0, root.0);
        assert_eq!(tiles_root.to_string(), root.to_base64());
        assert_eq!(Hash::from_base64(&tiles_root.to_string()), Ok(root));
    }
}

#[test]
fn all_make_and_accept_the_same_inclusion_proofs() {
    let stored = Stored::of(SIZE_MAX);
    for size in 1..=SIZE_MAX {
        let leaves = leaf_hashes(size);
        let (root, ct) = (root_of(&leaves), ct_tree(size));
        for index in 0..size {
            let at = usize::try_from(index).unwrap();
            let proof = inclusion_proof(&leaves, LeafIndex(index)).unwrap();

            let by_ct = ct.prove_inclusion(at);
            assert_eq!(split(by_ct.as_bytes()), proof.0);
            ct_root(&root, size)
                .verify_inclusion(&leaf(index), index, &by_ct)
                .unwrap();

            let by_tiles = tlog_tiles::prove_record(size, index, &stored).unwrap();
            assert_eq!(from_tiles(&by_tiles), proof.0);
            let tiles = (tlog_tiles::Hash(root.0), tlog_tiles::Hash(leaves[at].0));
            tlog_tiles::check_record(&by_tiles, size, tiles.0, index, tiles.1).unwrap();

            let theirs = InclusionProof(from_tiles(&by_tiles));
            verify_inclusion(
                LeafIndex(index),
                TreeSize(size),
                &leaves[at],
                &theirs,
                &root,
            )
            .unwrap();
        }
    }
}

#[test]
fn all_make_and_accept_the_same_consistency_proofs() {
    let stored = Stored::of(SIZE_MAX);
    let all = leaf_hashes(SIZE_MAX);
    let root = |size: u64| root_of(&all[..usize::try_from(size).unwrap()]);
    for new in 1..=SIZE_MAX {
        let ct = ct_tree(new);
        for old in 1..=new {
            let leaves = &all[..usize::try_from(new).unwrap()];
            let proof = consistency_proof(leaves, TreeSize(old)).unwrap();

            let by_ct = ct.prove_consistency(usize::try_from(new - old).unwrap());
            assert_eq!(split(by_ct.as_bytes()), proof.0);
            let ct_roots = (ct_root(&root(old), old), ct_root(&root(new), new));
            ct_roots.1.verify_consistency(&ct_roots.0, &by_ct).unwrap();

            let by_tiles = tlog_tiles::prove_tree(new, old, &stored).unwrap();
            assert_eq!(from_tiles(&by_tiles), proof.0);
            let tiles = (tlog_tiles::Hash(root(new).0), tlog_tiles::Hash(root(old).0));
            tlog_tiles::check_tree(&by_tiles, new, tiles.0, old, tiles.1).unwrap();

            let theirs = ConsistencyProof(from_tiles(&by_tiles));
            verify_consistency(
                TreeSize(old),
                TreeSize(new),
                &theirs,
                &root(old),
                &root(new),
            )
            .unwrap();
        }
    }
}

/// How to spoil a proof: nothing in half of the cases, so that true claims are judged too.
#[derive(Debug, Clone)]
enum Spoil {
    Nothing,
    FlipBit { at: prop::sample::Index, bit: usize },
    DropLast,
    RepeatFirst,
}

impl Spoil {
    fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            3 => Just(Self::Nothing),
            1 => (any::<prop::sample::Index>(), 0..256_usize)
                .prop_map(|(at, bit)| Self::FlipBit { at, bit }),
            1 => Just(Self::DropLast),
            1 => Just(Self::RepeatFirst),
        ]
    }

    fn apply(&self, hashes: &mut Vec<Hash>) {
        match self {
            Self::FlipBit { at, bit } if !hashes.is_empty() => {
                let at = at.index(hashes.len());
                hashes[at].0[bit / 8] ^= 1 << (bit % 8);
            }
            Self::DropLast => drop(hashes.pop()),
            Self::RepeatFirst => hashes.extend(hashes.first().copied()),
            Self::Nothing | Self::FlipBit { .. } => {}
        }
    }
}

/// What a proof was made for, and what it is claimed to be for: the same in half of the cases.
fn made_and_claimed() -> impl Strategy<Value = ([u64; 2], [u64; 2])> {
    let pair = || [1..SIZE_MAX, 1..SIZE_MAX].prop_map(|[a, b]| [a.min(b), a.max(b)]);
    prop_oneof![pair().prop_map(|pair| (pair, pair)), (pair(), pair())]
}

proptest! {
    #[test]
    fn all_say_the_same_of_any_inclusion_claim(
        (made, claimed) in made_and_claimed(),
        spoil in Spoil::any(),
    ) {
        let leaves = leaf_hashes(SIZE_MAX);
        let upto = |size: u64| &leaves[..usize::try_from(size).unwrap()];
        let [made_index, made_size] = [made[0] - 1, made[1]];
        let [index, size] = [claimed[0] - 1, claimed[1]];
        let InclusionProof(mut path) =
            inclusion_proof(upto(made_size), LeafIndex(made_index)).unwrap();
        spoil.apply(&mut path);
        let (root, leaf_bytes) = (root_of(upto(size)), leaf(made_index));
        let leaf_hash = leaf_hash(&leaf_bytes);

        let tiles = (tlog_tiles::Hash(root.0), tlog_tiles::Hash(leaf_hash.0));
        let by_tiles =
            tlog_tiles::check_record(&to_tiles(&path), size, tiles.0, index, tiles.1).is_ok();
        let ct_proof = ct_merkle::InclusionProof::from_bytes(concat(&path));
        let by_ct = ct_root(&root, size).verify_inclusion(&leaf_bytes, index, &ct_proof).is_ok();
        let proof = InclusionProof(path);
        let by_us =
            verify_inclusion(LeafIndex(index), TreeSize(size), &leaf_hash, &proof, &root).is_ok();
        prop_assert_eq!((by_us, by_us), (by_tiles, by_ct));
        if made == claimed && matches!(spoil, Spoil::Nothing) {
            prop_assert!(by_us);
        }
    }

    #[test]
    fn all_say_the_same_of_any_consistency_claim(
        (made, claimed) in made_and_claimed(),
        spoil in Spoil::any(),
    ) {
        let leaves = leaf_hashes(SIZE_MAX);
        let upto = |size: u64| &leaves[..usize::try_from(size).unwrap()];
        let ConsistencyProof(mut hashes) =
            consistency_proof(upto(made[1]), TreeSize(made[0])).unwrap();
        spoil.apply(&mut hashes);
        let [old, new] = claimed;
        let (old_root, new_root) = (root_of(upto(old)), root_of(upto(new)));

        let tiles = (tlog_tiles::Hash(old_root.0), tlog_tiles::Hash(new_root.0));
        let by_tiles =
            tlog_tiles::check_tree(&to_tiles(&hashes), new, tiles.1, old, tiles.0).is_ok();
        let ct_proof = ct_merkle::ConsistencyProof::try_from_bytes(concat(&hashes)).unwrap();
        let by_ct = ct_root(&new_root, new)
            .verify_consistency(&ct_root(&old_root, old), &ct_proof)
            .is_ok();
        let proof = ConsistencyProof(hashes);
        let by_us =
            verify_consistency(TreeSize(old), TreeSize(new), &proof, &old_root, &new_root).is_ok();
        prop_assert_eq!((by_us, by_us), (by_tiles, by_ct));
        if made == claimed && matches!(spoil, Spoil::Nothing) {
            prop_assert!(by_us);
        }
    }
}
