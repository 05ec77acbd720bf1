//! Kill -9 at random moments, under load.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use affiant_e2e::entries;
use affiant_e2e::gateway::Setup;
use affiant_e2e::guard::Guard;
use affiant_e2e::http;
use affiant_e2e::program::{affiant_run, built};
use affiant_e2e::random::Random;
use affiant_e2e::scratch::Scratch;
use affiant_e2e::upstream::Upstream;
use affiant_e2e::witness;

/// Together more than two hundred.
const KILLS_STDIO: u64 = 160;
const KILLS_HTTP: u64 = 60;

/// Clients at once on HTTP.
const CLIENTS: u64 = 3;

#[test]
fn kills_of_the_wrapper_lose_no_acknowledged_entry_and_double_none() {
    let scratch = Scratch::new("crash-stdio");
    let (seen, data) = (scratch.path("seen"), scratch.path("data"));
    let mut random = Random::seeded("crash-stdio");
    let mut next = 0;
    let mut answered = Vec::new();
    for _ in 0..KILLS_STDIO {
        let life = Duration::from_millis(5 + random.below(120));
        next = run_until_killed(&data, &seen, next, life, &mut answered);
    }
    // One more life recovers what the last kill left, and stops in order.
    let mut last = start(&data, &seen);
    drop(last.child().stdin.take());
    assert!(last.wait().success());
    judge(&data, &seen, &answered);
}

fn start(data: &Path, seen: &Path) -> Guard {
    let words = affiant_run(
        data,
        "witness",
        &[built("witness-peer").into(), seen.into()],
    );
    Guard::spawn(
        Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // The orphaned server complains about its pipe.
            .stderr(Stdio::null()),
    )
}

fn message(n: u64) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{n},\"method\":\"tools/call\",\"params\":{{\"name\":\"note\",\"arguments\":{{\"n\":{n}}}}}}}\n"
    )
}

/// Calls as fast as the pipe takes them, several in flight, until the time is up; then kill -9.
fn run_until_killed(
    data: &Path,
    seen: &Path,
    first: u64,
    life: Duration,
    answered: &mut Vec<u64>,
) -> u64 {
    let mut wrapper = start(data, seen);
    let mut stdin = wrapper.child().stdin.take().unwrap();
    let stdout = BufReader::new(wrapper.child().stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        stdout
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| {
                serde_json::from_str::<serde_json::Value>(&line).ok()?["id"].as_u64()
            })
            .collect::<Vec<u64>>()
    });
    let over = Arc::new(AtomicBool::new(false));
    let writer = {
        let over = Arc::clone(&over);
        std::thread::spawn(move || {
            let mut n = first;
            while !over.load(Ordering::Relaxed) && stdin.write_all(message(n).as_bytes()).is_ok() {
                n += 1;
                if n.is_multiple_of(8) {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            n + 1
        })
    };
    std::thread::sleep(life);
    wrapper.kill();
    over.store(true, Ordering::Relaxed);
    answered.extend(reader.join().unwrap());
    writer.join().unwrap()
}

#[test]
fn kills_of_the_gateway_lose_no_acknowledged_entry_and_double_none() {
    let scratch = Scratch::new("crash-http");
    let (seen, data) = (scratch.path("seen"), scratch.path("data"));
    let server = Upstream::announced(Command::new(built("witness-http")).arg(&seen));
    let setup = Setup::new(&data).route("witness", &server.origin);
    let mut random = Random::seeded("crash-http");
    let next = Arc::new(AtomicU64::new(0));
    let mut answered = Vec::new();
    for _ in 0..KILLS_HTTP {
        let mut gateway = setup.start();
        let url = gateway.url("witness", "/mcp");
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| client(url.clone(), Arc::clone(&next)))
            .collect();
        std::thread::sleep(Duration::from_millis(random.below(150)));
        gateway.guard.kill();
        for client in clients {
            answered.extend(client.join().unwrap());
        }
    }
    drop(server);
    setup.start().stop();
    judge(&data, &seen, &answered);
}

/// Calls until the gateway is gone; returns what was answered.
fn client(url: String, next: Arc<AtomicU64>) -> std::thread::JoinHandle<Vec<u64>> {
    std::thread::spawn(move || {
        let mut answered = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            match http::post(&url, &[], message(n).as_bytes()) {
                Ok(reply) if reply.status == 200 => answered.push(n),
                Ok(reply) => panic!(
                    "call {n}: {} {}",
                    reply.head,
                    String::from_utf8_lossy(&reply.body)
                ),
                Err(_) => return answered,
            }
        }
    })
}

/// What the trail must say about what reached the server and what was answered.
fn judge(data: &Path, seen: &Path, answered: &[u64]) {
    entries::assert_verifies(data);
    let reached: Vec<u64> = witness::seen(seen)
        .iter()
        .map(|line| line.parse().unwrap())
        .collect();
    assert!(
        reached.len() > 200,
        "only {} calls reached the server",
        reached.len()
    );
    assert!(
        answered.len() > 100,
        "only {} calls were answered",
        answered.len()
    );
    let (begun, ended) = count(data);
    let twice: BTreeSet<u64> = reached
        .iter()
        .copied()
        .filter(|n| begun.get(n) != Some(&1))
        .collect();
    assert_eq!(
        twice,
        BTreeSet::new(),
        "reached the server without exactly one begin"
    );
    for (n, times) in &begun {
        assert_eq!(*times, 1, "call {n} begun {times} times");
        assert_eq!(
            ended.get(n),
            Some(&1),
            "call {n} has begun but not exactly one end"
        );
    }
    assert_eq!(begun.len(), ended.len());
    for n in answered {
        assert!(
            begun.contains_key(n),
            "call {n} was answered but is not in the trail"
        );
    }
}

/// How often each call begins and ends in the trail.
fn count(data: &Path) -> (BTreeMap<u64, u64>, BTreeMap<u64, u64>) {
    let mut begun = BTreeMap::new();
    let mut ended = BTreeMap::new();
    for entry in entries::all(data) {
        let Some(n) = entry["input"]["n"].as_u64() else {
            continue;
        };
        match entry["kind"].as_str() {
            Some("call.begin") => *begun.entry(n).or_insert(0) += 1,
            Some("call.end") => {
                entries::assert_twelve(&entry);
                *ended.entry(n).or_insert(0) += 1;
            }
            _ => {}
        }
    }
    (begun, ended)
}
