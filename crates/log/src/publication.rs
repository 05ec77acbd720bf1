//! What the world is told, and who waits for it to be told.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use affiant_tlog::{Checkpoint, LeafIndex, Note, TreeSize};
use tokio::sync::{oneshot, watch};

use crate::clock::Clock;
use crate::engine::completed;
use crate::error::{RoundError, SequenceError};
use crate::head::Head;
use crate::pending::{Appended, Outcome};
use crate::reader::{CHECKPOINT, COSIGNED};
use crate::store::{Store, StoreError};
use crate::witness::PublishRule;

/// Publishes heads, in order, and answers the submissions that they cover.
pub(crate) struct Publication {
    heads: watch::Sender<Arc<Head>>,
    /// Whether a head waits for its quorum before it is shown.
    withhold: bool,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// `None` once the log is closed: the lease goes with the store.
    store: Option<Arc<dyn Store>>,
    waiting: VecDeque<Covered>,
    /// Sizes of heads of which partial tiles and bundles may still be there.
    partial: Vec<TreeSize>,
    /// The newest signed head, for witnesses.
    newest: Option<(Checkpoint, Note)>,
    closing: bool,
    /// Why no more heads should be made.
    objection: Option<Arc<RoundError>>,
}

/// A submission whose leaves are in the log.
pub(crate) struct Covered {
    pub(crate) first: LeafIndex,
    /// The smallest tree that has all its leaves.
    pub(crate) end: TreeSize,
    pub(crate) reply: oneshot::Sender<Outcome>,
}

impl Publication {
    pub(crate) fn new(store: Arc<dyn Store>, head: Head, rule: PublishRule) -> Self {
        let state = State {
            store: Some(store),
            waiting: VecDeque::new(),
            partial: vec![head.checkpoint.size],
            newest: None,
            closing: false,
            objection: None,
        };
        Self {
            heads: watch::Sender::new(Arc::new(head)),
            withhold: rule == PublishRule::WithQuorum,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn heads(&self) -> watch::Receiver<Arc<Head>> {
        self.heads.subscribe()
    }

    pub(crate) fn head(&self) -> Arc<Head> {
        Arc::clone(&self.heads.borrow())
    }

    /// Size of the newest signed head.
    pub(crate) fn sequenced(&self) -> TreeSize {
        let state = self.state();
        let newest = state.newest.as_ref().map(|(newest, _)| newest.size);
        newest.unwrap_or(self.head().checkpoint.size)
    }

    /// Says that there is a head of this size, whether or not it is ever published.
    pub(crate) fn made(&self, size: TreeSize) {
        self.state().partial.push(size);
    }

    /// Takes a signed head: shows it, if it need not wait, and gives it to the witnesses.
    pub(crate) fn offer(&self, checkpoint: Checkpoint, note: Note) -> Result<(), StoreError> {
        if !self.withhold {
            self.publish(checkpoint.clone(), &note)?;
        }
        self.state().newest = Some((checkpoint, note));
        self.changed.notify_all();
        Ok(())
    }

    /// The newest signed head: as soon as it is not of the size asked last and `earliest` is past, or
    /// at the `latest`. `None` when the log closes and there is nothing left to ask.
    pub(crate) fn next_to_witness(
        &self,
        clock: &dyn Clock,
        asked: Option<TreeSize>,
        earliest: Duration,
        latest: Duration,
    ) -> Option<(Checkpoint, Note)> {
        let mut state = self.state();
        loop {
            let now = clock.mono();
            let newest = state.newest.as_ref();
            let is_new = newest.is_some_and(|(newest, _)| asked != Some(newest.size));
            if state.closing || (is_new && now >= earliest) || now >= latest {
                let newest = newest.filter(|_| is_new || !state.closing);
                return newest.cloned();
            }
            let until = if is_new { earliest.min(latest) } else { latest };
            let pause = until.saturating_sub(now);
            let waited = self.changed.wait_timeout(state, pause);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes what the witnesses said of a head.
    pub(crate) fn cosigned(
        &self,
        checkpoint: &Checkpoint,
        note: &Note,
        quorum_met: bool,
    ) -> Result<(), StoreError> {
        if self.withhold {
            return match quorum_met {
                true => self.publish(checkpoint.clone(), note),
                false => Ok(()),
            };
        }
        if self.head().checkpoint == *checkpoint {
            self.publish(checkpoint.clone(), note)?;
        }
        let store = self.state().store.clone();
        match store.filter(|_| quorum_met) {
            Some(store) => store.publish(COSIGNED, &note.to_bytes()),
            None => Ok(()),
        }
    }

    /// Says that no more heads should be made, and why. What waits for a head will not get one.
    pub(crate) fn object(&self, reason: RoundError) {
        let mut state = self.state();
        state.objection = Some(Arc::new(reason));
        self.answer(&mut state);
    }

    pub(crate) fn objection(&self) -> Option<Arc<RoundError>> {
        self.state().objection.clone()
    }

    /// Lets [`Publication::next_to_witness`] come to its end.
    pub(crate) fn close(&self) {
        self.state().closing = true;
        self.changed.notify_all();
    }

    /// Shows a head to the world and answers whom it covers. What the head covers must be durable.
    /// A head behind the published one is not shown.
    pub(crate) fn publish(&self, checkpoint: Checkpoint, note: &Note) -> Result<(), StoreError> {
        let mut state = self.state();
        let Some(store) = state.store.clone() else {
            return Ok(());
        };
        if checkpoint.size < self.head().checkpoint.size {
            return Ok(());
        }
        let size = checkpoint.size;
        let note = note.to_bytes();
        store.publish(CHECKPOINT, &note)?;
        self.heads.send_replace(Arc::new(Head { checkpoint, note }));
        self.answer(&mut state);
        state.tidy(&*store, size);
        Ok(())
    }

    /// Takes submissions whose leaves are in the log: they are answered as soon as a published head
    /// covers them, which may be now.
    pub(crate) fn cover(&self, submissions: impl Iterator<Item = Covered>) {
        let mut state = self.state();
        state.waiting.extend(submissions);
        self.answer(&mut state);
    }

    /// Answers all that still waits, as no head will cover it, and lets go of the store.
    pub(crate) fn end(&self) {
        let mut state = self.state();
        state.store = None;
        self.answer(&mut state);
    }

    fn answer(&self, state: &mut State) {
        let head = self.head();
        while let Some(next) = state.waiting.pop_front() {
            let outcome = if next.end <= head.checkpoint.size {
                Ok(Appended {
                    first: next.first,
                    head: Arc::clone(&head),
                })
            } else if state.store.is_none() || state.objection.is_some() {
                Err(SequenceError::Unpublished)
            } else {
                state.waiting.push_front(next);
                return;
            };
            // Who dropped its end does not want to know.
            drop(next.reply.send(outcome));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Removes partial tiles and bundles for which a published head has the full ones. They are of no
    /// use and no harm, so it does not matter if some stay.
    fn tidy(&mut self, store: &dyn Store, published: TreeSize) {
        for old in std::mem::take(&mut self.partial) {
            if old > published {
                self.partial.push(old);
                continue;
            }
            for path in completed(old, published) {
                if let Err(error) = store.remove_partials(&path) {
                    tracing::warn!(%error, "superseded partial tiles were not removed");
                }
            }
        }
        if self.partial.last() != Some(&published) {
            self.partial.push(published);
        }
    }
}
