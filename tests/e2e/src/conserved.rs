//! The conservation identity: what an edge appended is acknowledged, pending, or a declared gap, and
//! what is acknowledged is in the log.

use std::path::Path;

use serde_json::Value;

use crate::metrics::Metrics;
use crate::program::{affiant, output_ok};

/// The spools of an edge, as `affiant spool ls` describes them.
///
/// # Panics
/// When it does not.
#[must_use]
pub fn spools(edge: &Path) -> Vec<Value> {
    let out = output_ok(
        affiant()
            .args(["spool", "ls", "--format", "json", "--data-dir"])
            .arg(edge),
    );
    let text = String::from_utf8_lossy(&out.stdout);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The sum of one of the numbers of all spools of an edge: `frames`, `acknowledged`, `pending`.
///
/// # Panics
/// When `spool ls` does not know it.
#[must_use]
pub fn count(edge: &Path, what: &str) -> u64 {
    let of = |spool: &Value| spool[what].as_u64().unwrap();
    spools(edge).iter().map(of).sum()
}

/// Asserts of an edge at rest, all of it shipped: every frame that its spools ever held is
/// acknowledged, and the aggregator's index has exactly so many entries and seals of each chain.
///
/// # Panics
/// When one is missing, or there twice.
pub fn assert_shipped(edge: &Path, source: &str, status: &Value) {
    let sources = status["sources"].as_array().unwrap();
    let known = sources.iter().find(|one| one["source"] == source);
    let chains = known.unwrap_or_else(|| panic!("no {source} in {status}"))["chains"]
        .as_array()
        .unwrap();
    let spools = spools(edge);
    assert_eq!(chains.len(), spools.len(), "{chains:?}\n{spools:?}");
    for spool in spools {
        assert_eq!(spool["pending"], 0, "{source}: {spool}");
        let chain = chains.iter().find(|chain| chain["spool"] == spool["name"]);
        let chain = chain.unwrap_or_else(|| panic!("{source}: no chain of {spool}"));
        let held = chain["entries"].as_u64().unwrap() + chain["seals"].as_u64().unwrap();
        assert_eq!(spool["frames"], held, "{source}: {spool} against {chain}");
        for none in ["gaps", "forks", "quarantined"] {
            assert_eq!(chain[none], 0, "{source}: {chain}");
        }
    }
}

/// Asserts that an edge's own numbers add up, at this moment, under whatever load.
///
/// # Panics
/// When they do not.
pub fn assert_edge_adds_up(metrics: &Metrics) {
    let of = |what: &str| metrics.by_labels(&format!("affiant_ship_entries_{what}"));
    let (acknowledged, gap) = (of("acknowledged_total"), of("gap_total"));
    let pending = of("pending");
    for (spool, appended) in of("appended_total") {
        let parts = [&acknowledged, &gap, &pending].map(|part| part[spool]);
        let sum: f64 = parts.iter().sum();
        assert!(
            (sum - appended).abs() < 0.5,
            "{spool}: {appended} is not {parts:?}"
        );
    }
}

/// Asserts that an aggregator's numbers of a source add up while nothing is under way.
///
/// # Panics
/// When they do not.
pub fn assert_hub_adds_up(metrics: &Metrics, source: &str) {
    let of = |what: &str| {
        let name = format!("affiant_source_entries_{what}_total");
        metrics.get(&name, Some(("source", source))).unwrap_or(0.0)
    };
    let parts = ["appended", "duplicate", "refused"].map(of);
    let (received, sum) = (of("received"), parts.iter().sum::<f64>());
    assert!(
        (sum - received).abs() < 0.5,
        "{source}: {received} is not {parts:?}"
    );
}
