//! Questions in SQL, answers as bytes.
//!
//! Read-only. What a question may cost is bounded ([`Limits`]), what it may see too ([`Bounds`]): the
//! bounds stand below the tables that SQL can name, so no question gets around them. A question sees
//! one moment of the store, however long it runs.
//!
//! What is not bounded: processor time of one batch of rows within one function call, such as a
//! pattern match; a query that is past its time ends behind that batch.

mod context_column;
mod engine;
mod entries;
mod functions;
mod guard;
mod json;
mod leaves;
mod output;
mod tables;

use std::time::Duration;

pub use engine::Engine;
pub use entries::{EntryFilter, EntryPage, EntryRow, Order, Page};

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Columns for people.
    Table,
    /// One JSON array of objects.
    Json,
    /// One JSON object a line.
    JsonLines,
    /// RFC 4180 with a header line.
    Csv,
    /// An Apache Parquet file.
    Parquet,
    /// An Arrow IPC stream.
    Arrow,
}

impl Format {
    /// The media type of an answer.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Table => "text/plain; charset=utf-8",
            Self::Json => "application/json",
            Self::JsonLines => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }
}

/// The part of the trail that a question may see, by the `time` of entries: from (inclusive), to
/// (exclusive), microseconds since the Unix epoch. With a bound, entries without time are not seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Not before.
    pub from_us: Option<i64>,
    /// Before.
    pub to_us: Option<i64>,
}

impl Bounds {
    /// Whether everything may be seen.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.from_us.is_none() && self.to_us.is_none()
    }
}

/// What a question may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time from start to last row.
    pub time: Duration,
    /// Bytes that joins, sorts and groups may hold.
    pub memory_bytes: usize,
    /// Rows of an answer. Going beyond is an error, never a cut answer.
    pub rows_max: u64,
    /// Bytes of an answer.
    pub answer_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(30),
            memory_bytes: 512 << 20,
            rows_max: 1_000_000,
            answer_bytes_max: 256 << 20,
        }
    }
}

/// A question.
#[derive(Debug, Clone)]
pub struct SqlRequest {
    /// One statement: `SELECT`, `SHOW TABLES`, `DESCRIBE` or `EXPLAIN`.
    pub sql: String,
    /// How the answer is written.
    pub format: Format,
    /// What may be seen.
    pub bounds: Bounds,
    /// What it may cost.
    pub limits: Limits,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: Vec<u8>,
    /// Rows in it.
    pub rows: u64,
}

/// There is no answer. Each text is one line, and tells whoever asked what to change.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryError {
    /// The question is wrong, or asks for what nobody may do.
    #[error("{0}")]
    Refused(String),
    /// A limit was hit.
    #[error("{0}")]
    TooExpensive(String),
    /// The store cannot answer now; not the fault of who asked.
    #[error("{0}")]
    Unavailable(String),
}
