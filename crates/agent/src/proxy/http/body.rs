//! The two bodies of an exchange, streamed chunk by chunk as they come.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::late::LateBody;
use super::response::Returned;

/// Why a body broke off. The connection it was to go out on is broken off too.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// The connection it came in on broke.
    #[error("body broke off")]
    Broken(#[from] hyper::Error),
    /// The trail refused the calls in it, found when its last bytes were due.
    #[error("calls in the body are refused")]
    Refused,
}

/// What goes to the upstream.
pub(super) enum UpstreamBody {
    /// As it comes.
    Stream(Incoming),
    /// A body that was held, in the frames it came in.
    Held(VecDeque<Frame<Bytes>>),
    /// A body too large to hold, all but its last data frame.
    Late(Box<LateBody>),
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Stream(incoming) => Pin::new(incoming).poll_frame(cx).map_err(BodyError::Broken),
            Self::Held(frames) => Poll::Ready(frames.pop_front().map(Ok)),
            Self::Late(late) => late.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Stream(incoming) => incoming.is_end_stream(),
            // Frames are sent on under the headers that came with them, so the length is theirs to say.
            Self::Held(_) | Self::Late(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// What goes to the client.
pub(super) enum ClientBody {
    /// The upstream's body.
    Upstream(Box<Returned>),
    /// One of ours; `None` once it is out.
    Full(Option<Bytes>),
}

impl ClientBody {
    pub(super) fn full(body: String) -> Self {
        Self::Full(Some(Bytes::from(body)))
    }

    #[cfg(test)]
    pub(super) fn into_full(self) -> Option<Bytes> {
        match self {
            Self::Full(bytes) => bytes,
            Self::Upstream(_) => None,
        }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Upstream(returned) => returned.poll_frame(cx),
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            // hyper rewrites or drops `Content-Length` of a body it knows to be empty. Kept unknown,
            // the header goes out where it stood, with 204, 304 and HEAD too.
            Self::Upstream(_) => false,
            Self::Full(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Upstream(_) => SizeHint::default(),
            Self::Full(bytes) => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
        }
    }
}
