//! The one owner of the log: takes submissions, runs rounds, and starts over after errors.

use std::sync::Arc;
use std::time::Duration;

use affiant_tlog::{LeafIndex, TreeSize};

use crate::engine::{Attempt, Engine, Parts};
use crate::error::{LoadError, RoundError, SequenceError};
use crate::publication::{Covered, Publication};
use crate::queue::{Next, Pace, Queue, Submission};
use crate::store::StoreError;
pub(crate) use affiant_tlog::error_with_causes as chain;

/// Owned by the sequencer's thread; tests drive it by hand.
pub(crate) struct Sequencer {
    parts: Arc<Parts>,
    publication: Arc<Publication>,
    queue: Arc<Queue>,
    /// `None` after an error, until the log is loaded again.
    engine: Option<Engine>,
    /// The furthest head that storage was seen with: it never goes back.
    epoch_seen: u64,
    /// Why the log does not go on.
    stopped: Option<Arc<RoundError>>,
}

impl Sequencer {
    pub(crate) fn new(
        parts: Arc<Parts>,
        engine: Engine,
        publication: Arc<Publication>,
        queue: Arc<Queue>,
    ) -> Self {
        Self {
            parts,
            publication,
            queue,
            epoch_seen: engine.record().epoch,
            engine: Some(engine),
            stopped: None,
        }
    }

    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self, pace: Pace) {
        let clock = Arc::clone(&self.parts.clock);
        let mut last_round: Option<Duration> = None;
        while let Next::Round(submissions) = self.queue.next(pace, &*clock, last_round) {
            last_round = Some(clock.mono());
            self.round(submissions);
        }
    }

    /// Sequences submissions, and answers each of them once it is known what became of it.
    pub(crate) fn round(&mut self, submissions: Vec<Submission>) {
        if self.stopped.is_none() {
            self.stopped = self.publication.objection();
        }
        if let Some(reason) = &self.stopped {
            let reason = SequenceError::Stopped(Arc::clone(reason));
            return self.fail(submissions, &reason);
        }
        if self.engine.is_none() {
            if let Err(error) = self.reload() {
                let error = Arc::new(RoundError::Load(error));
                self.stop_if_fatal(&error);
                return self.fail(submissions, &SequenceError::NotAppended(error));
            }
            // Leaves of a round that nobody knew the end of may be in the log after all, and are shown only
            // now: what was submitted before may be the same again.
            self.queue.fail();
        }
        let submissions = self.refuse_earlier(submissions);
        let mut attempted = None;
        match self.sequence(&submissions, &mut attempted) {
            Ok(first) => self.cover(submissions, first),
            Err(error) => self.recover(submissions, attempted.as_ref(), error),
        }
    }

    /// Refuses what was submitted before the newest failure, and gives the rest.
    fn refuse_earlier(&self, submissions: Vec<Submission>) -> Vec<Submission> {
        let epoch = self.queue.epoch();
        let (late, rest): (Vec<_>, Vec<_>) = submissions.into_iter().partition(|s| s.epoch < epoch);
        refuse(
            late,
            &SequenceError::NotAppended(Arc::new(RoundError::Earlier)),
        );
        rest
    }

    /// Answers submissions that are not in the log, or of which nobody knows. The epoch moves first:
    /// whoever learns of it from an answer, and all that waits in the queue, is in the old one.
    fn fail(&self, submissions: Vec<Submission>, error: &SequenceError) {
        self.queue.fail();
        refuse(submissions, error);
    }

    /// One round in the log and published; gives the index of its first leaf.
    fn sequence(
        &mut self,
        submissions: &[Submission],
        attempted: &mut Option<Attempt>,
    ) -> Result<LeafIndex, RoundError> {
        let engine = self.engine.as_mut().ok_or(RoundError::Gone)?;
        let first = LeafIndex(engine.record().tree.size.0);
        let mut leaves = submissions.iter().flat_map(|s| &s.leaves).peekable();
        if leaves.peek().is_none() {
            return Ok(first);
        }
        engine.append(leaves, attempted)?;
        self.epoch_seen = engine.record().epoch;
        self.show()?;
        Ok(first)
    }

    /// Signs and publishes the engine's head.
    fn show(&self) -> Result<(), RoundError> {
        let engine = self.engine.as_ref().ok_or(RoundError::Gone)?;
        let checkpoint = engine.record().checkpoint();
        self.publication.made(checkpoint.size);
        let note = engine.sign()?;
        Ok(self.publication.offer(checkpoint, note)?)
    }

    /// After any error: forgets the log, reads it again, and finds out there what became of the round.
    fn recover(
        &mut self,
        submissions: Vec<Submission>,
        attempted: Option<&Attempt>,
        error: RoundError,
    ) {
        tracing::warn!(error = %chain(&error), "round failed, loading the log again");
        self.engine = None;
        let error = Arc::new(error);
        if matches!(*error, RoundError::Store(StoreError::HeadMoved)) {
            // Another writer is at work. Loading would make us follow it and fight on.
            self.stop_if_fatal(&error);
            return self.fail(submissions, &SequenceError::NotAppended(error));
        }
        let reloaded = self.reload();
        if let Err(cause) = &reloaded {
            self.stop_if_fatal(&Arc::new(RoundError::Load(cause.clone())));
        }
        let record = self.engine.as_ref().map(Engine::record);
        match (attempted, record) {
            (None, _) => self.fail(submissions, &SequenceError::NotAppended(error)),
            (Some(tried), Some(record)) if record.epoch == tried.epoch => {
                if record.tree == tried.tree {
                    return self.cover(submissions, tried.first);
                }
                self.fail(submissions, &SequenceError::Unknown(error));
            }
            (Some(tried), Some(record)) if record.epoch < tried.epoch => {
                self.fail(submissions, &SequenceError::NotAppended(error));
            }
            (Some(_), _) => self.fail(submissions, &SequenceError::Unknown(error)),
        }
    }

    /// Loads the log from storage, compares it with what was seen and told before, and publishes it.
    fn reload(&mut self) -> Result<(), LoadError> {
        let (engine, loaded) = Engine::load(&self.parts)?;
        let told = &self.publication.head().checkpoint;
        if engine.record().epoch < self.epoch_seen {
            return Err(LoadError::RolledBack {
                head: engine.record().tree.size,
                published: told.size,
            });
        }
        engine.check_told(told)?;
        self.epoch_seen = engine.record().epoch;
        let checkpoint = engine.record().checkpoint();
        self.publication.made(checkpoint.size);
        let note = loaded.note(&engine)?;
        self.publication.offer(checkpoint, note)?;
        self.engine = Some(engine);
        Ok(())
    }

    fn stop_if_fatal(&mut self, error: &Arc<RoundError>) {
        let fatal = match &**error {
            RoundError::Load(error) => !error.is_retryable(),
            RoundError::Store(error) => matches!(error, StoreError::HeadMoved),
            RoundError::Witness(_) => true,
            RoundError::Sign(_) | RoundError::Earlier | RoundError::Gone => false,
        };
        if fatal {
            tracing::error!(error = %chain(&**error), "log has stopped");
            self.stopped = Some(Arc::clone(error));
        }
    }

    fn cover(&self, submissions: Vec<Submission>, first: LeafIndex) {
        let mut next = first.0;
        self.publication
            .cover(submissions.into_iter().map(|submission| {
                let first = LeafIndex(next);
                next =
                    next.saturating_add(u64::try_from(submission.leaves.len()).unwrap_or(u64::MAX));
                Covered {
                    first,
                    end: TreeSize(next),
                    reply: submission.reply,
                }
            }));
    }
}

fn refuse(submissions: Vec<Submission>, error: &SequenceError) {
    for submission in submissions {
        // Who dropped its end does not want to know.
        drop(submission.reply.send(Err(error.clone())));
    }
}
