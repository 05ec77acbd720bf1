//! What sealed entries say.

use super::ChainVerifier;
use crate::chain::calls::OpenCall;
use crate::chain::finding::{Fault, Place};
use crate::chain::group::{Effect, Said};
use crate::chain::report::bump;
use crate::ids::BootId;

impl ChainVerifier {
    pub(super) fn apply_group(&mut self) {
        let group = std::mem::take(&mut self.group);
        self.counts.entries = self.counts.entries.saturating_add(group.count());
        self.coverage.merge(&group.coverage);
        let Some((boot, life)) = self.life.as_ref().map(|life| (life.boot, life.number)) else {
            return;
        };
        for said in group.said {
            if let Some(utc_us) = said.utc_us {
                self.first_utc_us =
                    Some(self.first_utc_us.map_or(utc_us, |first| first.min(utc_us)));
                self.last_utc_us = Some(self.last_utc_us.map_or(utc_us, |last| last.max(utc_us)));
            }
            self.apply(
                Place::Entry {
                    boot,
                    seq: said.seq,
                },
                life,
                boot,
                said,
            );
        }
    }

    pub(super) fn apply(&mut self, place: Place, life: u64, boot: BootId, said: Said) {
        if self.sealed_life != life {
            self.sealed_life = life;
            self.beyond_recovery = false;
        }
        match said.effect {
            Effect::Boot => bump(&mut self.counts.boots),
            Effect::Begin(call) => {
                self.beyond_recovery = true;
                bump(&mut self.counts.calls_begun);
                let open = OpenCall {
                    boot,
                    seq: said.seq,
                    life,
                };
                let begun = self.calls.begin(call, open);
                self.note(place, begun);
            }
            Effect::End {
                call,
                reclosed,
                outcome_unknown,
                missing,
            } => {
                self.beyond_recovery |= !reclosed;
                bump(&mut self.counts.calls_ended);
                if outcome_unknown {
                    bump(&mut self.counts.calls_outcome_unknown);
                }
                let judge = if self.start_missing {
                    None
                } else {
                    Some(self.gap_seen)
                };
                let ended = self.calls.end(call, judge);
                self.note(place, ended);
                if !missing.is_empty() {
                    self.find(
                        place,
                        Fault::FieldsMissing {
                            call,
                            fields: missing,
                        },
                    );
                }
            }
            Effect::Stop => {
                self.beyond_recovery = true;
                self.stopped_life = life;
            }
            Effect::GapBegins { fault, since } => {
                bump(&mut self.counts.gaps);
                self.gap_seen = true;
                self.judge_open_gap();
                self.gap_open = Some((place, fault, since));
            }
            Effect::HarmlessGap { since } => {
                bump(&mut self.counts.gaps);
                self.end_gap(since.as_deref());
            }
            Effect::Gap { fault, since } => {
                bump(&mut self.counts.gaps);
                self.gap_seen = true;
                self.end_gap(since.as_deref());
                if let Fault::Gap {
                    entries_lost: Some(lost),
                    ..
                } = &fault
                {
                    self.counts.entries_lost = self.counts.entries_lost.saturating_add(*lost);
                }
                self.find(place, fault);
            }
            Effect::Anomaly => {
                self.beyond_recovery = true;
                bump(&mut self.counts.anomalies);
            }
            Effect::Other => self.beyond_recovery = true,
        }
    }

    /// What the end of a gap says takes the place of what its beginning could not know.
    pub(super) fn end_gap(&mut self, since: Option<&str>) {
        self.gap_open
            .take_if(|(_, _, begun)| Some(begun.as_str()) == since);
    }

    /// A gap that never ended: how much was lost in it stays unknown.
    pub(super) fn judge_open_gap(&mut self) {
        if let Some((place, fault, _)) = self.gap_open.take() {
            self.find(place, fault);
        }
    }

    pub(super) fn drop_group(&mut self) {
        let group = std::mem::take(&mut self.group);
        self.counts.unsealed_entries = self.counts.unsealed_entries.saturating_add(group.count());
    }
}
