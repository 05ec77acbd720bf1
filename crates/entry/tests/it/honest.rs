//! What must not be called a fault.

use affiant_entry::chain::{ChainVerifier, HeadCheck, RememberedHead, Start, Tail, Verdict};
use affiant_entry::reclose::reclose;
use affiant_entry::{Decoded, Fact, Rotation, SourceId, Trust};

use crate::world::{NOW_US, SOURCE, World, codes, judge, judge_from, key, seals, trust, vkey};

fn assert_ok(report: &affiant_entry::chain::ChainReport) {
    assert_eq!(
        (report.verdict, codes(report)),
        (Verdict::Ok, vec![]),
        "{:#?}",
        report.findings
    );
}

#[test]
fn a_life_in_order_is_ok_and_counted() {
    let report = World::lived().judge();
    assert_ok(&report);
    assert_eq!(report.head, HeadCheck::Found);
    let counts = report.counts;
    assert_eq!((counts.entries, counts.seals, counts.boots), (7, 5, 1));
    assert_eq!(
        (counts.calls_begun, counts.calls_ended, counts.calls_open),
        (2, 2, 0)
    );
    assert_eq!((report.coverage.calls, report.coverage.complete), (2, 2));
    assert_eq!(report.keys.len(), 1);
    assert!(
        report
            .keys
            .iter()
            .all(|key| key.trusted && key.key == vkey(1).to_string())
    );
    assert!(report.first_utc_us < report.last_utc_us);
}

#[test]
fn a_chain_that_lives_is_ok_with_its_open_call_counted() {
    let mut world = World::new();
    world.boot("start", None);
    let (begin, _) = world.call_pair();
    world.group(vec![begin]);
    let report = world.judge();
    assert_ok(&report);
    assert_eq!(report.counts.calls_open, 1);
}

#[test]
fn a_restart_links_to_the_life_before() {
    let mut world = World::lived();
    world.boot("start", None);
    world.work();
    world.stop();
    let report = world.judge();
    assert_ok(&report);
    assert_eq!(report.counts.boots, 2);
}

#[test]
fn a_clock_that_steps_back_is_no_fault() {
    let mut world = World::new();
    world.boot("start", None);
    world.work();
    world.at.utc_us -= 3_600_000_000;
    world.work();
    world.stop();
    world.at.utc_us -= 86_400_000_000;
    world.at.mono_us = 5;
    world.boot("start", None);
    assert_ok(&world.judge());
}

#[test]
fn a_torn_tail_is_counted_and_is_no_fault() {
    let mut world = World::new();
    world.boot("start", None);
    world.work();
    let (begin, _) = world.call_pair();
    world.torn_group(vec![begin]);
    let mut verifier = ChainVerifier::new(trust(&[1]), world.head());
    world.items.iter().for_each(|bytes| verifier.push(bytes));
    let report = verifier.finish(Tail::Torn { bytes: 77 });
    assert_ok(&report);
    assert_eq!(
        (report.counts.unsealed_entries, report.counts.torn_bytes),
        (1, 77)
    );
    assert_eq!(
        report.counts.calls_begun, 2,
        "an unsealed entry is no evidence"
    );
}

#[test]
fn a_crash_is_ok_once_recovery_has_closed_its_calls() {
    let mut world = World::new();
    world.boot("start", None);
    let (begin, _) = world.call_pair();
    world.group(vec![begin]);
    let open = Decoded::parse(&world.items[2]).unwrap();
    let closed = reclose(&open, world.at).unwrap();
    world.boot_with("recovery", None, vec![closed]);
    world.work();
    let report = world.judge();
    assert_ok(&report);
    assert_eq!(
        (
            report.counts.calls_open,
            report.counts.calls_outcome_unknown
        ),
        (0, 1)
    );
    assert_eq!((report.coverage.calls, report.coverage.complete), (3, 3));
}

#[test]
fn a_crash_in_recovery_itself_is_no_fault_yet() {
    let mut world = World::new();
    world.boot("start", None);
    let (begin_a, _) = world.call_pair();
    let (begin_b, _) = world.call_pair();
    world.group(vec![begin_a, begin_b]);
    let open = Decoded::parse(&world.items[2]).unwrap();
    let closed = reclose(&open, world.at).unwrap();
    world.boot_with("recovery", None, vec![closed]);
    let report = world.judge();
    assert_ok(&report);
    assert_eq!(report.counts.calls_open, 1);
}

#[test]
fn a_rotated_key_is_ok_whichever_of_the_two_is_trusted() {
    let mut world = World::lived();
    let rotation = Rotation {
        source: SourceId::new(SOURCE).unwrap(),
        old: vkey(1),
        new: vkey(2),
        utc_us: NOW_US,
    };
    let note = rotation.sign(&key(1), &key(2)).unwrap();
    world.signer = key(2);
    world.boot("start", Some(note));
    world.work();
    world.stop();
    for trusted in [1, 2] {
        let report = judge(&world.items, &trust(&[trusted]), world.head());
        assert_ok(&report);
        assert_eq!(report.keys.len(), 2);
    }
}

#[test]
fn two_rotations_in_one_text_are_followed_back() {
    let mut world = World::lived();
    let source = SourceId::new(SOURCE).unwrap();
    let step = |old: u8, new: u8| {
        let rotation = Rotation {
            source: source.clone(),
            old: vkey(old),
            new: vkey(new),
            utc_us: NOW_US,
        };
        rotation.sign(&key(old), &key(new)).unwrap()
    };
    let notes = step(1, 2) + &step(2, 3);
    world.signer = key(3);
    world.boot("start", Some(notes.clone()));
    assert_ok(&judge(&world.items, &trust(&[3]), world.head()));
    assert!(
        Trust::new([vkey(3)])
            .with_rotations(&notes)
            .trusts(&vkey(1))
    );
}

#[test]
fn an_older_remembered_seal_is_as_good() {
    let mut world = World::new();
    world.boot("start", None);
    let older = world.head();
    world.work();
    let report = judge(&world.items, &trust(&[1]), older);
    assert_ok(&report);
    assert_eq!(report.head, HeadCheck::Found);
}

#[test]
fn without_a_remembered_seal_the_report_says_so() {
    let world = World::lived();
    let report = judge(&world.items, &trust(&[1]), None);
    assert_ok(&report);
    assert_eq!(report.head, HeadCheck::NotGiven);
}

#[test]
fn refused_calls_are_no_loss_but_lost_entries_are() {
    let mut world = World::new();
    world.boot("start", None);
    let refused = world.gap("refused-calls", Fact::Known(0));
    world.group(vec![refused]);
    let report = world.judge();
    assert_ok(&report);
    assert_eq!(report.counts.gaps, 1);
    let lost = world.gap("spool-full", Fact::Known(7));
    world.group(vec![lost]);
    let report = world.judge();
    assert_eq!(
        (report.verdict, codes(&report)),
        (Verdict::Incomplete, vec!["gap"])
    );
    assert_eq!((report.counts.gaps, report.counts.entries_lost), (2, 7));
}

const SINCE: &str = "2026-11-22T06:54:01.000000Z";

/// A chain in which a gap has begun.
fn in_a_gap() -> World {
    const WHY: &str = "the gap has only begun";
    let mut world = World::new();
    world.boot("start", None);
    let unknown = [Fact::absent(WHY), Fact::absent(WHY)];
    let begins = world.gap_since("disk-full", SINCE, unknown, Fact::absent(WHY));
    world.group(vec![begins]);
    world
}

/// A gap is declared when it begins, from the reserve; what it cost is known at its end.
#[test]
fn the_end_of_a_gap_says_what_its_beginning_could_not() {
    let ended = |reason, since, [lost, calls]: [u64; 2]| {
        let mut world = in_a_gap();
        let until = Fact::Known("2026-11-22T06:54:02.000000Z".to_owned());
        let ends = world.gap_since(
            reason,
            since,
            [Fact::Known(lost), Fact::Known(calls)],
            until,
        );
        world.group(vec![ends]);
        world.judge()
    };
    let incomplete = (Verdict::Incomplete, vec!["gap"]);
    let report = in_a_gap().judge();
    assert_eq!((report.verdict, codes(&report)), incomplete, "it lasts");
    assert_ok(&ended("disk-full", SINCE, [0, 0]));
    assert_ok(&ended("refused-calls", SINCE, [0, 3]));
    let report = ended("disk-full", SINCE, [2, 1]);
    assert_eq!((report.verdict, codes(&report)), incomplete, "said once");
    assert_eq!(report.counts.entries_lost, 2);
    let report = ended("disk-full", "2026-11-22T07:00:00.000000Z", [0, 0]);
    assert_eq!((report.verdict, codes(&report)), incomplete, "another gap");
}

#[test]
fn a_released_beginning_is_incomplete_where_that_is_allowed() {
    let mut world = World::lived();
    let first_life = world.items.len();
    world.boot("start", None);
    world.work();
    let rest = world.items.split_off(first_life);
    let report = judge_from(&rest, &trust(&[1]), world.head(), Start::Anywhere);
    assert_eq!(
        (report.verdict, codes(&report)),
        (Verdict::Incomplete, vec!["start-missing"])
    );
    // From the middle of a boot, just behind a seal, with the begins of both calls gone.
    let middle = rest.split_at(seals(&rest)[1] + 1).1;
    let report = judge_from(middle, &trust(&[1]), world.head(), Start::Anywhere);
    assert_eq!(
        (report.verdict, codes(&report)),
        (Verdict::Incomplete, vec!["start-missing"])
    );
    let report = judge_from(middle, &trust(&[1]), world.head(), Start::Genesis);
    assert_eq!(report.verdict, Verdict::No);
}

#[test]
fn nothing_is_never_a_pass() {
    let report = judge(&[], &trust(&[1]), None);
    assert_eq!(
        (report.verdict, codes(&report)),
        (Verdict::Incomplete, vec!["nothing"])
    );
}

#[test]
fn a_remembered_head_is_its_note() {
    let world = World::lived();
    let note = world.note.clone().unwrap();
    let head = RememberedHead::parse(&note).unwrap();
    assert_eq!(head.to_text(), note);
    assert_eq!(
        head.hash,
        affiant_tlog::leaf_hash(world.items.last().unwrap())
    );
    assert!(RememberedHead::parse("").is_err());
}

#[test]
fn anomalies_are_counted() {
    let mut world = World::new();
    world.boot("start", None);
    let anomaly = world.anomaly();
    world.group(vec![anomaly]);
    assert_eq!(world.judge().counts.anomalies, 1);
}
