//! What an aggregator records of its readers: who asked what of the trail.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::fact::Fact;

/// Body of `trail.read`: somebody read the trail through an aggregator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrailRead {
    /// Who: the name of a token or of a person; absent where nobody was asked.
    pub principal: Fact<String>,
    /// In which role.
    pub role: Cow<'static, str>,
    /// How that is known: `token`, `oidc`, `session`, `loopback` (nobody was asked).
    pub by: Cow<'static, str>,
    /// What was read: `entries`, `session`, `query`, `log`.
    pub what: Cow<'static, str>,
    /// What was asked for, by the names of the API; values clipped.
    pub filter: BTreeMap<Cow<'static, str>, String>,
    /// The SQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql: Option<ReadSql>,
    /// Entries, rows, or files of the log that were given.
    pub rows: Fact<u64>,
    /// `answered`, `refused`, `failed`.
    pub outcome: Cow<'static, str>,
}

/// SQL that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadSql {
    /// Its text, clipped to [`SQL_BYTES_MAX`](Self::SQL_BYTES_MAX).
    pub text: String,
    /// Length of the whole, bytes.
    pub bytes: u64,
}

impl ReadSql {
    /// Longest text that is kept, bytes.
    pub const SQL_BYTES_MAX: usize = 4096;

    /// Of the whole statement.
    #[must_use]
    pub fn of(sql: &str) -> Self {
        Self {
            text: crate::limits::clip(sql, Self::SQL_BYTES_MAX),
            bytes: u64::try_from(sql.len()).unwrap_or(u64::MAX),
        }
    }
}
