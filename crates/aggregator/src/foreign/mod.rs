//! The second door: records of other people's recorders become entries, marked `unsealed`.
//!
//! ```text
//! OTLP/HTTP logs, spans ─┐                          redactor
//! lines of JSON ─────────┴─▸ Fields ─▸ Draft ─────────┴────▸ Imported ─▸ Sink (our own chain)
//!                            as it came, cannot be written   entry + blobs
//! ```
//!
//! A foreign record is a claim: nobody sealed it, and what it says is neither checked nor completed.
//! Each becomes one `call.import` entry whose twelve fields are filled or absent with the reason, and
//! a blob with the record after redaction. Records of other things than tool calls are counted; what
//! is not understood is reported with its line. Nothing is left out in silence.
//!
//! Not here: who may use the door (the listener decides), and the log.
//!
//! Specifications: `docs/spec/leaf-kinds.md`; OTLP 1.x over HTTP
//! (<https://opentelemetry.io/docs/specs/otlp/>). Limits: [`BODY_BYTES_MAX`], [`LINE_BYTES_MAX`].

mod agentgateway;
mod attributes;
mod body;
mod contextforge;
mod draft;
mod fields;
mod format;
mod importer;
mod jsonl;
mod otlp;
mod router;
mod sink;
mod toolhive;

pub use draft::LineProblem;
pub use format::Format;
pub use importer::{Imported, Importer};
pub use jsonl::{ImportReport, Reading, UnknownLine, read_lines};
pub use otlp::{Encoding, Malformed, Request, Signal, read_request};
pub use router::{Foreign, import_route, logs_route, router, traces_route};
pub use sink::{Sink, SinkError};

/// Longest request body, before and after decompression, in bytes.
pub const BODY_BYTES_MAX: usize = 8 << 20;

/// Longest line, in bytes: a longer one is not understood.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Unknown lines listed one by one in an answer; the rest are counted.
pub const UNKNOWN_LINES_MAX: usize = 1000;
