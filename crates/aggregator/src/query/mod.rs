//! The port through which the trail is read: whoever keeps a store plugs in here.
//!
//! The aggregator asks, decides who may ask, and writes down what was asked; it does not know how answers
//! are made. Without a store, [`LogQuery`] answers from the log itself, slowly, and knows no SQL.

mod filter;
mod scan;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use affiant_tlog::LeafIndex;

pub use filter::EntryFilter;
pub use scan::LogQuery;

/// A future on the heap.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Answers questions about entries.
pub trait Query: Send + Sync {
    /// Answers SQL that only reads.
    ///
    /// # Errors
    /// [`QueryError`].
    fn sql(&self, request: SqlRequest) -> BoxFuture<'_, Result<Answer, QueryError>>;

    /// Entries that pass a filter, in the order of the log, page by page. A page holds what the answering
    /// side has at that time; leaves that come later change no page that was given.
    ///
    /// # Errors
    /// [`QueryError`].
    fn entries(
        &self,
        filter: EntryFilter,
        page: Page,
    ) -> BoxFuture<'_, Result<EntryPage, QueryError>>;
}

impl fmt::Debug for dyn Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Query")
    }
}

/// What is asked in SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlRequest {
    /// One statement.
    pub sql: String,
    /// How the answer is written.
    pub format: Format,
    /// Entries outside are as if they were not there.
    pub bounds: ReadBounds,
    /// What it may cost.
    pub limits: Limits,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// Columns for people.
    Table,
    /// One JSON array of objects.
    #[default]
    Json,
    /// A JSON object a line.
    JsonLines,
    /// RFC 4180 with a header line.
    Csv,
    /// An Apache Parquet file.
    Parquet,
    /// An Apache Arrow IPC stream.
    Arrow,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Table,
        Self::Json,
        Self::JsonLines,
        Self::Csv,
        Self::Parquet,
        Self::Arrow,
    ];

    /// Its name, as in `?format=`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Table => "text/plain; charset=utf-8",
            Self::Json => "application/json",
            Self::JsonLines => "application/jsonl",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }
}

/// The time that a reader may see, by the `time` of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadBounds {
    /// Not before, microseconds since the Unix epoch.
    pub from_us: Option<i64>,
    /// Before, microseconds since the Unix epoch.
    pub to_us: Option<i64>,
}

impl ReadBounds {
    /// What lies in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let both = |a: Option<i64>, b: Option<i64>, pick: fn(i64, i64) -> i64| match (a, b) {
            (Some(a), Some(b)) => Some(pick(a, b)),
            (a, b) => a.or(b),
        };
        Self {
            from_us: both(self.from_us, other.from_us, i64::max),
            to_us: both(self.to_us, other.to_us, i64::min),
        }
    }

    /// Whether a time lies within; an unknown time lies in no bounds but those that are open.
    #[must_use]
    pub fn hold(&self, utc_us: Option<i64>) -> bool {
        if self.from_us.is_none() && self.to_us.is_none() {
            return true;
        }
        utc_us.is_some_and(|at| {
            self.from_us.is_none_or(|from| at >= from) && self.to_us.is_none_or(|to| at < to)
        })
    }
}

/// What an answer may cost. Going beyond is an error, never a cut answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest time.
    pub time: Duration,
    /// Most rows.
    pub rows_max: u64,
    /// Largest answer, in bytes.
    pub bytes_max: usize,
}

impl Default for Limits {
    /// 30 s, 1,000,000 rows, 64 MiB.
    fn default() -> Self {
        Self {
            time: Duration::from_secs(30),
            rows_max: 1_000_000,
            bytes_max: 64 << 20,
        }
    }
}

/// What SQL gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Media type of the body.
    pub content_type: &'static str,
    /// The rows in the format asked for.
    pub body: Vec<u8>,
    /// How many rows.
    pub rows: u64,
}

/// Which entries of those that pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Where to go on; the beginning if absent. Its order must be that of the page.
    pub from: Option<Cursor>,
    /// Which way.
    pub order: Order,
    /// Most entries.
    pub limit: usize,
}

/// Which way a list goes through the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// Oldest leaf first.
    #[default]
    Ascending,
    /// Newest leaf first.
    Descending,
}

/// Where a list goes on: its next entry is this leaf or one behind it, in the list's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(
    /// The leaf.
    pub LeafIndex,
);

/// A page of entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryPage {
    /// The entries. There may be fewer than the limit though `next` is there.
    pub items: Vec<EntryItem>,
    /// Where the next page begins; absent when the list ended at the newest leaf (ascending) or the oldest.
    pub next: Option<Cursor>,
    /// The first leaf that the answering side does not hold yet: an ascending list that ended is
    /// continued there.
    pub held: Option<Cursor>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryItem {
    /// Its place in the log.
    pub index: LeafIndex,
    /// The bytes of the leaf.
    pub entry: Vec<u8>,
    /// What is known around it: a JSON object, if anything is.
    pub context: Option<String>,
}

/// A question is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The question is wrong, or asks for what is not allowed. The asker changes it.
    #[error("{0}")]
    Refused(String),
    /// It would cost more than it may. The asker narrows it.
    #[error("{0}")]
    TooExpensive(String),
    /// Nobody here answers such questions.
    #[error("{0}")]
    Unsupported(String),
    /// The answering side does not work now. The asker comes again.
    #[error("{0}")]
    Unavailable(String),
}
