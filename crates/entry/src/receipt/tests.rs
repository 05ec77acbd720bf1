use affiant_tlog::checkpoint::Origin;
use affiant_tlog::note::{KeyName, SignerKey};
use affiant_tlog::{
    Checkpoint, CompactTree, Hash, LeafIndex, consistency_proof, inclusion_proof, leaf_hash,
};

use super::*;
use crate::ids::{BootId, SealNumber};

const LOG: &str = "localhost/affiant/3f9c2a1b";

fn log_key() -> SignerKey {
    SignerKey::from_seed(KeyName::new(LOG).unwrap(), &[3; 32])
}

fn leaves(n: u64) -> Vec<Hash> {
    (0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect()
}

fn checkpoint(leaves: &[Hash]) -> Checkpoint {
    let tree: CompactTree = leaves.iter().copied().collect();
    Checkpoint::new(Origin::new(LOG).unwrap(), tree.size(), tree.root())
}

fn place(seal: u64) -> SealPlace {
    SealPlace {
        boot: BootId::from_parts(1_795_330_441_000_000, 1),
        seal: SealNumber(seal),
    }
}

/// Seals at leaves 4 and 9 of a log of twelve leaves, whose first five the sender remembers.
fn receipt() -> (Receipt, Checkpoint, Vec<SentSeal>) {
    let leaves = leaves(12);
    let remembered = checkpoint(&leaves[..5]);
    let at = [(0, 4_u64), (1, 9)];
    let groups = at.map(|(seal, index)| ReceiptGroup {
        place: place(seal),
        first_index: LeafIndex(index - 3),
        seal_index: LeafIndex(index),
        proof: inclusion_proof(&leaves, LeafIndex(index)).unwrap(),
        duplicate: false,
    });
    let seals = at.map(|(seal, index)| {
        let hash = leaves[usize::try_from(index).unwrap()];
        (place(seal).boot, SealNumber(seal), hash)
    });
    let receipt = Receipt {
        log: LOG.to_owned(),
        checkpoint: checkpoint(&leaves).sign(&log_key()).unwrap().to_string(),
        consistency: consistency_proof(&leaves, remembered.size).unwrap(),
        groups: groups.to_vec(),
        credits: Credits {
            bytes: 1 << 20,
            batches: 4,
        },
    };
    (receipt, remembered, seals.to_vec())
}

fn verify(receipt: &Receipt, old: Option<&Checkpoint>, seals: &[SentSeal]) -> String {
    match receipt.verify(log_key().verifier_key(), old, seals) {
        Ok(checkpoint) => format!("ok {}", checkpoint.size),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_receipt_reads_back_and_verifies() {
    let (receipt, old, seals) = receipt();
    let read = Receipt::parse(&receipt.to_json()).unwrap();
    assert_eq!(read, receipt);
    assert_eq!(verify(&read, Some(&old), &seals), "ok 12");
}

#[test]
fn a_receipt_must_answer_what_was_sent() {
    let (receipt, old, seals) = receipt();
    let boot = place(0).boot;
    assert_eq!(
        verify(&receipt, Some(&old), &seals[..1]),
        format!("receipt covers seal 1 of boot {boot}, which was not sent, or covers it twice")
    );
    let more = [&seals[..], &[(boot, SealNumber(2), leaf_hash(b"x"))]].concat();
    assert_eq!(
        verify(&receipt, Some(&old), &more),
        format!("receipt does not cover seal 2 of boot {boot}")
    );
    let mut other = seals;
    other[1].2 = leaf_hash(b"another seal");
    assert_eq!(
        verify(&receipt, Some(&old), &other),
        format!("seal 1 of boot {boot} is not in the log where the receipt says")
    );
}

#[test]
fn a_log_that_does_not_continue_is_evidence() {
    let (receipt, old, seals) = receipt();
    let mut forked = leaves(5);
    forked[2] = leaf_hash(b"changed");
    let error = receipt
        .verify(log_key().verifier_key(), Some(&checkpoint(&forked)), &seals)
        .unwrap_err();
    assert!(error.is_evidence(), "{error}");
    let error = receipt
        .verify(
            log_key().verifier_key(),
            Some(&checkpoint(&leaves(13))),
            &seals,
        )
        .unwrap_err();
    assert!(matches!(error, ReceiptError::RolledBack { .. }) && error.is_evidence());
    // A proof from nothing is empty.
    assert!(
        receipt
            .verify(log_key().verifier_key(), None, &seals)
            .is_err()
    );
    let first = Receipt {
        consistency: ConsistencyProof::default(),
        ..receipt
    };
    assert_eq!(verify(&first, None, &seals), "ok 12");
    assert_ne!(verify(&first, Some(&old), &seals), "ok 12");
}

#[test]
fn another_log_is_not_believed() {
    let (receipt, old, seals) = receipt();
    let stranger = SignerKey::from_seed(KeyName::new(LOG).unwrap(), &[4; 32]);
    assert!(matches!(
        receipt.verify(stranger.verifier_key(), Some(&old), &seals),
        Err(ReceiptError::Checkpoint(_))
    ));
    let renamed = Receipt {
        log: "other.example/log".to_owned(),
        ..receipt
    };
    assert!(verify(&renamed, Some(&old), &seals).starts_with("receipt is by log"));
}

#[test]
fn no_changed_byte_makes_a_receipt_prove_something_else() {
    let (receipt, old, seals) = receipt();
    let json = receipt.to_json();
    for at in 0..json.len() {
        let mut changed = json.clone();
        changed[at] ^= 1;
        let Ok(read) = Receipt::parse(&changed) else {
            continue;
        };
        if let Ok(found) = read.verify(log_key().verifier_key(), Some(&old), &seals) {
            assert_eq!(found, checkpoint(&leaves(12)), "{at}");
        }
    }
}

#[test]
fn problems_read_back() {
    for code in ProblemCode::ALL {
        let problem = Problem {
            expected: Some(place(4)),
            retry_after_s: Some(3),
            ..Problem::new(code, "something")
        };
        assert_eq!(Problem::parse(&problem.to_json()).unwrap(), problem);
        assert_eq!(code.passes(), matches!(code.status(), 429 | 503));
    }
    let long = Problem::new(ProblemCode::Gap, &"x".repeat(5000));
    assert_eq!(Problem::parse(&long.to_json()).unwrap(), long);
    let unknown = br#"{"type":"https://affiant.dev/problems/new","status":418}"#;
    assert!(matches!(
        Problem::parse(unknown),
        Err(ProblemError::Unknown { .. })
    ));
}
