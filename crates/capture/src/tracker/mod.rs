//! MCP conversations as a state machine without I/O: which answer belongs to which call, and what
//! is to be recorded of both.
//!
//! A [`Tracker`] sees every message of one stdio process or one HTTP route, in the order the shell
//! saw it, and says what to record. It never asks for a message to be altered, and only a
//! `tools/call` is ever held ([`Disposition::Hold`]).
//!
//! ```text
//!             handle_client_message ─▶ Disposition
//!  shell ───▶ handle_server_message            ┌─▶ Output::Begin   call.begin
//!             handle_malformed        poll_output ▶ Output::Record  session, manifest, anomaly …
//!             handle_http_*                    └─▶ Output::End     call.end
//!             handle_exchange_closed
//!             handle_timeout ◀─ poll_timeout
//!             finish
//! ```
//!
//! After any `handle_*` the shell drains [`Tracker::poll_output`], then asks
//! [`Tracker::poll_timeout`]. Time and randomness are passed in.
//!
//! # Promises
//!
//! - Every client message whose method is `tools/call` gives one [`Output::Begin`] and, at the latest
//!   in [`Tracker::finish`], one [`Output::End`] with the same call id, in this order.
//! - Nothing is taken from a peer on trust: ids, names, sessions and statuses are recorded as claimed.
//! - Memory is bounded by [`limits`], whatever the traffic.
//!
//! # How a call ends
//!
//! | seen | stdio | modern HTTP | legacy HTTP |
//! |-|-|-|-|
//! | answer | success, failure, `rpc-error` | same | same, also on a GET of the session |
//! | `notifications/cancelled` | `cancelled` | `cancelled` | `cancelled` |
//! | client closes the response | – | `client-disconnected` | stays open |
//! | server ends the stream | `stream-closed` | `stream-closed` | SSE: stays open; else `stream-closed` |
//! | server breaks the stream | `stream-closed` | `transport-error` | SSE: stays open; else `transport-error` |
//! | HTTP error without an answer | – | `http-error` | `http-error` |
//! | same id again | `superseded` | – (an id lives in its exchange) | `superseded` |
//! | session over, or [`Tracker::finish`] | `no-response` | `no-response` | `no-response` |
//! | table full | `outcome-unknown` | same | same |
//!
//! A `resultType` this crate does not know counts as a completed result and is an anomaly: an
//! extension the peers agreed on is no failure, but the reader should know.
//!
//! # What it does not do
//!
//! It does not check tokens, schemas or arguments, does not redact, and does not pair requests that a
//! server makes: their ids are a space of their own.

mod anomaly;
mod chain;
mod client;
mod closing;
mod config;
mod conversation;
mod draft;
mod ending;
mod http;
pub mod limits;
mod manifest;
mod output;
mod pairing;
mod revision;
mod scope;
mod server;
mod session;
mod task;
mod task_flow;
mod telling;
#[cfg(test)]
mod tests;
mod via;
mod view;

use std::collections::VecDeque;

use affiant_entry::call::Reason;
use affiant_entry::record::Direction;
use affiant_entry::{CallId, CommitKey, CommitRun, Commitment, Moment};

pub use anomaly::Code;
pub use config::{Config, Identity, Process};
pub use limits::Limits;
pub use output::{Disposition, End, Finish, Output, Refusal};
pub use revision::{Era, Revision};
pub use via::{ExchangeEnd, ExchangeId, HttpFacts, ResponseHead, StreamKind, Via};

use anomaly::{Facts, Rates};
use chain::Chains;
use closing::Why;
use manifest::Manifests;
use pairing::{Ended, Requests};
use scope::Exchanges;
use session::{Implementation, Sessions};
use task::Tasks;
use telling::About;

use crate::message::Message;
use crate::scan::{self, Flag, Scan, Tap};

/// A message with the keyed commitment to its bytes.
pub type Seen = Message<Commitment>;

/// Commits to the bytes of each message as the scanner reads it.
impl Tap for CommitRun {
    type Out = Commitment;

    fn update(&mut self, bytes: &[u8]) {
        Self::update(self, bytes);
    }

    fn finish(self) -> Commitment {
        Self::finish(self)
    }
}

/// The label of commitments to whole messages: `key.begin(MESSAGE_LABEL)` is the scanner's tap.
pub const MESSAGE_LABEL: &str = "message";

/// Randomness, passed in.
pub trait Mint {
    /// At least 80 random bits, in the low bits.
    fn ulid_entropy(&mut self) -> u128;

    /// A random W3C trace id; not all zero.
    fn trace_id(&mut self) -> [u8; 16];
}

/// Something about a text that is no property of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// The text is not JSON from this byte on.
    NotJson {
        /// Offset in the text.
        offset: u64,
    },
    /// The text was too long for the shell, and was forwarded unseen.
    Oversize {
        /// Its length, if it came to an end.
        bytes: u64,
    },
    /// A flag of the whole text.
    Flagged {
        /// Which.
        flag: Flag,
        /// Offset in the text.
        offset: u64,
    },
    /// A batch had more messages than are kept.
    MessagesDropped {
        /// How many were not looked at.
        count: u64,
    },
}

/// The state machine; see the [module](self).
#[derive(Debug)]
pub struct Tracker<M> {
    config: Config,
    key: CommitKey,
    mint: M,
    sessions: Sessions,
    exchanges: Exchanges,
    requests: Requests,
    ended: Ended,
    tasks: Tasks,
    chains: Chains,
    manifests: Manifests,
    rates: Rates,
    /// The server as it last named itself to anyone.
    server: Option<Implementation>,
    outbox: VecDeque<Output>,
}

impl<M: Mint> Tracker<M> {
    /// A tracker of one stdio process or one HTTP route. `key` commits to what must not be kept.
    #[must_use]
    pub fn new(config: Config, key: CommitKey, mint: M) -> Self {
        Self {
            config,
            key,
            mint,
            sessions: Sessions::default(),
            exchanges: Exchanges::default(),
            requests: Requests::default(),
            ended: Ended::default(),
            tasks: Tasks::default(),
            chains: Chains::default(),
            manifests: Manifests::default(),
            rates: Rates::default(),
            server: None,
            outbox: VecDeque::new(),
        }
    }

    /// The next thing to record; `None` when all is told.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop_front()
    }

    /// Calls that have begun and not ended, those carried by tasks among them.
    #[must_use]
    pub fn calls_open(&self) -> usize {
        self.requests.calls().saturating_add(self.tasks.len())
    }

    /// When to call [`handle_timeout`](Self::handle_timeout): a reading of the monotonic clock in
    /// microseconds. It may be early, never late.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let idle = self.sessions.deadline_us(self.config.session_idle_us);
        let all = [
            self.requests.deadline_us(),
            self.tasks.deadline_us(),
            idle,
            self.rates.deadline_us(),
        ];
        all.into_iter().flatten().min()
    }

    /// Ends what is overdue: calls, tasks, idle sessions. Harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Moment) {
        while let Some(serial) = self.requests.overdue(now.mono_us) {
            self.end_request(serial, &Why::new(Reason::Timeout), true);
        }
        while let Some(serial) = self.tasks.overdue(now.mono_us) {
            self.expire_task(serial);
        }
        while let Some(key) = self
            .sessions
            .pop_idle(now.mono_us, self.config.session_idle_us)
        {
            self.end_session(now, key, Reason::NoResponse);
        }
        self.tell_suppressed(now, false);
    }

    /// The caller did not forward a held call: it ends. For calls that are not open, does nothing.
    pub fn handle_refused(&mut self, _now: Moment, call: CallId, why: Refusal) {
        let reason = match why {
            Refusal::Refused => Reason::Refused,
            Refusal::Denied => Reason::Denied,
        };
        if let Some(serial) = self.requests.find_call(call) {
            let why = Why {
                absent: "not forwarded",
                ..Why::new(reason)
            };
            self.end_request(serial, &why, false);
        }
    }

    /// The process or route ends: every open call ends, then every session. The tracker is as new
    /// afterwards.
    pub fn finish(&mut self, now: Moment, why: Finish) {
        let reason = match why {
            Finish::StreamClosed => Reason::StreamClosed,
            Finish::Shutdown => Reason::NoResponse,
        };
        for serial in self.requests.serials() {
            self.end_request(serial, &Why::new(reason), false);
        }
        while let Some(serial) = self.tasks.oldest() {
            self.end_task(serial, &Why::new(Reason::NoResponse));
        }
        for key in self.sessions.keys() {
            self.end_session(now, key, reason);
            self.sessions.remove(key);
        }
        self.tell_suppressed(now, true);
        self.exchanges.clear();
        self.ended.clear();
        self.tasks.clear_early();
        self.chains.clear();
        self.manifests.clear();
        self.server = None;
    }

    /// A text the client sent, scanned: all its messages, and what is wrong with it as a whole.
    pub fn handle_client_scan(
        &mut self,
        now: Moment,
        via: &Via,
        scan: &Scan<Commitment>,
    ) -> Disposition {
        let mut held = Vec::new();
        for message in &scan.messages {
            match self.handle_client_message(now, via, message) {
                Disposition::Pass => {}
                Disposition::Hold(calls) => held.extend(calls),
            }
        }
        self.handle_text(now, via, Direction::ClientToServer, scan);
        if held.is_empty() {
            Disposition::Pass
        } else {
            Disposition::Hold(held)
        }
    }

    /// A text the server sent, scanned: all its messages, and what is wrong with it as a whole.
    pub fn handle_server_scan(&mut self, now: Moment, via: &Via, scan: &Scan<Commitment>) {
        for message in &scan.messages {
            self.handle_server_message(now, via, message);
        }
        self.handle_text(now, via, Direction::ServerToClient, scan);
    }

    fn handle_text(
        &mut self,
        now: Moment,
        via: &Via,
        direction: Direction,
        scan: &Scan<Commitment>,
    ) {
        for (flag, offset) in scan.flags.iter() {
            self.handle_malformed(now, via, direction, Malformed::Flagged { flag, offset });
        }
        if let Some(error) = &scan.error {
            self.handle_malformed(
                now,
                via,
                direction,
                Malformed::NotJson {
                    offset: error.offset,
                },
            );
        }
        if scan.messages_dropped > 0 {
            let count = scan.messages_dropped;
            self.handle_malformed(now, via, direction, Malformed::MessagesDropped { count });
        }
    }

    /// Something is wrong with a text as a whole.
    pub fn handle_malformed(
        &mut self,
        now: Moment,
        via: &Via,
        direction: Direction,
        what: Malformed,
    ) {
        let about = About {
            home: self.known_home(via),
            call: None,
            direction: Some(direction),
        };
        let (code, facts) = match what {
            Malformed::NotJson { offset } => (Code::NotJson, Facts::new().number("offset", offset)),
            Malformed::Oversize { bytes } => (Code::Oversize, Facts::new().number("bytes", bytes)),
            Malformed::Flagged { flag, offset } => {
                (Code::from(flag), Facts::new().number("offset", offset))
            }
            Malformed::MessagesDropped { count } => (
                Code::Limit,
                Facts::new()
                    .word("which", "batch-messages")
                    .number("dropped", count),
            ),
        };
        self.anomaly(now, about, code, facts);
        let unread = matches!(what, Malformed::NotJson { .. } | Malformed::Oversize { .. });
        if let Some(exchange) = via.exchange
            && direction == Direction::ServerToClient
            && unread
        {
            self.exchanges.mark_malformed(exchange);
        }
    }

    /// A keyed commitment to a raw JSON value; to the value of a string, however it is escaped.
    fn commit_text(&self, label: &'static str, raw: &[u8]) -> Commitment {
        let text = scan::unescape_bytes(raw);
        self.key.commit(label, text.as_deref().unwrap_or(raw))
    }

    /// Whether every table is empty.
    #[cfg(test)]
    fn is_empty(&self) -> bool {
        let tables = [
            self.requests.len(),
            self.tasks.len(),
            self.tasks.early_len(),
            self.sessions.len(),
            self.exchanges.len(),
            self.ended.len(),
            self.chains.len(),
            self.manifests.len(),
        ];
        self.requests.is_consistent() && tables.iter().all(|len| *len == 0)
    }
}
