//! What a log refuses to continue.

use std::sync::Arc;

use affiant_log::store::{Fault, MemStore, ReadObjects, Store};
use affiant_log::{LoadError, OpenLogError, RoundError, SequenceError};
use affiant_tlog::cosignature::CosignerSigner;
use affiant_tlog::note::KeyName;
use affiant_tlog::{Checkpoint, Note, SignerKey, VerifierKey};

use crate::support::{NAME, audit, key, leaves, mem_reader, open_mem, open_mem_with, options};

fn grown(counts: &[usize]) -> MemStore {
    let store = MemStore::new();
    let log = open_mem(&store).unwrap();
    for (batch, &count) in counts.iter().enumerate() {
        log.submit(leaves(batch, count)).wait().unwrap();
    }
    log.close();
    store
}

fn refusal(store: &MemStore, options: affiant_log::LogOptions) -> LoadError {
    let before = (store.head().unwrap(), store.paths());
    match open_mem_with(store, options) {
        Err(OpenLogError::Load(error)) => {
            assert_eq!((store.head().unwrap(), store.paths()), before);
            error
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn another_key_of_the_same_name_is_refused() {
    let store = grown(&[3]);
    assert!(matches!(
        refusal(&store, options(2)),
        LoadError::OtherKey { .. }
    ));
}

#[test]
fn another_name_is_refused() {
    let store = grown(&[3]);
    let mut options = options(1);
    let other = SignerKey::from_seed(KeyName::new("log.example/other").unwrap(), &[1; 32]);
    options.signer = Arc::new(other);
    assert!(matches!(
        refusal(&store, options),
        LoadError::OtherLog { .. }
    ));
}

#[test]
fn a_rotated_key_goes_on_with_the_log() {
    let store = grown(&[300]);
    let old: VerifierKey = key(1).verifier_key().clone();
    let mut rotated = options(2);
    rotated.earlier_keys = vec![old.clone()];
    rotated.co_signers = vec![Arc::new(key(1))];
    let log = open_mem_with(&store, rotated).unwrap();
    log.submit(leaves(1, 5)).wait().unwrap();
    // During the hand-over both keys sign.
    let note = Note::parse(&log.head().note).unwrap();
    assert!(Checkpoint::open(&note, &old).is_ok());
    assert!(Checkpoint::open(&note, key(2).verifier_key()).is_ok());
    log.close();
    let mut after = options(2);
    after.earlier_keys = vec![old];
    let log = open_mem_with(&store, after).unwrap();
    log.submit(leaves(2, 5)).wait().unwrap();
    log.close();
    audit(&mem_reader(&store), 2);
}

#[test]
fn a_co_signer_of_another_name_is_refused() {
    let mut options = options(1);
    let other = SignerKey::from_seed(KeyName::new("log.example/other").unwrap(), &[1; 32]);
    options.co_signers = vec![Arc::new(other)];
    let opened = open_mem_with(&MemStore::new(), options);
    assert!(matches!(opened, Err(OpenLogError::Option { .. })));
}

#[test]
fn a_head_behind_the_published_checkpoint_is_refused() {
    let store = grown(&[300]);
    let yesterday = store.head().unwrap();
    let log = open_mem(&store).unwrap();
    log.submit(leaves(5, 10)).wait().unwrap();
    log.close();
    store.tamper_head(yesterday.as_deref());
    assert!(matches!(
        refusal(&store, options(1)),
        LoadError::RolledBack { .. }
    ));
}

#[test]
fn a_head_and_checkpoint_behind_the_tiles_cannot_fork_the_log() {
    let store = grown(&[300]);
    let yesterday = (store.head().unwrap(), store.get("checkpoint").unwrap());
    let log = open_mem(&store).unwrap();
    log.submit(leaves(5, 10)).wait().unwrap();
    log.close();
    store.tamper_head(yesterday.0.as_deref());
    store.tamper("checkpoint", yesterday.1.as_deref());
    // The objects of the tree that was rolled back are still there, and are not overwritten.
    if let Ok(log) = open_mem(&store) {
        let outcome = log.submit(leaves(6, 10)).wait();
        assert!(
            matches!(outcome, Err(SequenceError::Unknown(_))),
            "{outcome:?}"
        );
        let outcome = log.submit(leaves(7, 10)).wait();
        assert!(
            matches!(outcome, Err(SequenceError::Stopped(_))),
            "{outcome:?}"
        );
        assert_eq!(log.head().checkpoint.size.0, 300);
    }
}

#[test]
fn a_lost_head_is_not_a_new_log() {
    let store = grown(&[300]);
    store.tamper_head(None);
    assert!(matches!(
        refusal(&store, options(1)),
        LoadError::HeadMissing
    ));
    store.tamper("checkpoint", None);
    assert!(matches!(
        refusal(&store, options(1)),
        LoadError::HeadMissing
    ));
}

#[test]
fn a_malformed_head_is_refused() {
    let store = grown(&[3]);
    let head = String::from_utf8(store.head().unwrap().unwrap()).unwrap();
    for bad in [
        String::new(),
        head.replace("size", "sise"),
        head[..40].to_owned(),
    ] {
        store.tamper_head(Some(bad.as_bytes()));
        assert!(matches!(
            refusal(&store, options(1)),
            LoadError::HeadMalformed
        ));
    }
}

#[test]
fn a_foreign_or_damaged_checkpoint_is_refused() {
    let store = grown(&[3]);
    let note = String::from_utf8(store.get("checkpoint").unwrap().unwrap()).unwrap();
    store.tamper("checkpoint", Some(b"nonsense"));
    assert!(matches!(
        refusal(&store, options(1)),
        LoadError::CheckpointMalformed
    ));
    store.tamper(
        "checkpoint",
        Some(note.replace("\n3\n", "\n2\n").as_bytes()),
    );
    assert!(matches!(
        refusal(&store, options(1)),
        LoadError::OtherKey { .. }
    ));
    let checkpoint = Checkpoint::parse(Note::parse(note.as_bytes()).unwrap().text()).unwrap();
    let forged = Checkpoint {
        root: affiant_tlog::leaf_hash(b"another history"),
        ..checkpoint
    };
    let forged = forged.sign(&key(1)).unwrap().to_bytes();
    store.tamper("checkpoint", Some(&forged));
    assert!(matches!(
        refusal(&store, options(1)),
        LoadError::Forked { .. }
    ));
}

#[test]
fn every_damage_at_the_right_edge_is_found_at_start() {
    let store = grown(&[300, 10, 70_000]);
    let edge = [
        "tile/0/x000/274.p/166",
        "tile/0/274.p/166",
        "tile/1/001.p/18",
        "tile/2/000.p/1",
        "tile/entries/274.p/166",
    ];
    let mut tried = 0;
    for path in edge {
        let Some(bytes) = store.get(path).unwrap() else {
            continue;
        };
        tried += 1;
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut bad = bytes.clone();
            bad[at] ^= 0x10;
            let copy = store.snapshot();
            copy.tamper_stages(|objects| objects.retain(|object| object.path != path));
            copy.tamper(path, Some(&bad));
            refusal(&copy, options(1));
        }
        let copy = store.snapshot();
        copy.tamper_stages(|objects| objects.retain(|object| object.path != path));
        copy.tamper(path, None);
        refusal(&copy, options(1));
    }
    assert_eq!(tried, 4);
}

#[test]
fn a_damaged_stage_is_not_promoted() {
    // The round is decided, and the process dies before its objects are in their places.
    let probe = MemStore::new();
    let log = open_mem(&probe).unwrap();
    log.submit(leaves(0, 300)).wait().unwrap();
    let swap = probe.operations();
    let swap = swap.iter().rposition(|o| o.starts_with("swap")).unwrap();

    let store = MemStore::new();
    let log = open_mem(&store).unwrap();
    for operation in swap + 1..swap + 1000 {
        store.fail_at(operation, Fault::Before);
    }
    let outcome = log.submit(leaves(0, 300)).wait();
    assert!(matches!(outcome, Err(SequenceError::Unknown(_))));
    log.close();

    let damaged = store.snapshot();
    damaged.tamper_stages(|objects| {
        for object in objects {
            object.bytes[5] ^= 1;
        }
    });
    refusal(&damaged, options(1));
    let foreign = store.snapshot();
    foreign.tamper_stages(|objects| {
        let mut object = objects[0].clone();
        object.path = "tile/7/000".to_owned();
        objects.push(object);
    });
    assert!(matches!(
        refusal(&foreign, options(1)),
        LoadError::RoundMismatch { .. }
    ));

    // Whole, it is.
    let whole = store.snapshot();
    open_mem(&whole).unwrap().close();
    assert_eq!(audit(&mem_reader(&whole), 1), leaves(0, 300));
}

#[test]
fn of_two_writers_the_loser_stops_and_signs_nothing() {
    let store = MemStore::new();
    let one = open_mem(&store).unwrap();
    let two = open_mem(&store).unwrap();
    one.submit(leaves(1, 3)).wait().unwrap();
    let outcome = two.submit(leaves(2, 3)).wait();
    assert!(
        matches!(outcome, Err(SequenceError::NotAppended(_))),
        "{outcome:?}"
    );
    let outcome = two.submit(leaves(3, 3)).wait();
    let Err(SequenceError::Stopped(reason)) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(matches!(&*reason, RoundError::Store(_)));
    assert_eq!(two.head().checkpoint.size.0, 0);
    one.submit(leaves(4, 3)).wait().unwrap();
    two.close();
    one.close();
    assert_eq!(audit(&mem_reader(&store), 1).len(), 6);
}

#[test]
fn a_head_that_goes_back_under_a_running_log_stops_it() {
    let store = MemStore::new();
    let log = open_mem(&store).unwrap();
    log.submit(leaves(0, 3)).wait().unwrap();
    let old = store.head().unwrap();
    log.submit(leaves(1, 3)).wait().unwrap();
    store.tamper_head(old.as_deref());
    let outcome = log.submit(leaves(2, 3)).wait();
    assert!(outcome.is_err());
    assert!(matches!(
        log.submit(leaves(3, 3)).wait(),
        Err(SequenceError::Stopped(_))
    ));
    assert_eq!(log.head().checkpoint.size.0, 6);
    assert_eq!(log.head().checkpoint.origin.as_str(), NAME);
}

#[test]
fn the_old_key_signs_until_the_hand_over_is_past() {
    let store = grown(&[3]);
    let old: VerifierKey = key(1).verifier_key().clone();
    let signed = |until_ms: u64, batch: usize| {
        let mut options = options(2);
        options.co_signers = vec![Arc::new(key(1))];
        options.co_signers_until_ms = Some(until_ms);
        let log = open_mem_with(&store, options).unwrap();
        log.submit(leaves(batch, 1)).wait().unwrap();
        let note = Note::parse(&log.head().note).unwrap();
        assert!(Checkpoint::open(&note, key(2).verifier_key()).is_ok());
        log.close();
        Checkpoint::open(&note, &old).is_ok()
    };
    assert!(signed(u64::MAX, 1));
    assert!(!signed(1, 2));
    audit(&mem_reader(&store), 2);
}

/// One more line, by a key that most readers do not know; of a log that had none before, too.
#[test]
fn an_own_cosigner_signs_every_checkpoint() {
    let store = grown(&[3]);
    let name = KeyName::new(NAME).unwrap();
    let own = Arc::new(CosignerSigner::ml_dsa_44(name, &[7; 32]).unwrap());
    let mut with = options(1);
    with.own_cosigner = Some(Arc::clone(&own));
    let log = open_mem_with(&store, with.clone()).unwrap();
    for batch in 1..3 {
        let head = log.head();
        let note = Note::parse(&head.note).unwrap();
        assert!(own.key().verify_in(&note).unwrap().is_some(), "{batch}");
        log.submit(leaves(batch, 2)).wait().unwrap();
    }
    let head = log.head();
    log.close();
    assert_eq!(open_mem_with(&store, with).unwrap().head(), head);
    audit(&mem_reader(&store), 1);
    let mut foreign = options(1);
    let other = KeyName::new("log.example/other").unwrap();
    foreign.own_cosigner = Some(Arc::new(CosignerSigner::ed25519(other, &[7; 32])));
    let opened = open_mem_with(&MemStore::new(), foreign);
    assert!(matches!(opened, Err(OpenLogError::Option { .. })));
}
