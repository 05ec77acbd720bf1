//! What the archive counts, for `/metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use affiant_aggregator::views::{Gauge, Gauges};
use affiant_archive::{Problem, ScrubReport};

/// Counts of one life of an aggregator, and of the last scrub.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    leaves: AtomicU64,
    sets: AtomicU64,
    bytes: AtomicU64,
    scrubbed: AtomicU64,
    scrub_ended_s: AtomicU64,
    findings: [AtomicU64; Problem::ALL.len()],
}

impl Counts {
    /// The archive holds so many leaves.
    pub(crate) fn holds(&self, leaves: u64) {
        self.leaves.store(leaves, Ordering::Relaxed);
    }

    /// A set was written.
    pub(crate) fn wrote(&self, bytes: u64) {
        self.sets.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// More objects were looked at.
    pub(crate) fn scrubbed(&self, objects: u64) {
        self.scrubbed.fetch_add(objects, Ordering::Relaxed);
    }

    /// A whole pass is over, or one before is remembered.
    pub(crate) fn passed(&self, report: &ScrubReport) {
        let ended = report.ended.as_deref();
        let ended = ended.and_then(affiant_entry::parse_rfc3339);
        let ended = u64::try_from(ended.unwrap_or_default() / 1_000_000).unwrap_or_default();
        self.scrub_ended_s.store(ended, Ordering::Relaxed);
        for (problem, count) in Problem::ALL.iter().zip(&self.findings) {
            let found = report.findings.iter().filter(|f| f.problem == *problem);
            let found = u64::try_from(found.count()).unwrap_or(u64::MAX);
            count.store(found, Ordering::Relaxed);
        }
    }
}

/// [`Counts`] as metrics.
#[derive(Debug)]
pub(crate) struct ArchiveGauges(pub(crate) Arc<Counts>);

impl Gauges for ArchiveGauges {
    fn read(&self) -> Vec<Gauge> {
        let one = |name, help, grows, value: &AtomicU64| Gauge {
            name,
            help,
            label: None,
            grows,
            value: value.load(Ordering::Relaxed),
        };
        let counts = &*self.0;
        let mut all = vec![
            one(
                "archive_leaves",
                "Leaves in the archive",
                false,
                &counts.leaves,
            ),
            one("archive_sets", "Sets written", true, &counts.sets),
            one(
                "archive_bytes",
                "Bytes written to the archive",
                true,
                &counts.bytes,
            ),
            one(
                "archive_scrubbed_objects",
                "Objects looked at by scrubs",
                true,
                &counts.scrubbed,
            ),
            one(
                "archive_scrub_time_seconds",
                "When the last whole scrub ended, seconds since 1970; 0 for never",
                false,
                &counts.scrub_ended_s,
            ),
        ];
        for (problem, count) in Problem::ALL.iter().zip(&counts.findings) {
            all.push(Gauge {
                label: Some(("problem", problem.name())),
                ..one(
                    "archive_findings",
                    "Objects in which the last whole scrub found something wrong",
                    false,
                    count,
                )
            });
        }
        all
    }
}
