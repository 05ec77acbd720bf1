//! Finding, starting and ending the conversations that messages belong to.

use affiant_entry::call::{Reason, Server};
use affiant_entry::record::{Body, SessionInfo};
use affiant_entry::{CallId, Fact, Moment, Record};

use super::closing::Why;
use super::draft::clipped;
use super::revision::{Era, Revision};
use super::session::{Name, SessionKey};
use super::via::Via;
use super::{Mint, Output, Tracker, view};

impl<M: Mint> Tracker<M> {
    /// Field 4 as known now: what this conversation knows, else what the route knows.
    pub(super) fn server_facts(&self, home: SessionKey, revision: Option<&Revision>) -> Server {
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

    /// The home of a message that came this way, made if there is none.
    pub(super) fn home(
        &mut self,
        now: Moment,
        via: &Via,
        era: Era,
        client: Option<&str>,
    ) -> SessionKey {
        let name = view::home_name(via, era, client, &self.key);
        self.session(now, via, name)
    }

    /// The home of a message that came this way, if it is known; of any era.
    pub(super) fn known_home(&self, via: &Via) -> Option<SessionKey> {
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

    pub(super) fn session(&mut self, now: Moment, via: &Via, name: Name) -> SessionKey {
        if self.sessions.find(&name).is_some() {
            return self.sessions.resolve(name, now.mono_us, String::new);
        }
        let minted = CallId::from_parts(now.utc_us, self.mint.ulid_entropy());
        let id = name
            .given()
            .map_or_else(|| minted.to_string(), str::to_owned);
        let key = self.sessions.resolve(name, now.mono_us, || id);
        if let Some(session) = self.sessions.get_mut(key) {
            session.client_address = via.headers.client_address.as_deref().map(clipped);
        }
        if let Some(surplus) = self.sessions.surplus(self.config.limits.sessions_max, key) {
            self.limit(now, None, "sessions");
            self.end_session(now, surplus, Reason::NoResponse);
            self.sessions.remove(surplus);
        }
        key
    }

    /// Records that a session began, once.
    pub(super) fn start_session(&mut self, now: Moment, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        if !std::mem::replace(&mut session.started, true) {
            self.push_session(now, key, "start");
        }
    }

    /// Ends a session: what waits in it on no open stream ends, and its end is recorded if its start
    /// was. A name that cannot come again is forgotten.
    pub(super) fn end_session(&mut self, now: Moment, key: SessionKey, reason: Reason) {
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

    pub(super) fn push_session(&mut self, at: Moment, key: SessionKey, phase: &'static str) {
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
}
