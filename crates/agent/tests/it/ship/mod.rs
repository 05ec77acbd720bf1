//! Shipping: what arrives, in which order, and what is believed.

mod double;
mod enrol;
mod faults;
mod lies;
mod soak;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use affiant_agent::enrol::{EnrolOptions, Enrolment, Ingest, Token};
use affiant_agent::ship::{Ended, ShipOptions, ShipStats, Shipper, SpoolCounts};
use affiant_agent::state::DataDir;
use affiant_agent::trail::{Outcome, Trail};
use affiant_spool::{Item, Ordinal, Reader};
use affiant_tlog::leaf_hash;
use affiant_tlog::policy::Policy;
use affiant_tlog::tlog_proof::TlogProof;

use crate::trail::{begin, end, options};
use double::{Double, Fault};

/// A directory whose source is enrolled at a double.
fn enrolled(double: &Double) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    enrol(double, dir.path()).unwrap();
    dir
}

fn enrol(double: &Double, dir: &Path) -> Result<Enrolment, affiant_agent::enrol::EnrolError> {
    affiant_agent::enrol::enrol(&EnrolOptions {
        dir: DataDir::new(dir),
        ingest: Ingest::parse(&double.url()).unwrap(),
        token: Token::parse(&double.token()).unwrap(),
        source: None,
        ca: None,
    })
}

fn record(trail: &Trail, calls: std::ops::Range<u128>) {
    for n in calls {
        assert_eq!(
            trail.submit_durable(vec![begin(n)]).wait(),
            Outcome::Durable
        );
        trail.submit(vec![end(n)]);
    }
    trail.flush();
}

/// The same in large groups.
fn record_many(trail: &Trail, calls: std::ops::Range<u128>) {
    for from in calls.clone().step_by(100) {
        let some = from..(from + 100).min(calls.end);
        let items = some.flat_map(|n| [begin(n), end(n)]).collect();
        assert_eq!(trail.submit_durable(items).wait(), Outcome::Durable);
    }
}

fn counts(stats: &ShipStats) -> SpoolCounts {
    let all = stats.spools();
    let sum = |read: fn(&SpoolCounts) -> u64| all.values().map(read).sum();
    let counts = SpoolCounts {
        appended: sum(|c| c.appended),
        acknowledged: sum(|c| c.acknowledged),
        pending: sum(|c| c.pending),
        gap: sum(|c| c.gap),
        unread_frames: sum(|c| c.unread_frames),
        oldest_utc_us: None,
    };
    for one in all.values() {
        assert_eq!(
            one.appended,
            one.acknowledged + one.pending + one.gap,
            "{all:?}"
        );
    }
    counts
}

/// Waits for something, for ten seconds at most; the identity holds all the while.
fn until(stats: &ShipStats, what: &str, mut done: impl FnMut(SpoolCounts) -> bool) {
    for _ in 0..2_000 {
        if done(counts(stats)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what}: {:?} {:?}", counts(stats), stats);
}

/// All payloads of a spool that are still there, and how far it is acknowledged.
fn frames(dir: &Path, spool: &str) -> (Vec<Vec<u8>>, Ordinal, Ordinal) {
    let mut reader = Reader::open(DataDir::new(dir).spool(spool)).unwrap();
    let mut payloads = Vec::new();
    while let Some(item) = reader.next_item().unwrap() {
        if let Item::Frame(frame) = item {
            payloads.push(frame.payload);
        }
    }
    (payloads, reader.acknowledged_end(), reader.next_ordinal())
}

fn ship_all(dir: &Path) -> (Ended, Arc<ShipStats>) {
    let options = ShipOptions::all_of(&DataDir::new(dir), Duration::from_secs(20));
    let stats = Arc::clone(&options.stats);
    (affiant_agent::ship::ship(options).unwrap(), stats)
}

#[test]
fn what_a_trail_records_stands_in_the_log_once_and_in_order() {
    let double = Double::start();
    let dir = enrolled(&double);
    let trail = Trail::open(&options(dir.path())).unwrap();
    let stats = trail.shipping();
    let shipper = Shipper::start(ShipOptions::beside(&trail)).unwrap();
    record(&trail, 0..200);
    until(&stats, "all acknowledged", |c| {
        c.acknowledged >= 401 && c.pending == 0
    });
    trail.close("shutdown", None, None);
    shipper.finish(Duration::from_secs(10));

    let (payloads, acknowledged, next) = frames(dir.path(), "crm");
    assert_eq!(acknowledged, next, "the stop is shipped too");
    let world = double.world();
    assert!(world.bytes.ends_with(&payloads), "as they lie in the spool");
    assert!(world.gaps.is_empty());
    let remembered = fs_err::read_to_string(dir.path().join("ship/checkpoint")).unwrap();
    assert!(remembered.starts_with("localhost/affiant/double\n"));
}

/// What was released is proven: the log has the newest seal of the spool, as the proof beside it says.
fn assert_proven(dir: &Path, seal: &[u8]) {
    let dir = DataDir::new(dir);
    let kept = fs_err::read(affiant_agent::ship::released_path(&dir, "crm")).unwrap();
    let proof = TlogProof::parse(&kept).unwrap();
    let seal = leaf_hash(seal);
    assert_eq!(proof.extra, seal.0);
    let key = Enrolment::load(&dir).unwrap().unwrap().log_key().unwrap();
    proof.verify(&seal, &Policy::of_log(key)).unwrap();
}

#[test]
fn room_is_given_back_behind_receipts_and_the_chain_goes_on() {
    let double = Double::start();
    let dir = enrolled(&double);
    let used = |n: u128| {
        let trail = Trail::open(&options(dir.path())).unwrap();
        record(&trail, n * 200..n * 200 + 200);
        trail.close("shutdown", None, None);
        let before = frames(dir.path(), "crm").0.len();
        assert_eq!(ship_all(dir.path()).0, Ended::Done);
        let left = frames(dir.path(), "crm").0;
        assert_proven(dir.path(), left.last().unwrap());
        (before, left.len())
    };
    for n in 0..3 {
        let (before, after) = used(n);
        assert!(after < before, "{before} {after}");
        assert!(
            after > 1,
            "the last group stays, for the next boot to link to"
        );
    }
    assert!(double.world().gaps.is_empty());
}

#[test]
fn an_outage_costs_nothing_and_ends_in_order() {
    let double = Double::start();
    let dir = enrolled(&double);
    let trail = Trail::open(&options(dir.path())).unwrap();
    let stats = trail.shipping();
    double.world().down = true;
    let shipper = Shipper::start(ShipOptions::beside(&trail)).unwrap();
    record(&trail, 0..300);
    until(&stats, "waiting", |c| c.pending > 0);
    assert_eq!(counts(&stats).acknowledged, 0);
    double.world().down = false;
    record(&trail, 300..400);
    until(&stats, "caught up", |c| c.acknowledged >= 801);
    trail.close("shutdown", None, None);
    shipper.finish(Duration::from_secs(10));
    let (payloads, acknowledged, next) = frames(dir.path(), "crm");
    assert_eq!(acknowledged, next);
    assert!(double.world().bytes.ends_with(&payloads), "in order");
}

#[test]
fn what_waits_behind_the_batches_in_memory_is_counted() {
    let double = Double::start();
    let dir = enrolled(&double);
    let trail = Trail::open(&options(dir.path())).unwrap();
    let stats = trail.shipping();
    double.world().down = true;
    let shipper = Shipper::start(ShipOptions::beside(&trail)).unwrap();
    let mut calls = 0_u64;
    while counts(&stats).unread_frames == 0 {
        record(&trail, u128::from(calls)..u128::from(calls + 50));
        calls += 50;
    }
    let all_waits = |c: SpoolCounts| c.pending + c.unread_frames >= calls * 2;
    until(&stats, "all of it waits", all_waits);
    double.world().down = false;
    until(&stats, "caught up", |c| c.acknowledged > calls * 2);
    assert_eq!(counts(&stats).unread_frames, 0);
    trail.close("shutdown", None, None);
    shipper.finish(Duration::from_secs(10));
}

#[test]
fn the_end_does_not_wait_for_an_aggregator_that_is_gone() {
    let double = Double::start();
    let dir = enrolled(&double);
    double.world().down = true;
    let trail = Trail::open(&options(dir.path())).unwrap();
    let shipper = Shipper::start(ShipOptions::beside(&trail)).unwrap();
    record(&trail, 0..10);
    trail.close("shutdown", None, None);
    let before = affiant_agent::clock::now();
    shipper.finish(Duration::from_secs(1));
    let took_us = affiant_agent::clock::now().since_us(&before);
    assert!(took_us < 1_500_000, "{took_us}");
    double.world().down = false;
    let (ended, stats) = ship_all(dir.path());
    assert_eq!((ended, counts(&stats).acknowledged), (Ended::Done, 22));
}

#[test]
fn an_orphan_of_a_dead_process_is_closed_and_shipped_by_a_living_one() {
    let double = Double::start();
    let (dir, image) = (enrolled(&double), tempfile::tempdir().unwrap());
    let trail = Trail::open(&options(dir.path())).unwrap();
    record(&trail, 0..50);
    let open = trail.submit_durable(vec![begin(99)]).wait();
    assert_eq!(open, Outcome::Durable);
    crate::trail::copy(dir.path(), image.path());
    trail.close("shutdown", None, None);

    let mut other = options(image.path());
    other.name = "files".to_owned();
    let living = Trail::open(&other).unwrap();
    let shipper = Shipper::start(ShipOptions::beside(&living)).unwrap();
    let stats = living.shipping();
    until(&stats, "orphan shipped", |_| {
        stats
            .spools()
            .get("crm")
            .is_some_and(|c| c.acknowledged > 100 && c.pending == 0)
    });
    living.close("shutdown", None, None);
    shipper.finish(Duration::from_secs(10));
    let (_, acknowledged, next) = frames(image.path(), "crm");
    assert_eq!(acknowledged, next);
    let told = double.world();
    let ends = told
        .bytes
        .iter()
        .filter(|b| b.starts_with(br#"{"v":1,"kind":"call.end""#));
    assert_eq!(ends.count(), 51, "the open call is closed");
}
