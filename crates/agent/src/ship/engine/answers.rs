//! What came back: receipts, refusals, broken connections.

use affiant_entry::receipt::{Receipt, ReceiptError};
use affiant_entry::{Moment, SealPlace};
use affiant_tlog::Checkpoint;

use super::super::batch::Stage;
use super::super::chain::GapAnswer;
use super::super::head::Place;
use super::super::kept_proof::KeptProof;
use super::super::stats::ShipState;
use super::{Answered, Engine, REFUSED_PAUSE_US, UnderWay, count};
use crate::enrol::{Answer, Link, LinkError, Problem};

/// Pause before a batch is sent again that the aggregator finds faulty.
const FAULTY_PAUSE_US: u64 = 300_000_000;

impl Engine {
    pub(super) fn take_connection(&mut self, result: Result<Link, LinkError>, now: Moment) {
        self.connecting = false;
        match result {
            Ok(link) => self.link = Some(link),
            Err(error) => self.link_failed(&error, now),
        }
    }

    pub(super) fn take_answer(&mut self, answered: &Answered, now: Moment) {
        let of = UnderWay {
            bytes: answered.bytes,
            base: answered
                .base
                .as_ref()
                .map_or_else(Default::default, |c| c.size),
        };
        if let Some(at) = self.under_way.iter().position(|other| *other == of) {
            self.under_way.swap_remove(at);
        }
        if answered.batch.is_none() {
            self.probing = false;
        }
        match &answered.result {
            Err(error) => {
                self.put_back(answered, 0);
                if answered.connection == self.connection {
                    self.link = None;
                    self.link_failed(error, now);
                }
            }
            Ok(answer) if answer.status.is_success() => self.take_receipt(answered, answer, now),
            Ok(answer) => self.take_problem(answered, answer, now),
        }
    }

    fn put_back(&mut self, answered: &Answered, not_before_us: u64) {
        if let (Some(number), Some(chain)) = (answered.batch, self.chains.get_mut(&answered.chain))
        {
            chain.put_back(number, not_before_us);
        }
    }

    // === receipts ===

    fn take_receipt(&mut self, answered: &Answered, answer: &Answer, now: Moment) {
        let receipt = match Receipt::parse(&answer.body) {
            Ok(receipt) => receipt,
            Err(error) => {
                self.put_back(answered, 0);
                self.refuse_receipt(&error, None, now);
                return;
            }
        };
        let Some(chain) = self.chains.get_mut(&answered.chain) else {
            return;
        };
        let seals = match answered.batch {
            None => Vec::new(),
            Some(number) => match chain.batch(number) {
                Some(batch) => batch.seals.clone(),
                // Read anew since: the groups come again.
                None => return,
            },
        };
        match receipt.verify(&self.key, answered.base.as_ref(), &seals) {
            Ok(checkpoint) => self.believe(answered, &receipt, &checkpoint, now),
            Err(error) => {
                self.put_back(answered, 0);
                if matches!(error, ReceiptError::Checkpoint(_)) {
                    // Perhaps the log's key was rotated: a renewal tells, if the pinned key says so too.
                    self.renew_early(now);
                }
                let evidence = error.is_evidence().then_some(&receipt);
                self.refuse_receipt(&error, evidence, now);
            }
        }
    }

    fn believe(
        &mut self,
        answered: &Answered,
        receipt: &Receipt,
        checkpoint: &Checkpoint,
        now: Moment,
    ) {
        let place = self
            .head
            .admit(answered.base.as_ref(), checkpoint, &receipt.checkpoint);
        if place == Place::Fork {
            self.put_back(answered, 0);
            let error = "log has two trees of one size: it has forked";
            self.refuse(error, now);
            self.keep_evidence(receipt, now);
            return;
        }
        self.credit_batches = usize::try_from(receipt.credits.batches).unwrap_or(usize::MAX);
        self.credit_bytes = receipt.credits.bytes;
        self.backoff.reset();
        self.failing_since_us = None;
        if self.refused.take().is_some() {
            tracing::warn!("log proves what it should again; shipping goes on");
            self.settled = false;
        }
        self.settle();
        self.stats.set_state(ShipState::Shipping);
        if self.credit_batches == 0 || self.credit_bytes == 0 {
            self.blocked_until_us = now.mono_us.saturating_add(1_000_000);
        }
        let Some(number) = answered.batch else { return };
        count(&self.stats.batches, 1);
        let again = receipt.groups.iter().filter(|group| group.duplicate);
        count(&self.stats.duplicates, again.count());
        let Some(chain) = self.chains.get_mut(&answered.chain) else {
            return;
        };
        if let Some(batch) = chain.batch(number) {
            let last = batch.seals.last();
            batch.proof = last.and_then(|seal| KeptProof::of(receipt, seal));
            batch.stage = match place {
                Place::Known => Stage::Done,
                Place::Unlinked | Place::Fork => Stage::Held(checkpoint.clone()),
            };
        }
        chain.advance(now.utc_us, &self.stats.receipt_age);
    }

    /// Receipts under checkpoints that were not known to continue the newest one: are they now?
    pub(super) fn settle_held(&mut self, now: Moment) {
        let newest = self.head.newest().map_or_else(Default::default, |c| c.size);
        let asked = self.under_way.iter().any(|batch| batch.base == newest);
        let mut fork = false;
        for chain in self.chains.values_mut() {
            for (batch, checkpoint) in chain.held() {
                match self.head.place(&checkpoint) {
                    Place::Known => batch.stage = Stage::Done,
                    Place::Fork => fork = true,
                    // Nothing under way will tell: asked for again, from the newest one on. The log has
                    // the groups and answers without taking them twice.
                    Place::Unlinked if checkpoint.size < newest || !asked => {
                        batch.stage = Stage::Ready { not_before_us: 0 };
                    }
                    Place::Unlinked => {}
                }
            }
            chain.advance(now.utc_us, &self.stats.receipt_age);
        }
        if fork {
            self.refuse("log has two trees of one size: it has forked", now);
        }
    }

    fn refuse_receipt(
        &mut self,
        error: &(dyn std::error::Error + 'static),
        evidence: Option<&Receipt>,
        now: Moment,
    ) {
        count(&self.stats.receipts_refused, 1);
        let mut text = format!("receipt does not verify: {error}");
        if let Some(cause) = error.source() {
            text.push_str(": ");
            text.push_str(&cause.to_string());
        }
        self.refuse(&text, now);
        if let Some(receipt) = evidence {
            self.keep_evidence(receipt, now);
        }
    }

    /// Stops: nothing is released, and but for a question now and then nothing is sent, until the log
    /// proves what it should.
    pub(super) fn refuse(&mut self, why: &str, now: Moment) {
        self.blocked_until_us = now.mono_us.saturating_add(REFUSED_PAUSE_US);
        if self.refused.as_deref() != Some(why) {
            tracing::error!(log = self.enrolment.log.name, why, "shipping has stopped");
            self.note_refusal(why, now);
        }
        self.refused = Some(why.to_owned());
        self.stats.set_state(ShipState::Refused);
    }

    // === refusals ===

    fn take_problem(&mut self, answered: &Answered, answer: &Answer, now: Moment) {
        let problem = Problem::read(answer);
        match (problem.status, problem.code.as_str()) {
            (409, "gap") => self.take_gap(answered, &problem, now),
            (409, "fork") => {
                let why = format!("aggregator has another chain under this name: {problem}");
                if let Some(chain) = self.chains.get_mut(&answered.chain) {
                    tracing::error!(spool = answered.chain, %problem, "chain is not taken: fork");
                    chain.stopped = Some(why.clone());
                }
                self.note_refusal(&why, now);
            }
            (409, "rolled-back") => {
                self.put_back(answered, 0);
                self.take_rollback(&problem, now);
            }
            (401 | 403, _) => {
                self.put_back(answered, 0);
                self.refuse(
                    &format!("aggregator does not take this source: {problem}"),
                    now,
                );
            }
            (429 | 500.., _) => {
                self.put_back(answered, 0);
                self.wait(&problem.to_string(), answer.retry_after, now);
            }
            _ => {
                tracing::error!(spool = answered.chain, %problem, "batch is not taken");
                self.last_error = problem.to_string();
                self.failing_since_us.get_or_insert(now.mono_us);
                self.put_back(answered, now.mono_us.saturating_add(FAULTY_PAUSE_US));
            }
        }
    }

    /// The log has fewer leaves than it proved before: as bad as a receipt that says so.
    fn take_rollback(&mut self, problem: &Problem, now: Moment) {
        let remembered = self.head.newest().map_or(0, |newest| newest.size.0);
        // Without the size of today, which moves while the log grows again: one line for one rollback.
        let why = format!(
            "log was rolled back: it has fewer leaves than the {remembered} it proved before"
        );
        count(&self.stats.rollbacks, 1);
        let known = self.refused.as_ref() == Some(&why);
        self.refuse(&why, now);
        if !known {
            let offered: Option<String> = problem.fact("checkpoint");
            let evidence = serde_json::json!({
                "remembered": self.head.note(),
                "offered": offered,
                "said": problem.detail,
            });
            self.keep_evidence_of(&evidence, now);
        }
    }

    fn take_gap(&mut self, answered: &Answered, problem: &Problem, now: Moment) {
        let (Some(number), Some(chain)) = (answered.batch, self.chains.get_mut(&answered.chain))
        else {
            return;
        };
        if chain.batch(number).is_none() {
            return;
        }
        let expected = problem.fact::<SealPlace>("expected");
        match chain.gap(number, expected) {
            Ok(GapAnswer::Wait) => {}
            Ok(GapAnswer::Rewound) => {
                tracing::warn!(spool = answered.chain, expected = ?expected, "aggregator asks for earlier groups");
            }
            Ok(GapAnswer::Declared) => {
                tracing::error!(spool = answered.chain, expected = ?expected, "groups the aggregator asks for are gone; it records a gap");
            }
            Err(error) => {
                tracing::warn!(%error, spool = answered.chain, "spool cannot be read");
                self.put_back(answered, now.mono_us.saturating_add(1_000_000));
            }
        }
    }

    fn link_failed(&mut self, error: &LinkError, now: Moment) {
        let mut text = error.to_string();
        if let Some(cause) = std::error::Error::source(error) {
            text.push_str(": ");
            text.push_str(&cause.to_string());
        }
        if error.is_untrusted() {
            // Perhaps the certificate ran out between two looks at the clock.
            self.enrolment_looked_us = 0;
            self.refuse(&text, now);
            return;
        }
        self.wait(&text, None, now);
    }

    /// Nobody there, or too busy: wait.
    fn wait(&mut self, why: &str, asked: Option<std::time::Duration>, now: Moment) {
        if now.mono_us < self.blocked_until_us {
            return;
        }
        let random = u64::from_le_bytes(crate::entropy::bytes());
        let wait = self.backoff.next(asked, random);
        let wait_us = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        self.blocked_until_us = now.mono_us.saturating_add(wait_us);
        if self.failing_since_us.is_none() {
            tracing::warn!(
                why,
                "aggregator does not take batches; they wait in the spool"
            );
        } else {
            tracing::debug!(why, wait_us, "aggregator still does not take batches");
        }
        self.failing_since_us.get_or_insert(now.mono_us);
        why.clone_into(&mut self.last_error);
        if self.refused.is_none() {
            self.stats.set_state(ShipState::Waiting);
        }
    }
}
