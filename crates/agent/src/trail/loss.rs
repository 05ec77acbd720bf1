//! Counting what the trail could not take, until it can say so.

use affiant_entry::record::{Body, Gap, Record};
use affiant_entry::{Fact, Moment, rfc3339};

/// A loss in progress.
#[derive(Debug, Clone)]
pub(super) struct Loss {
    pub(super) reason: &'static str,
    pub(super) entries: u64,
    pub(super) calls_refused: u64,
    pub(super) calls_dropped: u64,
    since_us: i64,
    until_us: i64,
}

impl Loss {
    pub(super) const fn new(reason: &'static str, at: Moment) -> Self {
        Self {
            reason,
            entries: 0,
            calls_refused: 0,
            calls_dropped: 0,
            since_us: at.utc_us,
            until_us: at.utc_us,
        }
    }

    pub(super) fn count(&mut self, at: Moment, entries: u64, refused: u64, dropped: u64) {
        self.entries += entries;
        self.calls_refused += refused;
        self.calls_dropped += dropped;
        self.until_us = self.until_us.max(at.utc_us);
    }

    /// The gap while it lasts: said at once, as the process may not live to see its end.
    pub(super) fn opening(&self, at: Moment) -> Record {
        let gap = Gap {
            reason: self.reason.into(),
            entries_lost: Fact::absent("the gap has only begun"),
            calls: Fact::absent("the gap has only begun"),
            since: Fact::Known(rfc3339(self.since_us)),
            until: Fact::absent("the gap has only begun"),
            position: None,
        };
        Record {
            at,
            call: None,
            body: Body::Gap(gap),
        }
    }

    /// The gaps once it is over: what was lost, and what was refused (which is no loss of evidence
    /// about anything that happened, but must be said).
    pub(super) fn closing(&self, at: Moment) -> Vec<Record> {
        let mut out = Vec::new();
        let mut gap = |reason: &'static str, entries: u64, calls: u64| {
            let gap = Gap {
                reason: reason.into(),
                entries_lost: Fact::Known(entries),
                calls: Fact::Known(calls),
                since: Fact::Known(rfc3339(self.since_us)),
                until: Fact::Known(rfc3339(self.until_us)),
                position: None,
            };
            out.push(Record {
                at,
                call: None,
                body: Body::Gap(gap),
            });
        };
        if self.calls_refused > 0 {
            gap("refused-calls", 0, self.calls_refused);
        }
        // Said even when nothing was lost: it takes the place of the beginning, which could not know.
        let harmless = self.calls_refused == 0;
        if self.calls_dropped > 0 || self.entries > 0 || harmless {
            gap(self.reason, self.entries, self.calls_dropped);
        }
        out
    }
}
