//! What happens to honest logs, and must pass.

use affiant_audit::Verdict;
use affiant_entry::record::KeyAction;

use super::world::{Source, World, codes, verdicts, vkey};

/// Judged `ok`, every stretch complete.
#[track_caller]
fn passes(world: &World) {
    let report = world.judge();
    assert_eq!(codes(&report), Vec::<&str>::new());
    assert_eq!(report.verdict, Verdict::Ok);
    assert!(
        report.sources.iter().all(|each| each.is_complete()),
        "{:?}",
        verdicts(&report)
    );
}

#[test]
fn an_honest_log_passes() {
    let (world, ..) = World::lived();
    passes(&world);
    let report = world.judge();
    assert_eq!(verdicts(&report), ["gw-7: COMPLETE", "gw-8: COMPLETE"]);
    assert_eq!(report.counts.seals, 7);
    assert_eq!(report.counts.entries, 16);
    assert_eq!(report.counts.own, 4);
    assert!(report.sources[0].stopped && !report.sources[1].stopped);
}

#[test]
fn a_log_with_only_an_aggregator_in_it_passes() {
    passes(&World::new());
}

#[test]
fn restarted_sources_and_aggregators_pass() {
    let (mut world, mut a, mut b) = World::lived();
    world.restart();
    world.append(&a.boot());
    world.append(&a.work());
    // gw-8 crashed: its next boot links to its last seal.
    world.append(&b.boot());
    world.append(&b.stop());
    world.restart();
    world.append(&a.stop());
    passes(&world);
}

#[test]
fn a_rotated_key_passes() {
    let (mut world, mut a, _) = World::lived();
    let notes = a.rotate(11);
    world.key(
        KeyAction::Rotate,
        "gw-7",
        &vkey("gw-7", 11),
        Some(notes.clone()),
    );
    world.append(&a.boot_with(Some(notes)));
    world.append(&a.work());
    passes(&world);
    // Also where the verifier pinned the older key, or the newer one.
    for seed in [1, 11] {
        let mut world = world.clone();
        world.expectation.sources = vec![vkey("gw-7", seed)];
        passes(&world);
    }
}

#[test]
fn a_source_that_was_enrolled_anew_passes() {
    let (mut world, mut a, _) = World::lived();
    a.seed = 12;
    world.enrol("gw-7", 12);
    world.append(&a.boot());
    world.append(&a.stop());
    passes(&world);
}

#[test]
fn clocks_that_step_pass() {
    let (mut world, mut a, _) = World::lived();
    for step in [-86_400_000_000, 172_800_000_000, -86_400_000_000] {
        a.at.utc_us += step;
        world.append(&a.boot());
        world.append(&a.work());
        world.append(&a.stop());
    }
    passes(&world);
}

#[test]
fn one_source_may_have_many_spools() {
    let (mut world, ..) = World::lived();
    for spool in ["run-1", "run-2"] {
        let mut source = Source::new("gw-7", 1);
        source.spool = spool;
        source.at.utc_us += i64::try_from(spool.len()).unwrap()
            + spool.bytes().map(i64::from).sum::<i64>() * 1_000_000;
        world.append(&source.boot());
        world.append(&source.work());
        world.append(&source.stop());
    }
    passes(&world);
    assert_eq!(world.judge().sources.len(), 4);
}

#[test]
fn a_roster_that_is_kept_passes() {
    let (mut world, _, mut b) = World::lived();
    world.expectation.admins = vec![vkey("admin", 50)];
    world.roster(1, 50, &[("gw-7", 1, 60), ("gw-8", 2, 60)]);
    world.append(&b.beat());
    passes(&world);
    assert_eq!(world.judge().roster, Some(1));
}

#[test]
fn a_source_that_was_silent_and_came_back_passes() {
    let (mut world, _, mut b) = World::lived();
    world.silent("gw-8");
    world.heard("gw-8");
    passes(&world);
    world.silent("gw-8");
    world.append(&b.beat());
    passes(&world);
}

#[test]
fn an_old_checkpoint_that_the_log_contains_passes() {
    let (world, ..) = World::lived();
    for size in [1, 3, world.leaves.len() - 1, world.leaves.len()] {
        let older = super::world::checkpoint(&world.leaves[..size]);
        let audit = super::world::audit(&[], &world.expectation).remembering(older);
        let report = super::log::run(audit, &world.leaves);
        assert_eq!(report.verdict, Verdict::Ok, "{size}");
    }
}
