//! Conversations: which one a message belongs to, and what is known of its two ends.
//!
//! Two things are told apart. The *home* of a message is where MCP itself keeps state: the stdio
//! process, the `Mcp-Session-Id`, the HTTP+SSE connection, or, for servers without sessions, what
//! looks like one client. Ids live there and the handshake is remembered there. The *session* that
//! an entry names is the home, unless the client itself says better (`_meta` keys, baggage).

use std::collections::{BTreeMap, BTreeSet};

use affiant_entry::call::SessionOrigin;

use super::manifest::Audience;
use super::revision::Revision;

/// Names a session in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SessionKey(pub(super) u64);

/// How a session was found, and by what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    /// The one stdio process.
    Process,
    /// `Mcp-Session-Id`.
    Header(String),
    /// The endpoint of an HTTP+SSE connection.
    Endpoint(String),
    /// A configured `_meta` key.
    Meta(String),
    /// W3C baggage.
    Baggage(String),
    /// Looks like one client.
    Inferred(Box<Likeness>),
}

/// What makes two messages look like one client's.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Likeness {
    pub(super) token: Option<String>,
    pub(super) client_address: Option<String>,
    pub(super) user_agent: Option<String>,
    /// The client's name, where every request carries it.
    pub(super) client: Option<String>,
}

impl Name {
    pub(super) fn origin(&self) -> SessionOrigin {
        match self {
            Self::Process => SessionOrigin::StdioProcess,
            Self::Header(_) => SessionOrigin::McpSessionId,
            Self::Endpoint(_) => SessionOrigin::SseEndpoint,
            Self::Meta(_) => SessionOrigin::Meta,
            Self::Baggage(_) => SessionOrigin::Baggage,
            Self::Inferred(_) => SessionOrigin::Inferred,
        }
    }

    /// Whether MCP's own transport gave the id.
    pub(super) fn has_protocol_id(&self) -> bool {
        matches!(self, Self::Header(_) | Self::Endpoint(_))
    }

    /// The id, where the peers gave one.
    pub(super) fn given(&self) -> Option<&str> {
        match self {
            Self::Header(id) | Self::Endpoint(id) | Self::Meta(id) | Self::Baggage(id) => Some(id),
            Self::Process | Self::Inferred(_) => None,
        }
    }
}

/// What is known of both ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Peers {
    pub(super) revision: Option<Revision>,
    pub(super) client: Option<String>,
    pub(super) server: Option<Implementation>,
}

/// A name and version, self-reported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Implementation {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
}

/// One conversation.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) name: Name,
    /// As entries name it.
    pub(super) id: String,
    pub(super) peers: Peers,
    pub(super) client_address: Option<String>,
    /// Whose tools were listed here last: tokens change within a conversation.
    pub(super) audience: Option<Audience>,
    /// Its start is recorded, its end is not.
    pub(super) started: bool,
    /// Requests on streams that are open. While there is one, the session does not fall idle.
    busy: u64,
    last_us: u64,
}

/// All conversations of a tracker.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    slots: BTreeMap<SessionKey, Session>,
    by_name: BTreeMap<Name, SessionKey>,
    /// Those that can fall idle, by their last message.
    awake: BTreeSet<(u64, SessionKey)>,
    /// Those that fell idle, but whose name may come again.
    asleep: BTreeSet<(u64, SessionKey)>,
    next: u64,
}

impl Sessions {
    pub(super) fn get(&self, key: SessionKey) -> Option<&Session> {
        self.slots.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.slots.get_mut(&key)
    }

    pub(super) fn find(&self, name: &Name) -> Option<SessionKey> {
        self.by_name.get(name).copied()
    }

    /// The session of that name, made with `id` if there is none; it counts as heard of now.
    pub(super) fn resolve(
        &mut self,
        name: Name,
        now_us: u64,
        id: impl FnOnce() -> String,
    ) -> SessionKey {
        if let Some(key) = self.find(&name) {
            self.touch(key, now_us);
            return key;
        }
        let key = SessionKey(self.next);
        self.next = self.next.wrapping_add(1);
        let process = name == Name::Process;
        self.by_name.insert(name.clone(), key);
        let id = id();
        let peers = Peers::default();
        let session = Session {
            name,
            id,
            peers,
            client_address: None,
            audience: None,
            started: false,
            busy: 0,
            last_us: now_us,
        };
        self.slots.insert(key, session);
        if !process {
            self.awake.insert((now_us, key));
        }
        key
    }

    fn touch(&mut self, key: SessionKey, now_us: u64) {
        let Some(session) = self.slots.get_mut(&key) else {
            return;
        };
        if session.name == Name::Process {
            return;
        }
        let asleep = self.asleep.remove(&(session.last_us, key));
        if asleep || session.last_us != now_us {
            self.awake.remove(&(session.last_us, key));
            session.last_us = now_us;
            self.awake.insert((now_us, key));
        }
    }

    /// A request of the session waits on an open stream.
    pub(super) fn enter(&mut self, key: SessionKey) {
        if let Some(session) = self.slots.get_mut(&key) {
            session.busy = session.busy.saturating_add(1);
        }
    }

    /// It no longer does.
    pub(super) fn leave(&mut self, key: SessionKey) {
        if let Some(session) = self.slots.get_mut(&key) {
            session.busy = session.busy.saturating_sub(1);
        }
    }

    /// When the next session may have fallen idle.
    pub(super) fn deadline_us(&self, idle_us: u64) -> Option<u64> {
        self.awake
            .first()
            .map(|(last_us, _)| last_us.saturating_add(idle_us))
    }

    /// The next session that fell idle, if any. One that waits for an answer on an open stream is
    /// not idle. A name that may come again stays known, asleep.
    pub(super) fn pop_idle(&mut self, now_us: u64, idle_us: u64) -> Option<SessionKey> {
        while let Some(&(last_us, key)) = self.awake.first() {
            if last_us.saturating_add(idle_us) > now_us {
                return None;
            }
            let busy = self.slots.get(&key).is_some_and(|session| session.busy > 0);
            self.awake.remove(&(last_us, key));
            if !busy {
                self.asleep.insert((last_us, key));
                return Some(key);
            }
            if let Some(session) = self.slots.get_mut(&key) {
                session.last_us = now_us;
                self.awake.insert((now_us, key));
            }
        }
        None
    }

    /// The session to give up when there are more than `max`: asleep rather than awake, waiting for
    /// nothing rather than busy, silent for longest, and never `keep`. Two always have room: a message
    /// may have a home and a session.
    pub(super) fn surplus(&self, max: usize, keep: SessionKey) -> Option<SessionKey> {
        if self.slots.len() <= max.max(2) {
            return None;
        }
        let idle = |key: &SessionKey| self.slots.get(key).is_some_and(|session| session.busy == 0);
        let keys = || {
            self.asleep
                .iter()
                .chain(&self.awake)
                .map(|(_, key)| *key)
                .filter(|key| *key != keep)
        };
        keys().find(idle).or_else(|| keys().next())
    }

    pub(super) fn remove(&mut self, key: SessionKey) -> Option<Session> {
        let session = self.slots.remove(&key)?;
        self.by_name.remove(&session.name);
        self.awake.remove(&(session.last_us, key));
        self.asleep.remove(&(session.last_us, key));
        Some(session)
    }

    pub(super) fn keys(&self) -> Vec<SessionKey> {
        self.slots.keys().copied().collect()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }
}

/// The session id W3C baggage names: `session.id` or `mcp.session.id`.
///
/// Reads the list leniently: what is no `key=value` is skipped; percent-encoding is undone.
pub(super) fn baggage_session(baggage: &str) -> Option<String> {
    let value_of = |wanted: &str| {
        baggage.split(',').find_map(|member| {
            let (key, value) = member.split(';').next()?.split_once('=')?;
            (key.trim() == wanted)
                .then(|| percent_decoded(value.trim()))
                .filter(|value| !value.is_empty())
        })
    };
    value_of("session.id").or_else(|| value_of("mcp.session.id"))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = |digit: u8| {
            char::from(digit)
                .to_digit(16)
                .and_then(|n| u8::try_from(n).ok())
        };
        let escaped = match (byte, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        if let Some((high, low)) = escaped {
            bytes.push(high << 4 | low);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn baggage_names_the_session() {
        assert_eq!(
            baggage_session("a=1, session.id=s%201;p=2,mcp.session.id=x").as_deref(),
            Some("s 1")
        );
        assert_eq!(baggage_session("mcp.session.id=x").as_deref(), Some("x"));
        assert_eq!(baggage_session("session.id=,a"), None);
        assert_eq!(
            baggage_session("session.id=%zz%4").as_deref(),
            Some("%zz%4")
        );
    }

    #[test]
    fn an_idle_session_sleeps_and_a_busy_one_does_not() {
        let mut sessions = Sessions::default();
        let key = sessions.resolve(Name::Header("a".to_owned()), 0, String::new);
        let busy = sessions.resolve(Name::Header("b".to_owned()), 0, String::new);
        sessions.enter(busy);
        assert_eq!(sessions.deadline_us(10), Some(10));
        assert_eq!(sessions.pop_idle(9, 10), None);
        assert_eq!(sessions.pop_idle(10, 10), Some(key));
        assert_eq!(sessions.pop_idle(10, 10), None);
        sessions.leave(busy);
        assert_eq!(sessions.pop_idle(20, 10), Some(busy));
        assert_eq!(
            sessions.resolve(Name::Header("a".to_owned()), 21, String::new),
            key,
            "the name is still known"
        );
        assert_eq!(sessions.deadline_us(10), Some(31));
    }

    #[test]
    fn the_session_given_up_is_the_one_silent_longest() {
        let mut sessions = Sessions::default();
        let names = ["a", "b", "c"].map(|id| Name::Meta(id.to_owned()));
        let [a, b, c] =
            [0, 1, 2].map(|n| sessions.resolve(names[n].clone(), n as u64, String::new));
        assert_eq!(sessions.surplus(3, c), None);
        sessions.enter(a);
        assert_eq!(sessions.surplus(2, c), Some(b));
        sessions.enter(b);
        assert_eq!(sessions.surplus(2, c), Some(a));
        sessions.remove(a);
        assert_eq!(sessions.len(), 2);
    }
}
