//! What the world is told, and who waits for it to be told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use affiant_tlog::{Checkpoint, LeafIndex, Note, TreeSize};
use tokio::sync::{oneshot, watch};

use crate::engine::completed;
use crate::error::SequenceError;
use crate::head::Head;
use crate::pending::{Appended, Outcome};
use crate::reader::CHECKPOINT;
use crate::store::{Store, StoreError};

/// Publishes heads, in order, and answers the submissions that they cover.
pub(crate) struct Publication {
    heads: watch::Sender<Arc<Head>>,
    state: Mutex<State>,
}

struct State {
    /// `None` once the log is closed: the lease goes with the store.
    store: Option<Arc<dyn Store>>,
    waiting: VecDeque<Covered>,
    /// Sizes of heads of which partial tiles and bundles may still be there.
    partial: Vec<TreeSize>,
}

/// A submission whose leaves are in the log.
pub(crate) struct Covered {
    pub(crate) first: LeafIndex,
    /// The smallest tree that has all its leaves.
    pub(crate) end: TreeSize,
    pub(crate) reply: oneshot::Sender<Outcome>,
}

impl Publication {
    pub(crate) fn new(store: Arc<dyn Store>, head: Head) -> Self {
        let state = State {
            store: Some(store),
            waiting: VecDeque::new(),
            partial: vec![head.checkpoint.size],
        };
        Self {
            heads: watch::Sender::new(Arc::new(head)),
            state: Mutex::new(state),
        }
    }

    pub(crate) fn heads(&self) -> watch::Receiver<Arc<Head>> {
        self.heads.subscribe()
    }

    pub(crate) fn head(&self) -> Arc<Head> {
        Arc::clone(&self.heads.borrow())
    }

    /// Says that there is a head of this size, whether or not it is ever published.
    pub(crate) fn made(&self, size: TreeSize) {
        self.state().partial.push(size);
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
            } else if state.store.is_none() {
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
