//! Reading a source: one file an origin.

mod csv;
mod file;
mod http;
mod json;
mod ldap;
mod rules;
mod scim;

use affiant_entry::record::ContextKind;

use crate::config::{Origin, SourceSettings};
use crate::table::{FactRows, ROWS_MAX, Rule, Table};

/// Longest document that is read: a file, an answer over HTTP, one page of SCIM.
pub const BODY_BYTES_MAX: usize = 32 << 20;

/// A source cannot be read. What was read before stays; it is tried again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A file of ours cannot be read.
    #[error("file cannot be read")]
    File(#[from] std::io::Error),
    /// A file with a secret that others can read.
    #[error("`{}` can be read by others; make it mode 0600", path.display())]
    Permissions {
        /// The file.
        path: std::path::PathBuf,
    },
    /// A document longer than [`BODY_BYTES_MAX`].
    #[error("document has more than {BODY_BYTES_MAX} bytes")]
    TooLong,
    /// More rows than [`ROWS_MAX`].
    #[error("source has more than {ROWS_MAX} rows")]
    TooManyRows,
    /// The document is not what it should be.
    #[error("{problem}")]
    Malformed {
        /// What is wrong, and where; never what a row says.
        problem: String,
    },
    /// An answer other than the document.
    #[error("server answered {status}")]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// Not reached, not trusted, or cut off.
    #[error("server cannot be asked: {reason}")]
    Net {
        /// What went wrong.
        reason: String,
    },
    /// The directory refused.
    #[error("directory refused {operation}: result {code}")]
    Refused {
        /// `bind` or `search`.
        operation: &'static str,
        /// RFC 4511 result code.
        code: u32,
    },
    /// A list ended before what its server had promised.
    #[error("list ended after {found} of {promised} resources")]
    Short {
        /// Resources that came.
        found: u64,
        /// Resources that the server counts.
        promised: u64,
    },
    /// It took longer than it may.
    #[error("source did not answer in time")]
    Timeout,
    /// What it sent was beyond the library that reads it.
    #[error("what the source sent cannot be read")]
    Panicked,
}

/// What a read found.
#[derive(Debug)]
pub(crate) enum Found {
    /// What was there before: the version is the same.
    Same,
    /// This.
    New(Content),
}

/// All that a source says.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) version: String,
    pub(crate) table: Table,
    pub(crate) passed_over: u64,
}

/// Reads all of a source; `known` is the version that was read before.
pub(crate) async fn read(
    settings: &SourceSettings,
    known: Option<&str>,
) -> Result<Found, ReadError> {
    match &settings.origin {
        Origin::Csv(path) => {
            let document = file::document(path, known).await?;
            document.found(|bytes| csv::table(settings, bytes))
        }
        Origin::Json(path, list) => {
            let document = file::document(path, known).await?;
            document.found(|bytes| json::table(settings, list, bytes))
        }
        Origin::Rules(path) => {
            let document = file::document(path, known).await?;
            document.found(rules::table)
        }
        Origin::Http(web, list) => {
            let document = http::document(web, known).await?;
            document.found(|bytes| json::table(settings, list, bytes))
        }
        Origin::Ldap(ldap) => ldap::read(ldap, &settings.attributes).await,
        Origin::Scim(web) => scim::read(web, &settings.attributes).await,
    }
}

/// A document with its version, or that it did not change.
#[derive(Debug)]
enum Document {
    Same,
    New { version: String, bytes: Vec<u8> },
}

impl Document {
    fn found(
        self,
        table: impl FnOnce(&[u8]) -> Result<(Table, u64), ReadError>,
    ) -> Result<Found, ReadError> {
        match self {
            Self::Same => Ok(Found::Same),
            Self::New { version, bytes } => {
                let (table, passed_over) = table(&bytes)?;
                Ok(Found::New(Content {
                    version,
                    table,
                    passed_over,
                }))
            }
        }
    }
}

/// Facts whose version is the digest of themselves.
fn digested(rows: FactRows<'_>) -> Found {
    let (table, passed_over) = rows.finish();
    Found::New(Content {
        version: table.digest(),
        table,
        passed_over,
    })
}

/// Whether rows of a source of this kind are rules.
fn has_rules(settings: &SourceSettings) -> bool {
    settings.kind == ContextKind::Classification
}

fn of_rules(rules: Vec<Rule>) -> Result<(Table, u64), ReadError> {
    Ok((Table::of_rules(rules)?, 0))
}
