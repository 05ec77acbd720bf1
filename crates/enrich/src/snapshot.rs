//! What all sources knew at one moment.

use std::sync::Arc;

use affiant_entry::record::{ContextFact, ContextKind, ContextSource, Subject};
use affiant_entry::{Fact, rfc3339};

use crate::table::Table;

/// What all sources knew at one moment: answers that fit together.
#[derive(Debug, Clone)]
pub struct Snapshot {
    all: Vec<Known>,
}

/// What one source knew.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) id: String,
    pub(crate) kind: ContextKind,
    pub(crate) stale: bool,
    /// Absent as long as it was never read.
    pub(crate) read: Option<Read>,
}

/// What was read, and when.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    pub(crate) version: String,
    pub(crate) utc_us: i64,
    pub(crate) age_s: u64,
    pub(crate) table: Arc<Table>,
}

impl Snapshot {
    pub(crate) const fn new(all: Vec<Known>) -> Self {
        Self { all }
    }

    /// The sources, as a context leaf names them.
    #[must_use]
    pub fn sources(&self) -> Vec<ContextSource> {
        self.all.iter().map(Known::named).collect()
    }

    /// Whether a source of this id is there and stale; `None` if there is no such source.
    #[must_use]
    pub fn is_stale(&self, id: &str) -> Option<bool> {
        let one = self.all.iter().find(|one| one.id == id);
        one.map(|one| one.stale)
    }

    /// Whether there is anybody to ask about such a subject.
    #[must_use]
    pub fn asks_about(&self, subject: &Subject) -> bool {
        self.all.iter().any(|one| one.kind == subject.asked_of())
    }

    /// What is known of a subject: one fact for each source that knows it.
    #[must_use]
    pub fn facts(&self, subject: &Subject) -> Vec<ContextFact> {
        let asked = self.all.iter().filter(|one| one.kind == subject.asked_of());
        asked
            .filter_map(|one| {
                Some(ContextFact {
                    subject: subject.clone(),
                    source: one.id.clone(),
                    fact: one.read.as_ref()?.table.fact(subject)?,
                })
            })
            .collect()
    }
}

impl Known {
    fn named(&self) -> ContextSource {
        const NEVER: &str = "never read";
        let read = self.read.as_ref();
        ContextSource {
            id: self.id.clone(),
            kind: self.kind,
            version: Fact::from_option(read.map(|read| read.version.clone()), NEVER),
            read: Fact::from_option(read.map(|read| rfc3339(read.utc_us)), NEVER),
            age_s: Fact::from_option(read.map(|read| read.age_s), NEVER),
            stale: self.stale,
        }
    }
}
