//! `affiant query`.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use affiant_store::query::{Bounds, Engine, Format, Limits, QueryError, SqlRequest};

use crate::entries::when;
use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::help;
use crate::printer::Stdout;
use crate::store::Local;

const EXAMPLES: &str = "  \
  affiant query --data-dir /var/lib/affiant \"SELECT status, count(*) AS n FROM calls GROUP BY status\"
  affiant query --data-dir /var/lib/affiant --format csv --from 7d \"SELECT time, tool FROM calls WHERE \\\"user\\\" = 'ann'\"
  affiant query --data-dir /var/lib/affiant \"DESCRIBE entries\"      which columns there are
  affiant query --data-dir /var/lib/affiant --format parquet \"SELECT * FROM calls\" > calls.parquet";

const EXITS: [Exit; 4] = [Exit::Ok, Exit::Usage, Exit::Incomplete, Exit::Storage];

/// Ask the trail in SQL
///
/// Tables: `entries` (one row a leaf of the log), `calls` (one row a call), `context` (facts about
/// servers, users and tools). Only reads. Works beside a running aggregator and without one, and sees
/// what its log has published. Answers are not proofs: `affiant prove` makes those.
///
/// A question that goes beyond its time, memory or rows is an error (3), never a cut answer.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &EXITS))]
pub(crate) struct Args {
    /// One statement: SELECT, SHOW TABLES, DESCRIBE or EXPLAIN
    #[arg(value_name = "SQL")]
    sql: String,
    #[command(flatten)]
    of: Of,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: AnswerFormat,
    /// Only entries not before this time: RFC 3339, a date, or how long ago (`15m`, `2h`, `7d`)
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only entries before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Longest time, such as `30s` or `5m`
    #[arg(long, value_name = "TIME", default_value = "60s")]
    timeout: String,
    /// Most memory for joins, sorts and groups, MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(16..=1_048_576))]
    memory: u32,
    /// Most rows of the answer
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    rows: u64,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Of {
    /// Data directory of an aggregator
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// A store alone, without its log: as far as its files go
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum AnswerFormat {
    /// Columns for people
    #[default]
    Table,
    /// One JSON array of objects
    Json,
    /// A JSON object a line
    Jsonl,
    /// RFC 4180 with a header line
    Csv,
    /// An Apache Parquet file
    Parquet,
    /// An Apache Arrow IPC stream
    Arrow,
}

/// Largest answer, bytes.
const ANSWER_BYTES_MAX: usize = 1 << 30;

pub(crate) fn run(args: &Args) -> Result<Exit, ExpectedError> {
    let request = args.request()?;
    let binary = matches!(args.format, AnswerFormat::Parquet | AnswerFormat::Arrow);
    if binary && std::io::stdout().is_terminal() {
        return Err(ExpectedError::usage("this format is not for terminals")
            .hint("send it into a file: `> answer.parquet`"));
    }
    let local = match (&args.of.data_dir, &args.of.store) {
        (Some(dir), _) => Local::of_data_dir(dir)?,
        (None, Some(root)) => Local::of_store(root)?,
        (None, None) => return Err(ExpectedError::usage("give `--data-dir` or `--store`")),
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let engine = Engine::new(local.store(), threads).map_err(|e| ExpectedError::storage(&e))?;
    let answer = engine.sql_blocking(request).map_err(|e| refused(&e))?;
    let mut out = Stdout::lock();
    out.bytes(&answer.body)?;
    out.flush()?;
    Ok(Exit::Ok)
}

fn refused(error: &QueryError) -> ExpectedError {
    match error {
        QueryError::TooExpensive(text) => ExpectedError::new(Exit::Incomplete, text.clone())
            .hint("`--timeout`, `--memory` and `--rows` raise the limits"),
        QueryError::Unavailable(text) => ExpectedError::new(Exit::Storage, text.clone()),
        QueryError::Refused(_) | _ => ExpectedError::usage(error.to_string()),
    }
}

impl Args {
    fn request(&self) -> Result<SqlRequest, ExpectedError> {
        let now_us = affiant_agent::clock::now().utc_us;
        let time = |flag: &str, text: &Option<String>| {
            let Some(text) = text else { return Ok(None) };
            when::parse(text, now_us).map(Some).ok_or_else(|| {
                ExpectedError::usage(format!("`{flag}` cannot be `{text}`")).hint(
                    "give RFC 3339 (`2026-11-22T06:54:01Z`), a date, or how long ago (`15m`, `2h`, `7d`)",
                )
            })
        };
        let timeout = when::span_us(&self.timeout).and_then(|us| u64::try_from(us).ok());
        let timeout = timeout.filter(|us| *us > 0).ok_or_else(|| {
            ExpectedError::usage(format!("`--timeout` cannot be `{}`", self.timeout))
                .hint("give a number and `s`, `m` or `h`")
        })?;
        Ok(SqlRequest {
            sql: self.sql.clone(),
            format: match self.format {
                AnswerFormat::Table => Format::Table,
                AnswerFormat::Json => Format::Json,
                AnswerFormat::Jsonl => Format::JsonLines,
                AnswerFormat::Csv => Format::Csv,
                AnswerFormat::Parquet => Format::Parquet,
                AnswerFormat::Arrow => Format::Arrow,
            },
            bounds: Bounds {
                from_us: time("--from", &self.from)?,
                to_us: time("--to", &self.to)?,
            },
            limits: Limits {
                time: Duration::from_micros(timeout),
                memory_bytes: usize::try_from(self.memory).unwrap_or(usize::MAX) << 20,
                rows_max: self.rows,
                answer_bytes_max: ANSWER_BYTES_MAX,
            },
        })
    }
}
