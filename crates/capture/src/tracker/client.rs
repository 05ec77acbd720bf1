//! What clients send: requests, notifications, and answers to the server's own requests.

use affiant_entry::call::{Chain, Reason};
use affiant_entry::record::Direction;
use affiant_entry::{CallId, Moment, Unredacted};

use super::anomaly::{Code, Facts};
use super::chain::Key;
use super::closing::Why;
use super::draft::{Place, tool_name};
use super::manifest::Listing;
use super::pairing::{OpenCall, Request, Serial, What};
use super::revision::{Era, Revision};
use super::scope::Scope;
use super::session::SessionKey;
use super::task::Clock;
use super::telling::About;
use super::via::Via;
use super::view::Speech;
use super::{Disposition, Mint, Output, Seen, Tracker, view};
use crate::message::{IdKind, Invalid, Kind, RpcId};
use crate::scan::{JsonKind, Slot};

impl<M: Mint> Tracker<M> {
    /// A message from the client to the server; `via` says how it came.
    ///
    /// Whatever else is wrong with it, a message whose `method` is `tools/call` is a call: some
    /// server may take it as one.
    pub fn handle_client_message(&mut self, now: Moment, via: &Via, message: &Seen) -> Disposition {
        let is_call = message.method.as_deref() == Some("tools/call");
        match message.kind {
            // The text as a whole is reported as malformed.
            Kind::Invalid(Invalid::Incomplete) => Disposition::Pass,
            Kind::Request | Kind::Notification | Kind::Invalid(_) if is_call => {
                Disposition::Hold(vec![self.handle_call(now, via, message)])
            }
            Kind::Request => {
                self.handle_request(now, via, message);
                Disposition::Pass
            }
            Kind::Notification => {
                self.handle_client_notification(now, via, message);
                Disposition::Pass
            }
            Kind::Response | Kind::Error => {
                self.flag_client_message(
                    now,
                    About {
                        home: self.known_home(via),
                        ..About::default()
                    },
                    via,
                    message,
                );
                Disposition::Pass
            }
            Kind::Invalid(_) => {
                let about = About {
                    home: self.known_home(via),
                    call: None,
                    direction: Some(Direction::ClientToServer),
                };
                self.anomaly(
                    now,
                    about,
                    Code::NotJsonRpc,
                    Facts::new().number("bytes", message.bytes),
                );
                self.flag_client_message(now, about, via, message);
                Disposition::Pass
            }
        }
    }

    fn handle_call(&mut self, now: Moment, via: &Via, message: &Seen) -> CallId {
        let speech = Speech::of(via, message);
        let home = self.home(now, via, speech.era, speech.client.as_deref());
        let id = answerable_id(message);
        let scope = self.scope(speech.era, home, via);
        let reused = self.supersede(scope, id.as_ref());
        self.make_room(now);

        let call = CallId::from_parts(now.utc_us, self.mint.ulid_entropy());
        let session = self.recorded_session(now, via, message, home, &speech);
        let name = view::bounded(&tool_name(message).unwrap_or_default(), &self.key);
        let chain = self.continued_chain(message, &name, home);
        let revision = speech.revision.or_else(|| self.spoken_revision(via, home));
        let place = Place {
            home,
            session,
            revision: revision.as_ref(),
            client: speech.client.as_deref(),
            chain,
        };
        let draft = self.draft(now, via, message, &place);
        self.outbox.push_back(Output::Begin {
            call,
            at: now,
            draft: Box::new(draft),
        });

        let about = About {
            home: Some(home),
            call: Some(call),
            direction: Some(Direction::ClientToServer),
        };
        if let Some(superseded) = reused {
            let facts = Facts::new().identifier("superseded", &superseded.to_string());
            self.anomaly(now, about, Code::IdReused, facts);
        }
        self.flag_call(now, about, message, id.is_some());
        self.flag_client_message(now, about, via, message);

        let asked = OpenCall {
            call,
            at: now,
            name,
            revision,
            task_asked: message.json_kind(Slot::ParamsTask) == Some(JsonKind::Object),
            chain,
        };
        let deadline_us = self
            .config
            .call_timeout_us
            .map(|timeout_us| now.mono_us.saturating_add(timeout_us));
        let answerable = id.is_some();
        let request = Request {
            id,
            scope,
            home,
            session,
            exchange: via.exchange,
            attached: true,
            era: speech.era,
            progress: message.rpc_id(Slot::ParamsMetaProgressToken),
            deadline_us,
            what: What::Call(asked),
        };
        let serial = self.insert_request(request);
        if !answerable {
            self.end_request(
                serial,
                &Why {
                    absent: "no id to answer",
                    ..Why::new(Reason::NoResponse)
                },
                false,
            );
        }
        call
    }

    fn handle_request(&mut self, now: Moment, via: &Via, message: &Seen) {
        let speech = Speech::of(via, message);
        let home = self.home(now, via, speech.era, speech.client.as_deref());
        let about = About {
            home: Some(home),
            call: None,
            direction: Some(Direction::ClientToServer),
        };
        self.flag_client_message(now, about, via, message);
        let Some(id) = answerable_id(message) else {
            return;
        };
        let scope = self.scope(speech.era, home, via);
        if let Some(superseded) = self.supersede(scope, Some(&id)) {
            let about = About {
                call: Some(superseded),
                ..about
            };
            self.anomaly(now, about, Code::IdReused, Facts::new());
        }
        self.make_room(now);
        let what = self.asked(now, via, message, home);
        if matches!(what, What::Initialize(_) | What::Discover) {
            self.learn_client(home, &what, &speech);
        }
        self.insert_request(Request {
            id: Some(id),
            scope,
            home,
            session: home,
            exchange: via.exchange,
            attached: true,
            era: speech.era,
            progress: None,
            deadline_us: None,
            what,
        });
    }

    /// What a request other than a call asks for.
    fn asked(&mut self, now: Moment, via: &Via, message: &Seen, home: SessionKey) -> What {
        let task = message
            .text(Slot::ParamsTaskId)
            .map(|id| view::bounded(&id, &self.key));
        match (message.method.as_deref().unwrap_or_default(), task) {
            ("initialize", _) => What::Initialize(
                message
                    .raw(Slot::ParamsClientInfo)
                    .and_then(view::client_name),
            ),
            ("server/discover", _) => What::Discover,
            ("tools/list", _) if message.truncated(Slot::ParamsCursor) => What::Other,
            ("tools/list", _) => {
                let cursor = message
                    .raw(Slot::ParamsCursor)
                    .filter(|raw| *raw != b"null");
                let cursor = cursor.map(|raw| self.commit_text("cursor", raw));
                What::ToolsList(Listing::new(via.headers.token.as_ref(), cursor.as_ref()))
            }
            ("tasks/get", Some(task)) => What::TaskStatus(task),
            ("tasks/result", Some(task)) => What::TaskResult(task),
            ("tasks/cancel", Some(task)) => {
                if let Some(serial) = self.tasks.find(&task, home) {
                    let deadline_us = now
                        .mono_us
                        .saturating_add(self.config.limits.task_result_grace_us);
                    self.tasks
                        .expect_end(serial, deadline_us, Clock::CancelAsked);
                }
                What::TaskStatus(task)
            }
            _ => What::Other,
        }
    }

    fn handle_client_notification(&mut self, now: Moment, via: &Via, message: &Seen) {
        let speech = Speech::of(via, message);
        let home = self.home(now, via, speech.era, speech.client.as_deref());
        let about = About {
            home: Some(home),
            call: None,
            direction: Some(Direction::ClientToServer),
        };
        self.flag_client_message(now, about, via, message);
        if message.method.as_deref() != Some("notifications/cancelled") {
            return;
        }
        let Some(id) = message.rpc_id(Slot::ParamsRequestId) else {
            return;
        };
        let Some(serial) = self.find_cancelled(via, home, &id) else {
            return;
        };
        let cancel_text = message
            .raw(Slot::ParamsReason)
            .map(|raw| Unredacted::new(raw.to_vec()));
        self.end_request(
            serial,
            &Why {
                cancel_text,
                ..Why::new(Reason::Cancelled)
            },
            true,
        );
    }

    /// The request a cancellation means. Where ids live in exchanges, the notification comes in
    /// another one: then it means the only request of that id of what looks like the same client.
    fn find_cancelled(&self, via: &Via, home: SessionKey, id: &RpcId) -> Option<Serial> {
        if let Some(serial) = self.requests.find(Scope::Home(home), id) {
            return Some(serial);
        }
        via.exchange?;
        let mut same = self
            .requests
            .of_home(home)
            .filter(|(_, request)| request.id.as_ref() == Some(id));
        let found = same.next().map(|(serial, _)| serial);
        found.filter(|_| same.next().is_none())
    }

    /// A request takes the id of one in flight: that one ends. Returns its call. Where requests have
    /// streams of their own, an answer may still come on that of the first, and is then late.
    fn supersede(&mut self, scope: Scope, id: Option<&RpcId>) -> Option<CallId> {
        let id = id?;
        let serial = self.requests.find(scope, id)?;
        let request = self.requests.get(serial)?;
        let (call, exchange) = (request.call(), request.exchange);
        self.end_request(serial, &Why::new(Reason::Superseded), false);
        if let Some(own) = exchange.map(Scope::Exchange).filter(|own| *own != scope) {
            self.ended
                .push(own, id.clone(), call, self.config.limits.ended_max);
        }
        call
    }

    fn insert_request(&mut self, request: Request) -> Serial {
        for session in request.sessions() {
            self.sessions.enter(session);
        }
        self.requests.insert(request)
    }

    fn scope(&self, era: Era, home: SessionKey, via: &Via) -> Scope {
        match (self.sessions.get(home), via.exchange) {
            (Some(session), exchange) => Scope::of(era, home, &session.name, exchange),
            (None, Some(exchange)) => Scope::Exchange(exchange),
            (None, None) => Scope::Home(home),
        }
    }

    /// The revision of a request that does not carry it: the one agreed, else the header's.
    fn spoken_revision(&self, via: &Via, home: SessionKey) -> Option<Revision> {
        let agreed = self
            .sessions
            .get(home)
            .and_then(|home| home.peers.revision.clone());
        agreed.or_else(|| via.headers.protocol_version.as_deref().map(Revision::new))
    }

    /// The session an entry names, its start recorded.
    fn recorded_session(
        &mut self,
        now: Moment,
        via: &Via,
        message: &Seen,
        home: SessionKey,
        speech: &Speech,
    ) -> SessionKey {
        let Some(home_session) = self.sessions.get_mut(home) else {
            return home;
        };
        let peers = &mut home_session.peers;
        if speech.client.is_some() {
            peers.client.clone_from(&speech.client);
        }
        if speech.revision.is_some() {
            peers.revision.clone_from(&speech.revision);
        }
        let peers = peers.clone();
        let own_id = home_session.name.has_protocol_id();
        let named = if own_id {
            None
        } else {
            view::named_session(via, message, &self.config.session_meta_keys, &self.key)
        };
        let session = named.map_or(home, |name| self.session(now, via, name));
        if session != home
            && let Some(named) = self.sessions.get_mut(session)
        {
            named.peers = peers;
        }
        self.start_session(now, session);
        session
    }

    fn learn_client(&mut self, home: SessionKey, what: &What, speech: &Speech) {
        let client = if let What::Initialize(client) = what {
            client
        } else {
            &speech.client
        };
        let Some(session) = self.sessions.get_mut(home) else {
            return;
        };
        if let Some(client) = client {
            session.peers.client = Some(client.clone());
        }
        if let Some(revision) = &speech.revision {
            session.peers.revision = Some(revision.clone());
        }
    }

    /// The place of a call that continues an earlier round.
    fn continued_chain(&self, message: &Seen, name: &str, home: SessionKey) -> Option<Chain> {
        let state = message
            .raw(Slot::ParamsRequestState)
            .map(|raw| self.commit_text("request-state", raw));
        let continues = state.is_some() || message.json_kind(Slot::ParamsInputResponses).is_some();
        if !continues {
            return None;
        }
        self.chains.follow(&Key::new(name, state.as_ref(), home))
    }

    fn flag_call(&mut self, now: Moment, about: About, message: &Seen, answerable: bool) {
        if !answerable {
            self.anomaly(now, about, Code::CallWithoutId, Facts::new());
        }
        if matches!(message.kind, Kind::Invalid(_)) {
            self.anomaly(
                now,
                about,
                Code::NotJsonRpc,
                Facts::new().number("bytes", message.bytes),
            );
        }
        if message.json_kind(Slot::ParamsName) != Some(JsonKind::String) {
            self.anomaly(now, about, Code::MissingName, Facts::new());
        }
        if message
            .json_kind(Slot::ParamsArguments)
            .is_some_and(|kind| kind != JsonKind::Object)
        {
            self.anomaly(now, about, Code::ArgumentsNotObject, Facts::new());
        }
    }

    fn flag_client_message(&mut self, now: Moment, about: About, via: &Via, message: &Seen) {
        let about = About {
            direction: Some(Direction::ClientToServer),
            ..about
        };
        for (flag, offset) in message.flags.iter() {
            self.anomaly(
                now,
                about,
                Code::from(flag),
                Facts::new().number("offset", offset),
            );
        }
        let has_method = message.method.is_some();
        if let Some(header) = view::header_mismatch(via, message).filter(|_| has_method) {
            self.anomaly(
                now,
                about,
                Code::HeaderMismatch,
                Facts::new().word("header", header),
            );
        }
    }
}

/// The id under which a request can be answered. MCP forbids `null`.
fn answerable_id(message: &Seen) -> Option<RpcId> {
    message.id.clone().filter(|id| id.kind() != IdKind::Null)
}
