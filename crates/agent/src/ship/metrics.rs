//! Shipping as metrics: read from its counters when asked.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::stats::{ShipState, ShipStats, SpoolCounts};

/// The numbers of one process's shipping; nothing before a shipper starts.
#[derive(Debug)]
pub(crate) struct ShipCollector(pub(crate) Arc<ShipStats>);

/// A number per spool: name, help, reading, and whether it only grows.
type PerSpool = (
    &'static str,
    &'static str,
    fn(&SpoolCounts, i64) -> u64,
    bool,
);

const PER_SPOOL: [PerSpool; 6] = [
    (
        "ship_entries_appended",
        "Entries of the spool that this process read for shipping: acknowledged + pending + gap",
        |spool, _| spool.appended,
        true,
    ),
    (
        "ship_entries_acknowledged",
        "Entries that a verified receipt covers",
        |spool, _| spool.acknowledged,
        true,
    ),
    (
        "ship_entries_gap",
        "Frames that are missing in the spool",
        |spool, _| spool.gap,
        true,
    ),
    (
        "ship_entries_pending",
        "Entries read that wait for their receipt",
        |spool, _| spool.pending,
        false,
    ),
    (
        "ship_frames_unread",
        "Durable frames, entries and seals, of this process's spool that were not read for shipping yet",
        |spool, _| spool.unread_frames,
        false,
    ),
    (
        "ship_oldest_unacknowledged_age",
        "Age of the oldest entry without a receipt",
        SpoolCounts::oldest_age_s,
        false,
    ),
];

impl Collector for ShipCollector {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let state = self.0.state();
        if state == ShipState::Off {
            return Ok(());
        }
        self.totals(&mut to)?;
        self.0.receipt_age.encode(&mut to)?;
        let now = crate::clock::now().utc_us;
        let not_after_us = self.0.not_after_us.load(Ordering::Relaxed);
        let left_s = not_after_us.saturating_sub(now) / 1_000_000;
        ConstGauge::new(left_s).encode(to.encode_descriptor(
            "ship_certificate_left",
            "Time until the certificate of this source ends; negative once it has",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?)?;
        let states = [ShipState::Shipping, ShipState::Waiting, ShipState::Refused];
        let mut family = to.encode_descriptor(
            "ship_state",
            "1 for the state that holds: shipping, waiting (aggregator not reached), refused (nothing is released)",
            None,
            MetricType::Gauge,
        )?;
        for one in states {
            let gauge = ConstGauge::new(i64::from(one == state));
            gauge.encode(family.encode_family(&[("state", one.as_str())])?)?;
        }
        self.spools(&mut to, now)
    }
}

impl ShipCollector {
    fn totals(&self, to: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
        let totals = [
            (
                "ship_batches",
                "Batches whose receipt verified",
                None,
                read(&self.0.batches),
            ),
            (
                "ship_batch",
                "Bytes of batches sent, before compression",
                Some(&Unit::Bytes),
                read(&self.0.bytes_raw),
            ),
            (
                "ship_sent",
                "Bytes of batches sent, compressed",
                Some(&Unit::Bytes),
                read(&self.0.bytes_sent),
            ),
            (
                "ship_retries",
                "Batches sent again",
                None,
                read(&self.0.retries),
            ),
            (
                "ship_duplicates",
                "Groups that the log had already",
                None,
                read(&self.0.duplicates),
            ),
            (
                "ship_receipts_refused",
                "Receipts that did not verify",
                None,
                read(&self.0.receipts_refused),
            ),
            (
                "ship_rollbacks",
                "Answers by which the log is smaller than it was: nothing is released",
                None,
                read(&self.0.rollbacks),
            ),
        ];
        for (name, help, unit, value) in totals {
            let counter = ConstCounter::new(value);
            counter.encode(to.encode_descriptor(name, help, unit, MetricType::Counter)?)?;
        }
        Ok(())
    }

    fn spools(&self, to: &mut DescriptorEncoder<'_>, now: i64) -> Result<(), fmt::Error> {
        let spools = self.0.spools();
        for (name, help, read, counter) in PER_SPOOL {
            let (kind, unit) = if counter {
                (MetricType::Counter, None)
            } else if name.ends_with("_age") {
                (MetricType::Gauge, Some(&Unit::Seconds))
            } else {
                (MetricType::Gauge, None)
            };
            let mut family = to.encode_descriptor(name, help, unit, kind)?;
            for (spool, counts) in &spools {
                let value = read(counts, now);
                let labels = [("spool", spool.as_str())];
                let one = family.encode_family(&labels)?;
                if counter {
                    ConstCounter::new(value).encode(one)?;
                } else {
                    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(one)?;
                }
            }
        }
        Ok(())
    }
}
