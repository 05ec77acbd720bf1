//! Disks that are full: the aggregator refuses, edges keep what they have, and it goes on.

use std::process::Command;

use affiant_e2e::aggregator::{Aggregator, ship, ship_all};
use affiant_e2e::conserved::{assert_edge_adds_up, assert_hub_adds_up, assert_shipped, count};
use affiant_e2e::gateway::{Gateway, Setup};
use affiant_e2e::http;
use affiant_e2e::metrics::Metrics;
use affiant_e2e::program::{built, said};
use affiant_e2e::rough_link::{Condition, RoughLink};
use affiant_e2e::scratch::Scratch;
use affiant_e2e::small_disk::{SmallDisk, where_disks_are_small};
use affiant_e2e::upstream::Upstream;
use affiant_e2e::wait;
use serde_json::json;

use super::outage::{address, assert_once};
use super::{Caller, assert_log_verifies, serve_toml, session};

/// Room for an aggregator's index, some tiles, and not much else.
const HUB_BYTES: u64 = 16 << 20;
const EDGE_BYTES: u64 = 3 << 20;

#[test]
fn an_aggregator_whose_disk_is_full_refuses_and_goes_on_when_there_is_room() {
    let name = "log::disk::an_aggregator_whose_disk_is_full_refuses_and_goes_on_when_there_is_room";
    where_disks_are_small(name, a_full_hub);
}

fn a_full_hub() {
    let scratch = Scratch::new("hub-full");
    let disk = SmallDisk::over(scratch.path("hub"), HUB_BYTES);
    let config = serve_toml(&scratch, "");
    let mut hub = Aggregator::start_configured(&disk.dir, &config);
    let (one, two, seen) = (
        scratch.path("one"),
        scratch.path("two"),
        scratch.path("seen"),
    );
    hub.enrol(&one, "one");
    hub.enrol(&two, "two");
    let caller = Caller::start(&one, &seen, 0);
    caller.go_on(50);

    // Full while an edge ships: it is told, and keeps what it has; readers are served as before.
    until_refused(&disk, &hub);
    assert_eq!(hub.metrics().get("affiant_log_failing", None), Some(1.0));
    caller.go_on(50);
    session(&two, "crm", &seen, 10_000, 20);
    let out = ship(&two);
    assert_eq!(out.status.code(), Some(5), "{}", said(&out));
    assert!(said(&out).contains("log-unavailable"), "{}", said(&out));
    assert!(count(&two, "pending") >= 40, "what was not taken is kept");
    assert_log_verifies(&disk.dir);

    // Room again: the same process goes on.
    assert!(disk.free());
    wait::until("the aggregator is ready", || hub.is_ready().then_some(()));
    assert_eq!(hub.metrics().get("affiant_log_failing", None), Some(0.0));
    ship_all(&two);
    caller.go_on(50);

    // Full again, and killed: it does not start until there is room.
    until_refused(&disk, &hub);
    caller.go_on(20);
    hub.guard.kill();
    disk.fill();
    let out = Aggregator::attempted(&disk.dir, &config);
    assert_eq!(out.status.code(), Some(6), "{}", said(&out));
    assert!(said(&out).contains("No space left"), "{}", said(&out));
    assert!(disk.free());
    let hub = Aggregator::start_configured(&disk.dir, &config);
    caller.go_on(20);
    let answered = caller.finish();
    ship_all(&one);
    for source in ["one", "two"] {
        assert_shipped(&scratch.path(source), source, &hub.status());
        assert_hub_adds_up(&hub.metrics(), source);
    }
    hub.stop();
    assert_once(&disk.dir, answered.chain(10_000..10_020));
    assert_log_verifies(&disk.dir);
}

/// Takes the room that a round gives back, until no round finds any.
fn until_refused(disk: &SmallDisk, hub: &Aggregator) {
    wait::until("the aggregator refuses", || {
        disk.fill();
        (!hub.is_ready()).then_some(())
    });
}

#[test]
fn an_edge_whose_disk_is_full_gets_room_by_shipping() {
    let name = "log::disk::an_edge_whose_disk_is_full_gets_room_by_shipping";
    where_disks_are_small(name, a_full_edge);
}

fn a_full_edge() {
    let scratch = Scratch::new("edge-full");
    let data = scratch.path("hub");
    let hub = Aggregator::start(&data);
    let link = RoughLink::before(address(&hub.url("ingest")));
    let disk = SmallDisk::over(scratch.path("edge"), EDGE_BYTES);
    hub.enrol_through(&format!("https://{}", link.address), &disk.dir, "edge");
    let server = Upstream::announced(Command::new(built("witness-http")).arg(scratch.path("seen")));
    let gateway = Setup::new(&disk.dir)
        .route("witness", &server.origin)
        .trail("on_full = \"refuse\"\nsegment_bytes = 65536")
        .start();
    let mut next = 0;
    let mut answered = Vec::new();
    for _ in 0..2 {
        let before = answered.len();
        // Nobody takes anything: the disk fills up with what was recorded.
        link.set(Condition::Cut);
        while call(&gateway, next, &mut answered) {
            next += 1;
            assert!(next < 20_000, "the disk is never full");
        }
        next += 1;
        assert!(answered.len() > before + 100, "{} answered", answered.len());
        assert_edge_adds_up(&metrics(&gateway));
        // Somebody does: receipts give back room, and calls are taken again.
        link.set(Condition::Fine);
        wait::until("calls are taken again", || {
            assert_edge_adds_up(&metrics(&gateway));
            next += 1;
            call(&gateway, next, &mut answered).then_some(())
        });
        next += 1;
    }
    gateway.stop();
    ship_all(&disk.dir);
    assert_shipped(&disk.dir, "edge", &hub.status());
    hub.stop();
    assert_once(&data, answered);
    assert_log_verifies(&data);
}

/// Makes a call with an entry of some 2 KB; whether it was taken.
fn call(gateway: &Gateway, n: u64, answered: &mut Vec<u64>) -> bool {
    let text = "some text of no interest ".repeat(80);
    let arguments = json!({"n": n, "text": text});
    let message = json!({"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": {"name": "note", "arguments": arguments}});
    let url = gateway.url("witness", "/mcp");
    let reply = http::post(&url, &[], message.to_string().as_bytes()).unwrap();
    let taken = reply.json().get("error").is_none();
    if taken {
        answered.push(n);
    }
    taken
}

fn metrics(gateway: &Gateway) -> Metrics {
    Metrics::read(&gateway.admin("/metrics"))
}
