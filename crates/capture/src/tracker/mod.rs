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
mod config;
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
mod via;
mod view;

use std::collections::VecDeque;

use affiant_entry::call::{Ending, Reason, Server, Status, StatusCode};
use affiant_entry::record::{Anomaly, Body, Direction, SessionInfo};
use affiant_entry::{CallId, CommitKey, CommitRun, Commitment, Fact, Moment, Record, Unredacted};

pub use anomaly::Code;
pub use config::{Config, Identity, Process};
pub use limits::Limits;
pub use output::{Disposition, End, Finish, Output, Refusal};
pub use revision::{Era, Revision};
pub use via::{ExchangeEnd, ExchangeId, HttpFacts, ResponseHead, StreamKind, Via};

use anomaly::{Facts, Rates};
use chain::Chains;
use manifest::Manifests;
use pairing::{Ended, Request, Requests, Serial, What};
use scope::Exchanges;
use session::{Implementation, Name, SessionKey, Sessions};
use task::{Clock, TaskSerial, TaskStatus, Tasks};

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
}

/// Why a request ends without the answer it waited for.
#[derive(Debug)]
struct Why {
    reason: Reason,
    http_status: Option<u16>,
    /// Why there is no response and no latency.
    absent: &'static str,
    cancel_text: Option<Unredacted>,
}

impl Why {
    const fn new(reason: Reason) -> Self {
        Self {
            reason,
            http_status: None,
            absent: "no response",
            cancel_text: None,
        }
    }

    fn ending(&self, task: Option<String>) -> Ending {
        let status = Status {
            http_status: self.http_status,
            ..Status::new(StatusCode::Error, self.reason)
        };
        Ending {
            status,
            response: Fact::absent(self.absent),
            latency_us: Fact::absent(self.absent),
            task,
        }
    }
}

/// What an anomaly is about.
#[derive(Debug, Clone, Copy, Default)]
struct About {
    home: Option<SessionKey>,
    call: Option<CallId>,
    direction: Option<Direction>,
}

// === what every part of the tracker uses ===

impl<M: Mint> Tracker<M> {
    /// Takes a request out of the table; a call ends. With `late`, an answer may still come and is
    /// then known as late.
    fn end_request(&mut self, serial: Serial, why: &Why, late: bool) {
        let Some(request) = self.take_request(serial) else {
            return;
        };
        if let (true, Some(id)) = (late, &request.id) {
            self.ended.push(
                request.scope,
                id.clone(),
                request.call(),
                self.config.limits.ended_max,
            );
        }
        if let What::Call(call) = request.what {
            let server = self.server_facts(request.home, call.revision.as_ref());
            self.outbox.push_back(Output::End(Box::new(End {
                call: call.call,
                requested_at: call.at,
                ending: why.ending(None),
                server,
                chain: call.chain,
                cancel_text: why.cancel_text.clone(),
            })));
        }
    }

    fn take_request(&mut self, serial: Serial) -> Option<Request> {
        let request = self.requests.take(serial)?;
        if request.attached {
            self.sessions.leave(request.home);
        }
        Some(request)
    }

    /// The stream of a request closed, but its answer may come on another.
    fn detach_request(&mut self, serial: Serial) {
        let Some((true, home)) = self
            .requests
            .get(serial)
            .map(|request| (request.attached, request.home))
        else {
            return;
        };
        self.sessions.leave(home);
        self.requests.detach(serial);
    }

    fn end_task(&mut self, serial: TaskSerial, why: &Why) {
        if let Some(task) = self.tasks.take(serial) {
            let ending = why.ending(Some(draft::clipped(&task.id)));
            self.push_task_end(task, ending);
        }
    }

    fn push_task_end(&mut self, task: task::Task, ending: Ending) {
        let server = self.server_facts(task.home, task.revision.as_ref());
        self.outbox.push_back(Output::End(Box::new(End {
            call: task.call,
            requested_at: task.at,
            ending,
            server,
            chain: task.chain,
            cancel_text: None,
        })));
    }

    /// The time of a task is over.
    fn expire_task(&mut self, serial: TaskSerial) {
        let clock = self
            .tasks
            .get(serial)
            .and_then(|task| task.deadline)
            .map(|(_, clock)| clock);
        match clock {
            Some(Clock::Final(TaskStatus::Completed)) => {
                let Some(task) = self.tasks.take(serial) else {
                    return;
                };
                let mut ending = Why {
                    absent: "result never fetched",
                    ..Why::new(Reason::Ok)
                }
                .ending(Some(draft::clipped(&task.id)));
                ending.status.code = StatusCode::Success;
                self.push_task_end(task, ending);
            }
            Some(Clock::Final(
                TaskStatus::Failed | TaskStatus::Running | TaskStatus::Cancelled,
            )) => {
                let why = Why {
                    absent: "result never fetched",
                    ..Why::new(Reason::TaskFailed)
                };
                self.end_task(serial, &why);
            }
            Some(Clock::CancelAsked) => self.end_task(serial, &Why::new(Reason::Cancelled)),
            Some(Clock::TimeToLive) | None => self.end_task(serial, &Why::new(Reason::Timeout)),
        }
    }

    /// Makes room in the in-flight table.
    fn make_room(&mut self, now: Moment) {
        while self.requests.len() >= self.config.limits.calls_open_max {
            let Some(serial) = self.requests.oldest() else {
                return;
            };
            let call = self.requests.get(serial).and_then(Request::call);
            self.limit(now, call, "calls-open");
            self.end_request(serial, &Why::new(Reason::OutcomeUnknown), true);
        }
    }

    fn limit(&mut self, now: Moment, call: Option<CallId>, which: &'static str) {
        let about = About {
            call,
            ..About::default()
        };
        self.anomaly(now, about, Code::Limit, Facts::new().word("which", which));
    }

    fn anomaly(&mut self, at: Moment, about: About, code: Code, facts: Facts) {
        let max = self.config.limits.anomalies_per_minute_max;
        if self.rates.admit(code.as_str(), at.mono_us, max) {
            self.push_anomaly(at, about, code, facts);
        }
    }

    fn push_anomaly(&mut self, at: Moment, about: About, code: Code, facts: Facts) {
        let session = about
            .home
            .and_then(|home| self.sessions.get(home))
            .map(|session| session.id.clone());
        let anomaly = Anomaly {
            code: code.as_str().into(),
            server: self.config.server_id.clone(),
            session: Fact::from_option(session, "no session known"),
            direction: Fact::from_option(about.direction, "of neither"),
            facts: facts.into_map(),
        };
        self.outbox.push_back(Output::Record(Record {
            at,
            call: about.call,
            body: Body::Anomaly(anomaly),
        }));
    }

    /// Records how many anomalies and failures were not recorded one by one.
    fn tell_suppressed(&mut self, now: Moment, all: bool) {
        for (kind, count) in self.rates.take_suppressed(now.mono_us, all) {
            let facts = Facts::new()
                .word("which", "per-minute")
                .word("code", kind)
                .number("suppressed", count);
            self.push_anomaly(now, About::default(), Code::Limit, facts);
        }
    }

    /// Field 4 as known now: what this conversation knows, else what the route knows.
    fn server_facts(&self, home: SessionKey, revision: Option<&Revision>) -> Server {
        let peers = self.sessions.get(home).map(|session| &session.peers);
        let server = peers
            .and_then(|peers| peers.server.as_ref())
            .or(self.server.as_ref());
        let revision = revision.or_else(|| peers.and_then(|peers| peers.revision.as_ref()));
        let name = server.and_then(|server| server.name.clone());
        let version = server.and_then(|server| server.version.clone());
        Server {
            id: self.config.server_id.clone(),
            name: Fact::from_option(name, "no serverInfo seen"),
            version: Fact::from_option(version, "no serverInfo seen"),
            protocol: Fact::from_option(
                revision.map(|r| r.as_str().to_owned()),
                "no revision seen",
            ),
            transport: self.config.transport,
        }
    }

    /// A keyed commitment to a raw JSON value; to the value of a string, however it is escaped.
    fn commit_text(&self, label: &'static str, raw: &[u8]) -> Commitment {
        let text = scan::unescape_bytes(raw);
        self.key.commit(label, text.as_deref().unwrap_or(raw))
    }

    // --- sessions ---

    /// The home of a message that came this way, made if there is none.
    fn home(&mut self, now: Moment, via: &Via, era: Era, client: Option<&str>) -> SessionKey {
        let name = view::home_name(via, era, client, &self.key);
        self.session(now, via, name)
    }

    /// The home of a message that came this way, if it is known; of any era.
    fn known_home(&self, via: &Via) -> Option<SessionKey> {
        let mut requests = via
            .exchange
            .into_iter()
            .flat_map(|exchange| self.requests.of_exchange(exchange));
        let of_request = requests.next().map(|(_, request)| request.home);
        of_request.or_else(|| {
            self.sessions
                .find(&view::home_name(via, Era::Legacy, None, &self.key))
        })
    }

    fn session(&mut self, now: Moment, via: &Via, name: Name) -> SessionKey {
        if self.sessions.find(&name).is_some() {
            return self.sessions.resolve(name, now.mono_us, String::new);
        }
        let minted = CallId::from_parts(now.utc_us, self.mint.ulid_entropy());
        let id = name
            .given()
            .map_or_else(|| minted.to_string(), str::to_owned);
        let key = self.sessions.resolve(name, now.mono_us, || id);
        if let Some(session) = self.sessions.get_mut(key) {
            session.client_address = via.headers.client_address.as_deref().map(draft::clipped);
        }
        if let Some(surplus) = self.sessions.surplus(self.config.limits.sessions_max, key) {
            self.limit(now, None, "sessions");
            self.end_session(now, surplus, Reason::NoResponse);
            self.sessions.remove(surplus);
        }
        key
    }

    /// Records that a session began, once.
    fn start_session(&mut self, now: Moment, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        if !std::mem::replace(&mut session.started, true) {
            self.push_session(now, key, "start");
        }
    }

    /// Ends a session: what waits in it on no open stream ends, and its end is recorded if its start
    /// was. A name that cannot come again is forgotten.
    fn end_session(&mut self, now: Moment, key: SessionKey, reason: Reason) {
        let orphans: Vec<_> = self
            .requests
            .of_home(key)
            .filter(|(_, request)| !request.attached)
            .map(|(serial, _)| serial)
            .collect();
        for serial in orphans {
            self.end_request(serial, &Why::new(reason), true);
        }
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let inferred = matches!(session.name, Name::Inferred(_));
        if std::mem::replace(&mut session.started, false) {
            self.push_session(now, key, "end");
        }
        if inferred {
            self.sessions.remove(key);
        }
    }

    fn push_session(&mut self, at: Moment, key: SessionKey, phase: &'static str) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let peers = &session.peers;
        let revision = peers
            .revision
            .as_ref()
            .map(|revision| revision.as_str().to_owned());
        let info = SessionInfo {
            phase: phase.into(),
            id: session.id.clone(),
            origin: session.name.origin(),
            server: self.config.server_id.clone(),
            transport: self.config.transport,
            protocol: Fact::from_option(revision, "no revision seen"),
            client: Fact::from_option(peers.client.clone(), "no clientInfo seen"),
            client_address: Fact::from_option(session.client_address.clone(), "no address"),
            os_user: self.config.process.os_user.clone(),
            command: self.config.process.command.clone(),
            binary: self.config.process.binary.clone(),
        };
        self.outbox.push_back(Output::Record(Record {
            at,
            call: None,
            body: Body::Session(Box::new(info)),
        }));
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
