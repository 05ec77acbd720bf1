//! What an attacker, or a failing disk, can do to a chain, and what the judge must say.

use affiant_entry::chain::{ChainReport, ChainVerifier, Tail, Verdict};
use affiant_entry::{Decoded, Rotation, SealNumber, SourceId};
use affiant_tlog::{leaf_hash, root_of};

use crate::world::{
    NOW_US, SOURCE, World, codes, is_seal, judge, key, reseal, seals, text_of, trust, vkey,
};

/// Two lives of seven entries and five seals each.
fn world() -> World {
    let mut world = World::lived();
    world.boot("start", None);
    world.work();
    world.stop();
    world
}

#[track_caller]
fn refused(report: &ChainReport, code: &str) {
    assert_eq!(report.verdict, Verdict::No, "{:#?}", report.findings);
    assert!(
        codes(report).contains(&code),
        "no {code} in {:?}",
        codes(report)
    );
}

#[track_caller]
fn check(attack: impl FnOnce(&mut Vec<Vec<u8>>), code: &str) {
    let mut world = world();
    let before = world.items.clone();
    attack(&mut world.items);
    assert_ne!(world.items, before, "the attack did nothing");
    refused(&world.judge(), code);
}

#[test]
fn any_flipped_bit_of_any_entry_is_refused() {
    let world = World::lived();
    // Every fifth byte, with a bit that depends on its place: all bits of all bytes take minutes. The
    // properties flip bits anywhere.
    for (index, item) in world.items.iter().enumerate() {
        for at in (index % 5..item.len()).step_by(5) {
            let mut items = world.items.clone();
            items[index][at] ^= 1 << (at % 8);
            let report = judge(&items, &trust(&[1]), world.head());
            assert_eq!(
                report.verdict,
                Verdict::No,
                "entry {index}, byte {at}: {:?}",
                codes(&report)
            );
        }
    }
}

/// But for the version: behind another one, anything could stand. That is no pass either.
#[test]
fn any_flipped_bit_of_a_last_seal_is_refused_without_a_remembered_one() {
    const VERSION: usize = r#"{"v":"#.len();
    let mut world = World::new();
    world.boot("start", None);
    let last = world.items.len() - 1;
    for at in 0..world.items[last].len() {
        for bit in 0..8 {
            let mut items = world.items.clone();
            items[last][at] ^= 1 << bit;
            let report = judge(&items, &trust(&[1]), None);
            let found = codes(&report);
            let unsupported = at == VERSION && found == ["unsupported", "nothing"];
            let refused = report.verdict == Verdict::No;
            assert!(refused || unsupported, "byte {at}, bit {bit}: {found:?}");
        }
    }
}

#[test]
fn any_deleted_entry_is_refused() {
    for index in 0..world().items.len() {
        check(
            |items| {
                items.remove(index);
            },
            if index + 1 == world().items.len() {
                "truncated"
            } else {
                any_of(index)
            },
        );
    }
}

/// The fault that is always among those of a deletion at this place.
fn any_of(index: usize) -> &'static str {
    let items = world().items;
    let boots: Vec<bool> = items
        .iter()
        .map(|i| String::from_utf8_lossy(i).contains(r#""kind":"boot""#))
        .collect();
    let next_begins_boot = boots.get(index + 1).copied().unwrap_or(false);
    match (is_seal(&items[index]), boots[index], index) {
        (true, ..) if next_begins_boot => "boot-link",
        (true, ..) => "seal-number",
        (false, true, 0) => "start-missing",
        (false, true, _) => "boot-missing",
        (false, false, _) => "seal-count",
    }
}

#[test]
fn any_doubled_entry_is_refused() {
    for index in 0..world().items.len() {
        check(
            |items| {
                let copy = items[index].clone();
                items.insert(index + 1, copy);
            },
            if is_seal(&world().items[index]) {
                "seal-number"
            } else {
                "seq"
            },
        );
    }
}

#[test]
fn any_two_neighbours_swapped_are_refused() {
    for index in 1..world().items.len() {
        let mut world = world();
        world.items.swap(index - 1, index);
        assert_eq!(world.judge().verdict, Verdict::No, "at {index}");
    }
}

#[test]
fn a_dropped_seal_does_not_merge_two_groups() {
    check(
        |items| {
            items.remove(seals(items)[1]);
        },
        "seal-link",
    );
}

#[test]
fn a_forged_entry_in_a_group_is_refused() {
    check(
        |items| {
            let text = String::from_utf8(items[2].clone()).unwrap();
            items[2] = text.replace("alice", "mallory").into_bytes();
        },
        "root",
    );
}

#[test]
fn a_forged_entry_between_two_boots_is_refused() {
    check(
        |items| {
            let end = items.len() / 2;
            let stop = items[end - 2].clone();
            let forged = String::from_utf8(stop)
                .unwrap()
                .replace(r#""seq":6"#, r#""seq":7"#);
            items.insert(end, forged.into_bytes());
        },
        "unsealed-inside",
    );
}

#[test]
fn a_forged_entry_behind_the_last_seal_is_no_evidence() {
    let mut world = World::new();
    world.boot("start", None);
    let forged = String::from_utf8(world.items[0].clone()).unwrap();
    let forged = forged
        .replace(r#""kind":"boot","#, r#""kind":"heartbeat","#)
        .replace(r#""seq":0"#, r#""seq":1"#);
    world.items.push(forged.into_bytes());
    let report = world.judge();
    assert_eq!((report.verdict, report.counts.entries), (Verdict::Ok, 1));
    assert_eq!(report.counts.unsealed_entries, 1);
}

#[test]
fn a_tail_cut_across_a_seal_is_refused_because_the_head_is_remembered() {
    let whole = world().items.len();
    for keep in 1..whole {
        let mut world = world();
        world.items.truncate(keep);
        // The first entry alone is under no seal at all.
        refused(
            &world.judge(),
            if keep == 1 { "emptied" } else { "truncated" },
        );
    }
}

#[test]
fn an_emptied_spool_with_a_past_is_refused() {
    check(Vec::clear, "emptied");
}

#[test]
fn another_chain_of_the_same_source_is_refused() {
    let other = World::in_spool("other");
    let mut other = other;
    other.boot("start", None);
    let report = judge(&other.items, &trust(&[1]), world().head());
    refused(&report, "head-of-other");
}

#[test]
fn a_past_rewritten_with_the_right_key_is_refused_by_the_remembered_head() {
    // Same ids and numbers, other content: only the remembered hash tells.
    let mut rewritten = World::new();
    rewritten.at.mono_us += 7;
    rewritten.boot("start", None);
    rewritten.work();
    rewritten.stop();
    let report = judge(&rewritten.items, &trust(&[1]), World::lived().head());
    refused(&report, "head-differs");
}

#[test]
fn another_key_is_untrusted_not_refused() {
    let mut world = World::new();
    world.signer = key(5);
    world.boot("start", None);
    world.work();
    let report = judge(&world.items, &trust(&[1]), None);
    assert_eq!(
        (report.verdict, codes(&report)),
        (Verdict::Untrusted, vec!["untrusted"])
    );
    assert!(report.keys.iter().all(|key| !key.trusted));
}

#[test]
fn another_key_in_a_later_boot_is_untrusted() {
    let mut world = World::lived();
    world.signer = key(5);
    world.boot("start", None);
    let report = judge(&world.items, &trust(&[1]), None);
    assert_eq!(
        (report.verdict, codes(&report)),
        (Verdict::Untrusted, vec!["untrusted"])
    );
}

#[test]
fn a_seal_resigned_by_another_key_is_refused() {
    check(
        |items| {
            let last = items.len() - 1;
            items[last] = reseal(&text_of(&items[last]), &key(5));
        },
        "other-key",
    );
}

#[test]
fn swapped_boots_are_refused() {
    check(
        |items| {
            let half = items.len() / 2;
            items.rotate_left(half);
        },
        "boot-link",
    );
}

#[test]
fn a_boot_left_out_is_refused() {
    let mut world = world();
    let first = world.items.len();
    world.boot("start", None);
    world.items.drain(first / 2..first);
    refused(&world.judge(), "boot-link");
}

#[test]
fn renumbered_entries_are_refused() {
    check(
        |items| {
            let text = String::from_utf8(items[2].clone()).unwrap();
            items[2] = text.replace(r#""seq":1,"#, r#""seq":9,"#).into_bytes();
        },
        "seq",
    );
}

#[test]
fn an_entry_of_another_source_is_refused() {
    check(
        |items| {
            let text = String::from_utf8(items[2].clone()).unwrap();
            items[2] = text
                .replace(r#""source":"gw-7""#, r#""source":"gw-8""#)
                .into_bytes();
        },
        "source",
    );
}

#[test]
fn storage_damage_is_refused() {
    let world = world();
    let mut verifier = ChainVerifier::new(trust(&[1]), world.head());
    for (index, bytes) in world.items.iter().enumerate() {
        if index == 4 {
            verifier.damage("checksum of a frame");
        } else {
            verifier.push(bytes);
        }
    }
    refused(&verifier.finish(Tail::Clean), "damaged");
}

#[test]
fn a_forged_rotation_links_nothing() {
    let mut world = World::lived();
    // The thief has no old key: a note signed twice by the new one, in the old one's name.
    let rotation = Rotation {
        source: SourceId::new(SOURCE).unwrap(),
        old: vkey(1),
        new: vkey(5),
        utc_us: NOW_US,
    };
    let honest = rotation.sign(&key(1), &key(5)).unwrap();
    let old_line = honest.lines().find(|line| line.starts_with('—')).unwrap();
    let mut broken: Vec<char> = old_line.chars().collect();
    let middle = broken.len() / 2;
    broken[middle] = if broken[middle] == 'A' { 'B' } else { 'A' };
    let forged = honest.replace(old_line, &broken.into_iter().collect::<String>());
    assert!(Rotation::parse(&honest).is_ok());
    assert!(Rotation::parse(&forged).is_err());
    world.signer = key(5);
    world.boot("start", Some(forged));
    let report = judge(&world.items, &trust(&[1]), None);
    refused(&report, "rotation");
    assert!(codes(&report).contains(&"untrusted"));
}

#[test]
fn a_rotation_between_strangers_makes_nobody_trusted() {
    let mut world = World::new();
    world.signer = key(6);
    let rotation = Rotation {
        source: SourceId::new(SOURCE).unwrap(),
        old: vkey(5),
        new: vkey(6),
        utc_us: NOW_US,
    };
    world.boot("start", Some(rotation.sign(&key(5), &key(6)).unwrap()));
    let report = judge(&world.items, &trust(&[1]), None);
    assert_eq!(
        (report.verdict, codes(&report)),
        (Verdict::Untrusted, vec!["untrusted"])
    );
}

#[test]
fn a_remembered_head_by_an_unknown_key_says_nothing() {
    let mut forged = World::new();
    forged.signer = key(5);
    forged.boot("start", None);
    let report = judge(&World::lived().items, &trust(&[1]), forged.head());
    assert!(codes(&report).contains(&"head-untrusted"));
    assert_eq!(report.verdict, Verdict::No);
}

#[test]
fn a_source_that_breaks_its_own_rules_is_found_out() {
    for (make, code, verdict) in cases_of_a_lying_source() {
        let mut world = World::new();
        world.boot("start", None);
        make(&mut world);
        let report = world.judge();
        assert_eq!((report.verdict, codes(&report)), (verdict, vec![code]));
    }
}

type Lie = (fn(&mut World), &'static str, Verdict);

fn cases_of_a_lying_source() -> Vec<Lie> {
    vec![
        (
            |world| {
                let call = world.new_call();
                let group = vec![world.begin(call), world.end(call), world.end(call)];
                world.group(group);
            },
            "ended-twice",
            Verdict::No,
        ),
        (
            |world| {
                let call = world.new_call();
                let group = vec![world.begin(call), world.begin(call), world.end(call)];
                world.group(group);
            },
            "begun-twice",
            Verdict::No,
        ),
        (
            |world| {
                let (_, end) = world.call_pair();
                world.group(vec![end]);
            },
            "end-without-begin",
            Verdict::No,
        ),
        (
            |world| {
                let (begin, _) = world.call_pair();
                world.group(vec![begin]);
                world.stop();
            },
            "never-ended",
            Verdict::Incomplete,
        ),
        (
            |world| {
                let (begin, _) = world.call_pair();
                world.group(vec![begin]);
                world.boot("recovery", None);
                world.work();
            },
            "never-ended",
            Verdict::Incomplete,
        ),
    ]
}

#[test]
fn a_seal_that_lies_about_its_group_is_refused_even_with_the_right_key() {
    type Change = fn(&mut affiant_entry::SealText);
    let lies: [(Change, &str); 5] = [
        (|text| text.first.0 += 1, "seal-first"),
        (
            |text| text.count = text.count.saturating_add(1),
            "seal-count",
        ),
        (|text| text.root = leaf_hash(b"other"), "root"),
        (|text| text.previous = None, "seal-link"),
        (
            |text| text.spool = affiant_entry::SpoolName::new("other").unwrap(),
            "spool",
        ),
    ];
    for (lie, code) in lies {
        let mut world = World::lived();
        let last = world.items.len() - 1;
        let mut text = text_of(&world.items[last]);
        lie(&mut text);
        world.items[last] = reseal(&text, &key(1));
        let report = judge(&world.items, &trust(&[1]), None);
        assert_eq!((report.verdict, codes(&report)), (Verdict::No, vec![code]));
    }
}

#[test]
fn a_seal_spelled_another_way_is_refused() {
    let mut world = World::lived();
    let last = world.items.len() - 1;
    let seal = String::from_utf8(world.items[last].clone()).unwrap();
    for other in [
        seal.replace(r#""kind":"seal","#, r#""kind":"seal", "#),
        seal.replace("\\n", "\\u000a"),
        seal.replace(r#""v":1"#, r#""v":1,"more":1"#),
    ] {
        assert_ne!(other, seal);
        world.items[last] = other.into_bytes();
        let report = judge(&world.items, &trust(&[1]), None);
        assert_eq!(
            (report.verdict, codes(&report)),
            (Verdict::No, vec!["seal-malformed"])
        );
    }
}

#[test]
fn a_newer_version_and_an_unknown_kind_are_not_judged_but_still_sealed() {
    for (from, to) in [
        (r#""kind":"heartbeat""#, r#""kind":"heartbeat.v9""#),
        (r#"{"v":1,"#, r#"{"v":2,"#),
    ] {
        let mut world = World::new();
        world.boot("start", None);
        let beat = world.heartbeat();
        world.group(vec![beat]);
        let at = world.items.len() - 2;
        let text = String::from_utf8(world.items[at].clone())
            .unwrap()
            .replacen(from, to, 1);
        world.items[at] = text.into_bytes();
        let mut seal = text_of(&world.items[at + 1]);
        seal.root = root_of(&[leaf_hash(&world.items[at])]);
        world.items[at + 1] = reseal(&seal, &key(1));
        let report = judge(&world.items, &trust(&[1]), None);
        assert_eq!(
            (report.verdict, codes(&report)),
            (Verdict::Incomplete, vec!["unsupported"])
        );
    }
}

#[test]
fn findings_are_bounded_and_all_counted() {
    let mut verifier = ChainVerifier::new(trust(&[1]), None);
    for _ in 0..1_000 {
        verifier.push(b"garbage");
    }
    let report = verifier.finish(Tail::Clean);
    assert_eq!(report.findings.len(), affiant_entry::chain::FINDINGS_MAX);
    assert!(report.findings_total >= 1_000);
}

#[test]
fn a_second_boot_entry_inside_a_boot_is_refused() {
    check(
        |items| {
            let boot = String::from_utf8(items[0].clone()).unwrap();
            items[2] = boot.replace(r#""seq":0"#, r#""seq":1"#).into_bytes();
        },
        "boot-twice",
    );
}

#[test]
fn the_numbers_of_entry_and_note_must_agree() {
    let mut world = World::lived();
    let last = world.items.len() - 1;
    let text = text_of(&world.items[last]);
    let note = Decoded::parse(&world.items[last]).unwrap().note().unwrap();
    let other = SealNumber(text.seal.0 + 1);
    world.items[last] = affiant_entry::encode_seal(&text.source, text.boot, other, &note)
        .unwrap()
        .into_vec();
    refused(&judge(&world.items, &trust(&[1]), None), "seal-malformed");
}
