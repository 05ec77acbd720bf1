//! The sealer and its text.

use affiant_entry::seal::{BootFault, SealError};
use affiant_entry::{BootId, Moment, NoteTextError, SealText, Sealer, Seq, SourceId};
use affiant_tlog::leaf_hash;
use affiant_tlog::note::{KeyName, SignerKey};

use crate::world::{NOW_US, SOURCE, SPOOL, World, call, key, text_of};

fn sealer(previous: Option<affiant_tlog::Hash>) -> Sealer {
    Sealer::new(
        SourceId::new(SOURCE).unwrap(),
        SPOOL,
        BootId::from_parts(NOW_US, 7),
        previous,
    )
    .unwrap()
}

fn now() -> Moment {
    Moment {
        utc_us: NOW_US,
        mono_us: 1,
    }
}

#[test]
fn a_failed_append_can_be_retried_with_the_same_numbers() {
    let mut world = World::new();
    let mut sealer = sealer(None);
    let boot = vec![world.boot_record("start", None)];
    let first = sealer.prepare(&boot, now(), &key(1)).unwrap();
    let again = sealer.prepare(&boot, now(), &key(1)).unwrap();
    assert_eq!((&first.entries, &first.seal), (&again.entries, &again.seal));
    assert_eq!(sealer.next_seq(), Seq(0));
    sealer.advance(&again).unwrap();
    assert_eq!((sealer.next_seq(), sealer.next_seal().0), (Seq(1), 1));
    assert_eq!(sealer.previous(), Some(leaf_hash(again.seal.as_slice())));
    assert!(matches!(sealer.advance(&first), Err(SealError::Stale)));
}

#[test]
fn the_record_that_is_too_long_is_named() {
    let mut world = World::new();
    let mut sealer = sealer(None);
    let boot = vec![world.boot_record("start", None)];
    let group = sealer.prepare(&boot, now(), &key(1)).unwrap();
    sealer.advance(&group).unwrap();
    let (begin, mut end) = world.call_pair();
    let huge = format!(r#"{{"q":"{}"}}"#, "x".repeat(70_000));
    end.body = affiant_entry::Body::CallBegin(Box::new(call(&huge)));
    let error = sealer.prepare(&[begin, end], now(), &key(1)).unwrap_err();
    assert!(
        matches!(error, SealError::TooLong { index: 1, bytes } if bytes > 70_000),
        "{error}"
    );
}

#[test]
fn a_boot_that_does_not_fit_the_chain_is_not_sealed() {
    let mut world = World::new();
    let boot = world.boot_record("start", None);
    let beat = world.heartbeat();
    let fault = |sealer: &Sealer, records: &[affiant_entry::Record], seed| match sealer.prepare(
        records,
        now(),
        &key(seed),
    ) {
        Err(SealError::Boot { index, fault }) => (index, fault),
        other => panic!("{other:?}"),
    };
    let genesis = sealer(None);
    assert_eq!(fault(&genesis, &[beat], 1), (0, BootFault::NotFirst));
    assert_eq!(
        fault(&genesis, &[boot.clone(), boot.clone()], 1),
        (1, BootFault::Twice)
    );
    assert_eq!(
        fault(&genesis, std::slice::from_ref(&boot), 2),
        (0, BootFault::Key)
    );
    let later = sealer(Some(leaf_hash(b"a seal")));
    assert_eq!(
        fault(&later, std::slice::from_ref(&boot), 1),
        (0, BootFault::Previous)
    );
    let other = Sealer::new(
        SourceId::new(SOURCE).unwrap(),
        "other",
        genesis.boot(),
        None,
    )
    .unwrap();
    assert_eq!(fault(&other, &[boot], 1), (0, BootFault::Spool));
}

#[test]
fn other_groups_are_not_sealed() {
    let mut world = World::new();
    let boot = vec![world.boot_record("start", None)];
    let stranger = SignerKey::from_seed(KeyName::new("gw-8").unwrap(), &[1; 32]);
    let sealer = sealer(None);
    assert!(matches!(
        sealer.prepare(&[], now(), &key(1)),
        Err(SealError::Empty)
    ));
    assert!(matches!(
        sealer.prepare(&boot, now(), &stranger),
        Err(SealError::SignerName { .. })
    ));
    assert!(Sealer::new(SourceId::new(SOURCE).unwrap(), "a\nb", sealer.boot(), None).is_err());
}

#[test]
fn the_text_is_exactly_these_lines() {
    let world = World::lived();
    let text = text_of(&world.items[1]);
    let root = leaf_hash(&world.items[0]).to_base64();
    let expected = format!(
        "affiant.dev/seal/v1\nsource gw-7\nspool main\nboot {}\nseal 0\nfirst 0\ncount 1\nroot {root}\n\
         previous none\ntime 2026-11-22T06:54:01.123466Z\n",
        text.boot
    );
    assert_eq!(text.to_text(), expected);
    assert_eq!(SealText::parse(&expected), Ok(text));
}

#[test]
fn other_texts_are_refused() {
    let text = text_of(&World::lived().items[1]).to_text();
    let check = |from: &str, to: &str, expected: &NoteTextError| {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text);
        assert_eq!(
            SealText::parse(&other).as_ref().unwrap_err(),
            expected,
            "{to}"
        );
    };
    check(
        "seal/v1",
        "seal/v2",
        &NoteTextError::Line {
            number: 1,
            expected: "affiant.dev/seal/v1",
        },
    );
    check(
        "spool main\n",
        "",
        &NoteTextError::Line {
            number: 3,
            expected: "spool",
        },
    );
    check(
        "source gw-7",
        "source GW-7",
        &NoteTextError::Value { member: "source" },
    );
    check(
        "count 1",
        "count 0",
        &NoteTextError::Value { member: "count" },
    );
    check(
        "count 1",
        "count 9007199254740992",
        &NoteTextError::Value { member: "count" },
    );
    check("count 1", "count 01", &NoteTextError::NotCanonical);
    check("count 1", "count +1", &NoteTextError::NotCanonical);
    check(
        "previous none",
        "previous None",
        &NoteTextError::Value { member: "previous" },
    );
    check(".123466Z", ".123466+00:00", &NoteTextError::NotCanonical);
    check(".123466Z\n", ".123466Z\nmore\n", &NoteTextError::Trailing);
    check(
        ".123466Z\n",
        ".123466Z",
        &NoteTextError::Line {
            number: 10,
            expected: "time",
        },
    );
    check(
        "seal 0",
        "seal  0",
        &NoteTextError::Value { member: "seal" },
    );
    check("boot 0", "boot 8", &NoteTextError::NotCanonical);
}
