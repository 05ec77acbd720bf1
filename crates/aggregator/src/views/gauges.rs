//! What a view counts on its own, for the metrics of the aggregator.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Reads the counts of something that is plugged in. Called for each request of `/metrics`; must not block.
pub trait Gauges: Send + Sync + fmt::Debug {
    /// All counts; those of one name stand together.
    fn read(&self) -> Vec<Gauge>;
}

/// One value of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gauge {
    /// Name, without the prefix `affiant_` and without `_total`.
    pub name: &'static str,
    /// What it says, with its unit.
    pub help: &'static str,
    /// A label and its value, both of the program's own making.
    pub label: Option<(&'static str, &'static str)>,
    /// Whether it only grows.
    pub grows: bool,
    /// The value.
    pub value: u64,
}

#[derive(Debug)]
pub(crate) struct OfParts(pub(crate) Box<dyn Gauges>);

impl Collector for OfParts {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let all = self.0.read();
        for family in all.chunk_by(|a, b| a.name == b.name) {
            let Some(first) = family.first() else {
                continue;
            };
            let kind = match first.grows {
                true => MetricType::Counter,
                false => MetricType::Gauge,
            };
            let mut descriptor = to.encode_descriptor(first.name, first.help, None, kind)?;
            for one in family {
                let labels: Vec<_> = one.label.into_iter().collect();
                let encoder = descriptor.encode_family(&labels)?;
                if one.grows {
                    ConstCounter::new(one.value).encode(encoder)?;
                } else {
                    ConstGauge::new(i64::try_from(one.value).unwrap_or(i64::MAX))
                        .encode(encoder)?;
                }
            }
        }
        Ok(())
    }
}
