//! What is known of the servers, users and tools that entries name: read from where an organisation keeps it,
//! and held ready with its version and age.
//!
//! ```text
//! CSV, JSON, HTTP, LDAP, SCIM, rules ─ read (background, bounded, timed out) ─▸ Table ─▸ Snapshot::facts
//!                                        │ back-off with jitter                  └▸ cache file (0600)
//!                                        └ failed: the old table stays, and grows stale
//! ```
//!
//! Nobody waits for a source: whoever asks gets what was read last, with how old it is. Each read takes the
//! whole of a source, so that what was deleted there is gone here, too, after the next read.
//!
//! It writes nothing into a log, and does not check that a source speaks the truth.
//!
//! # Personal data
//!
//! Of each row only the attributes are kept that the configuration names. The rest is dropped as it is read,
//! and neither cached nor shown.
//!
//! # Limits
//!
//! [`config::SOURCES_MAX`] sources, each of at most [`ROWS_MAX`] rows and [`BODY_BYTES_MAX`] bytes a document;
//! a fact has at most [`config::ATTRIBUTES_MAX`] values of [`VALUE_BYTES_MAX`] bytes. More than that is an
//! error of the read, or is clipped where a value is too long.
//!
//! Specifications: RFC 4180 (CSV), RFC 8259 (JSON), RFC 6901 (pointers), RFC 9110 section 8.8.3 (ETag), RFC 4511
//! (LDAP) with RFC 2696 (paged results), RFC 7643 and 7644 (SCIM 2.0).

mod backoff;
mod cache;
pub mod config;
mod read;
mod snapshot;
mod source;
mod table;
mod tls;
mod wildcard;

use std::path::Path;
use std::sync::Arc;

use affiant_entry::Moment;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use config::SourceSettings;
pub use read::{BODY_BYTES_MAX, ReadError};
pub use snapshot::Snapshot;
pub use source::SourceState;
pub use table::{ROWS_MAX, VALUE_BYTES_MAX};

use source::Source;

/// Reads both clocks; given in, as only the caller's clock module does so.
pub type Clock = fn() -> Moment;

/// A number by chance; given in, as only one place of a process reads randomness.
pub type Chance = fn() -> u8;

/// The sources of facts of an aggregator. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sources {
    all: Arc<[Arc<Source>]>,
    clock: Clock,
}

impl Sources {
    /// Takes up what was read before this start, from `cache`, a directory of its own that is made private.
    /// A cache that is damaged, or of other settings, is left aside.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(
        settings: &[SourceSettings],
        cache: &Path,
        clock: Clock,
        chance: Chance,
    ) -> Result<Self, std::io::Error> {
        cache::private_dir(cache)?;
        let open = |one: &SourceSettings| Arc::new(Source::open(one.clone(), cache, clock, chance));
        Ok(Self {
            all: settings.iter().map(open).collect(),
            clock,
        })
    }

    /// Starts a task for each source on the runtime that this is called in; they end when `stop` changes.
    #[must_use]
    pub fn start(&self, stop: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
        let start = |one: &Arc<Source>| tokio::spawn(Arc::clone(one).run(stop.clone()));
        self.all.iter().map(start).collect()
    }

    /// What all sources know at this moment. Waits for nothing.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let now = (self.clock)();
        Snapshot::new(self.all.iter().map(|one| one.known(now)).collect())
    }

    /// How each source does.
    #[must_use]
    pub fn states(&self) -> Vec<SourceState> {
        let now = (self.clock)();
        self.all.iter().map(|one| one.state(now)).collect()
    }
}
