//! From an edge's spool into the log, over mutual TLS, and what somebody pays who checks it.

mod aggregator;
mod check;
mod fill;
mod receipts;

use std::process::Command;
use std::time::Instant;

use self::aggregator::Aggregator;
use crate::Setup;
use crate::process::Usage;
use crate::stats::table;

/// Spools, filled one after the other: the log grows from one to the next.
const PARTS: usize = 4;
/// Calls in one spool; an entry for the beginning and one for the end of each.
const CALLS: usize = 125_000;
/// Makes an entry about 1 KiB long.
const TEXT_BYTES: usize = 100;

pub(crate) fn run(setup: &Setup) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let hub = Aggregator::start(setup, &dir.path().join("hub"));
    let mut rows = Vec::new();
    for part in 0..PARTS {
        let edge = dir.path().join(format!("edge-{part}"));
        hub.enrol(setup, &edge, &format!("bench-{part}"));
        let filled = fill::fill(setup, &edge, CALLS, TEXT_BYTES);
        rows.push(ship(setup, &hub, &edge, filled));
        let _ = fs_err::remove_dir_all(edge);
    }
    let header = [
        "leaves before",
        "entries",
        "bytes an entry",
        "entries/s",
        "aggregator's CPU µs an entry",
        "entries/s its CPU would take on 2 cores",
        "sender's CPU µs an entry",
        "aggregator's peak MiB",
        "sender's peak MiB",
    ];
    let title = "ship: a spool over mutual TLS 1.3 into a durable, checkpointed log; sender and aggregator on the same cores";
    table(title, &header, &rows);
    check::run(setup, &hub);
    receipts::run(setup, &hub, dir.path());
}

fn ship(
    setup: &Setup,
    hub: &Aggregator,
    edge: &std::path::Path,
    filled: fill::Filled,
) -> Vec<String> {
    let before = hub.size();
    let (cpu_before_us, start) = (hub.guard.cpu_us(), Instant::now());
    let mut command = Command::new(&setup.affiant);
    command.args(["spool", "ship", "--data-dir"]).arg(edge);
    let sender = Usage::of(&mut command);
    let seconds = start.elapsed().as_secs_f64();
    let leaves = hub.size() - before;
    assert!(
        leaves >= filled.entries,
        "{leaves} leaves of {}",
        filled.entries
    );
    let entries = filled.entries as f64;
    let cpu_us = (hub.guard.cpu_us() - cpu_before_us) / entries;
    vec![
        before.to_string(),
        filled.entries.to_string(),
        format!("{:.0}", filled.bytes as f64 / entries),
        format!("{:.0}", entries / seconds),
        format!("{cpu_us:.1}"),
        format!("{:.0}", 2e6 / cpu_us),
        format!("{:.1}", sender.cpu_us / entries),
        format!("{:.0}", hub.guard.memory_mib().1),
        format!("{:.0}", sender.peak_mib),
    ]
}
