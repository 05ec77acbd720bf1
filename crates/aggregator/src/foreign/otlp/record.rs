//! A span or a log record, whichever encoding it came in.

use super::super::attributes::{self, Told};
use super::super::draft::{Context, Verdict};
use super::super::fields::Fields;
use super::Signal;

/// `SPAN_KIND_CLIENT`.
const CLIENT: i64 = 3;
/// `STATUS_CODE_ERROR`.
const ERROR: i64 = 2;

/// What is read of a span or a log record. Not redacted: no `Serialize`, and `Debug` shows no values.
#[derive(Debug, Default)]
pub(super) struct OtelRecord<'a> {
    pub(super) attributes: Fields<'a>,
    /// Lower-case hexadecimal; empty if absent.
    pub(super) trace_id: String,
    pub(super) span_id: String,
    pub(super) parent_span_id: String,
    /// Span kind by its number.
    pub(super) kind: i64,
    /// Nanoseconds since the Unix epoch; 0 if absent.
    pub(super) start_ns: u64,
    /// End of a span, time of a log record.
    pub(super) end_ns: u64,
    /// Span status by its number.
    pub(super) status: i64,
}

impl OtelRecord<'_> {
    pub(super) fn verdict(
        &self,
        signal: Signal,
        resource: &Fields<'_>,
        scope: &str,
        context: Context<'_>,
    ) -> Verdict {
        let told = Told {
            resource,
            attributes: &self.attributes,
            began_utc_us: micros(self.start_ns),
            ended_utc_us: micros(self.end_ns),
            trace_id: Some(self.trace_id.clone()).filter(|id| is_id(id)),
            // A log record says not whose it is; gateways and servers write them.
            serves: signal == Signal::Logs || self.kind != CLIENT,
            failed: self.status == ERROR,
            around: Some(self.around(signal, scope)),
        };
        attributes::read(&told, context)
    }

    /// What is kept of the record beside its attributes. A log record's body is free text that may
    /// repeat anything: it is not kept.
    fn around(&self, signal: Signal, scope: &str) -> Fields<'static> {
        let mut out = Fields::default();
        out.push_text("scope", scope);
        for (name, id) in [
            ("traceId", &self.trace_id),
            ("spanId", &self.span_id),
            ("parentSpanId", &self.parent_span_id),
        ] {
            if !id.is_empty() {
                out.push_text(name, id);
            }
        }
        match signal {
            Signal::Logs => out.push("timeUnixNano", format!("\"{}\"", self.end_ns)),
            Signal::Spans => {
                out.push("kind", self.kind.to_string());
                out.push("startTimeUnixNano", format!("\"{}\"", self.start_ns));
                out.push("endTimeUnixNano", format!("\"{}\"", self.end_ns));
                out.push("status", self.status.to_string());
            }
        }
        out
    }
}

fn micros(ns: u64) -> Option<i64> {
    i64::try_from(ns.checked_div(1000)?)
        .ok()
        .filter(|us| *us > 0)
}

/// 32 hexadecimal digits that are not all zero.
fn is_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()) && id.bytes().any(|b| b != b'0')
}
