//! An aggregator that was restored from an old backup: sources know better, and keep everything.

use std::path::Path;
use std::process::Command;

use affiant_e2e::aggregator::{Aggregator, ship, ship_all};
use affiant_e2e::conserved::{assert_shipped, count};
use affiant_e2e::program::{output_ok, said};
use affiant_e2e::scratch::Scratch;
use affiant_e2e::wait;

use super::outage::assert_once;
use super::{Caller, assert_log_verifies, serve_toml};

/// Exit code of a log that does not prove what it should.
const UNTRUSTED: i32 = 4;

#[test]
fn an_aggregator_restored_from_an_old_backup_is_not_believed() {
    let scratch = Scratch::new("backup");
    let (data, seen) = (scratch.path("hub"), scratch.path("seen"));
    let (backup, lost) = (scratch.path("backup"), scratch.path("lost"));
    let config = serve_toml(&scratch, "");
    let hub = Aggregator::start_configured(&data, &config);
    let edges = ["one", "two"].map(|name| scratch.path(name));
    for (edge, name) in edges.iter().zip(["one", "two"]) {
        hub.enrol(edge, name);
    }
    let callers = [(&edges[0], 0), (&edges[1], 100_000)]
        .map(|(edge, first)| Caller::start(edge, &seen, first));
    for (edge, caller) in edges.iter().zip(&callers) {
        caller.go_on(30);
        wait::until("the source remembers a tree", || {
            (size(&edge.join("ship/checkpoint")) > 0).then_some(())
        });
    }
    hub.stop();
    output_ok(Command::new("cp").arg("-a").arg(&data).arg(&backup));
    let old = size(&backup.join("log/checkpoint"));
    let mut hub = Aggregator::start_configured(&data, &config);
    for (edge, caller) in edges.iter().zip(&callers) {
        caller.go_on(30);
        wait::until("the source remembers a later tree", || {
            (size(&edge.join("ship/checkpoint")) > old).then_some(())
        });
    }
    hub.guard.kill();
    fs_err::rename(&data, &lost).unwrap();
    fs_err::rename(&backup, &data).unwrap();
    let released = edges.each_ref().map(|edge| count(edge, "acknowledged"));

    // The old one: calls go on, nothing is released, and it is said why.
    let hub = Aggregator::start_configured(&data, &config);
    let answered = callers.map(|caller| {
        caller.go_on(30);
        caller.finish()
    });
    for (edge, before) in edges.iter().zip(released) {
        let out = ship(edge);
        assert_eq!(out.status.code(), Some(UNTRUSTED), "{}", said(&out));
        assert!(said(&out).contains("rolled back"), "{}", said(&out));
        let now = count(edge, "acknowledged");
        assert_eq!(now, before, "released behind a log that was rolled back");
        assert!(has_evidence(edge), "no evidence in {}", edge.display());
    }
    hub.stop();

    // The true one again: everything arrives.
    fs_err::rename(&data, scratch.path("old")).unwrap();
    fs_err::rename(&lost, &data).unwrap();
    let hub = Aggregator::start_configured(&data, &config);
    for (edge, name) in edges.iter().zip(["one", "two"]) {
        ship_all(edge);
        assert_shipped(edge, name, &hub.status());
    }
    hub.stop();
    assert_once(&data, answered.into_iter().flatten());
    assert_log_verifies(&data);
}

/// The tree size of a checkpoint; 0 if there is none yet.
fn size(checkpoint: &Path) -> u64 {
    let text = fs_err::read_to_string(checkpoint).unwrap_or_default();
    let size = text.lines().nth(1).unwrap_or("0");
    size.parse().unwrap()
}

/// Two notes of the log that contradict each other lie under the source's directory.
fn has_evidence(edge: &Path) -> bool {
    let names = fs_err::read_dir(edge.join("ship")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name());
    names
        .into_iter()
        .any(|name| name.to_string_lossy().starts_with("evidence-"))
}
