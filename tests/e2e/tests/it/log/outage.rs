//! Networks and machines that fail: nothing is lost, nothing arrives twice.

use std::collections::BTreeMap;
use std::path::Path;

use affiant_e2e::aggregator::{Aggregator, ship, ship_all, verify};
use affiant_e2e::entries;
use affiant_e2e::rough_link::{Condition, RoughLink};
use affiant_e2e::scratch::Scratch;
use affiant_e2e::wait;

use super::session;

/// How often each call begins and ends in the log.
pub(super) fn calls(data: &Path) -> BTreeMap<u64, (u32, u32)> {
    let mut out: BTreeMap<u64, (u32, u32)> = BTreeMap::new();
    for entry in entries::all(data) {
        let Some(n) = entry["input"]["n"].as_u64() else {
            continue;
        };
        let times = out.entry(n).or_default();
        match entry["kind"].as_str() {
            Some("call.begin") => times.0 += 1,
            Some("call.end") => {
                entries::assert_twelve(&entry);
                times.1 += 1;
            }
            _ => {}
        }
    }
    out
}

/// Each of these calls stands in the log once, whole.
pub(super) fn assert_once(data: &Path, numbers: impl IntoIterator<Item = u64>) {
    let calls = calls(data);
    for n in numbers {
        assert_eq!(calls.get(&n), Some(&(1, 1)), "call {n}");
    }
}

pub(super) fn address(url: &str) -> std::net::SocketAddr {
    let host = url.split_once("://").unwrap().1;
    host.replace("localhost", "127.0.0.1").parse().unwrap()
}

#[test]
fn an_edge_that_is_cut_off_catches_up_without_a_loss() {
    let scratch = Scratch::new("outage");
    let (data, edge, seen) = (
        scratch.path("hub"),
        scratch.path("edge"),
        scratch.path("seen"),
    );
    let hub = Aggregator::start(&data);
    let link = RoughLink::before(address(&hub.url("ingest")));
    hub.enrol_through(&format!("https://{}", link.address), &edge, "edge");
    session(&edge, "crm", &seen, 0, 30);
    ship_all(&edge);
    link.set(Condition::Cut);
    session(&edge, "crm", &seen, 30, 30);
    assert_eq!(
        ship(&edge).status.code(),
        Some(5),
        "an unreachable aggregator has its own exit code"
    );
    link.set(Condition::Slow(3));
    session(&edge, "crm", &seen, 60, 30);
    link.set(Condition::Fine);
    ship_all(&edge);
    hub.stop();
    assert_once(&data, 0..90);
    let (code, text) = verify(&data.join("log"), &["--no-remember"]);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn an_aggregator_that_is_killed_goes_on_where_it_was() {
    let scratch = Scratch::new("hub-killed");
    let (data, edge, seen) = (
        scratch.path("hub"),
        scratch.path("edge"),
        scratch.path("seen"),
    );
    let mut hub = Aggregator::start(&data);
    hub.enrol(&edge, "edge");
    for round in 0..5 {
        session(&edge, "crm", &seen, round * 20, 20);
        let _ = ship(&edge);
        hub.guard.kill();
        session(&edge, "crm", &seen, 1000 + round, 1);
        hub = Aggregator::start(&data);
    }
    ship_all(&edge);
    hub.stop();
    assert_once(&data, (0..100).chain(1000..1005));
    let (code, text) = verify(&data.join("log"), &["--no-remember"]);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn a_half_open_connection_is_found_and_left() {
    let scratch = Scratch::new("half-open");
    let (data, edge, seen) = (
        scratch.path("hub"),
        scratch.path("edge"),
        scratch.path("seen"),
    );
    let hub = Aggregator::start(&data);
    let link = RoughLink::before(address(&hub.url("ingest")));
    hub.enrol_through(&format!("https://{}", link.address), &edge, "edge");
    let mut wrapper = super::wrapped(&edge, "crm", &seen);
    let mut stdin = wrapper.child().stdin.take().unwrap();
    let call = |n: u64| super::note(n);
    std::io::Write::write_all(&mut stdin, call(0).as_bytes()).unwrap();
    wait::until("the first call arrives", || {
        calls(&data).get(&0).filter(|t| t.1 == 1).copied()
    });
    link.set(Condition::HalfOpen);
    std::io::Write::write_all(&mut stdin, call(1).as_bytes()).unwrap();
    // Old connections hang for good; only new ones work.
    let stalled = link.bytes();
    wait::within(std::time::Duration::from_secs(2), || None::<()>);
    assert_eq!(link.bytes(), stalled);
    link.set(Condition::Cut);
    link.set(Condition::Fine);
    wait::until("the second call arrives", || {
        calls(&data).get(&1).filter(|t| t.1 == 1).copied()
    });
    drop(stdin);
    assert!(wrapper.wait().success());
    ship_all(&edge);
    hub.stop();
    assert_once(&data, 0..2);
}
