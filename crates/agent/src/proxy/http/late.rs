//! A request body larger than is held: it flows, but for its last data frame.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;

use super::answer::Asked;
use super::body::BodyError;
use super::intake::RequestScan;

/// Set when the calls of a [`LateBody`] were refused.
pub(super) type LateRefusal = Arc<OnceLock<Asked>>;

/// Sends on all frames but the last data frame, which waits until the calls in the body may pass: the
/// server cannot see a whole message before that.
pub(super) struct LateBody {
    incoming: Incoming,
    frames: VecDeque<Frame<Bytes>>,
    phase: Phase,
    refusal: LateRefusal,
}

enum Phase {
    /// Empty only while the scan is being ended.
    Reading(Option<Box<RequestScan>>),
    Waiting(Pin<Box<dyn Future<Output = Result<(), Asked>> + Send>>),
    Releasing,
    Over,
}

impl LateBody {
    /// `frames` were read already, and shown to `scan`.
    pub(super) fn new(
        incoming: Incoming,
        frames: VecDeque<Frame<Bytes>>,
        scan: Box<RequestScan>,
        refusal: LateRefusal,
    ) -> Self {
        Self {
            incoming,
            frames,
            phase: Phase::Reading(Some(scan)),
            refusal,
        }
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if self.may_send() {
                return Poll::Ready(self.frames.pop_front().map(Ok));
            }
            match &mut self.phase {
                Phase::Reading(scan) => match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        if let (Some(scan), Some(data)) = (scan, frame.data_ref()) {
                            scan.push(data);
                        }
                        self.frames.push_back(frame);
                    }
                    Some(Err(error)) => {
                        self.phase = Phase::Over;
                        return Poll::Ready(Some(Err(error.into())));
                    }
                    None => match scan.take() {
                        Some(scan) => self.phase = Phase::Waiting(Box::pin(scan.finish().passed())),
                        None => self.phase = Phase::Over,
                    },
                },
                Phase::Waiting(verdict) => match ready!(verdict.as_mut().poll(cx)) {
                    Ok(()) => self.phase = Phase::Releasing,
                    Err(asked) => {
                        self.phase = Phase::Over;
                        let _ = self.refusal.set(asked);
                        return Poll::Ready(Some(Err(BodyError::Refused)));
                    }
                },
                Phase::Releasing | Phase::Over => return Poll::Ready(None),
            }
        }
    }

    /// While the verdict is out, the last data frame and what follows it stays.
    fn may_send(&self) -> bool {
        match self.phase {
            Phase::Reading(_) | Phase::Waiting(_) => self.frames.iter().skip(1).any(Frame::is_data),
            Phase::Releasing => !self.frames.is_empty(),
            Phase::Over => false,
        }
    }
}
