//! What every request works with.

use std::sync::Arc;

use crate::access::Access;
use crate::anchors::Anchors;
use crate::blobs::Blobs;
use crate::ca::Authority;
use crate::chains::Chains;
use crate::index::Subject;
use crate::ingest::Budget;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::query::Query;
use crate::reading::LogReads;
use crate::refusals::Refusals;
use crate::sources::Sources;
use crate::state::StateDir;
use crate::token::Tokens;
use crate::watch::{SaidOf, Watch};

/// The parts of a running aggregator.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) dir: StateDir,
    pub(crate) log_name: String,
    pub(crate) ledger: Ledger,
    pub(crate) chains: Chains,
    pub(crate) blobs: Blobs,
    pub(crate) budget: Budget,
    pub(crate) authority: Authority,
    /// Notes by which the log's keys follow each other, oldest first.
    pub(crate) log_rotations: String,
    /// Lifetime of a source's certificate, seconds.
    pub(crate) certificate_lifetime_s: u64,
    pub(crate) sources: Sources,
    pub(crate) tokens: Tokens,
    pub(crate) watch: Watch,
    pub(crate) anchors: Arc<Anchors>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) refusals: Refusals,
    pub(crate) access: Access,
    /// Who answers questions about entries.
    pub(crate) query: Arc<dyn Query>,
    pub(crate) log_reads: LogReads,
    /// One enrolment at a time: whether a name is taken is asked and answered together.
    pub(crate) enrolling: tokio::sync::Mutex<()>,
}

impl SaidOf for Core {
    fn silent(&self, source: &affiant_entry::SourceId) -> bool {
        self.says(&Subject::Silent(source.clone()))
    }

    fn unrostered(&self, source: &affiant_entry::SourceId) -> bool {
        self.says(&Subject::Unrostered(source.clone()))
    }
}

impl Core {
    /// Whether the log says that; yes if it cannot be told, so that it is not said again and again.
    pub(crate) fn says(&self, subject: &Subject) -> bool {
        self.ledger.index().says(subject).unwrap_or(true)
    }
}
