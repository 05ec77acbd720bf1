//! The caller's end of a submission.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use affiant_tlog::LeafIndex;
use tokio::sync::oneshot;

use crate::error::{RoundError, SequenceError};
use crate::head::Head;

/// Where leaves ended up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The index of the first leaf of the submission; the others follow without a gap.
    pub first: LeafIndex,
    /// A published head whose tree has all of them. What it covers is durable.
    pub head: Arc<Head>,
}

/// A submission under way. Dropping it does not take the leaves back.
#[derive(Debug)]
#[must_use = "a submission is acknowledged only by its outcome"]
pub struct Pending {
    outcome: oneshot::Receiver<Outcome>,
}

pub(crate) type Outcome = Result<Appended, SequenceError>;

impl Pending {
    pub(crate) fn new() -> (oneshot::Sender<Outcome>, Self) {
        let (sender, outcome) = oneshot::channel();
        (sender, Self { outcome })
    }

    /// Waits for the outcome, on a thread of its own right.
    ///
    /// # Errors
    ///
    /// As the future.
    ///
    /// # Panics
    ///
    /// If called from within an asynchronous runtime: `.await` it there.
    pub fn wait(self) -> Outcome {
        self.outcome.blocking_recv().unwrap_or_else(|_| gone())
    }
}

impl Future for Pending {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let outcome = Pin::new(&mut self.outcome).poll(context);
        outcome.map(|outcome| outcome.unwrap_or_else(|_| gone()))
    }
}

/// Every submission is answered, unless the sequencer panicked: then nobody knows.
fn gone() -> Outcome {
    Err(SequenceError::Unknown(Arc::new(RoundError::Gone)))
}
