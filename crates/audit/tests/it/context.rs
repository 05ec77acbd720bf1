//! Context leaves: honest ones pass and are counted; those that speak of what is not before them do not.

use affiant_audit::Verdict;
use affiant_audit::log::Leaf;
use affiant_entry::decode::Reader;
use affiant_entry::record::{Context, ContextKind, ContextSource, Subject};
use affiant_entry::{Body, Fact};
use affiant_tlog::{CompactTree, leaf_hash};

use super::world::{AGGREGATOR, World, audit, codes, id};

fn context(first: u64, end: u64, stale: bool) -> Context {
    let source = ContextSource {
        id: "assets".to_owned(),
        kind: ContextKind::Asset,
        version: Fact::Known("etag:7".to_owned()),
        read: Fact::Known("2026-11-22T06:54:01.123456Z".to_owned()),
        age_s: Fact::Known(3),
        stale,
    };
    Context {
        first,
        end,
        late: false,
        sources: vec![source],
        facts: Some(Vec::new()),
        unknown: Some(vec![Subject::Server("crm".to_owned())]),
        same_as: None,
        passed_over: 0,
    }
}

fn same_as(first: u64, end: u64, leaf: usize) -> Context {
    Context {
        facts: None,
        unknown: None,
        same_as: Some(u64::try_from(leaf).unwrap()),
        ..context(first, end, false)
    }
}

fn say(world: &mut World, said: Context) -> usize {
    world.say(Body::Context(Box::new(said)))
}

/// A log with context for all of it, the newest leaf included.
fn told() -> (World, usize) {
    let (mut world, ..) = World::lived();
    let end = u64::try_from(world.leaves.len()).unwrap();
    let at = say(&mut world, context(0, end, true));
    (world, at)
}

#[test]
fn honest_context_passes_and_is_counted() {
    let (mut world, at) = told();
    let late = Context {
        late: true,
        ..context(0, 9, false)
    };
    let newer = say(&mut world, late);
    say(&mut world, same_as(9, u64::try_from(at).unwrap(), newer));
    world.restart();
    let report = world.judge();
    assert_eq!(codes(&report), Vec::<&str>::new());
    assert_eq!(report.verdict, Verdict::Ok);
    assert_eq!(
        (report.counts.contexts, report.counts.contexts_stale),
        (3, 1)
    );
}

#[test]
fn context_of_what_is_not_before_it_is_a_fault() {
    let (world, at) = told();
    let at = u64::try_from(at).unwrap() + 1;
    for (first, end) in [(0, at + 1), (at, at + 1), (at + 5, at + 9), (0, 1 << 52)] {
        let mut world = world.clone();
        say(&mut world, context(first, end, false));
        let report = world.judge();
        assert_eq!(codes(&report), ["context-range"], "{first} {end}");
        assert_eq!(report.verdict, Verdict::No);
    }
}

#[test]
fn context_without_facts_anywhere_is_a_fault() {
    let (world, at) = told();
    let mut chained = world.clone();
    let second = say(&mut chained, same_as(0, 5, at));
    for (mut world, leaf) in [
        // No context leaf, one that has not come yet, itself, and one without facts of its own.
        (world.clone(), 4),
        (world.clone(), at + 40),
        (world, at + 1),
        (chained, second),
    ] {
        say(&mut world, same_as(0, 5, leaf));
        let report = world.judge();
        assert_eq!(codes(&report), ["context-unfounded"], "{leaf}");
        assert_eq!(report.verdict, Verdict::No);
    }
}

#[test]
fn context_that_cannot_be_read_is_a_fault() {
    for (from, to) in [
        (r#""facts":[]"#, r#""facts":{}"#),
        (r#""first":0"#, r#""first":900"#),
        (r#""unknown""#, r#""unknowns""#),
    ] {
        let (mut world, at) = told();
        let text = String::from_utf8(world.leaves[at].clone()).unwrap();
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        world.leaves[at] = changed.into_bytes();
        let report = world.judge();
        assert_eq!(codes(&report), ["own-malformed"]);
        assert_eq!(report.verdict, Verdict::No);
    }
}

#[test]
fn context_under_a_seal_means_nothing_and_is_a_fault() {
    let (mut world, mut source, _) = World::lived();
    world.append(&source.boot());
    let record = source.record(Body::Context(Box::new(context(0, 5, false))));
    let group = source.group(vec![record]);
    world.append(&group);
    let report = world.judge();
    assert!(codes(&report).contains(&"foreign-kind"));
    assert_eq!(report.verdict, Verdict::No);
    assert_eq!(report.counts.contexts, 0);
}

#[test]
fn facts_that_were_pruned_are_no_fault() {
    let (mut world, at) = told();
    say(&mut world, same_as(0, 5, at));
    let cut = at + 1;
    world.prune(u64::try_from(cut).unwrap());
    let before: CompactTree = world.leaves[..cut]
        .iter()
        .map(|leaf| leaf_hash(leaf))
        .collect();
    let mut expectation = world.expectation.clone();
    expectation.aggregator = Some(id(AGGREGATOR));
    let mut judge = audit(&[], &expectation).starting_behind(before);
    for leaf in &world.leaves[cut..] {
        judge.push(Leaf::read(&mut Reader::new(), leaf));
    }
    let report = judge.finish(&world.checkpoint());
    assert!(
        !codes(&report).contains(&"context-unfounded"),
        "{:?}",
        codes(&report)
    );
    assert_eq!(report.counts.contexts, 1);
}
