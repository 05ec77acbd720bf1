//! What was not taken, said in the log: counted, and at most once a minute for each sender and reason.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use affiant_entry::record::{Body, Refusal};
use affiant_entry::{Fact, SourceId};

use crate::metrics::Metrics;
use crate::problem::Problem;

/// Refusals that the log does not hold yet.
#[derive(Debug)]
pub(crate) struct Refusals {
    metrics: Arc<Metrics>,
    waiting: Mutex<BTreeMap<(Option<SourceId>, &'static str), Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    count: u64,
    detail: String,
}

impl Refusals {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            waiting: Mutex::default(),
        }
    }

    /// Counts a refusal, and keeps those that tell of somebody's fault.
    pub(crate) fn count(&self, source: Option<&SourceId>, problem: &Problem, entries: u64) {
        if let Some(source) = source {
            self.metrics.source(source).refused(entries);
        }
        if !WORTH_AN_ENTRY.contains(&problem.code) {
            return;
        }
        let key = (source.cloned(), problem.code);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let known = waiting.entry(key).or_insert_with(|| Waiting {
            count: 0,
            detail: String::new(),
        });
        known.count = known.count.saturating_add(1);
        problem.detail.clone_into(&mut known.detail);
    }

    /// Takes what waits, as bodies of entries.
    pub(crate) fn take(&self) -> Vec<Body> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = std::mem::take(&mut *waiting);
        taken
            .into_iter()
            .map(|((source, code), refused)| {
                let subject = source.map_or_else(
                    || Fact::absent("no certificate of a source"),
                    |source| Fact::Known(source.to_string()),
                );
                Body::Refusal(Refusal {
                    subject,
                    code: code.into(),
                    count: refused.count,
                    detail: Some(affiant_entry::limits::clip(&refused.detail, 256)),
                })
            })
            .collect()
    }
}

/// Not among them: gaps and overload, which pass, and forks, which have entries of their own.
const WORTH_AN_ENTRY: [&str; 7] = [
    "malformed-batch",
    "wrong-source",
    "revoked",
    "not-enrolled",
    "bad-seal",
    "rolled-back",
    "too-large",
];
