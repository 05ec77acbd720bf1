//! The end: what can be told only once all has been read.

use super::{ChainVerifier, Start, Tail};
use crate::chain::finding::{Fault, Place};
use crate::chain::report::{ChainReport, HeadCheck, KeyUse};

impl ChainVerifier {
    /// The judgement, once all entries have been pushed.
    #[must_use]
    pub fn finish(mut self, tail: Tail) -> ChainReport {
        self.counts.unsealed_entries = self
            .counts
            .unsealed_entries
            .saturating_add(self.group.count());
        if let Tail::Torn { bytes } = tail {
            self.counts.torn_bytes = bytes;
        }
        self.judge_open_calls();
        self.judge_open_gap();
        let keys = self.judge_keys();
        if self.counts.seals == 0 && self.expected.is_none() {
            self.find(Place::Chain, Fault::Nothing);
        }
        let head = self.judge_head();
        let released = self.judge_start();
        ChainReport {
            verdict: self.verdict,
            source: self.source,
            spool: self.spool,
            counts: self.counts,
            first_utc_us: self.first_utc_us,
            last_utc_us: self.last_utc_us,
            coverage: self.coverage,
            keys,
            head,
            released,
            last: self.last,
            findings: self.findings,
            findings_total: self.findings_total,
        }
    }

    /// A beginning that is missing is the first thing to say, unless a log is proven to have it.
    fn judge_start(&mut self) -> bool {
        if !self.start_missing || (self.proven_seen && self.start == Start::Anywhere) {
            return self.start_missing;
        }
        let expected = self.start == Start::Anywhere;
        self.find(Place::Chain, Fault::StartMissing { expected });
        if self.findings_total == u64::try_from(self.findings.len()).unwrap_or(u64::MAX) {
            self.findings.rotate_right(1);
        }
        false
    }

    /// Open calls are no finding at the tail of a chain that lives or has just crashed. They are one in
    /// a boot that stopped in order, and where a later boot has done more than recover.
    pub(super) fn judge_open_calls(&mut self) {
        self.counts.calls_open = self.calls.open_count();
        let (sealed, stopped, recovered) =
            (self.sealed_life, self.stopped_life, self.beyond_recovery);
        let overdue: Vec<_> = self
            .calls
            .open()
            .filter(|(_, open)| open.life <= stopped || (open.life < sealed && recovered))
            .collect();
        for (call, open) in overdue {
            self.find(
                Place::Entry {
                    boot: open.boot,
                    seq: open.seq,
                },
                Fault::NeverEnded { call },
            );
        }
    }

    pub(super) fn judge_keys(&mut self) -> Vec<KeyUse> {
        let keys = std::mem::take(&mut self.keys);
        let uses = keys.into_iter().map(|(key, first_boot)| {
            let trusted = self.trust.trusts(&key);
            let key = key.to_string();
            if !trusted {
                self.find(
                    Place::Boot { boot: first_boot },
                    Fault::Untrusted { key: key.clone() },
                );
            }
            KeyUse {
                key,
                trusted,
                first_boot,
            }
        });
        uses.collect()
    }

    pub(super) fn judge_head(&mut self) -> HeadCheck {
        let Some(head) = self.expected.take() else {
            return HeadCheck::NotGiven;
        };
        if !head.is_signed_by(&self.trust) {
            self.find(Place::Chain, Fault::HeadUntrusted);
        }
        match self.head_seen {
            Some(true) => return HeadCheck::Found,
            Some(false) => return HeadCheck::NotFound,
            None => {}
        }
        let other = self
            .source
            .as_ref()
            .is_some_and(|source| *source != head.source)
            || self
                .spool
                .as_ref()
                .is_some_and(|spool| *spool != head.spool);
        let (boot, seal) = (head.boot, head.seal.0);
        let fault = if other {
            Fault::HeadOfOther {
                source_id: head.source.to_string(),
                spool: head.spool.to_string(),
            }
        } else if self.counts.seals == 0 {
            Fault::Emptied { boot, seal }
        } else {
            Fault::Truncated { boot, seal }
        };
        self.find(Place::Chain, fault);
        HeadCheck::NotFound
    }
}
