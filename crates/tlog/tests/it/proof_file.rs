//! Proof files: what verifies is in the log and was witnessed; everything else is refused.

use affiant_tlog::policy::{CheckPolicyError, Policy};
use affiant_tlog::tlog_proof::{EXTRA_BYTES_MAX, ParseProofError, TlogProof, VerifyProofError};
use affiant_tlog::{
    InclusionError, InclusionProof, LeafIndex, Note, SignerKey, inclusion_proof, leaf_hash,
};
use proptest::prelude::*;

use crate::world::{LOG, cosigned, leaf, leaves, log_key, name, signed, with_text, witness};

fn proof(index: u64, size: u64) -> TlogProof {
    TlogProof {
        extra: Vec::new(),
        index: LeafIndex(index),
        proof: inclusion_proof(&leaves(size), LeafIndex(index)).unwrap(),
        checkpoint: cosigned(signed(size), &[&witness(1)]),
    }
}

fn policy(quorum: &str) -> Policy {
    let text = format!(
        "log {}\nwitness one {}\nwitness two {}\ngroup both all one two\nquorum {quorum}\n",
        log_key().verifier_key(),
        witness(1).key(),
        witness(2).key(),
    );
    Policy::parse(text.as_bytes()).unwrap()
}

#[test]
fn a_leaf_of_the_log_is_proved() {
    for (index, size) in [(0, 1), (0, 2), (6, 7), (3, 7), (123, 300)] {
        let proof = proof(index, size);
        let read = TlogProof::parse(&proof.to_bytes()).unwrap();
        assert_eq!(read, proof);
        let report = read.verify(&leaf(index), &policy("one")).unwrap();
        assert_eq!(report.checkpoint().size.0, size);
        assert_eq!(report.cosigned().len(), 1);
    }
    let mut with_extra = proof(3, 7);
    with_extra.extra = b"{\"entry\":1}".to_vec();
    let read = TlogProof::parse(&with_extra.to_bytes()).unwrap();
    assert_eq!(read.extra, with_extra.extra);
    assert!(
        read.to_string()
            .contains("\nextra eyJlbnRyeSI6MX0=\nindex 3\n")
    );
}

#[test]
fn a_proof_at_a_million_entries_is_small() {
    // 20 hashes, a checkpoint of one log key and two Ed25519 witnesses.
    let mut large = proof(0, 1);
    large.proof = InclusionProof(vec![leaf_hash(b""); 20]);
    large.index = LeafIndex(999_999);
    large.checkpoint = cosigned(large.checkpoint, &[&witness(2)]);
    assert!(large.to_bytes().len() < 1_600);
}

#[test]
fn other_leaves_indexes_and_sizes_are_not_proved() {
    let good = proof(3, 7);
    let policy = policy("one");
    let refused = |proof: &TlogProof, leaf| proof.verify(&leaf, &policy).unwrap_err();
    assert!(matches!(
        refused(&good, leaf(4)),
        VerifyProofError::Inclusion(InclusionError::RootMismatch { .. })
    ));
    for index in [0, 2, 4, 7, u64::MAX] {
        let moved = TlogProof {
            index: LeafIndex(index),
            ..good.clone()
        };
        assert!(matches!(
            refused(&moved, leaf(3)),
            VerifyProofError::Inclusion(_)
        ));
    }
    let other = TlogProof {
        checkpoint: proof(3, 8).checkpoint,
        ..good.clone()
    };
    assert!(matches!(
        refused(&other, leaf(3)),
        VerifyProofError::Inclusion(_)
    ));
    let mut short = good.clone();
    short.proof.0.pop();
    assert!(matches!(
        refused(&short, leaf(3)),
        VerifyProofError::Inclusion(InclusionError::Length { .. })
    ));
    let altered = TlogProof {
        checkpoint: with_text(&good.checkpoint, "\n7\n", "\n8\n"),
        ..good
    };
    assert!(matches!(
        refused(&altered, leaf(3)),
        VerifyProofError::Checkpoint(CheckPolicyError::Signature(_))
    ));
}

#[test]
fn only_the_policy_of_the_verifier_counts() {
    let good = proof(3, 7);
    assert!(good.verify(&leaf(3), &policy("none")).is_ok());
    assert!(good.verify(&leaf(3), &policy("one")).is_ok());
    for quorum in ["two", "both"] {
        assert_eq!(
            good.verify(&leaf(3), &policy(quorum)),
            Err(VerifyProofError::Quorum { cosigned: 1 })
        );
    }
    // Signed by a log of the same name, and by a witness of its own making.
    let forger = SignerKey::from_seed(name(LOG), &[66; 32]);
    let note = Note::sign(good.checkpoint.text(), &forger).unwrap();
    let forged = TlogProof {
        checkpoint: cosigned(note, &[&witness(9)]),
        ..good.clone()
    };
    assert!(matches!(
        forged.verify(&leaf(3), &policy("none")),
        Err(VerifyProofError::Checkpoint(CheckPolicyError::Signature(_)))
    ));
    let own = Policy::of_log(forger.verifier_key().clone());
    assert!(forged.verify(&leaf(3), &own).is_ok());
    assert!(good.verify(&leaf(3), &own).is_err());
    // Extra data is nobody's word.
    let extra = TlogProof {
        extra: vec![1],
        ..good
    };
    assert!(extra.verify(&leaf(3), &policy("one")).is_ok());
}

#[test]
fn other_files_are_refused() {
    let good = proof(3, 7).to_string();
    let refused = |from: &str, to: &str| {
        assert!(good.contains(from), "{from:?}");
        TlogProof::parse(good.replacen(from, to, 1).as_bytes()).unwrap_err()
    };
    use ParseProofError::{Extra, Index, Layout, TooLarge, TooManyHashes};
    assert_eq!(refused("@v1", "@v2"), Layout);
    assert_eq!(refused("c2sp", " c2sp"), Layout);
    assert_eq!(refused("\n", "\r\n"), Layout);
    assert_eq!(refused("index 3\n", ""), Index);
    for index in [
        "index 03",
        "index  3",
        "index -1",
        "index",
        "Index 3",
        "index 18446744073709551616",
    ] {
        assert_eq!(refused("index 3", index), Index, "{index}");
    }
    for extra in ["extra ", "extra A", "extra AB==", "extra AA== "] {
        assert_eq!(
            refused("index 3", &format!("{extra}\nindex 3")),
            Extra,
            "{extra}"
        );
    }
    assert_eq!(refused("index 3", "extra\nindex 3"), Index);
    assert_eq!(refused("index 3", "extra AA==\nextra AA==\nindex 3"), Index);
    assert!(matches!(
        refused("index 3\n", "index 3\nextra AA==\n"),
        ParseProofError::Hash(_)
    ));
    let hash = format!(
        "index 3\n{}",
        format!("{}\n", leaf_hash(b"").to_base64()).repeat(65)
    );
    assert_eq!(refused("index 3\n", &hash), TooManyHashes);
    let found_bytes = 3_000_000;
    assert_eq!(
        TlogProof::parse(&vec![b'x'; found_bytes]),
        Err(TooLarge { found_bytes })
    );
    assert_eq!(TlogProof::parse(b""), Err(Layout));

    let mut largest = proof(3, 7);
    largest.extra = vec![0; EXTRA_BYTES_MAX];
    assert!(TlogProof::parse(&largest.to_bytes()).is_ok());
    largest.extra.push(0);
    assert_eq!(TlogProof::parse(&largest.to_bytes()), Err(Extra));
}

proptest! {
    #[test]
    fn a_changed_byte_is_refused(at: prop::sample::Index, to: u8) {
        let good = proof(3, 7);
        let mut bytes = good.to_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        if let Ok(read) = TlogProof::parse(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes);
            prop_assert!(read.verify(&leaf(3), &policy("one")).is_err());
        }
    }
}
