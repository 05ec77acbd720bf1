//! How the enricher and its sources do, for the metrics.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use affiant_enrich::{SourceState, Sources};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// What was written since the process started, and what is owed.
#[derive(Debug)]
pub(crate) struct Enriching {
    sources: Sources,
    pub(super) leaves: AtomicU64,
    pub(super) late: AtomicU64,
    pub(super) same_as: AtomicU64,
    pub(super) passed_over: AtomicU64,
    pub(super) owed: AtomicU64,
    pub(super) given_up: AtomicU64,
}

impl Enriching {
    pub(super) const fn new(sources: Sources) -> Self {
        Self {
            sources,
            leaves: AtomicU64::new(0),
            late: AtomicU64::new(0),
            same_as: AtomicU64::new(0),
            passed_over: AtomicU64::new(0),
            owed: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSource {
    source: String,
}

/// The collector of these metrics.
#[derive(Debug)]
pub(crate) struct EnrichMetrics(pub(crate) std::sync::Arc<Enriching>);

/// Name, help, whether it only grows, value; `None`: there is none.
type OfSourceState = (
    &'static str,
    &'static str,
    bool,
    fn(&SourceState) -> Option<u64>,
);

const SOURCES: [OfSourceState; 6] = [
    (
        "enrich_source_age_seconds",
        "Time since the source of facts was last read; absent if it never was",
        false,
        |s| s.age_s,
    ),
    (
        "enrich_stale",
        "1 while that is longer than the configuration allows",
        false,
        |s| Some(u64::from(s.stale)),
    ),
    (
        "enrich_source_rows",
        "Rows that the source has",
        false,
        |s| u64::try_from(s.rows).ok(),
    ),
    (
        "enrich_source_rows_passed_over",
        "Rows without a name, or with one that stood before",
        false,
        |s| Some(s.passed_over),
    ),
    (
        "enrich_source_reads",
        "Times the source was read",
        true,
        |s| Some(s.reads),
    ),
    (
        "enrich_source_read_failures",
        "Times that gave nothing",
        true,
        |s| Some(s.failures),
    ),
];

/// Name, help, whether it only grows, value.
type OfEnriching = (
    &'static str,
    &'static str,
    bool,
    fn(&Enriching) -> &AtomicU64,
);

const WRITTEN: [OfEnriching; 6] = [
    (
        "enrich_context_leaves",
        "Context leaves written",
        true,
        |e| &e.leaves,
    ),
    (
        "enrich_context_leaves_late",
        "Those of them for leaves that had context from a stale source",
        true,
        |e| &e.late,
    ),
    (
        "enrich_context_leaves_same",
        "Those of them that refer to an earlier one for their facts",
        true,
        |e| &e.same_as,
    ),
    (
        "enrich_names_passed_over",
        "Names in entries that are too long to be looked up",
        true,
        |e| &e.passed_over,
    ),
    (
        "enrich_owed_leaves",
        "Leaves whose context came from a stale source, and is said again when it is back",
        false,
        |e| &e.owed,
    ),
    (
        "enrich_given_up_leaves",
        "Leaves that were owed context and are too far back",
        true,
        |e| &e.given_up,
    ),
];

impl Collector for EnrichMetrics {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let states = self.0.sources.states();
        for (name, help, grows, value) in SOURCES {
            let mut family = to.encode_descriptor(name, help, None, kind(grows))?;
            for state in &states {
                let Some(value) = value(state) else { continue };
                let label = OfSource {
                    source: state.id.clone(),
                };
                number(family.encode_family(&label)?, grows, value)?;
            }
        }
        for (name, help, grows, value) in WRITTEN {
            let value = value(&self.0).load(Ordering::Relaxed);
            number(
                to.encode_descriptor(name, help, None, kind(grows))?,
                grows,
                value,
            )?;
        }
        Ok(())
    }
}

const fn kind(grows: bool) -> MetricType {
    if grows {
        MetricType::Counter
    } else {
        MetricType::Gauge
    }
}

fn number(
    to: prometheus_client::encoding::MetricEncoder<'_>,
    grows: bool,
    value: u64,
) -> Result<(), fmt::Error> {
    if grows {
        ConstCounter::new(value).encode(to)
    } else {
        ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(to)
    }
}
