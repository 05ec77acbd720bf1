//! Kill -9 at random moments, under load.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use affiant_e2e::entries;
use affiant_e2e::program::{affiant, built};
use affiant_e2e::random::Random;

const KILLS: u64 = 200;

#[test]
fn two_hundred_kills_lose_no_acknowledged_entry_and_double_none() {
    let dir = tempfile::tempdir().unwrap();
    let seen = dir.path().join("seen");
    let data = dir.path().join("data");
    let mut random = Random::seeded("crash");
    let mut next = 0;
    let mut answered = Vec::new();
    for _ in 0..KILLS {
        let millis = 5 + random.below(120);
        next = run_until_killed(&data, &seen, next, Duration::from_millis(millis), &mut answered);
    }
    // One more life recovers what the last kill left, and stops in order.
    let mut child = start(&data, &seen);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());

    entries::assert_verifies(&data);
    let (begun, ended) = count(&data);
    let reached: Vec<u64> =
        fs_err::read_to_string(&seen).unwrap().lines().map(|line| line.parse().unwrap()).collect();
    assert!(reached.len() > 200, "only {} calls reached the server", reached.len());
    for n in &reached {
        assert_eq!(begun.get(n), Some(&1), "call {n} reached the server without exactly one begin");
    }
    for (n, times) in &begun {
        assert_eq!(*times, 1, "call {n} begun {times} times");
        assert_eq!(ended.get(n), Some(&1), "call {n} has begun but not exactly one end");
    }
    assert_eq!(begun.len(), ended.len());
    for n in &answered {
        assert!(begun.contains_key(n), "call {n} was answered but is not in the trail");
    }
}

fn start(data: &Path, seen: &Path) -> Child {
    affiant()
        .args(["run", "--server", "witness", "--data-dir"])
        .arg(data)
        .arg("--")
        .arg(built("witness-peer"))
        .arg(seen)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Calls as fast as the pipe takes them, several in flight, until the time is up; then kill -9.
fn run_until_killed(data: &Path, seen: &Path, first: u64, life: Duration, answered: &mut Vec<u64>) -> u64 {
    let mut child = start(data, seen);
    let mut stdin = child.stdin.take().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        stdout
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(&line).ok()?["id"].as_u64())
            .collect::<Vec<u64>>()
    });
    let end = Instant::now() + life;
    let mut n = first;
    while Instant::now() < end {
        let call = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{n},\"method\":\"tools/call\",\"params\":{{\"name\":\"note\",\"arguments\":{{\"n\":{n}}}}}}}\n"
        );
        if stdin.write_all(call.as_bytes()).is_err() {
            break;
        }
        n += 1;
        if n.is_multiple_of(8) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    drop(stdin);
    answered.extend(reader.join().unwrap());
    n
}

fn count(data: &Path) -> (BTreeMap<u64, u64>, BTreeMap<u64, u64>) {
    let mut begun = BTreeMap::new();
    let mut ended = BTreeMap::new();
    for entry in entries::all(data) {
        let Some(n) = entry["input"]["n"].as_u64() else { continue };
        match entry["kind"].as_str() {
            Some("call.begin") => *begun.entry(n).or_insert(0) += 1,
            Some("call.end") => *ended.entry(n).or_insert(0) += 1,
            _ => {}
        }
    }
    (begun, ended)
}
