//! Submissions on their way to the sequencer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::engine::HashedLeaf;
use crate::error::SequenceError;
use crate::pending::Outcome;

/// Leaves that belong together, and who waits for them.
pub(crate) struct Submission {
    pub(crate) leaves: Vec<HashedLeaf>,
    pub(crate) bytes: usize,
    /// Refused if a round failed since; [`UNCONDITIONAL`] for never.
    pub(crate) epoch: u64,
    pub(crate) reply: oneshot::Sender<Outcome>,
}

/// What the sequencer does next.
pub(crate) enum Next {
    /// A round of these.
    Round(Vec<Submission>),
    /// Nothing will come any more.
    Closed,
}

/// Many put in, one takes out.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    /// Rounds that failed. Moved by the sequencer alone, before anybody is told of the failure.
    failures: AtomicU64,
}

/// The epoch of a submission that builds on no other.
pub(crate) const UNCONDITIONAL: u64 = u64::MAX;

#[derive(Default)]
struct State {
    waiting: VecDeque<Submission>,
    bytes: usize,
    flush: bool,
    closed: bool,
}

/// When a round begins, and how large it gets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// From the beginning of one round to that of the next, unless there is enough for a round.
    pub(crate) interval: Duration,
    /// Bytes that are enough for a round.
    pub(crate) round_bytes: usize,
    /// Bytes that may wait.
    pub(crate) queued_bytes_max: usize,
}

impl Queue {
    /// Puts a submission at the end, unless too much waits already.
    pub(crate) fn push(&self, submission: Submission, pace: Pace) {
        let mut state = self.state();
        let refusal = if state.closed {
            Some(SequenceError::Closed)
        } else if state.bytes > 0 && state.bytes + submission.bytes > pace.queued_bytes_max {
            Some(SequenceError::Full {
                queued_bytes: state.bytes,
            })
        } else {
            None
        };
        if let Some(refusal) = refusal {
            // Who dropped its end does not want to know.
            drop(submission.reply.send(Err(refusal)));
            return;
        }
        state.bytes += submission.bytes;
        state.waiting.push_back(submission);
        self.changed.notify_one();
    }

    /// How many rounds failed.
    pub(crate) fn epoch(&self) -> u64 {
        self.failures.load(Ordering::SeqCst)
    }

    /// A round failed: what was submitted in an earlier epoch may stand behind a hole.
    pub(crate) fn fail(&self) {
        self.failures.fetch_add(1, Ordering::SeqCst);
    }

    /// Asks for a round now.
    pub(crate) fn flush(&self) {
        self.state().flush = true;
        self.changed.notify_one();
    }

    /// Takes no more; what waits is still sequenced.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_one();
    }

    /// Waits for the next thing to do. A submission that comes after a pause is not held up: the
    /// interval runs from the beginning of the last round.
    pub(crate) fn next(&self, pace: Pace, clock: &dyn Clock, last_round: Option<Duration>) -> Next {
        let mut state = self.state();
        loop {
            let now = clock.mono();
            let due_at = last_round.map_or(now, |last| last + pace.interval);
            let enough = state.bytes >= pace.round_bytes || state.flush || state.closed;
            if !state.waiting.is_empty() && (enough || now >= due_at) {
                return Next::Round(state.take(pace.round_bytes));
            }
            if state.waiting.is_empty() {
                state.flush = false;
                if state.closed {
                    return Next::Closed;
                }
                let waited = self.changed.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
            } else {
                let pause = due_at.saturating_sub(now);
                let waited = self.changed.wait_timeout(state, pause);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nobody panics with the lock held; if so, the queue itself is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// As many submissions as fill a round, at least one.
    fn take(&mut self, round_bytes: usize) -> Vec<Submission> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while bytes < round_bytes {
            let Some(submission) = self.waiting.pop_front() else {
                break;
            };
            bytes += submission.bytes;
            taken.push(submission);
        }
        self.bytes = self.bytes.saturating_sub(bytes);
        taken
    }
}
