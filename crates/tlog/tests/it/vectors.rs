//! What others published: the Merkle vectors of Certificate Transparency, the notes of Go's sumdb.

use affiant_tlog::note::{self, KeyName};
use affiant_tlog::{
    CompactTree, Hash, LeafIndex, Note, SignerKey, TreeSize, VerifierKey, consistency_proof,
    inclusion_proof, leaf_hash, node_hash, root_of, verify_consistency, verify_inclusion,
};

/// The leaves of certificate-transparency's `merkle_tree_test`, in hexadecimal.
const CT_LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

/// The roots of the trees over the first 0, 1, … 8 of these leaves.
const CT_ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

const INCLUSION: [(u64, usize, &[&str]); 4] = [
    (
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        3,
        &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    ),
    (
        1,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

const CONSISTENCY: [(usize, usize, &[&str]); 4] = [
    (1, 1, &[]),
    (
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

fn ct_leaves(count: usize) -> Vec<Hash> {
    CT_LEAVES[..count]
        .iter()
        .map(|leaf| leaf_hash(&hex::decode(leaf).unwrap()))
        .collect()
}

fn ct_root(size: usize) -> Hash {
    CT_ROOTS[size].parse().unwrap()
}

fn hashes(texts: &[&str]) -> Vec<Hash> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn tree_size(size: usize) -> TreeSize {
    TreeSize(size as u64)
}

#[test]
fn trees_have_the_published_roots() {
    let mut tree = CompactTree::new();
    assert_eq!(tree.root(), ct_root(0));
    for (index, leaf) in ct_leaves(8).into_iter().enumerate() {
        assert_eq!(tree.append(leaf), LeafIndex(index as u64));
        assert_eq!(tree.root(), ct_root(index + 1));
        assert_eq!(root_of(&ct_leaves(index + 1)), ct_root(index + 1));
    }
    assert_eq!(tree.size(), TreeSize(8));
}

#[test]
fn hashes_have_the_published_prefixes() {
    // RFC 6962 vectors of transparency-dev/merkle, `rfc6962_test.go`.
    assert_eq!(
        leaf_hash(b"L123456").to_string(),
        "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56",
    );
    let node: [u8; 32] = {
        use sha2::Digest as _;
        sha2::Sha256::digest([&[1_u8][..], &[2; 32], &[3; 32]].concat()).into()
    };
    assert_eq!(node_hash(&Hash([2; 32]), &Hash([3; 32])), Hash(node));
}

#[test]
fn inclusion_proofs_are_the_published_ones() {
    for (index, size, expected) in INCLUSION {
        let leaves = ct_leaves(size);
        let proof = inclusion_proof(&leaves, LeafIndex(index)).unwrap();
        assert_eq!(proof.0, hashes(expected), "leaf {index} of {size}");
        let leaf = leaves[usize::try_from(index).unwrap()];
        verify_inclusion(
            LeafIndex(index),
            tree_size(size),
            &leaf,
            &proof,
            &ct_root(size),
        )
        .unwrap();
    }
}

#[test]
fn consistency_proofs_are_the_published_ones() {
    for (old, new, expected) in CONSISTENCY {
        let proof = consistency_proof(&ct_leaves(new), tree_size(old)).unwrap();
        assert_eq!(proof.0, hashes(expected), "{old} to {new}");
        let roots = (ct_root(old), ct_root(new));
        verify_consistency(tree_size(old), tree_size(new), &proof, &roots.0, &roots.1).unwrap();
    }
}

/// The key and notes of `golang.org/x/mod/sumdb/note`.
const NEUMANN_VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const NEUMANN_SKEY: &str =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n";
const NEUMANN_LINE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
/// The key here has a seed of 32 zero bytes.
const ENOCH_LINE: &str = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

#[test]
fn the_published_note_is_signed_to_the_byte() {
    let key: SignerKey = NEUMANN_SKEY.parse().unwrap();
    assert_eq!(key.verifier_key().to_string(), NEUMANN_VKEY);
    assert_eq!(*key.to_secret_text(), NEUMANN_SKEY);
    let published = format!("{TEXT}\n{NEUMANN_LINE}");
    assert_eq!(note::sign(TEXT, &key).unwrap(), published.as_bytes());
}

#[test]
fn the_published_second_signature_is_added_to_the_byte() {
    let first: SignerKey = NEUMANN_SKEY.parse().unwrap();
    let second = SignerKey::from_seed(KeyName::new("EnochRoot").unwrap(), &[0; 32]);
    let mut note = Note::sign(TEXT, &first).unwrap();
    note.add_signature(&second).unwrap();
    assert_eq!(
        note.to_string(),
        format!("{TEXT}\n{NEUMANN_LINE}{ENOCH_LINE}")
    );

    let known: [VerifierKey; 2] = [NEUMANN_VKEY.parse().unwrap(), second.verifier_key().clone()];
    let verified = note::verify(&note, &known).unwrap();
    assert_eq!(verified.text(), TEXT);
    assert_eq!(verified.signatures().len(), 2);
}

#[test]
fn the_note_of_the_specification_is_read() {
    let bytes = "Ognuno sta solo sul cuor della terra\n\
        trafitto da un raggio di sole:\n\
        \n\
        ed è subito sera.\n\
        \n\
        — quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
    let note = Note::parse(bytes.as_bytes()).unwrap();
    assert!(note.text().ends_with(":\n\ned è subito sera.\n"));
    assert_eq!(
        note.signatures()[0].key_ref().to_string(),
        "quasimodo.example/salvatore+367ba04b"
    );
    assert_eq!(note.to_bytes(), bytes.as_bytes());
}
