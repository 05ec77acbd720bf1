//! Logs, keys and witnesses for the tests.

use affiant_tlog::checkpoint::Origin;
use affiant_tlog::cosignature::{CosignerSigner, PosixTime};
use affiant_tlog::note::KeyName;
use affiant_tlog::{
    Checkpoint, ConsistencyProof, Hash, Note, SignerKey, TreeSize, consistency_proof, leaf_hash,
    root_of,
};

/// The origin and key name of the log.
pub(crate) const LOG: &str = "log.example/eu-1";

/// When witnesses cosign.
pub(crate) const NOW: PosixTime = PosixTime(1_790_000_000);

pub(crate) fn name(name: &str) -> KeyName {
    KeyName::new(name).unwrap()
}

pub(crate) fn log_key() -> SignerKey {
    SignerKey::from_seed(name(LOG), &[1; 32])
}

pub(crate) fn witness(number: u8) -> CosignerSigner {
    CosignerSigner::ed25519(
        name(&format!("witness.example/w{number}")),
        &[100 + number; 32],
    )
}

pub(crate) fn leaf(index: u64) -> Hash {
    leaf_hash(format!("leaf {index}").as_bytes())
}

pub(crate) fn leaves(size: u64) -> Vec<Hash> {
    (0..size).map(leaf).collect()
}

pub(crate) fn checkpoint_over(leaves: &[Hash]) -> Checkpoint {
    Checkpoint::new(
        Origin::new(LOG).unwrap(),
        TreeSize::of(leaves),
        root_of(leaves),
    )
}

/// The checkpoint of the log at this size.
pub(crate) fn checkpoint(size: u64) -> Checkpoint {
    checkpoint_over(&leaves(size))
}

pub(crate) fn signed(size: u64) -> Note {
    checkpoint(size).sign(&log_key()).unwrap()
}

pub(crate) fn proof(old: u64, new: u64) -> ConsistencyProof {
    consistency_proof(&leaves(new), TreeSize(old)).unwrap()
}

pub(crate) fn cosigned(mut note: Note, witnesses: &[&CosignerSigner]) -> Note {
    for witness in witnesses {
        let signature = witness.cosign(note.text(), NOW).unwrap();
        note.attach(signature).unwrap();
    }
    note
}

/// The note with its signatures and another text.
pub(crate) fn with_text(note: &Note, from: &str, to: &str) -> Note {
    let bytes = note.to_string();
    assert!(bytes.contains(from));
    Note::parse(bytes.replacen(from, to, 1).as_bytes()).unwrap()
}
