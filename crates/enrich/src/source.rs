//! One source of facts: its state, and the task that reads it again and again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use affiant_entry::Moment;
use affiant_entry::record::ContextKind;
use tokio::sync::watch;

use crate::cache::Cached;
use crate::read::{self, Found, ReadError};
use crate::snapshot::{Known, Read};
use crate::table::Table;
use crate::{Chance, Clock, SourceSettings, backoff};

/// How a source does, for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceState {
    /// Its name in the configuration.
    pub id: String,
    /// What it is.
    pub kind: ContextKind,
    /// Seconds since it was last read; `None` if it never was.
    pub age_s: Option<u64>,
    /// Whether that is longer than the operator allows, or it never was.
    pub stale: bool,
    /// Rows that it has.
    pub rows: usize,
    /// Rows without a name, or with one that stood before.
    pub passed_over: u64,
    /// Reads since the process started.
    pub reads: u64,
    /// Those of them that failed.
    pub failures: u64,
}

#[derive(Debug)]
pub(crate) struct Source {
    settings: SourceSettings,
    /// Digest of the settings, which the cache must be of.
    digest: String,
    cache: PathBuf,
    clock: Clock,
    chance: Chance,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Last>,
    reads: u64,
    failures: u64,
}

/// What was read last.
#[derive(Debug, Clone)]
struct Last {
    version: String,
    table: Arc<Table>,
    passed_over: u64,
    at_utc_us: i64,
    /// Monotonic; `None` if an earlier process read it.
    at_mono_us: Option<u64>,
    /// The time that the cache says, microseconds since the Unix epoch.
    cached_utc_us: Option<i64>,
}

impl Last {
    fn age_us(&self, now: Moment) -> u64 {
        match self.at_mono_us {
            Some(at) => now.mono_us.saturating_sub(at),
            None => u64::try_from(now.utc_us.saturating_sub(self.at_utc_us)).unwrap_or(0),
        }
    }
}

impl Source {
    pub(crate) fn open(
        settings: SourceSettings,
        cache: &Path,
        clock: Clock,
        chance: Chance,
    ) -> Self {
        let name = format!("{}-{}.json", settings.kind.as_str(), settings.id);
        let cache = cache.join(name);
        let digest = settings.digest();
        let last = Cached::load(&cache, &digest).map(|cached| Last {
            version: cached.version,
            table: Arc::new(cached.table),
            passed_over: cached.passed_over,
            at_utc_us: cached.read_utc_us,
            at_mono_us: None,
            cached_utc_us: Some(cached.read_utc_us),
        });
        let state = RwLock::new(State {
            last,
            ..State::default()
        });
        Self {
            settings,
            digest,
            cache,
            clock,
            chance,
            state,
        }
    }

    /// Reads it until `stop` changes.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut failed = 0_u32;
        loop {
            let read = tokio::select! {
                read = self.read() => read,
                _ = stop.changed() => return,
            };
            failed = if self.take(read, failed).await {
                0
            } else {
                failed.saturating_add(1)
            };
            let pause = backoff::pause(self.settings.refresh, failed, (self.chance)());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.changed() => return,
            }
        }
    }

    /// One read, in a task of its own: what is wrong in a library that parses must not end this one.
    async fn read(&self) -> Result<Found, ReadError> {
        let settings = self.settings.clone();
        let known = self.with(|state| state.last.as_ref().map(|last| last.version.clone()));
        let mut reading = tokio::task::JoinSet::new();
        reading.spawn(async move { read::read(&settings, known.as_deref()).await });
        // What is still under way when the set is dropped is ended.
        match tokio::time::timeout(self.settings.timeout, reading.join_next()).await {
            Ok(Some(Ok(found))) => found,
            Ok(Some(Err(_)) | None) => Err(ReadError::Panicked),
            Err(_) => Err(ReadError::Timeout),
        }
    }

    /// Keeps what was read. `false`: nothing was.
    async fn take(&self, read: Result<Found, ReadError>, failed: u32) -> bool {
        let (id, kind) = (&self.settings.id, self.settings.kind.as_str());
        let now = (self.clock)();
        let found = match read {
            Ok(found) => found,
            Err(error) => {
                self.with_mut(|state| {
                    state.reads += 1;
                    state.failures += 1;
                });
                tracing::warn!(
                    source = id,
                    kind,
                    error = affiant_entry::error_with_causes(&error),
                    failed = failed + 1,
                    "source of facts cannot be read; what was read before stays"
                );
                return false;
            }
        };
        if failed > 0 {
            tracing::info!(source = id, kind, "source of facts is read again");
        }
        let due = self.with_mut(|state| {
            state.reads += 1;
            let before = state.last.take();
            let cached_utc_us = before.as_ref().and_then(|last| last.cached_utc_us);
            let (last, changed) = match (found, before) {
                (Found::Same, Some(last)) => (last, false),
                // Nothing was known, so that nothing can be the same: `read` does not say so.
                (Found::Same, None) => return None,
                (Found::New(new), before) => {
                    let changed = before.is_none_or(|last| last.version != new.version);
                    let last = Last {
                        version: new.version,
                        table: Arc::new(new.table),
                        passed_over: new.passed_over,
                        at_utc_us: now.utc_us,
                        at_mono_us: None,
                        cached_utc_us,
                    };
                    (last, changed)
                }
            };
            let last = Last {
                at_utc_us: now.utc_us,
                at_mono_us: Some(now.mono_us),
                ..last
            };
            let old = last
                .cached_utc_us
                .is_none_or(|at| now.utc_us.saturating_sub(at) > CACHE_AGE_US);
            state.last = Some(last.clone());
            (changed || old).then_some(last)
        });
        if let Some(last) = due {
            self.keep(last).await;
        }
        true
    }

    async fn keep(&self, last: Last) {
        let utc_us = last.at_utc_us;
        let cached = Cached::new(
            self.digest.clone(),
            last.version,
            utc_us,
            last.passed_over,
            Table::clone(&last.table),
        );
        let path = self.cache.clone();
        let stored = tokio::task::spawn_blocking(move || cached.store(&path)).await;
        match stored.map_err(std::io::Error::other).flatten() {
            Ok(()) => self.with_mut(|state| {
                if let Some(last) = &mut state.last {
                    last.cached_utc_us = Some(utc_us);
                }
            }),
            Err(error) => {
                tracing::warn!(source = self.settings.id, %error, "cache of a source of facts cannot be written");
            }
        }
    }

    pub(crate) fn known(&self, now: Moment) -> Known {
        self.with(|state| Known {
            id: self.settings.id.clone(),
            kind: self.settings.kind,
            stale: self.is_stale(state, now),
            read: state.last.as_ref().map(|last| Read {
                version: last.version.clone(),
                utc_us: last.at_utc_us,
                age_s: last.age_us(now) / 1_000_000,
                table: Arc::clone(&last.table),
            }),
        })
    }

    pub(crate) fn state(&self, now: Moment) -> SourceState {
        self.with(|state| SourceState {
            id: self.settings.id.clone(),
            kind: self.settings.kind,
            age_s: state.last.as_ref().map(|last| last.age_us(now) / 1_000_000),
            stale: self.is_stale(state, now),
            rows: state.last.as_ref().map_or(0, |last| last.table.rows()),
            passed_over: state.last.as_ref().map_or(0, |last| last.passed_over),
            reads: state.reads,
            failures: state.failures,
        })
    }

    fn is_stale(&self, state: &State, now: Moment) -> bool {
        let after = self.settings.stale_after.as_micros();
        let age = state.last.as_ref().map(|last| last.age_us(now));
        age.is_none_or(|age_us| u128::from(age_us) > after)
    }

    fn with<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn with_mut<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A cache whose time is older than this is written anew, though nothing changed: a restart takes the age from
/// it.
const CACHE_AGE_US: i64 = 600_000_000;
