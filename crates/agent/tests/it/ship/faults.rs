//! Refusals that pass, answers that are lost, aggregators that forget.

use affiant_entry::receipt::Credits;

use super::*;

fn recorded(double: &Double, calls: std::ops::Range<u128>) -> tempfile::TempDir {
    let dir = enrolled(double);
    let trail = Trail::open(&options(dir.path())).unwrap();
    record(&trail, calls);
    trail.close("shutdown", None, None);
    dir
}

#[test]
fn a_lost_answer_is_asked_for_again_and_nothing_is_taken_twice() {
    let double = Double::start();
    let dir = recorded(&double, 0..100);
    double.world().faults.extend([
        Fault::LoseAnswer,
        Fault::Status(503),
        Fault::Cut,
        Fault::LoseAnswer,
        Fault::Status(429),
    ]);
    let (ended, stats) = ship_all(dir.path());
    assert_eq!(ended, Ended::Done);
    assert_eq!(counts(&stats).acknowledged, 202);
    assert!(double.world().duplicates > 0);
    let seals = double.seals_of("crm");
    assert_eq!(double.world().leaves.len(), 202 + seals);
}

#[test]
fn a_batch_that_overtakes_another_waits_for_it() {
    let double = Double::start();
    let dir = recorded(&double, 0..10);
    assert_eq!(ship_all(dir.path()).0, Ended::Done);
    let trail = Trail::open(&options(dir.path())).unwrap();
    // Four batches or so; the first is late.
    record_many(&trail, 100..3_000);
    trail.close("shutdown", None, None);
    double
        .world()
        .faults
        .extend([Fault::Late(300), Fault::Late(200)]);
    let (ended, stats) = ship_all(dir.path());
    assert_eq!(ended, Ended::Done);
    assert_eq!(counts(&stats).acknowledged, 5_802);
    let (payloads, acknowledged, next) = frames(dir.path(), "crm");
    assert_eq!(acknowledged, next);
    assert!(double.world().gaps.is_empty());
    assert!(double.world().bytes.ends_with(&payloads), "once, in order");
}

#[test]
fn few_credits_slow_down_and_do_not_stop() {
    let double = Double::start();
    let dir = enrolled(&double);
    let trail = Trail::open(&options(dir.path())).unwrap();
    record_many(&trail, 0..2_000);
    trail.close("shutdown", None, None);
    double.world().credits = Some(Credits {
        bytes: 1,
        batches: 1,
    });
    let (ended, _) = ship_all(dir.path());
    assert_eq!(ended, Ended::Done);
}

#[test]
fn an_aggregator_that_forgot_the_chain_gets_what_is_left_and_a_gap_for_the_rest() {
    let double = Double::start();
    let dir = recorded(&double, 0..300);
    assert_eq!(ship_all(dir.path()).0, Ended::Done);
    double.forget_chains();
    let trail = Trail::open(&options(dir.path())).unwrap();
    record(&trail, 1_000..1_010);
    trail.close("shutdown", None, None);
    let (ended, stats) = ship_all(dir.path());
    assert_eq!(ended, Ended::Done);
    assert_eq!(counts(&stats).pending, 0);
    assert_eq!(double.world().gaps, ["released"]);
}

#[test]
fn a_source_that_is_not_taken_stops_and_releases_nothing() {
    let double = Double::start();
    let dir = recorded(&double, 0..10);
    double.world().faults.push_back(Fault::Status(403));
    let (ended, _) = ship_all(dir.path());
    assert!(matches!(ended, Ended::Refused(_)), "{ended:?}");
    assert_eq!(frames(dir.path(), "crm").1, Ordinal::FIRST);
    assert!(dir.path().join("ship/refused.json").exists());
    assert_eq!(ship_all(dir.path()).0, Ended::Done);
    assert!(!dir.path().join("ship/refused.json").exists());
}

#[test]
fn nobody_there_is_told_after_the_patience() {
    let double = Double::start();
    let dir = recorded(&double, 0..3);
    double.world().down = true;
    let options = ShipOptions::all_of(&DataDir::new(dir.path()), Duration::ZERO);
    let ended = affiant_agent::ship::ship(options).unwrap();
    assert!(matches!(ended, Ended::Unreachable(_)), "{ended:?}");
}
