//! Everything at once: edges and aggregator killed, network cut, slow and half open, under load.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use affiant_e2e::aggregator::{Aggregator, ship_all, verify};
use affiant_e2e::random::Random;
use affiant_e2e::rough_link::{Condition, RoughLink};
use affiant_e2e::scratch::Scratch;
use affiant_e2e::wait;

use super::outage::{address, calls};
use super::wrapped;

const EDGES: u64 = 3;
const ROUNDS: u64 = 25;

/// An edge that calls, is killed, and calls again, until told to stop; returns what was answered.
fn live(data: &Path, seen: &Path, next: &AtomicU64, over: &AtomicBool, seed: u64) -> Vec<u64> {
    let mut answered = Vec::new();
    let mut lives = seed;
    while !over.load(Ordering::Relaxed) {
        let mut wrapper = wrapped(data, "crm", seen);
        let mut stdin = wrapper.child().stdin.take().unwrap();
        let mut stdout = BufReader::new(wrapper.child().stdout.take().unwrap());
        lives = lives
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        for _ in 0..50 + (lives >> 33) % 400 {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let mut answer = String::new();
            if stdin.write_all(super::note(n).as_bytes()).is_err()
                || !matches!(stdout.read_line(&mut answer), Ok(1..))
            {
                break;
            }
            assert!(answer.contains("noted"), "{answer}");
            answered.push(n);
        }
        if lives & (1 << 40) == 0 {
            wrapper.kill();
        } else {
            drop(stdin);
            wrapper.wait();
        }
    }
    answered
}

#[test]
fn nothing_acknowledged_is_lost_whatever_fails() {
    let scratch = Scratch::new("soak");
    let data = scratch.path("hub");
    let mut random = Random::seeded("soak");
    let mut hub = Aggregator::start(&data);
    let link = RoughLink::before(address(&hub.url("ingest")));
    let next = Arc::new(AtomicU64::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let edges: Vec<PathBuf> = (0..EDGES)
        .map(|n| scratch.path(format!("edge-{n}")))
        .collect();
    let mut lives = Vec::new();
    for (n, edge) in edges.iter().enumerate() {
        hub.enrol_through(
            &format!("https://{}", link.address),
            edge,
            &format!("edge-{n}"),
        );
        let (edge, seen) = (edge.clone(), scratch.path(format!("seen-{n}")));
        let (next, over, seed) = (Arc::clone(&next), Arc::clone(&over), random.below(1 << 50));
        lives.push(std::thread::spawn(move || {
            live(&edge, &seen, &next, &over, seed)
        }));
    }
    for _ in 0..ROUNDS {
        std::thread::sleep(Duration::from_millis(200 + random.below(900)));
        match random.below(6) {
            0 => link.set(Condition::Cut),
            1 => link.set(Condition::HalfOpen),
            2 => link.set(Condition::Slow(1 + random.below(20))),
            3 => {
                hub.guard.kill();
                hub = Aggregator::start(&data);
                link.lead_to(address(&hub.url("ingest")));
            }
            _ => link.set(Condition::Fine),
        }
    }
    over.store(true, Ordering::Relaxed);
    let answered: Vec<u64> = lives
        .into_iter()
        .flat_map(|life| life.join().unwrap())
        .collect();
    link.set(Condition::Cut);
    link.set(Condition::Fine);
    for edge in &edges {
        ship_all(edge);
        assert_identity(edge);
    }
    hub.stop();
    judge(&data, &answered, next.load(Ordering::Relaxed));
}

/// Nothing waits any more: all that was appended is acknowledged.
fn assert_identity(edge: &Path) {
    let out = affiant_e2e::program::output_ok(
        affiant_e2e::program::affiant()
            .args(["spool", "ls", "--format", "json", "--data-dir"])
            .arg(edge),
    );
    for line in String::from_utf8_lossy(&out.stdout).lines() {
        let spool: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(spool["pending"], 0, "{spool}");
    }
}

fn judge(data: &Path, answered: &[u64], called: u64) {
    assert!(
        answered.len() > 500,
        "only {} calls were answered",
        answered.len()
    );
    let calls = calls(data);
    for n in answered {
        assert_eq!(
            calls.get(n),
            Some(&(1, 1)),
            "call {n} of {called} was answered"
        );
    }
    for (n, times) in &calls {
        assert_eq!(times, &(1, 1), "call {n}");
    }
    let judged = wait::within(Duration::from_secs(60), || {
        let (code, text) = verify(&data.join("log"), &["--no-remember"]);
        assert_eq!(code, Some(0), "{text}");
        Some(())
    });
    assert_eq!(judged, Some(()));
}
