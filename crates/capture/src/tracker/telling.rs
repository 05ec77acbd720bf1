//! Saying what a peer did wrong, or which bound was hit.

use affiant_entry::record::{Anomaly, Body, Direction};
use affiant_entry::{CallId, Fact, Moment, Record};

use super::anomaly::{Code, Facts};
use super::session::SessionKey;
use super::{Mint, Output, Tracker};

/// What an anomaly is about.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct About {
    pub(super) home: Option<SessionKey>,
    pub(super) call: Option<CallId>,
    pub(super) direction: Option<Direction>,
}

impl<M: Mint> Tracker<M> {
    pub(super) fn limit(&mut self, now: Moment, call: Option<CallId>, which: &'static str) {
        let about = About {
            call,
            ..About::default()
        };
        self.anomaly(now, about, Code::Limit, Facts::new().word("which", which));
    }

    pub(super) fn anomaly(&mut self, at: Moment, about: About, code: Code, facts: Facts) {
        let max = self.config.limits.anomalies_per_minute_max;
        if self.rates.admit(code.as_str(), at.mono_us, max) {
            self.push_anomaly(at, about, code, facts);
        }
    }

    pub(super) fn push_anomaly(&mut self, at: Moment, about: About, code: Code, facts: Facts) {
        let session = about
            .home
            .and_then(|home| self.sessions.get(home))
            .map(|session| session.id.clone());
        let anomaly = Anomaly {
            code: code.as_str().into(),
            server: self.config.server_id.clone(),
            session: Fact::from_option(session, "no session known"),
            direction: Fact::from_option(about.direction, "of neither"),
            facts: facts.into_map(),
        };
        self.outbox.push_back(Output::Record(Record {
            at,
            call: about.call,
            body: Body::Anomaly(anomaly),
        }));
    }

    /// Records how many anomalies and failures were not recorded one by one.
    pub(super) fn tell_suppressed(&mut self, now: Moment, all: bool) {
        for (kind, count) in self.rates.take_suppressed(now.mono_us, all) {
            let facts = Facts::new()
                .word("which", "per-minute")
                .word("code", kind)
                .number("suppressed", count);
            self.push_anomaly(now, About::default(), Code::Limit, facts);
        }
    }
}
