//! What servers send: answers, notifications, and requests of their own.

use affiant_entry::call::{Chain, Reason, Status, StatusCode};
use affiant_entry::record::{Body, Direction};
use affiant_entry::{Moment, Record};

use super::anomaly::{Code, Facts};
use super::chain::Key;
use super::ending::{Answer, answered, malformed};
use super::manifest::{Listing, PageError};
use super::pairing::{OpenCall, Request, Serial, What};
use super::revision::Revision;
use super::scope::{Known, Scope};
use super::session::{Name, SessionKey};
use super::telling::About;
use super::via::{StreamKind, Via};
use super::{End, Mint, Output, Seen, Tracker, view};
use crate::message::{IdKind, Invalid, Kind, RpcId};
use crate::scan::Slot;

impl<M: Mint> Tracker<M> {
    /// A message from the server to the client. `via` tells the stream it came on, with the headers
    /// of that exchange's request.
    pub fn handle_server_message(&mut self, now: Moment, via: &Via, message: &Seen) {
        let home = self.known_home(via);
        let about = About {
            home,
            call: None,
            direction: Some(Direction::ServerToClient),
        };
        for (flag, offset) in message.flags.iter() {
            self.anomaly(
                now,
                about,
                Code::from(flag),
                Facts::new().number("offset", offset),
            );
        }
        match message.kind {
            // The text as a whole is reported as malformed. Requests of the server have an id space
            // of their own, and are no calls.
            Kind::Invalid(Invalid::Incomplete) | Kind::Request => {}
            Kind::Response | Kind::Error => self.handle_answer(now, via, message, about),
            Kind::Invalid(Invalid::Ambiguous) if message.method.is_none() => {
                self.anomaly(
                    now,
                    about,
                    Code::ResultAndError,
                    Facts::new().number("bytes", message.bytes),
                );
                self.handle_answer(now, via, message, about);
            }
            Kind::Invalid(_) => {
                self.anomaly(
                    now,
                    about,
                    Code::NotJsonRpc,
                    Facts::new().number("bytes", message.bytes),
                );
            }
            Kind::Notification => self.handle_server_notification(now, via, message, home),
        }
    }

    fn handle_answer(&mut self, now: Moment, via: &Via, message: &Seen, about: About) {
        let Some(id) = message.id.as_ref().filter(|id| id.kind() != IdKind::Null) else {
            self.handle_answer_without_id(now, via, message, about);
            return;
        };
        if let Some(request) = self
            .find_asked(via, id, about.home)
            .and_then(|serial| self.take_request(serial))
        {
            self.learn_server(request.home, message);
            self.settle(now, via, message, request);
            return;
        }
        let scopes = [
            about.home.map(Scope::Home),
            via.exchange.map(Scope::Exchange),
        ];
        let ended = scopes
            .into_iter()
            .flatten()
            .find_map(|scope| self.ended.take(scope, id));
        let facts = id_facts(id);
        match ended {
            Some(Some(call)) => self.anomaly(
                now,
                About {
                    call: Some(call),
                    ..about
                },
                Code::LateResponse,
                facts,
            ),
            Some(None) => {}
            None => self.anomaly(now, about, Code::UnknownResponseId, facts),
        }
    }

    /// An error whose request the server could not read, or would not: over HTTP it belongs to the
    /// calls of its exchange.
    fn handle_answer_without_id(&mut self, now: Moment, via: &Via, message: &Seen, about: About) {
        let in_exchange: Vec<Serial> = match via.exchange {
            Some(exchange) => self
                .requests
                .of_exchange(exchange)
                .map(|(serial, _)| serial)
                .collect(),
            None => Vec::new(),
        };
        let failed = self
            .exchanges
            .get(via.exchange)
            .is_some_and(|known| known.error_status().is_some());
        let belongs = message.kind == Kind::Error && (failed || in_exchange.len() == 1);
        if in_exchange.is_empty() || !belongs {
            self.anomaly(
                now,
                about,
                Code::ResponseWithoutId,
                Facts::new().number("bytes", message.bytes),
            );
            return;
        }
        for serial in in_exchange {
            if let Some(request) = self.take_request(serial) {
                self.settle(now, via, message, request);
            }
        }
    }

    /// The request that an answer on this stream belongs to.
    fn find_asked(&self, via: &Via, id: &RpcId, home: Option<SessionKey>) -> Option<Serial> {
        let own = via.exchange.filter(|_| via.stream == StreamKind::Post);
        let of_own = own.and_then(|own| self.requests.find_respelled(Scope::Exchange(own), id));
        if of_own.is_some() {
            return of_own;
        }
        let home = home?;
        let of_home = self.requests.find_respelled(Scope::Home(home), id);
        let serial = of_home.or_else(|| self.find_resumed(via, id, home))?;
        let request = self.requests.get(serial)?;
        // An answer on another request's stream is taken only if its own stream is gone.
        let elsewhere = own.is_some() && request.attached && request.exchange != own;
        (!elsewhere).then_some(serial)
    }

    /// Without a session, a GET that resumes a stream may carry the answer to the only request of
    /// that id of what looks like the same client.
    fn find_resumed(&self, via: &Via, id: &RpcId, home: SessionKey) -> Option<Serial> {
        if via.stream != StreamKind::Get {
            return None;
        }
        let mut same = self
            .requests
            .of_home(home)
            .filter(|(_, request)| request.id.as_ref() == Some(id) && !request.attached);
        let found = same.next().map(|(serial, _)| serial);
        found.filter(|_| same.next().is_none())
    }

    /// Server information that any result may carry.
    fn learn_server(&mut self, home: SessionKey, message: &Seen) {
        let raw = message.raw(Slot::ResultMetaServerInfo);
        if let Some(server) = raw.and_then(view::implementation) {
            if let Some(session) = self.sessions.get_mut(home) {
                session.peers.server = Some(server.clone());
            }
            self.server = Some(server);
        }
    }

    fn settle(&mut self, now: Moment, via: &Via, message: &Seen, request: Request) {
        let home = request.home;
        match request.what {
            What::Call(call) => {
                let http_status = self
                    .exchanges
                    .get(via.exchange)
                    .and_then(Known::error_status);
                self.settle_call(now, message, home, call, http_status);
            }
            What::Initialize(client) => self.settle_initialize(now, via, message, home, client),
            What::Discover => {
                if message.kind == Kind::Response {
                    self.start_session(now, home);
                }
            }
            What::ToolsList(listing) => self.settle_tools(now, message, home, listing),
            What::TaskStatus(task) => self.settle_task_status(now, message, home, &task),
            What::TaskResult(task) => self.settle_task_result(now, message, home, &task),
            What::Other => {}
        }
    }

    fn settle_call(
        &mut self,
        now: Moment,
        message: &Seen,
        home: SessionKey,
        call: OpenCall,
        http_status: Option<u16>,
    ) {
        let about = About {
            home: Some(home),
            call: Some(call.call),
            direction: Some(Direction::ServerToClient),
        };
        let mut chain = call.chain;
        let mut status = match Answer::read(message, call.task_asked) {
            Answer::Final(status) => status,
            Answer::Extension(status) => {
                self.anomaly(now, about, Code::UnknownResultType, Facts::new());
                status
            }
            Answer::Malformed => {
                self.anomaly(
                    now,
                    about,
                    Code::MalformedResponse,
                    Facts::new().number("bytes", message.bytes),
                );
                malformed()
            }
            Answer::InputRequired => {
                chain = Some(self.note_round(now, message, home, &call));
                Status::new(StatusCode::Success, Reason::InputRequired)
            }
            Answer::Task(id) => {
                let id = view::bounded(&id, &self.key);
                return self.make_task(now, message, home, call, id);
            }
        };
        status.http_status = http_status;
        let ending = answered(now, call.at, message, status);
        let server = self.server_facts(home, call.revision.as_ref());
        self.outbox.push_back(Output::End(Box::new(End {
            call: call.call,
            requested_at: call.at,
            ending,
            server,
            chain,
            cancel_text: None,
        })));
    }

    fn note_round(
        &mut self,
        now: Moment,
        message: &Seen,
        home: SessionKey,
        call: &OpenCall,
    ) -> Chain {
        let state = message
            .raw(Slot::ResultRequestState)
            .map(|raw| self.commit_text("request-state", raw));
        let key = Key::new(&call.name, state.as_ref(), home);
        let (place, evicted) =
            self.chains
                .ask(key, call.call, call.chain, self.config.limits.chains_max);
        if evicted {
            self.limit(now, None, "chains");
        }
        place
    }

    fn settle_initialize(
        &mut self,
        now: Moment,
        via: &Via,
        message: &Seen,
        home: SessionKey,
        client: Option<String>,
    ) {
        if message.kind != Kind::Response {
            return;
        }
        let given = self
            .exchanges
            .get(via.exchange)
            .and_then(|known| known.head.session_id.clone());
        let home = match given {
            Some(id) => self.session(now, via, Name::Header(view::bounded(&id, &self.key))),
            None => home,
        };
        let server = message
            .raw(Slot::ResultServerInfo)
            .and_then(view::implementation);
        let revision = message
            .text(Slot::ResultProtocolVersion)
            .map(|text| Revision::new(&text));
        if server.is_some() {
            self.server.clone_from(&server);
        }
        if let Some(session) = self.sessions.get_mut(home) {
            let peers = &mut session.peers;
            peers.server = server.or_else(|| peers.server.take());
            peers.revision = revision.or_else(|| peers.revision.take());
            peers.client = client.or_else(|| peers.client.take());
        }
        self.start_session(now, home);
    }

    fn settle_tools(&mut self, now: Moment, message: &Seen, home: SessionKey, listing: Listing) {
        if message.kind != Kind::Response {
            return;
        }
        let about = About {
            home: Some(home),
            call: None,
            direction: Some(Direction::ServerToClient),
        };
        let Some(tools) = message.raw(Slot::ResultTools) else {
            let code = if message.truncated(Slot::ResultTools) {
                Code::Limit
            } else {
                Code::ManifestUnreadable
            };
            self.anomaly(
                now,
                about,
                code,
                Facts::new().word("which", "manifest-bytes"),
            );
            return;
        };
        if message.truncated(Slot::ResultNextCursor) {
            self.limit(now, None, "manifest-cursor");
            return;
        }
        let next = message
            .raw(Slot::ResultNextCursor)
            .filter(|raw| *raw != b"null");
        let next = next.map(|raw| self.commit_text("cursor", raw));
        let limits = (
            self.config.limits.manifest_tools_max,
            self.config.limits.manifests_max,
        );
        let audience = Some(listing.audience.clone());
        match self.manifests.page(
            &self.config.server_id,
            listing,
            tools,
            next.as_ref(),
            limits,
        ) {
            Ok(page) => {
                if let (true, Some(session)) = (page.complete, self.sessions.get_mut(home)) {
                    session.audience = audience;
                }
                if let Some(manifest) = page.manifest {
                    let body = Body::Manifest(Box::new(manifest));
                    self.outbox.push_back(Output::Record(Record {
                        at: now,
                        call: None,
                        body,
                    }));
                }
                if page.duplicates > 0 {
                    self.anomaly(
                        now,
                        about,
                        Code::DuplicateTool,
                        Facts::new().number("tools", page.duplicates),
                    );
                }
                if page.evicted {
                    self.limit(now, None, "manifests");
                }
            }
            Err(PageError::Unreadable) => {
                self.anomaly(now, about, Code::ManifestUnreadable, Facts::new())
            }
            Err(PageError::TooMany) => self.limit(now, None, "manifest-tools"),
        }
    }

    fn handle_server_notification(
        &mut self,
        now: Moment,
        via: &Via,
        message: &Seen,
        home: Option<SessionKey>,
    ) {
        match message.method.as_deref() {
            Some("notifications/tasks" | "notifications/tasks/status") => {
                if let Some(home) = home {
                    self.handle_task_status(now, message, home);
                }
            }
            Some("notifications/progress") => self.refresh(now, via, message, home),
            _ => {}
        }
    }

    /// Progress of a call: the time to answer starts anew.
    fn refresh(&mut self, now: Moment, via: &Via, message: &Seen, home: Option<SessionKey>) {
        let Some(timeout_us) = self.config.call_timeout_us else {
            return;
        };
        let Some(token) = message.rpc_id(Slot::ParamsProgressToken) else {
            return;
        };
        let deadline_us = now.mono_us.saturating_add(timeout_us);
        let scopes = [via.exchange.map(Scope::Exchange), home.map(Scope::Home)];
        let _ = scopes
            .into_iter()
            .flatten()
            .any(|scope| self.requests.refresh(scope, &token, deadline_us));
    }
}

/// What an anomaly tells of an id: a number; of a string, which may say anything, only that.
fn id_facts(id: &RpcId) -> Facts {
    let facts = Facts::new();
    match id.kind() {
        IdKind::Number => facts.identifier("id", &id.text()),
        IdKind::String | IdKind::Null => facts.word("id", "string").number(
            "id_bytes",
            u64::try_from(id.raw().len()).unwrap_or(u64::MAX),
        ),
    }
}
