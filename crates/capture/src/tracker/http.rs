//! What HTTP says beside the messages: heads, closings, the end of sessions.

use affiant_entry::call::Reason;
use affiant_entry::record::{AuthFailure, Body};
use affiant_entry::{Fact, Moment, Record};

use super::closing::Why;
use super::pairing::{Request, Serial};
use super::revision::{Era, Revision};
use super::scope::Known;
use super::session::{Name, SessionKey};
use super::via::{ExchangeEnd, ResponseHead, StreamKind, Via};
use super::{Mint, Output, Tracker, draft, view};

const UNAUTHORIZED: u16 = 401;
const FORBIDDEN: u16 = 403;
const NOT_FOUND: u16 = 404;

impl<M: Mint> Tracker<M> {
    /// The head of an exchange's response came, before its body is shown.
    pub fn handle_http_response_head(&mut self, now: Moment, via: &Via, head: &ResponseHead) {
        if matches!(head.status, UNAUTHORIZED | FORBIDDEN) {
            self.auth_failure(now, via, head.status);
        }
        let awaited = via
            .exchange
            .filter(|exchange| self.requests.of_exchange(*exchange).next().is_some());
        if let Some(exchange) = awaited
            && self
                .exchanges
                .insert(exchange, head.clone(), self.config.limits.exchanges_max)
        {
            self.limit(now, None, "exchanges");
        }
        if head.status == NOT_FOUND {
            self.end_header_session(now, via);
        }
        if via.stream == StreamKind::Get && (200..300).contains(&head.status) {
            self.open_stream(via);
        }
    }

    /// A session that holds a stream open for the server to speak on is not idle.
    fn open_stream(&mut self, via: &Via) {
        let Some((exchange, home)) = via.exchange.zip(self.known_home(via)) else {
            return;
        };
        self.sessions.enter(home);
        let max = self.config.limits.exchanges_max;
        if let Some(forgotten) = self.exchanges.open_stream(exchange, home, max) {
            self.sessions.leave(forgotten);
        }
    }

    /// The server answered a DELETE of Streamable HTTP, by which a client ends its session.
    pub fn handle_http_delete(&mut self, now: Moment, via: &Via, status: u16) {
        if (200..300).contains(&status) || status == NOT_FOUND {
            self.end_header_session(now, via);
        } else if matches!(status, UNAUTHORIZED | FORBIDDEN) {
            self.auth_failure(now, via, status);
        }
    }

    /// An exchange is over; see the table of the [module](super) for what it means.
    pub fn handle_exchange_closed(&mut self, now: Moment, via: &Via, end: ExchangeEnd) {
        if via.stream == StreamKind::SseGet {
            self.close_sse(now, via);
            return;
        }
        let Some(exchange) = via.exchange else { return };
        if let Some(home) = self.exchanges.close_stream(exchange) {
            self.sessions.leave(home);
        }
        let known = self.exchanges.remove(exchange).unwrap_or_default();
        let verdicts: Vec<(Serial, Verdict)> = self
            .requests
            .of_exchange(exchange)
            .map(|(serial, request)| (serial, Verdict::of(request, via.stream, end, &known)))
            .collect();
        for (serial, verdict) in verdicts {
            match verdict {
                Verdict::Waits => {}
                Verdict::WaitsElsewhere => self.detach_request(serial),
                Verdict::Ends(reason, http_status) => {
                    self.end_request(
                        serial,
                        &Why {
                            http_status,
                            ..Why::new(reason)
                        },
                        true,
                    );
                }
            }
        }
    }

    /// HTTP+SSE: all answers come on this one stream, so the conversation is over with it.
    fn close_sse(&mut self, now: Moment, via: &Via) {
        let name = view::home_name(via, Era::Legacy, None, &self.key);
        let Some(home) = self.sessions.find(&name) else {
            return;
        };
        let waiting: Vec<Serial> = self
            .requests
            .of_home(home)
            .map(|(serial, _)| serial)
            .collect();
        for serial in waiting {
            self.end_request(serial, &Why::new(Reason::StreamClosed), false);
        }
        self.forget_session(now, home);
    }

    /// The session that a request's `Mcp-Session-Id` names is over. Modern servers do not know it.
    fn end_header_session(&mut self, now: Moment, via: &Via) {
        let header = via.headers.protocol_version.as_deref().map(Revision::new);
        if header.is_some_and(|revision| revision.era() == Era::Modern) {
            return;
        }
        let name = view::home_name(via, Era::Legacy, None, &self.key);
        if let (Name::Header(_), Some(home)) = (&name, self.sessions.find(&name)) {
            self.forget_session(now, home);
        }
    }

    fn forget_session(&mut self, now: Moment, key: SessionKey) {
        self.end_session(now, key, Reason::NoResponse);
        self.sessions.remove(key);
    }

    fn auth_failure(&mut self, now: Moment, via: &Via, status: u16) {
        let max = self.config.limits.auth_failures_per_minute_max;
        if !self.rates.admit("auth.failure", now.mono_us, max) {
            return;
        }
        let session = self
            .known_home(via)
            .and_then(|home| self.sessions.get(home));
        let session = session
            .filter(|session| session.started)
            .map(|session| session.id.clone());
        let failure = AuthFailure {
            by: "upstream".into(),
            reason: if status == UNAUTHORIZED {
                "http-401".into()
            } else {
                "http-403".into()
            },
            http_status: status,
            server: self.config.server_id.clone(),
            session: Fact::from_option(session, "no session known"),
            token: Fact::from_option(via.headers.token.clone(), "no authorization header"),
            client_address: Fact::from_option(
                via.headers.client_address.as_deref().map(draft::clipped),
                "no address",
            ),
        };
        self.outbox.push_back(Output::Record(Record {
            at: now,
            call: None,
            body: Body::AuthFailure(failure),
        }));
    }
}

/// What the closing of its exchange means for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Nothing.
    Waits,
    /// Its answer may come on another stream.
    WaitsElsewhere,
    /// Its end, with the HTTP status if that is why.
    Ends(Reason, Option<u16>),
}

impl Verdict {
    fn of(request: &Request, stream: StreamKind, end: ExchangeEnd, known: &Known) -> Self {
        if end == ExchangeEnd::ConnectFailed {
            return Self::Ends(Reason::TransportError, None);
        }
        if let Some(status) = known.error_status() {
            return Self::Ends(Reason::HttpError, Some(status));
        }
        if stream == StreamKind::SsePost {
            let refused = end == ExchangeEnd::UpstreamBroken && known.head.status == 0;
            return if refused {
                Self::Ends(Reason::TransportError, None)
            } else {
                Self::Waits
            };
        }
        let closed = if known.malformed {
            Reason::MalformedResponse
        } else {
            Reason::StreamClosed
        };
        let resumable = request.era == Era::Legacy && known.head.event_stream;
        match (end, request.era) {
            (ExchangeEnd::Complete | ExchangeEnd::UpstreamBroken, _) if resumable => {
                Self::WaitsElsewhere
            }
            (ExchangeEnd::ClientClosed, Era::Legacy) => Self::WaitsElsewhere,
            (ExchangeEnd::ClientClosed, Era::Modern) => {
                Self::Ends(Reason::ClientDisconnected, None)
            }
            (ExchangeEnd::Complete, _) => Self::Ends(closed, None),
            (ExchangeEnd::UpstreamBroken | ExchangeEnd::ConnectFailed, _) => {
                Self::Ends(Reason::TransportError, None)
            }
        }
    }
}
