//! Every metric of the aggregator: its name, unit and meaning. Payload never becomes a label.
//!
//! The unit of conservation is the entry. For each source, over the life of a process:
//!
//! ```text
//! received = appended + duplicates + refused + under way
//! ```
//!
//! and with what the source says of its spool: sealed = acknowledged + pending + lost to gaps.
//! Metrics say how the aggregator does; they are no evidence. The log is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use affiant_entry::SourceId;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use serde::Serialize;

use crate::anchors::{AnchorCounts, Anchors};
use crate::enrich::{EnrichMetrics, Enriching};
use crate::views::{Gauges, OfParts, ViewCounts};

/// Counts of one source since the process started; entries, without seals, where not said otherwise.
#[derive(Debug, Default)]
pub(crate) struct SourceCounts {
    received: AtomicU64,
    appended: AtomicU64,
    duplicates: AtomicU64,
    refused: AtomicU64,
    quarantined: AtomicU64,
    gaps_refused: AtomicU64,
    gaps: AtomicU64,
    forks: AtomicU64,
    rolled_back: AtomicU64,
    batches: AtomicU64,
    pending: AtomicU64,
}

/// The counts of one source, read once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Counted {
    pub(crate) batches: u64,
    pub(crate) received: u64,
    pub(crate) appended: u64,
    pub(crate) duplicates: u64,
    pub(crate) refused: u64,
    pub(crate) quarantined: u64,
    pub(crate) gaps: u64,
    pub(crate) forks: u64,
}

impl SourceCounts {
    pub(crate) fn received(&self, entries: u64) {
        add(&self.batches, 1);
        add(&self.received, entries);
    }

    pub(crate) fn appended(&self, entries: u64) {
        add(&self.appended, entries);
    }

    pub(crate) fn duplicates(&self, entries: u64) {
        add(&self.duplicates, entries);
    }

    pub(crate) fn refused(&self, entries: u64) {
        add(&self.refused, entries);
    }

    pub(crate) fn quarantined(&self, entries: u64) {
        add(&self.quarantined, entries);
    }

    pub(crate) fn gaps(&self, more: u64) {
        add(&self.gaps, more);
    }

    pub(crate) fn gap_refused(&self) {
        add(&self.gaps_refused, 1);
    }

    pub(crate) fn forked(&self) {
        add(&self.forks, 1);
    }

    pub(crate) fn rolled_back(&self) {
        add(&self.rolled_back, 1);
    }

    pub(crate) fn pending(&self, entries: u64) {
        self.pending.store(entries, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counted {
        Counted {
            batches: get(&self.batches),
            received: get(&self.received),
            appended: get(&self.appended),
            duplicates: get(&self.duplicates),
            refused: get(&self.refused),
            quarantined: get(&self.quarantined),
            gaps: get(&self.gaps),
            forks: get(&self.forks),
        }
    }
}

/// The metrics of an aggregator.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    sources: Arc<BySource>,
    failing: Gauge<i64>,
    api_refused: Family<OfCode, Counter>,
    api_reads: Family<OfRead, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCode {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRead {
    what: &'static str,
}

type BySource = Mutex<BTreeMap<SourceId, Arc<SourceCounts>>>;

impl Metrics {
    pub(crate) fn new(
        log: affiant_log::Log,
        anchors: Arc<Anchors>,
        views: Vec<Arc<ViewCounts>>,
        enriching: Option<Arc<Enriching>>,
        gauges: Vec<Box<dyn Gauges>>,
    ) -> Self {
        let sources = Arc::<BySource>::default();
        let mut registry = Registry::with_prefix("affiant");
        registry.register_collector(Box::new(Sources(Arc::clone(&sources))));
        registry.register_collector(Box::new(OfViews(log.clone(), views)));
        registry.register_collector(Box::new(LogSize(log)));
        for one in gauges {
            registry.register_collector(Box::new(OfParts(one)));
        }
        let failing = Gauge::<i64>::default();
        registry.register(
            "log_failing",
            "1 while the log takes no leaves, as `/readyz` says",
            failing.clone(),
        );
        registry.register_collector(Box::new(Anchored(anchors)));
        if let Some(enriching) = enriching {
            registry.register_collector(Box::new(EnrichMetrics(enriching)));
        }
        let api_refused = Family::default();
        let help = "Requests that the API did not let in, by the code of the problem";
        registry.register("api_refused", help, api_refused.clone());
        let api_reads = Family::default();
        let help = "Reads of the trail through the API, each of which is an entry";
        registry.register("api_reads", help, api_reads.clone());
        Self {
            registry,
            sources,
            failing,
            api_refused,
            api_reads,
        }
    }

    /// A request was not let in.
    pub(crate) fn api_refused(&self, code: &'static str) {
        self.api_refused.get_or_create(&OfCode { code }).inc();
    }

    /// Somebody read the trail.
    pub(crate) fn api_read(&self, what: &'static str) {
        self.api_reads.get_or_create(&OfRead { what }).inc();
    }

    /// The counts of one source. Sources are enrolled by the operator, so there are no more than that.
    pub(crate) fn source(&self, source: &SourceId) -> Arc<SourceCounts> {
        let mut all = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = all.get(source) {
            return Arc::clone(counts);
        }
        Arc::clone(all.entry(source.clone()).or_default())
    }

    /// Whether the log takes no leaves now.
    pub(crate) fn log_failing(&self, failing: bool) {
        self.failing.set(i64::from(failing));
    }

    /// All metrics as OpenMetrics text.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[derive(Debug)]
struct Sources(Arc<BySource>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSource {
    source: String,
}

type Read = fn(&SourceCounts) -> &AtomicU64;

/// Name, help, value.
const COUNTERS: [(&str, &str, Read); 10] = [
    ("source_batches", "Batches read", |c| &c.batches),
    ("source_entries_received", "Entries in batches read", |c| {
        &c.received
    }),
    (
        "source_entries_appended",
        "Entries under a checkpoint, new",
        |c| &c.appended,
    ),
    (
        "source_entries_duplicate",
        "Entries that the log had, with the same hash",
        |c| &c.duplicates,
    ),
    (
        "source_entries_refused",
        "Entries in batches that were not taken",
        |c| &c.refused,
    ),
    (
        "source_entries_quarantined",
        "Entries in the log under a good seal that cannot be read",
        |c| &c.quarantined,
    ),
    (
        "source_gaps",
        "Gaps that the source owned up to and the log records",
        |c| &c.gaps,
    ),
    (
        "source_gaps_refused",
        "Batches refused as something is missing before them",
        |c| &c.gaps_refused,
    ),
    ("source_forks", "Contradictions kept as evidence", |c| {
        &c.forks
    }),
    (
        "source_log_rolled_back",
        "Batches refused as the source knows a larger tree than the log has",
        |c| &c.rolled_back,
    ),
];

impl Collector for Sources {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let all = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if all.is_empty() {
            return Ok(());
        }
        for (name, help, value) in COUNTERS {
            let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (source, counts) in &all {
                let label = of(source);
                let counter = ConstCounter::new(get(value(counts)));
                counter.encode(family.encode_family(&label)?)?;
            }
        }
        let help = "Sealed entries that the source holds without a receipt, as it said last";
        let mut family =
            to.encode_descriptor("source_entries_pending", help, None, MetricType::Gauge)?;
        for (source, counts) in &all {
            let label = of(source);
            let gauge = ConstGauge::new(i64::try_from(get(&counts.pending)).unwrap_or(i64::MAX));
            gauge.encode(family.encode_family(&label)?)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct LogSize(affiant_log::Log);

impl Collector for LogSize {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let size = self.0.head().checkpoint.size.0;
        let gauge = ConstGauge::new(i64::try_from(size).unwrap_or(i64::MAX));
        let help = "Leaves under the newest checkpoint";
        gauge.encode(to.encode_descriptor("log_size", help, None, MetricType::Gauge)?)
    }
}

#[derive(Debug)]
struct OfViews(affiant_log::Log, Vec<Arc<ViewCounts>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfView {
    view: &'static str,
}

impl Collector for OfViews {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if self.1.is_empty() {
            return Ok(());
        }
        let size = self.0.head().checkpoint.size.0;
        let help = "Published leaves that the view does not hold yet";
        let mut family = to.encode_descriptor("view_lag_leaves", help, None, MetricType::Gauge)?;
        for view in &self.1 {
            let lag = i64::try_from(view.lag(size)).unwrap_or(i64::MAX);
            let label = OfView { view: view.name };
            ConstGauge::new(lag).encode(family.encode_family(&label)?)?;
        }
        let help = "Times the view did not take leaves, or could not be given any";
        let mut family = to.encode_descriptor("view_failures", help, None, MetricType::Counter)?;
        for view in &self.1 {
            let label = OfView { view: view.name };
            ConstCounter::new(view.failures()).encode(family.encode_family(&label)?)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Anchored(Arc<Anchors>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfAuthority {
    authority: String,
}

/// Name, help, whether it only grows, value.
type OfAnchors = (&'static str, &'static str, bool, fn(&AnchorCounts) -> i64);

const ANCHORS: [OfAnchors; 4] = [
    ("anchors", "Time stamps in the log", true, |c| {
        int(&c.anchored)
    }),
    (
        "anchor_failures",
        "Requests for a time stamp that gave none",
        true,
        |c| int(&c.failed),
    ),
    (
        "anchor_size",
        "Leaves under the checkpoint that was stamped last",
        false,
        |c| int(&c.size),
    ),
    (
        "anchor_time_seconds",
        "When a time stamp was put into the log last, seconds since 1970; 0 for never",
        false,
        |c| c.at_utc_us.load(Ordering::Relaxed) / 1_000_000,
    ),
];

impl Collector for Anchored {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if self.0.counts().next().is_none() {
            return Ok(());
        }
        for (name, help, grows, value) in ANCHORS {
            let kind = if grows {
                MetricType::Counter
            } else {
                MetricType::Gauge
            };
            let mut family = to.encode_descriptor(name, help, None, kind)?;
            for (authority, counts) in self.0.counts() {
                let label = OfAuthority {
                    authority: authority.to_owned(),
                };
                let one = family.encode_family(&label)?;
                if grows {
                    let value = u64::try_from(value(counts)).unwrap_or_default();
                    ConstCounter::new(value).encode(one)?;
                } else {
                    ConstGauge::new(value(counts)).encode(one)?;
                }
            }
        }
        Ok(())
    }
}

fn of(source: &SourceId) -> OfSource {
    OfSource {
        source: source.to_string(),
    }
}

fn add(to: &AtomicU64, more: u64) {
    to.fetch_add(more, Ordering::Relaxed);
}

fn int(from: &AtomicU64) -> i64 {
    i64::try_from(get(from)).unwrap_or(i64::MAX)
}

fn get(from: &AtomicU64) -> u64 {
    from.load(Ordering::Relaxed)
}
