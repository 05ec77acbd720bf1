//! One step of a chain at a time, as an aggregator takes it.

use affiant_entry::link::{
    BadSeal, ChainCursor, CheckedGroup, EntryProblem, ForkKind, GapKind, Placement,
};
use affiant_entry::{Rotation, SealText, SourceId, SpoolName};
use affiant_tlog::{leaf_hash, root_of};

use crate::world::{NOW_US, SOURCE, SPOOL, World, is_seal, key, reseal, text_of, trust, vkey};

/// Entries and seal.
type Offer = (Vec<Vec<u8>>, Vec<u8>);

fn offers(world: &World) -> Vec<Offer> {
    let mut entries = Vec::new();
    let mut offers = Vec::new();
    for item in &world.items {
        if is_seal(item) {
            offers.push((std::mem::take(&mut entries), item.clone()));
        } else {
            entries.push(item.clone());
        }
    }
    offers
}

fn check(offer: &Offer) -> Result<CheckedGroup, BadSeal> {
    CheckedGroup::check(&offer.0, &offer.1, &trust(&[1]))
}

fn cursor() -> ChainCursor {
    ChainCursor::new(
        SourceId::new(SOURCE).unwrap(),
        SpoolName::new(SPOOL).unwrap(),
    )
}

/// A cursor behind these groups.
fn behind(offers: &[Offer]) -> ChainCursor {
    let mut cursor = cursor();
    for offer in offers {
        let group = check(offer).unwrap();
        assert_eq!(cursor.place(&group), Placement::Next);
        cursor.advance(&group);
    }
    cursor
}

fn place(cursor: &ChainCursor, offer: &Offer) -> Placement {
    cursor.place(&check(offer).unwrap())
}

#[test]
fn an_honest_chain_is_taken_group_by_group() {
    let mut world = World::lived();
    world.boot("start", None);
    world.work();
    let offers = offers(&world);
    let cursor = behind(&offers);
    let last = check(offers.last().unwrap()).unwrap();
    assert_eq!(cursor.position().unwrap().place, last.place());
    assert_eq!(last.problems().count(), 0);
    assert!(last.last_utc_us().unwrap() > NOW_US);
    assert_eq!(cursor.place(&last), Placement::Duplicate);
    assert_eq!(
        place(&cursor, &offers[offers.len() - 2]),
        Placement::Earlier
    );
}

#[test]
fn a_cursor_survives_a_snapshot() {
    let cursor = behind(&offers(&World::lived()));
    let json = serde_json::to_string(&cursor).unwrap();
    let back: ChainCursor = serde_json::from_str(&json).unwrap();
    assert_eq!(back, cursor);
    assert!(json.len() < 512, "{json}");
    assert!(serde_json::from_str::<ChainCursor>(&json.replace("gw-7+", "gw-8+")).is_err());
}

#[test]
fn what_is_missing_is_named() {
    let mut world = World::lived();
    let first_life = offers(&world).len();
    world.boot("start", None);
    let offers = offers(&world);
    let cursor = behind(&offers[..2]);
    assert_eq!(
        place(&cursor, &offers[3]),
        Placement::Gap {
            expected: cursor.expected(),
            kind: GapKind::MissingSeals
        }
    );
    assert_eq!(
        place(&cursor, &offers[first_life]),
        Placement::Gap {
            expected: cursor.expected(),
            kind: GapKind::BootNotLinked
        }
    );
    let nothing = self::cursor();
    let start = Placement::Gap {
        expected: None,
        kind: GapKind::StartMissing,
    };
    assert_eq!(place(&nothing, &offers[1]), start);
    assert_eq!(place(&nothing, &offers[first_life]), start);

    // Once the gap is recorded, the chain goes on behind it.
    let mut cursor = cursor;
    cursor.advance(&check(&offers[3]).unwrap());
    assert_eq!(place(&cursor, &offers[4]), Placement::Next);
}

#[test]
fn a_chain_that_begins_anew_is_a_gap() {
    let cursor = behind(&offers(&World::lived()));
    let mut other = World::lived();
    other.items.clear();
    other.boot("start", None);
    assert_eq!(
        place(&cursor, &offers(&other)[0]),
        Placement::Gap {
            expected: cursor.expected(),
            kind: GapKind::ChainRestarted
        }
    );
}

#[test]
fn two_chains_of_one_source_are_a_fork() {
    let mut world = World::lived();
    let one = offers(&world);
    let fork = |offer: &Offer, cursor: &ChainCursor| {
        let Placement::Fork(kind) = place(cursor, offer) else {
            panic!("no fork: {:?}", place(cursor, offer))
        };
        kind
    };
    // The same seal number over other entries.
    let other_text = |at: usize, change: &dyn Fn(&mut SealText)| {
        let mut text = text_of(&one[at].1);
        change(&mut text);
        (one[at].0.clone(), reseal(&text, &key(1)))
    };
    let cursor = behind(&one[..3]);
    let same = other_text(2, &|text| text.utc_us += 1);
    assert_eq!(fork(&same, &cursor), ForkKind::SameSeal);
    let linked_elsewhere = other_text(3, &|text| text.previous = Some(leaf_hash(b"another")));
    assert_eq!(fork(&linked_elsewhere, &cursor), ForkKind::OtherPrevious);
    // A backup of the spool comes back to life.
    let len = world.items.len();
    let backup = world.items[..len - 2].to_vec();
    world.items = backup;
    world.boot("recovery", None);
    let restored = offers(&world).pop().unwrap();
    assert_eq!(fork(&restored, &behind(&one)), ForkKind::BootOfEarlier);
}

#[test]
fn a_key_is_good_only_for_the_boot_that_declares_it() {
    let mut world = World::lived();
    let rotation = Rotation {
        source: SourceId::new(SOURCE).unwrap(),
        old: vkey(1),
        new: vkey(2),
        utc_us: NOW_US,
    };
    let honest = offers(&world);
    world.signer = key(2);
    world.boot("start", Some(rotation.sign(&key(1), &key(2)).unwrap()));
    let rotated = offers(&world).pop().unwrap();
    let group = check(&rotated).unwrap();
    assert_eq!(group.key, vkey(2));
    assert_eq!(group.boot.as_ref().unwrap().rotations, [rotation]);
    assert_eq!(behind(&honest).place(&group), Placement::Next);

    // The new key signs within the boot of the old one.
    let last = honest.last().unwrap();
    let resigned = (last.0.clone(), reseal(&text_of(&last.1), &key(2)));
    let cursor = behind(&honest[..honest.len() - 1]);
    let both = trust(&[1, 2]);
    let group = CheckedGroup::check(&resigned.0, &resigned.1, &both).unwrap();
    assert!(matches!(
        cursor.place(&group),
        Placement::Bad(BadSeal::OtherKey { .. })
    ));
    // A stranger.
    let stranger = (last.0.clone(), reseal(&text_of(&last.1), &key(5)));
    assert!(matches!(check(&stranger), Err(BadSeal::Untrusted { .. })));
    let mut world = World::new();
    world.signer = key(5);
    world.boot("start", None);
    assert!(matches!(
        check(&offers(&world)[0]),
        Err(BadSeal::Untrusted { .. })
    ));
}

#[test]
fn a_seal_that_does_not_hold_is_refused() {
    let one = offers(&World::lived());
    let code = |offer: &Offer| check(offer).map_or_else(|bad| bad.code(), |_| "ok");
    let change = |at: usize, change: &dyn Fn(&mut Offer)| {
        let mut offer = one[at].clone();
        change(&mut offer);
        offer
    };
    assert_eq!(code(&one[1]), "ok");
    assert_eq!(code(&change(1, &|o| o.0[0][40] ^= 1)), "root");
    assert_eq!(code(&change(1, &|o| o.0.swap(0, 1))), "root");
    assert_eq!(code(&change(1, &|o| drop(o.0.pop()))), "seal-count");
    assert_eq!(code(&change(1, &|o| o.1.push(b' '))), "seal-malformed");
    assert_eq!(
        code(&change(1, &|o| o.1 = o.0[0].clone())),
        "seal-malformed"
    );
    let resealed = |at: usize, edit: &dyn Fn(&mut SealText)| {
        change(at, &|o| {
            let mut text = text_of(&o.1);
            edit(&mut text);
            o.1 = reseal(&text, &key(1));
        })
    };
    assert_eq!(code(&resealed(1, &|t| t.seal.0 = 0)), "seal-first");
    assert_eq!(
        code(&resealed(0, &|t| t.previous = Some(leaf_hash(b"x")))),
        "boot"
    );
    let cursor = behind(&one[..2]);
    let skipping = resealed(2, &|t| t.first.0 += 1);
    assert!(matches!(
        place(&cursor, &skipping),
        Placement::Bad(BadSeal::First { .. })
    ));
    // Every changed byte of a seal entry.
    for at in 0..one[1].1.len() {
        let changed = change(1, &|o| o.1[at] ^= 1);
        assert!(check(&changed).is_err(), "{at}");
    }
    assert!(matches!(
        ChainCursor::new(
            SourceId::new("gw-8").unwrap(),
            SpoolName::new(SPOOL).unwrap()
        )
        .place(&check(&one[0]).unwrap()),
        Placement::OtherChain
    ));
}

#[test]
fn malformed_entries_under_a_good_seal_are_named() {
    let one = offers(&World::lived());
    let cursor = behind(&one[..1]);
    let honest = String::from_utf8(one[1].0[0].clone()).unwrap();
    let cases = [
        ("{}".to_owned(), EntryProblem::NotAnEntry),
        (
            honest.replacen("\"v\":1", "\"v\":2", 1),
            EntryProblem::Version,
        ),
        (
            honest.replace("call.begin", "call.middle"),
            EntryProblem::UnknownKind,
        ),
        (
            honest.replace("\"call.begin\"", "\"key\""),
            EntryProblem::ForeignKind,
        ),
        (honest.replace("\"gw-7\"", "\"gw-8\""), EntryProblem::Source),
        (
            honest.replace("\"seq\":1,", "\"seq\":2,"),
            EntryProblem::Seq,
        ),
        (
            String::from_utf8(one[0].1.clone()).unwrap(),
            EntryProblem::SealInside,
        ),
    ];
    for (entry, problem) in cases {
        let mut entries = one[1].0.clone();
        entries[0] = entry.into_bytes();
        let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let text = SealText {
            root: root_of(&leaves),
            ..text_of(&one[1].1)
        };
        let group = check(&(entries, reseal(&text, &key(1)))).unwrap();
        assert_eq!(cursor.place(&group), Placement::Next);
        let found: Vec<_> = group
            .problems()
            .map(|(at, _, problem)| (at, problem))
            .collect();
        assert_eq!(found, [(0, problem)], "{}", problem.code());
    }
}
