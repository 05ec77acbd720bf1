//! Context for what entries name: a view of the log that writes `context` leaves.
//!
//! ```text
//! published leaves ─▸ subjects ─▸ Snapshot::facts ─▸ Draft ─▸ `context` leaf, one a batch, or more if long
//!                                     │ a source was stale
//!                                     └▸ Owed ─ it is fresh again ─▸ a later leaf (`late`) for the same range
//! ```
//!
//! Ingest never waits for it, and it never waits for a source: it says what is known now, and how old that is.
//! Nothing but the log tells it where it stands: a restart, or a failed write, reads back the newest context
//! leaves ([`Recalled`]). The same facts are not said twice: a leaf can refer to an earlier one ([`Said`]).
//!
//! # Limits
//!
//! Late facts reach back [`LOOK_BACK_LEAVES`] leaves; what lies further back keeps the context it has, which
//! says that a source was stale, and is counted. A context leaf has at most 60,000 bytes, a subject 1,024.
//!
//! Specification: `docs/spec/leaf-kinds.md`, section Context.

mod counts;
mod draft;
mod owed;
mod recall;
mod said;
mod view;

use std::path::Path;
use std::sync::Arc;

use affiant_enrich::{SourceSettings, Sources};
use affiant_entry::SourceId;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::views::View;
use crate::{clock, entropy};

pub(crate) use counts::{EnrichMetrics, Enriching};
use view::Enricher;

/// How far back late facts reach, in leaves: what is read again at a start is bounded.
const LOOK_BACK_LEAVES: u64 = 1 << 20;

/// The sources of facts of an aggregator, and what became of their facts.
#[derive(Debug)]
pub(crate) struct Enrichment {
    sources: Sources,
    counts: Arc<Enriching>,
    own: SourceId,
}

impl Enrichment {
    /// Takes up what was read before this start; `None` where no source is configured.
    pub(crate) fn open(
        settings: &[SourceSettings],
        cache: &Path,
        own: &SourceId,
    ) -> std::io::Result<Option<Self>> {
        if settings.is_empty() {
            return Ok(None);
        }
        let sources = Sources::open(settings, cache, clock::now, chance)?;
        Ok(Some(Self {
            counts: Arc::new(Enriching::new(sources.clone())),
            sources,
            own: own.clone(),
        }))
    }

    /// What its metrics are made of.
    pub(crate) fn counts(&self) -> Arc<Enriching> {
        Arc::clone(&self.counts)
    }

    /// The view that follows the log.
    pub(crate) fn view(&self) -> Box<dyn View> {
        let counts = Arc::clone(&self.counts);
        Box::new(Enricher::new(
            self.sources.clone(),
            self.own.clone(),
            counts,
        ))
    }

    /// Starts to read the sources, until `stop` changes.
    pub(crate) fn start(&self, stop: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
        self.sources.start(stop)
    }
}

fn chance() -> u8 {
    let [one] = entropy::bytes();
    one
}
