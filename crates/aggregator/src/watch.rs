//! Who should be heard, and is not.
//!
//! The roster says how often each source speaks. One that was not heard for twice that long is
//! `source.silent`, once; when it speaks again it is `source.heard`. One that speaks without being
//! on the roster is `source.unrostered`, once. Durations are measured with the monotonic clock; after
//! a restart each source has its full time again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use affiant_entry::record::{Body, Silence, Unrostered};
use affiant_entry::roster::Roster;
use affiant_entry::{Fact, Moment, SourceId};

use crate::clock;

/// When each source was heard last.
#[derive(Debug)]
pub(crate) struct Watch {
    started: Moment,
    heard: Mutex<BTreeMap<SourceId, Heard>>,
}

#[derive(Debug, Clone, Copy)]
struct Heard {
    first: Moment,
    last: Moment,
}

/// What the log says already.
pub(crate) trait SaidOf {
    /// Whether the source was called silent last.
    fn silent(&self, source: &SourceId) -> bool;
    /// Whether it was called unrostered.
    fn unrostered(&self, source: &SourceId) -> bool;
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self {
            started: clock::now(),
            heard: Mutex::default(),
        }
    }

    /// A batch of the source was taken, or a hello.
    pub(crate) fn heard(&self, source: &SourceId) {
        let now = clock::now();
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard
            .entry(source.clone())
            .and_modify(|heard| heard.last = now)
            .or_insert(Heard {
                first: now,
                last: now,
            });
    }

    /// When a source was heard last since the start, microseconds since the Unix epoch.
    pub(crate) fn last_utc_us(&self, source: &SourceId) -> Option<i64> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.get(source).map(|heard| heard.last.utc_us)
    }

    /// What is to be said now.
    pub(crate) fn look(&self, roster: &Roster, said: &dyn SaidOf, now: Moment) -> Vec<Body> {
        let heard = self
            .heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut out = Vec::new();
        for expected in roster.sources() {
            let source = &expected.source;
            let last = heard.get(source).map(|heard| heard.last);
            let since = last.unwrap_or(self.started);
            let patience_us = expected.heartbeat_s.saturating_mul(2 * 1_000_000);
            let silent = now.since_us(&since) > patience_us;
            let silence = || Silence {
                subject: source.clone(),
                last_heard: last.map_or_else(
                    || Fact::absent("not heard since the aggregator started"),
                    |last| Fact::Known(last.rfc3339()),
                ),
                expected_every_s: expected.heartbeat_s,
            };
            match (silent, said.silent(source)) {
                (true, false) => out.push(Body::SourceSilent(silence())),
                (false, true) if last.is_some() => out.push(Body::SourceHeard(silence())),
                _ => {}
            }
        }
        for (source, heard) in &heard {
            let expected = roster.sources().iter().any(|each| each.source == *source);
            if !expected && !said.unrostered(source) {
                out.push(Body::SourceUnrostered(Unrostered {
                    subject: source.clone(),
                    since: heard.first.rfc3339(),
                }));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use affiant_entry::roster::RosterSource;
    use affiant_tlog::SignerKey;

    use super::*;

    struct Said(bool, bool);
    impl SaidOf for Said {
        fn silent(&self, _: &SourceId) -> bool {
            self.0
        }
        fn unrostered(&self, _: &SourceId) -> bool {
            self.1
        }
    }

    fn roster(id: &str) -> Roster {
        let key = SignerKey::from_seed(id.parse().unwrap(), &[1; 32]);
        let source = RosterSource {
            source: SourceId::new(id).unwrap(),
            key: key.verifier_key().clone(),
            heartbeat_s: 10,
        };
        Roster::new(1, 0, vec![source]).unwrap()
    }

    fn later(watch: &Watch, s: u64) -> Moment {
        Moment {
            utc_us: 0,
            mono_us: watch.started.mono_us + s * 1_000_000,
        }
    }

    #[test]
    fn a_source_that_never_spoke_is_silent_once() {
        let watch = Watch::new();
        assert!(
            watch
                .look(&roster("gw"), &Said(false, false), later(&watch, 20))
                .is_empty()
        );
        let said = watch.look(&roster("gw"), &Said(false, false), later(&watch, 21));
        assert!(matches!(said.as_slice(), [Body::SourceSilent(_)]));
        assert!(
            watch
                .look(&roster("gw"), &Said(true, false), later(&watch, 99))
                .is_empty()
        );
    }

    #[test]
    fn a_source_that_is_back_is_heard() {
        let watch = Watch::new();
        watch.heard(&SourceId::new("gw").unwrap());
        let said = watch.look(&roster("gw"), &Said(true, false), later(&watch, 1));
        assert!(matches!(said.as_slice(), [Body::SourceHeard(_)]));
    }

    #[test]
    fn a_source_that_nobody_expects_is_unrostered_once() {
        let watch = Watch::new();
        watch.heard(&SourceId::new("stranger").unwrap());
        let said = watch.look(&roster("gw"), &Said(false, false), later(&watch, 1));
        assert!(matches!(said.as_slice(), [Body::SourceUnrostered(_)]));
        assert!(
            watch
                .look(&roster("gw"), &Said(false, true), later(&watch, 1))
                .is_empty()
        );
    }
}
