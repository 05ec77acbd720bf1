//! Writes down that somebody read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use affiant_entry::Fact;
use affiant_entry::record::{Body, ReadSql, TrailRead};

use crate::access::Principal;
use crate::core::Core;
use crate::problem::Problem;

/// A read, before it is known how it ended.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) principal: Principal,
    pub(super) what: &'static str,
    pub(super) filter: BTreeMap<Cow<'static, str>, String>,
    pub(super) sql: Option<ReadSql>,
}

/// How a read ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With so many rows.
    Answered(u64),
    /// The question was not good.
    Refused,
    /// It could not be answered.
    Failed,
}

impl Read {
    /// Waits until the log holds it.
    ///
    /// # Errors
    /// When the log does not take it: nothing may be given then.
    pub(super) async fn ended(self, core: &Core, outcome: Outcome) -> Result<(), Problem> {
        core.metrics.api_read(self.what);
        let body = self.body(outcome);
        let recorded = core.ledger.record_durably(vec![body]).await;
        recorded.map(drop).map_err(|error| {
            tracing::warn!(%error, "a read cannot be recorded, so it is not answered");
            Problem::log_unavailable("reads are recorded, and the log takes no leaves now")
        })
    }

    fn body(self, outcome: Outcome) -> Body {
        let mut filter = self.filter;
        // What the reader may see at all is part of what was asked.
        let bounds = self.principal.bounds;
        for (name, bound) in [("bound.from", bounds.from_us), ("bound.to", bounds.to_us)] {
            if let Some(bound) = bound {
                filter.insert(Cow::Borrowed(name), affiant_entry::rfc3339(bound));
            }
        }
        let (rows, outcome) = match outcome {
            Outcome::Answered(rows) => (Fact::Known(rows), "answered"),
            Outcome::Refused => (Fact::absent("not answered"), "refused"),
            Outcome::Failed => (Fact::absent("not answered"), "failed"),
        };
        Body::TrailRead(Box::new(TrailRead {
            principal: Fact::from_option(self.principal.name, "nobody was asked"),
            role: self.principal.role.as_str().into(),
            by: self.principal.by.as_str().into(),
            what: self.what.into(),
            filter,
            sql: self.sql,
            rows,
            outcome: outcome.into(),
        }))
    }
}
