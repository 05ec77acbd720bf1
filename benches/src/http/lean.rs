//! The gateway before an upstream that costs nothing: what is left is its own.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::{Gateway, SESSIONS, closed_loop, gateway, sessions, upstream};
use crate::stats::{Samples, table};
use crate::{Setup, disk};

const ROUNDS: usize = 5;
const CALLS: usize = 800;
const CALLS_PER_SESSION: usize = 1000;

/// One way to the upstream, and what was measured on it.
struct Way {
    name: &'static str,
    address: String,
    gateway: Option<Gateway>,
    rounds: Vec<Round>,
}

struct Round {
    p50_us: f64,
    p99_us: f64,
    cpu_us: f64,
    switches: f64,
    sessions_rate: f64,
    sessions_cpu_us: f64,
    sessions_switches: f64,
    calls_per_seal: f64,
}

pub(crate) fn run(setup: &Setup) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let upstream = upstream::start();
    let mut ways = vec![Way::new("direct", upstream.clone(), None)];
    for (name, intent) in [
        ("affiant agent, durable", "durable"),
        ("affiant agent, buffered", "buffered"),
    ] {
        let gateway = gateway(setup, &dir.path().join(intent), &upstream, intent);
        ways.push(Way::new(name, gateway.address.clone(), Some(gateway)));
    }
    let mut disk_us = f64::INFINITY;
    for _ in 0..ROUNDS {
        disk_us = disk_us.min(disk::bare(2048).quantile(0.5));
        ways.iter_mut().for_each(Way::round);
    }
    report(&ways, disk_us);
}

fn report(ways: &[Way], disk_us: f64) {
    let base = ways[0].least(|r| r.p50_us);
    let one: Vec<_> = ways
        .iter()
        .map(|way| {
            let p50 = way.least(|r| r.p50_us);
            let disk = if way.name.ends_with("durable") {
                disk_us
            } else {
                0.0
            };
            vec![
                way.name.to_owned(),
                format!("{p50:.0}"),
                format!("{:.0}", way.least(|r| r.p99_us)),
                format!("{:+.0}", p50 - base),
                format!("{:+.0}", p50 - base - disk),
                format!("{:.0}", way.least(|r| r.cpu_us)),
                format!("{:.1}", way.least(|r| r.switches)),
            ]
        })
        .collect();
    let header = [
        "",
        "p50 µs",
        "p99 µs",
        "added p50 µs",
        "beyond the disk",
        "its CPU µs a call",
        "its wake-ups a call",
    ];
    let title = format!(
        "HTTP, lean upstream: one call at a time, least of {ROUNDS} rounds; disk {disk_us:.0} µs"
    );
    table(&title, &header, &one);

    let many: Vec<_> = ways
        .iter()
        .map(|way| {
            let most = way
                .rounds
                .iter()
                .map(|r| r.sessions_rate)
                .fold(0.0, f64::max);
            vec![
                way.name.to_owned(),
                format!("{most:.0}"),
                format!("{:.0}", way.least(|r| r.sessions_cpu_us)),
                format!("{:.1}", way.least(|r| r.sessions_switches)),
                format!(
                    "{:.1}",
                    way.rounds
                        .iter()
                        .map(|r| r.calls_per_seal)
                        .fold(0.0, f64::max)
                ),
            ]
        })
        .collect();
    let title =
        format!("HTTP, lean upstream: {SESSIONS} sessions at once, best of {ROUNDS} rounds");
    table(
        &title,
        &[
            "",
            "calls/s",
            "its CPU µs a call",
            "its wake-ups a call",
            "calls a group",
        ],
        &many,
    );
}

impl Way {
    fn new(name: &'static str, address: String, gateway: Option<Gateway>) -> Self {
        Self {
            name,
            address,
            gateway,
            rounds: Vec::new(),
        }
    }

    fn round(&mut self) {
        let (times, (cpu_us, switches)) =
            self.costing(super::WARM + CALLS, || closed_loop(&self.address, CALLS));
        let samples = Samples::of(&times);
        let sealed = self.sealed();
        let (rate, (sessions_cpu_us, sessions_switches)) = self
            .costing(SESSIONS * CALLS_PER_SESSION, || {
                sessions(&self.address, CALLS_PER_SESSION)
            });
        self.rounds.push(Round {
            p50_us: samples.quantile(0.5),
            p99_us: samples.quantile(0.99),
            cpu_us,
            switches,
            sessions_rate: rate,
            sessions_cpu_us,
            sessions_switches,
            calls_per_seal: self.sealed().map_or(0.0, |now| {
                (SESSIONS * CALLS_PER_SESSION) as f64 / (now - sealed.unwrap_or(0.0))
            }),
        });
    }

    /// Seals made so far, each a group with one fdatasync.
    fn sealed(&self) -> Option<f64> {
        get(&self.gateway.as_ref()?.admin, "/metrics")
            .lines()
            .find_map(|line| line.strip_prefix("affiant_seals_total "))?
            .trim()
            .parse()
            .ok()
    }

    /// What `work` gives, and what the gateway spent a call meanwhile.
    fn costing<T>(&self, calls: usize, work: impl FnOnce() -> T) -> (T, (f64, f64)) {
        let cost = || self.gateway.as_ref().map(|gateway| gateway.guard.cost());
        let before = cost();
        let done = work();
        let after = cost();
        let spent = before
            .zip(after)
            .map_or((0.0, 0.0), |(before, after)| after.per_call(before, calls));
        (done, spent)
    }

    fn least(&self, of: impl Fn(&Round) -> f64) -> f64 {
        self.rounds.iter().map(of).fold(f64::INFINITY, f64::min)
    }
}

/// The answer to a GET request, head and body; empty if there is none.
pub(crate) fn get(address: &str, path: &str) -> String {
    let mut text = String::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n");
        let _ = stream
            .write_all(request.as_bytes())
            .and_then(|()| stream.read_to_string(&mut text));
    }
    text
}
