//! What a verifier pays: the whole log, and the proof of one entry.

use std::process::Command;
use std::time::Instant;

use super::aggregator::Aggregator;
use crate::Setup;
use crate::process::Usage;
use crate::stats::table;

pub(super) fn run(setup: &Setup, hub: &Aggregator) {
    let leaves = hub.size() as f64;
    let mut command = Command::new(&setup.affiant);
    command.args(["verify", "--no-remember"]).arg(hub.log());
    let start = Instant::now();
    let usage = Usage::of(&mut command);
    let seconds = start.elapsed().as_secs_f64();
    let row = vec![
        format!("{leaves:.0}"),
        format!("{:.0}", leaves / seconds),
        format!("{:.0}", 1e6 * leaves / usage.cpu_us),
        format!("{:.0}", usage.peak_mib),
    ];
    let header = ["leaves", "leaves/s", "leaves/s of one core", "peak MiB"];
    table("verify: the whole log, from disk", &header, &[row]);
    proof(setup, hub);
}

fn proof(setup: &Setup, hub: &Aggregator) {
    let size = hub.size();
    let file = hub.data.join("bench.proof");
    let start = Instant::now();
    let status = Command::new(&setup.affiant)
        .args(["prove", &(size / 2).to_string(), "--from"])
        .arg(&hub.data)
        .arg("-o")
        .arg(&file)
        .status()
        .expect("prove");
    let seconds = start.elapsed().as_secs_f64();
    assert!(status.success(), "prove: {status}");
    let text = fs_err::read_to_string(&file).expect("proof");
    // The `extra` line carries the entry, its seal and the keys; the rest is a bare C2SP tlog-proof.
    let bare: usize = text
        .lines()
        .filter(|line| !line.starts_with("extra "))
        .map(|line| line.len() + 1)
        .sum();
    let row = vec![
        size.to_string(),
        bare.to_string(),
        text.len().to_string(),
        format!("{:.0}", seconds * 1e3),
    ];
    let header = [
        "leaves",
        "tlog-proof, bytes",
        "with the entry, its seal and keys, bytes",
        "made in ms",
    ];
    table("prove: one entry", &header, &[row]);
}
