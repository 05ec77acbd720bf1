//! Every metric of the gateway: its name, unit and meaning. Payload never becomes a label.
//!
//! Metrics say how the gateway does; they are no evidence. The trail is.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use affiant_capture::tracker::ExchangeEnd;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::ship::ShipCollector;
use crate::trail::Trail;

/// A request the gateway answered itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turned {
    /// No route has its path.
    Unrouted,
    /// `Host` or `Origin` is not allowed.
    Forbidden,
    /// The trail could not take its calls.
    Refused,
    /// The upstream gave no response head.
    Unreachable,
}

impl Turned {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Unrouted => "unrouted",
            Self::Forbidden => "forbidden",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
        }
    }
}

/// The metrics of a gateway.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    exchanges_open: Family<OfRoute, Gauge>,
    exchanges: Family<OfEnd, Counter>,
    turned: Family<OfReason, Counter>,
    request_bytes: Family<OfRoute, Counter>,
    response_bytes: Family<OfRoute, Counter>,
    undecoded: Family<OfRoute, Counter>,
    late: Family<OfRoute, Counter>,
    hold: Family<OfRoute, Histogram>,
}

/// The metrics of one route.
#[derive(Debug, Clone)]
pub(crate) struct RouteMetrics {
    route: String,
    open: Gauge,
    exchanges: Family<OfEnd, Counter>,
    turned: Family<OfReason, Counter>,
    request_bytes: Counter,
    response_bytes: Counter,
    undecoded: Counter,
    late: Counter,
    hold: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRoute {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfEnd {
    route: String,
    end: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    route: String,
    reason: &'static str,
}

impl Metrics {
    /// Metrics of a gateway that records to `trail`.
    pub(crate) fn new(trail: &Trail) -> Self {
        let mut made = Self {
            registry: Registry::with_prefix("affiant"),
            exchanges_open: Family::default(),
            exchanges: Family::default(),
            turned: Family::default(),
            request_bytes: Family::default(),
            response_bytes: Family::default(),
            undecoded: Family::default(),
            late: Family::default(),
            hold: Family::new_with_constructor(|| Histogram::new(HOLD_BUCKETS_SECONDS)),
        };
        made.register();
        made.registry
            .register_collector(Box::new(TrailCollector(trail.clone())));
        made.registry
            .register_collector(Box::new(ShipCollector(trail.shipping())));
        made
    }

    fn register(&mut self) {
        let to = &mut self.registry;
        to.register(
            "http_exchanges_open",
            "HTTP exchanges between their request head and the end of their response",
            self.exchanges_open.clone(),
        );
        to.register(
            "http_exchanges",
            "HTTP exchanges ended: complete, client-closed, upstream-broken or connect-failed",
            self.exchanges.clone(),
        );
        to.register(
            "http_answered",
            "Requests the gateway answered itself: unrouted, forbidden, refused or unreachable",
            self.turned.clone(),
        );
        to.register_with_unit(
            "http_request_body",
            "Bytes of POST bodies received, as they are on the wire without chunk framing",
            Unit::Bytes,
            self.request_bytes.clone(),
        );
        to.register_with_unit(
            "http_response_body",
            "Bytes of response bodies passed on, as they are on the wire without chunk framing",
            Unit::Bytes,
            self.response_bytes.clone(),
        );
        to.register(
            "http_bodies_undecoded",
            "Bodies passed on whose content coding could not be undone on the copy",
            self.undecoded.clone(),
        );
        to.register(
            "http_requests_late",
            "Request bodies larger than request_hold_bytes_max, of which only the end was held",
            self.late.clone(),
        );
        to.register_with_unit(
            "http_intent_wait",
            "Time a complete request body waited for the record of its calls",
            Unit::Seconds,
            self.hold.clone(),
        );
    }

    /// The metrics of one route; they show from now on.
    pub(crate) fn route(&self, id: &str) -> RouteMetrics {
        let label = OfRoute {
            route: id.to_owned(),
        };
        RouteMetrics {
            route: id.to_owned(),
            open: self.exchanges_open.get_or_create(&label).clone(),
            exchanges: self.exchanges.clone(),
            turned: self.turned.clone(),
            request_bytes: self.request_bytes.get_or_create(&label).clone(),
            response_bytes: self.response_bytes.get_or_create(&label).clone(),
            undecoded: self.undecoded.get_or_create(&label).clone(),
            late: self.late.get_or_create(&label).clone(),
            hold: self.hold.get_or_create(&label).clone(),
        }
    }

    /// A request was answered that belongs to no route.
    pub(crate) fn unrouted(&self) {
        turned(&self.turned, "", Turned::Unrouted);
    }

    /// All metrics as OpenMetrics text.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl RouteMetrics {
    pub(crate) fn exchange_opened(&self) {
        self.open.inc();
    }

    pub(crate) fn exchange_closed(&self, end: ExchangeEnd) {
        self.open.dec();
        let end = match end {
            ExchangeEnd::Complete => "complete",
            ExchangeEnd::ClientClosed => "client-closed",
            ExchangeEnd::UpstreamBroken => "upstream-broken",
            ExchangeEnd::ConnectFailed => "connect-failed",
        };
        self.exchanges
            .get_or_create(&OfEnd {
                route: self.route.clone(),
                end,
            })
            .inc();
    }

    pub(crate) fn turned(&self, reason: Turned) {
        turned(&self.turned, &self.route, reason);
    }

    pub(crate) fn request_bytes(&self, bytes: usize) {
        self.request_bytes
            .inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    pub(crate) fn response_bytes(&self, bytes: usize) {
        self.response_bytes
            .inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    pub(crate) fn undecoded(&self) {
        self.undecoded.inc();
    }

    pub(crate) fn late(&self) {
        self.late.inc();
    }

    pub(crate) fn held(&self, wait_us: u64) {
        self.hold
            .observe(std::time::Duration::from_micros(wait_us).as_secs_f64());
    }
}

fn turned(family: &Family<OfReason, Counter>, route: &str, reason: Turned) {
    family
        .get_or_create(&OfReason {
            route: route.to_owned(),
            reason: reason.as_str(),
        })
        .inc();
}

/// Reads the trail's own counters when asked.
#[derive(Debug)]
struct TrailCollector(Trail);

impl Collector for TrailCollector {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stats = self.0.stats();
        let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
        let counters = [
            ("calls", "Tool calls begun in this boot", self.0.calls()),
            (
                "entries",
                "Entries on disk under a seal, without the seals",
                read(&stats.entries),
            ),
            ("seals", "Seals made", read(&stats.seals)),
            (
                "calls_refused",
                "Tool calls not forwarded because the trail could not take them",
                read(&stats.calls_refused),
            ),
            (
                "calls_dropped",
                "Tool calls forwarded without evidence",
                read(&stats.calls_dropped),
            ),
            ("entries_lost", "Entries lost", read(&stats.entries_lost)),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            counter.encode(to.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let gauges = [
            (
                "calls_open",
                "Tool calls begun and not ended",
                None,
                self.0.calls_open(),
            ),
            (
                "spool_used",
                "Bytes the spool uses",
                Some(&Unit::Bytes),
                read(&stats.spool_bytes),
            ),
            (
                "spool_quota",
                "Bytes the spool may use",
                Some(&Unit::Bytes),
                read(&stats.spool_bytes_max),
            ),
            (
                "trail_failing",
                "1 while the storage takes no entries",
                None,
                u64::from(stats.failing.load(Ordering::Relaxed)),
            ),
        ];
        for (name, help, unit, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(to.encode_descriptor(name, help, unit, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

/// From half a fast fsync to a disk in trouble.
const HOLD_BUCKETS_SECONDS: [f64; 12] = [
    0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0,
];
