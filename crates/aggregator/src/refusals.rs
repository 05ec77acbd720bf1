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
    waiting: Mutex<BTreeMap<(Subject, &'static str), Waiting>>,
}

/// Who was refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    /// A sender without a certificate.
    Nameless,
    /// More than are told apart.
    Others,
    /// A source, a principal of the API, or an address.
    Named(String),
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
        let subject = source.map_or(Subject::Nameless, |id| Subject::Named(id.to_string()));
        self.keep(subject, problem);
    }

    /// Counts somebody who was not let in at the API.
    pub(crate) fn count_access(&self, subject: String, problem: &Problem) {
        self.keep(Subject::Named(subject), problem);
    }

    fn keep(&self, subject: Subject, problem: &Problem) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (subject, problem.code);
        if waiting.len() >= SUBJECTS_MAX && !waiting.contains_key(&key) {
            key.0 = Subject::Others;
        }
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
            .map(|((subject, code), refused)| {
                Body::Refusal(Refusal {
                    subject: match subject {
                        Subject::Nameless => Fact::absent("no certificate of a source"),
                        Subject::Others => Fact::absent("too many to tell apart"),
                        Subject::Named(name) => Fact::Known(name),
                    },
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

/// Subjects and reasons that are told apart in one minute.
const SUBJECTS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use affiant_log::store::MemStore;
    use affiant_log::{Log, LogOptions, LogReader};
    use affiant_tlog::SignerKey;

    use super::*;
    use crate::anchors::Anchors;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_flood_of_strangers_does_not_flood_the_log() {
        let signer = SignerKey::from_seed("log.example/test".parse().unwrap(), &[1; 32]);
        let options = LogOptions::new("unused", "unused", Arc::new(signer));
        let store = MemStore::new();
        let reader = LogReader::new(Arc::new(store.clone()));
        let log = Log::open_store(Arc::new(store), reader, options).unwrap();
        let anchors = Arc::new(Anchors::open(&[]).unwrap());
        let refusals = Refusals::new(Arc::new(Metrics::new(
            log,
            anchors,
            Vec::new(),
            None,
            Vec::new(),
        )));
        let problem = Problem::not_authenticated("test");
        for i in 0..10_000 {
            refusals.count_access(format!("address {i}"), &problem);
        }
        let taken = refusals.take();
        assert_eq!(taken.len(), SUBJECTS_MAX + 1);
        let mut count = 0;
        for body in &taken {
            let Body::Refusal(refusal) = body else {
                panic!("{body:?}");
            };
            count += refusal.count;
        }
        assert_eq!(count, 10_000);
        assert!(refusals.take().is_empty());
    }
}
