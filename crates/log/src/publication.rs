//! What the world is told, and who waits for it to be told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use affiant_tlog::{Checkpoint, LeafIndex, Note, TreeSize};
use tokio::sync::{oneshot, watch};

use crate::error::SequenceError;
use crate::head::Head;
use crate::pending::{Appended, Outcome};
use crate::reader::CHECKPOINT;
use crate::store::{Store, StoreError};

/// Publishes heads, in order, and answers the submissions that they cover.
pub(crate) struct Publication {
    store: Arc<dyn Store>,
    heads: watch::Sender<Arc<Head>>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    submissions: VecDeque<Covered>,
    ended: bool,
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
        Self {
            store,
            heads: watch::Sender::new(Arc::new(head)),
            waiting: Mutex::default(),
        }
    }

    pub(crate) fn heads(&self) -> watch::Receiver<Arc<Head>> {
        self.heads.subscribe()
    }

    pub(crate) fn head(&self) -> Arc<Head> {
        Arc::clone(&self.heads.borrow())
    }

    /// Shows a head to the world and answers whom it covers. What the head covers must be durable.
    /// A head behind the published one is not shown.
    pub(crate) fn publish(&self, checkpoint: Checkpoint, note: &Note) -> Result<(), StoreError> {
        let mut waiting = self.waiting();
        if checkpoint.size < self.head().checkpoint.size {
            return Ok(());
        }
        let note = note.to_bytes();
        self.store.publish(CHECKPOINT, &note)?;
        self.heads.send_replace(Arc::new(Head { checkpoint, note }));
        self.answer(&mut waiting);
        Ok(())
    }

    /// Takes submissions whose leaves are in the log: they are answered as soon as a published head
    /// covers them, which may be now.
    pub(crate) fn cover(&self, submissions: impl Iterator<Item = Covered>) {
        let mut waiting = self.waiting();
        waiting.submissions.extend(submissions);
        self.answer(&mut waiting);
    }

    /// Answers all that still waits: no head will cover it.
    pub(crate) fn end(&self) {
        let mut waiting = self.waiting();
        waiting.ended = true;
        self.answer(&mut waiting);
    }

    fn answer(&self, waiting: &mut Waiting) {
        let head = self.head();
        while let Some(next) = waiting.submissions.pop_front() {
            let outcome = if next.end <= head.checkpoint.size {
                Ok(Appended {
                    first: next.first,
                    head: Arc::clone(&head),
                })
            } else if waiting.ended {
                Err(SequenceError::Unpublished)
            } else {
                waiting.submissions.push_front(next);
                return;
            };
            // Who dropped its end does not want to know.
            drop(next.reply.send(outcome));
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // The queue is whole after any panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
