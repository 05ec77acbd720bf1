//! From the seal over an entry to the verified receipt for it.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

/// Upper bounds of the buckets, seconds: fine where a checkpoint ten times a second puts them, then to
/// an outage of days.
const BUCKETS_S: [f64; 16] = [
    0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 15.0, 60.0, 600.0, 3_600.0, 86_400.0,
];

/// How long the oldest entry of each batch waited from its seal to the verified receipt, by wall clock.
#[derive(Debug)]
pub struct ReceiptAge(Histogram);

impl Default for ReceiptAge {
    fn default() -> Self {
        Self(Histogram::new(BUCKETS_S))
    }
}

impl ReceiptAge {
    pub(super) fn observe_us(&self, age_us: i64) {
        let age = u64::try_from(age_us).unwrap_or(0);
        self.0
            .observe(std::time::Duration::from_micros(age).as_secs_f64());
    }

    pub(super) fn encode(&self, to: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "From the seal to the verified receipt, of the oldest entry of each batch";
        let name = "ship_receipt_age";
        let kind = self.0.metric_type();
        self.0
            .encode(to.encode_descriptor(name, help, Some(&Unit::Seconds), kind)?)
    }
}
