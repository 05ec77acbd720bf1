//! Reading the trail over HTTP: entries, sessions, SQL. Each read is an entry itself.
//!
//! ```text
//! request ─▸ what is asked ─▸ Query port ─▸ `trail.read` under a checkpoint ─▸ answer
//! ```
//!
//! Nothing is given before the log holds that it was: a log that takes no leaves gives no entries either.
//!
//! Documented for machines in `docs/reference/openapi.json`, for people in `docs/reference/api.md`.

mod ask;
mod entries;
mod log_reads;
mod record;
mod sql;

pub(crate) use entries::{entries, session};
pub(crate) use log_reads::LogReads;
pub(crate) use sql::sql;

use http::StatusCode;

use crate::problem::Problem;
use crate::query::QueryError;

/// What a failed question means for the one who asked.
fn problem(error: QueryError) -> Problem {
    match error {
        QueryError::Refused(detail) => Problem::question(detail),
        QueryError::TooExpensive(detail) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "too-expensive",
            "answer would cost too much",
            detail,
        ),
        QueryError::Unsupported(detail) => Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            "not-supported",
            "not answered here",
            detail,
        ),
        QueryError::Unavailable(detail) => Problem::storage(detail),
    }
}
