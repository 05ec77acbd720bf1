//! OTLP/HTTP: logs and spans, as JSON and as protobuf.
//!
//! Both encodings are read by hand, one record at a time: of the generated messages a dozen fields
//! are needed, and a request of empty messages must not grow a hundredfold in memory before anything
//! is known of it. Unknown fields are skipped, as the specification asks.
//!
//! Specification: <https://opentelemetry.io/docs/specs/otlp/>, `opentelemetry/proto/{trace,logs}/v1`.

mod answer;
mod json;
mod proto;
mod record;
mod wire;

use affiant_entry::Moment;
use affiant_entry::record::ImportDoor;

pub(crate) use answer::{accepted, refused};

use super::draft::{Context, LineProblem, Verdict};
use super::format::Format;
use super::importer::{Imported, Importer};

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// `ExportLogsServiceRequest`, to `/v1/logs`.
    Logs,
    /// `ExportTraceServiceRequest`, to `/v1/traces`.
    Spans,
}

impl Signal {
    const fn door(self) -> ImportDoor {
        match self {
            Self::Logs => ImportDoor::OtlpLogs,
            Self::Spans => ImportDoor::OtlpSpans,
        }
    }
}

/// How a request and its answer are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `application/json`.
    Json,
    /// `application/x-protobuf`.
    Protobuf,
}

/// A request is not what its content type says. The sender's fault; it must not try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("request is malformed")]
pub struct Malformed;

/// What a request gave.
#[derive(Debug, Default)]
pub struct Request {
    /// The calls in their order.
    pub imported: Vec<Imported>,
    /// Records about something else.
    pub other: u64,
    /// Calls that lack a time or a tool, or are too large.
    pub unknown: u64,
}

/// Reads a whole request. Takes any bytes.
///
/// # Errors
/// [`Malformed`]; nothing is taken of it then.
pub fn read_request(
    signal: Signal,
    encoding: Encoding,
    bytes: &[u8],
    importer: &Importer,
    now: Moment,
) -> Result<Request, Malformed> {
    let context = importer.context(Format::Otlp);
    let mut verdicts = Vec::new();
    let mut others = 0_u64;
    let mut each = |verdict| match verdict {
        Verdict::Other => others = others.saturating_add(1),
        Verdict::Call(_) | Verdict::Unknown(_) => verdicts.push(verdict),
    };
    match encoding {
        Encoding::Json => json::read(signal, bytes, context, &mut each)?,
        Encoding::Protobuf => proto::read(signal, bytes, context, &mut each)?,
    }
    let mut out = Request {
        other: others,
        ..Request::default()
    };
    for verdict in verdicts {
        let imported = match verdict {
            Verdict::Call(draft) => importer
                .import(*draft, Format::Otlp, signal.door(), now)
                .ok(),
            Verdict::Other | Verdict::Unknown(_) => None,
        };
        match imported {
            Some(imported) => out.imported.push(imported),
            None => out.unknown = out.unknown.saturating_add(1),
        }
    }
    Ok(out)
}

/// One line of OTLP JSON, as the collector's file exporter writes it.
pub(crate) fn read_line(line: &str, context: Context<'_>) -> Vec<Verdict> {
    let fields = match super::jsonl::object(line) {
        Ok(fields) => fields,
        Err(problem) => return vec![Verdict::Unknown(problem)],
    };
    let has = |name| fields.raw(name).is_some();
    let signal = match (has("resourceSpans"), has("resourceLogs")) {
        (true, _) => Signal::Spans,
        (false, true) => Signal::Logs,
        (false, false) if has("resourceMetrics") => return vec![Verdict::Other],
        (false, false) => return vec![Verdict::Unknown(LineProblem::UnknownShape)],
    };
    let mut verdicts = Vec::new();
    let read = json::read(signal, line.as_bytes(), context, &mut |verdict| {
        verdicts.push(verdict);
    });
    match read {
        Ok(()) => verdicts,
        Err(Malformed) => vec![Verdict::Unknown(LineProblem::UnknownShape)],
    }
}
