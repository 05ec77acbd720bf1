//! A million entries through one process: rate and memory.

use std::io::{BufRead, Write};
use std::process::Command;
use std::time::Instant;

use crate::Setup;
use crate::stats::table;
use crate::stdio::{Peer, request};

const CALLS: usize = 500_000;
const STEPS: usize = 5;
/// Requests in flight: a client that does not wait for each answer.
const WINDOW: usize = 256;

pub(crate) fn run(setup: &Setup) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut command = Command::new(&setup.affiant);
    command
        .args(["run", "--server", "soak", "--data-dir"])
        .arg(dir.path())
        .arg("--")
        .arg(&setup.server);
    let mut peer = Peer::start(&mut command);
    let mut rows = Vec::new();
    let mut id = 0;
    for step in 1..=STEPS {
        let start = Instant::now();
        let end = CALLS * step / STEPS;
        while id < end {
            let batch = WINDOW.min(end - id);
            let lines: String = (id..id + batch)
                .map(|n| request(n, "soak") + "\n")
                .collect();
            peer.stdin
                .write_all(lines.as_bytes())
                .expect("server reads");
            let mut line = Vec::new();
            for _ in 0..batch {
                line.clear();
                peer.stdout
                    .read_until(b'\n', &mut line)
                    .expect("server answers");
            }
            id += batch;
        }
        let rate = (CALLS / STEPS) as f64 / start.elapsed().as_secs_f64();
        let (now, peak) = peer.guard.memory_mib();
        rows.push(vec![
            (id * 2).to_string(),
            format!("{rate:.0}"),
            format!("{now:.1}"),
            format!("{peak:.1}"),
        ]);
    }
    let title = format!("soak: {WINDOW} calls in flight on one stdio session, durable");
    table(
        &title,
        &["entries so far", "calls/s", "resident MiB", "peak MiB"],
        &rows,
    );
}
