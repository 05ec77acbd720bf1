//! How long an entry waits for the receipt that lets its edge forget it, under live traffic.

use std::path::Path;
use std::time::{Duration, Instant};

use super::Aggregator;
use crate::Setup;
use crate::http::{gateway, get, lean_upstream, paced};
use crate::stats::table;

/// Calls a second, and for how long.
const RATES: [u32; 3] = [10, 200, 2000];
const SECONDS: u32 = 15;

pub(super) fn run(setup: &Setup, hub: &Aggregator, dir: &Path) {
    let upstream = lean_upstream();
    let mut rows = Vec::new();
    for rate in RATES {
        let edge = dir.join(format!("live-{rate}"));
        hub.enrol(setup, &edge, &format!("live-{rate}"));
        let agent = gateway(setup, &edge, &upstream, "durable");
        let before_us = hub.guard.cpu_us();
        let begun = Instant::now();
        let calls = paced(&agent.address, rate, Duration::from_secs(SECONDS.into()));
        std::thread::sleep(Duration::from_secs(2));
        let busy = (hub.guard.cpu_us() - before_us) / begun.elapsed().as_micros() as f64;
        let ages = Ages::of(&agent.admin);
        rows.push(vec![
            format!("{:.0}", f64::from(calls) / f64::from(SECONDS)),
            ages.count.to_string(),
            ages.bound(0.5),
            ages.bound(0.99),
            ages.bound(1.0),
            format!("{:.1} %", busy * 100.0),
        ]);
    }
    let header = [
        "calls/s",
        "batches",
        "p50 s, at most",
        "p99 s, at most",
        "longest s, at most",
        "aggregator's share of a core",
    ];
    let title = "receipts: from the seal to the verified receipt, oldest entry of each batch";
    table(title, &header, &rows);
}

/// The histogram `affiant_ship_receipt_age_seconds` of an agent.
struct Ages {
    count: u64,
    /// Upper bound, and how many are not above it.
    buckets: Vec<(String, u64)>,
}

impl Ages {
    fn of(admin: &str) -> Self {
        let text = get(admin, "/metrics");
        let name = "affiant_ship_receipt_age_seconds_bucket{le=\"";
        let buckets: Vec<(String, u64)> = text
            .lines()
            .filter_map(|line| {
                let (bound, count) = line.strip_prefix(name)?.split_once("\"} ")?;
                Some((bound.to_owned(), count.parse().ok()?))
            })
            .collect();
        let count = buckets.last().map_or(0, |(_, count)| *count);
        assert!(count > 0, "no receipts:\n{text}");
        Self { count, buckets }
    }

    /// The least bucket bound that this part of all is under.
    fn bound(&self, part: f64) -> String {
        let wanted = (self.count as f64 * part).ceil() as u64;
        let found = self.buckets.iter().find(|(_, count)| *count >= wanted);
        found.map_or_else(|| "?".to_owned(), |(bound, _)| bound.clone())
    }
}
