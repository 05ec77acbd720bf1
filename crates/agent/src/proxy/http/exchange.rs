//! One HTTP request with its response, as the recorder knows it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use affiant_capture::tracker::{
    ExchangeEnd, ExchangeId, HttpFacts, Malformed, ResponseHead, StreamKind, Via,
};
use affiant_entry::record::Direction;
use http::{HeaderMap, Method, Uri};

use crate::config::TransportKind;
use crate::recorder::Recorder;

use super::endpoint;
use super::headers;
use super::route::Route;

/// What is known of an exchange, and where to tell of it.
#[derive(Clone)]
pub(super) struct Witness {
    pub(super) recorder: Recorder,
    pub(super) via: Via,
    route: Arc<Route>,
    /// Whether the request asks to end a session.
    deletes: bool,
    /// Path and query of the request, to resolve a relative `endpoint` against.
    path: String,
}

impl Witness {
    /// Whether its response may be a stream nobody asked a question on.
    pub(super) fn is_get(&self) -> bool {
        matches!(self.via.stream, StreamKind::Get | StreamKind::SseGet)
    }

    /// The stream was given an endpoint (HTTP+SSE): its POSTs will come there.
    pub(super) fn endpoint_named(&mut self, data: &[u8]) {
        if self.via.stream == StreamKind::SseGet {
            let data = String::from_utf8_lossy(data);
            self.via.sse_endpoint = Some(endpoint::key(data.trim(), &self.path));
        }
    }

    pub(super) fn response_head(&self, status: u16, fields: &HeaderMap) {
        let head = ResponseHead {
            status,
            session_id: headers::text(fields, "mcp-session-id").map(str::to_owned),
            event_stream: headers::media_type(fields).as_deref() == Some("text/event-stream"),
        };
        self.recorder.response_head(&self.via, &head);
        if self.deletes {
            self.recorder.deleted(&self.via, status);
        }
    }

    pub(super) fn malformed(&self, direction: Direction, what: Malformed) {
        self.recorder.malformed(&self.via, direction, what);
    }

    pub(super) fn count_request(&self, bytes: usize) {
        self.route.metrics.request_bytes(bytes);
    }

    pub(super) fn count_response(&self, bytes: usize) {
        self.route.metrics.response_bytes(bytes);
    }

    pub(super) fn count_undecoded(&self) {
        self.route.metrics.undecoded();
    }

    pub(super) fn count_held(&self, wait_us: u64) {
        self.route.metrics.held(wait_us);
    }

    pub(super) fn count_late(&self, bytes_max: usize) {
        self.route.metrics.late();
        tracing::warn!(
            route = self.route.id,
            bytes_max,
            "request body is too large to hold; its end is"
        );
    }
}

/// Tells the recorder once how the exchange ended; dropping it says that the client went away.
pub(super) struct Exchange {
    pub(super) witness: Witness,
    ended: bool,
}

impl Exchange {
    pub(super) fn open(
        route: &Arc<Route>,
        peer: SocketAddr,
        request: (&Method, &Uri, &HeaderMap),
    ) -> Self {
        let (method, uri, fields) = request;
        let stream = stream_kind(route.transport, method);
        let path = uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
        let via = Via {
            exchange: Some(next_id()),
            headers: facts(fields, peer, &route.recorder),
            stream,
            sse_endpoint: (stream == StreamKind::SsePost).then(|| endpoint::key(&path, &path)),
        };
        route.metrics.exchange_opened();
        let witness = Witness {
            recorder: route.recorder.clone(),
            via,
            route: Arc::clone(route),
            deletes: stream == StreamKind::Post && *method == Method::DELETE,
            path,
        };
        Self {
            witness,
            ended: false,
        }
    }

    /// Only the first word counts.
    pub(super) fn end(&mut self, end: ExchangeEnd) {
        if !std::mem::replace(&mut self.ended, true) {
            self.witness
                .recorder
                .exchange_closed(&self.witness.via, end);
            self.witness.route.metrics.exchange_closed(end);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.end(ExchangeEnd::ClientClosed);
    }
}

fn next_id() -> ExchangeId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    ExchangeId(NEXT.fetch_add(1, Ordering::Relaxed))
}

fn stream_kind(transport: TransportKind, method: &Method) -> StreamKind {
    match (transport, *method == Method::GET) {
        (TransportKind::Http, true) => StreamKind::Get,
        (TransportKind::Http, false) => StreamKind::Post,
        (TransportKind::Sse, true) => StreamKind::SseGet,
        (TransportKind::Sse, false) => StreamKind::SsePost,
    }
}

fn facts(fields: &HeaderMap, peer: SocketAddr, recorder: &Recorder) -> HttpFacts {
    let text = |name| headers::text(fields, name).map(str::to_owned);
    let authorization = fields.get(http::header::AUTHORIZATION);
    HttpFacts {
        session_id: text("mcp-session-id"),
        protocol_version: text("mcp-protocol-version"),
        mcp_method: text("mcp-method"),
        mcp_name: text("mcp-name"),
        traceparent: text("traceparent"),
        baggage: text("baggage"),
        token: authorization.map(|value| recorder.token(credentials(value.as_bytes()))),
        client_address: Some(peer.ip().to_string()),
        user_agent: text("user-agent"),
        last_event_id: text("last-event-id"),
    }
}

/// The credentials behind the scheme: the same token has one hash, whatever the scheme's case.
fn credentials(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii();
    let scheme_end = value
        .iter()
        .position(|byte| *byte == b' ')
        .map_or(0, |at| at + 1);
    value
        .get(scheme_end..)
        .unwrap_or_default()
        .trim_ascii_start()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_is_no_part_of_the_token() {
        for value in ["Bearer abc", "bearer  abc ", "abc", "DPoP abc"] {
            assert_eq!(credentials(value.as_bytes()), b"abc", "{value}");
        }
    }
}
