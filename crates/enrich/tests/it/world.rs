//! Sources under test, with their cache in a directory of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use affiant_enrich::config::{Attributes, List, Origin, Web};
use affiant_enrich::{SourceSettings, SourceState, Sources};
use affiant_entry::Moment;
use affiant_entry::record::{ContextKind, ContextSource, Subject};
use tokio::sync::watch;

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) sources: Sources,
    settings: Vec<SourceSettings>,
    stop: watch::Sender<bool>,
}

/// What is not said otherwise: read often, stale soon.
pub(crate) fn settings(
    kind: ContextKind,
    origin: Origin,
    facts: &[(&str, &str)],
) -> SourceSettings {
    let text = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    SourceSettings {
        id: "one".to_owned(),
        kind,
        origin,
        attributes: Attributes {
            key: "name".to_owned(),
            facts: facts.iter().map(text).collect(),
        },
        refresh: Duration::from_millis(100),
        stale_after: Duration::from_millis(1500),
        timeout: Duration::from_millis(800),
    }
}

pub(crate) fn web(url: String) -> Web {
    Web {
        url,
        token_file: None,
        ca_file: None,
    }
}

pub(crate) fn no_list() -> List {
    List::default()
}

impl World {
    pub(crate) fn start(settings: SourceSettings) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings)
    }

    pub(crate) fn start_in(dir: tempfile::TempDir, settings: SourceSettings) -> Self {
        let settings = vec![settings];
        let sources = Sources::open(&settings, &dir.path().join("cache"), now, || 127).unwrap();
        let (stop, stopped) = watch::channel(false);
        let _tasks = sources.start(&stopped);
        Self {
            dir,
            sources,
            settings,
            stop,
        }
    }

    /// Ends and begins again, without a read at the beginning: what the cache says.
    pub(crate) fn restarted(self, change: impl FnOnce(&mut SourceSettings)) -> Self {
        self.stop.send(true).unwrap();
        let mut settings = self.settings;
        change(&mut settings[0]);
        let sources =
            Sources::open(&settings, &self.dir.path().join("cache"), now, || 127).unwrap();
        let (stop, _) = watch::channel(false);
        Self {
            dir: self.dir,
            sources,
            settings,
            stop,
        }
    }

    pub(crate) fn cache(&self) -> PathBuf {
        let kind = self.settings[0].kind.as_str();
        self.dir.path().join(format!("cache/{kind}-one.json"))
    }

    pub(crate) fn fact(&self, subject: &Subject) -> Option<BTreeMap<String, String>> {
        let facts = self.sources.snapshot().facts(subject);
        assert!(facts.len() <= 1);
        facts.into_iter().next().map(|fact| fact.fact)
    }

    pub(crate) fn source(&self) -> ContextSource {
        self.sources.snapshot().sources().remove(0)
    }

    pub(crate) fn state(&self) -> SourceState {
        self.sources.states().remove(0)
    }

    /// Waits for the first success.
    pub(crate) async fn read(&self) {
        self.until("it is read", |state| state.reads > state.failures)
            .await;
    }

    pub(crate) async fn failed(&self) {
        self.until("it fails", |state| state.failures > 0).await;
    }

    pub(crate) async fn until(&self, what: &str, reached: impl Fn(&SourceState) -> bool) {
        for _ in 0..400 {
            if reached(&self.state()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("never: {what}: {:?}", self.state());
    }
}

pub(crate) fn server(name: &str) -> Subject {
    Subject::Server(name.to_owned())
}

pub(crate) fn user(name: &str) -> Subject {
    Subject::User(name.to_owned())
}

pub(crate) fn facts(all: &[(&str, &str)]) -> Option<BTreeMap<String, String>> {
    let text = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    Some(all.iter().map(text).collect())
}

pub(crate) fn file(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs_err::write(&path, text).unwrap();
    path
}

#[expect(clippy::disallowed_methods, reason = "the one clock of these tests")]
pub(crate) fn now() -> Moment {
    static START: OnceLock<Instant> = OnceLock::new();
    let mono = START.get_or_init(Instant::now).elapsed();
    let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Moment {
        utc_us: i64::try_from(utc.as_micros()).unwrap(),
        mono_us: u64::try_from(mono.as_micros()).unwrap(),
    }
}
