//! A spool with many entries in it, made by real calls through `affiant run`.

use std::io::{BufRead, Write};
use std::path::Path;
use std::process::Command;

use crate::Setup;
use crate::stdio::{Peer, request};

const WINDOW: usize = 256;

/// What lies in the spool.
pub(super) struct Filled {
    pub(super) entries: usize,
    /// Of the segments, entries and seals.
    pub(super) bytes: u64,
}

/// Calls before the edge may ship: its enrolment is put aside while it fills.
pub(super) fn fill(setup: &Setup, edge: &Path, calls: usize, text_bytes: usize) -> Filled {
    let (ship, aside) = (edge.join("ship"), edge.join("ship-aside"));
    fs_err::rename(&ship, &aside).expect("enrolment is put aside");
    let mut command = Command::new(&setup.affiant);
    command
        .args(["run", "--server", "bench", "--data-dir"])
        .arg(edge)
        .arg("--")
        .arg(&setup.server);
    let mut peer = Peer::start(&mut command);
    let text = "x".repeat(text_bytes);
    for first in (0..calls).step_by(WINDOW) {
        let last = calls.min(first + WINDOW);
        let lines: String = (first..last).map(|n| request(n, &text) + "\n").collect();
        peer.stdin
            .write_all(lines.as_bytes())
            .expect("server reads");
        let mut line = Vec::new();
        for _ in first..last {
            line.clear();
            peer.stdout
                .read_until(b'\n', &mut line)
                .expect("server answers");
        }
    }
    peer.close();
    fs_err::rename(&aside, &ship).expect("enrolment comes back");
    Filled {
        entries: calls * 2,
        bytes: bytes_under(&edge.join("spools")),
    }
}

fn bytes_under(dir: &Path) -> u64 {
    let entries = fs_err::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => bytes_under(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}
