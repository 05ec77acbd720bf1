//! The upstream's response on its way to the client.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use affiant_capture::tracker::ExchangeEnd;
use bytes::Bytes;
use http::{HeaderMap, Response, Version};
use http_body::{Body, Frame};
use hyper::body::Incoming;

use super::body::{BodyError, ClientBody};
use super::exchange::{Exchange, Witness};
use super::headers;
use super::tap::ResponseTap;

/// Makes the client's response: the same status, reason, fields and body.
pub(super) fn pass_on(
    response: Response<Incoming>,
    exchange: Exchange,
    shown: bool,
) -> Response<ClientBody> {
    let (mut parts, incoming) = response.into_parts();
    exchange
        .witness
        .response_head(parts.status.as_u16(), &parts.headers);
    let tap = tap(&exchange.witness, &parts.headers, shown);
    parts.headers = headers::end_to_end(&parts.headers);
    parts.version = Version::HTTP_11;
    let returned = Returned::new(incoming, tap, exchange);
    Response::from_parts(parts, ClientBody::Upstream(Box::new(returned)))
}

/// Only answers to messages, and event streams, are looked into: what else a server serves beside MCP
/// (its authorization metadata, say) is no message.
fn tap(witness: &Witness, headers: &HeaderMap, shown: bool) -> Option<ResponseTap> {
    (shown || witness.is_get())
        .then(|| ResponseTap::new(witness, headers, shown))
        .flatten()
}

/// The upstream's body, shown to the recorder chunk by chunk before it is sent on.
pub(super) struct Returned {
    incoming: Incoming,
    tap: Option<ResponseTap>,
    exchange: Exchange,
}

impl Returned {
    fn new(incoming: Incoming, tap: Option<ResponseTap>, exchange: Exchange) -> Self {
        let mut returned = Self {
            incoming,
            tap,
            exchange,
        };
        returned.end_if_over();
        returned
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        match &polled {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.exchange.witness.count_response(data.len());
                    if let Some(tap) = &mut self.tap {
                        tap.push(&mut self.exchange.witness, data);
                    }
                }
                self.end_if_over();
            }
            Some(Err(_)) => self.end(ExchangeEnd::UpstreamBroken),
            None => self.end(ExchangeEnd::Complete),
        }
        Poll::Ready(polled.map(|frame| frame.map_err(BodyError::Broken)))
    }

    /// A body of known length is not polled again after its last byte.
    fn end_if_over(&mut self) {
        if self.incoming.is_end_stream() {
            self.end(ExchangeEnd::Complete);
        }
    }

    fn end(&mut self, end: ExchangeEnd) {
        if let Some(tap) = self.tap.take() {
            tap.finish(&self.exchange.witness, end == ExchangeEnd::Complete);
        }
        self.exchange.end(end);
    }
}

impl Drop for Returned {
    /// The client went away: what the server had said of a message is not one.
    fn drop(&mut self) {
        self.end(ExchangeEnd::ClientClosed);
    }
}
