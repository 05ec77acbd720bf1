//! Within what an id is unique, and what an HTTP exchange is known to be.
//!
//! Ids are per direction and per client. A process and a session with an id of its own are one
//! client each. Without such a session (modern HTTP, stateless legacy HTTP) only the exchange tells
//! clients apart: a request is answered in its own exchange.

use std::collections::BTreeMap;

use super::revision::Era;
use super::session::{Name, SessionKey};
use super::via::{ExchangeId, ResponseHead};

/// Within what a client's ids are unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// One client's conversation.
    Home(SessionKey),
    /// One HTTP exchange.
    Exchange(ExchangeId),
}

impl Scope {
    /// The scope of a request.
    pub(super) fn of(
        era: Era,
        home: SessionKey,
        name: &Name,
        exchange: Option<ExchangeId>,
    ) -> Self {
        let per_home = match name {
            Name::Process | Name::Endpoint(_) => true,
            Name::Header(_) => era == Era::Legacy,
            Name::Meta(_) | Name::Baggage(_) | Name::Inferred(_) => false,
        };
        match exchange {
            Some(exchange) if !per_home => Self::Exchange(exchange),
            Some(_) | None => Self::Home(home),
        }
    }
}

/// What is known of the responses of open exchanges.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    known: BTreeMap<ExchangeId, Known>,
    /// Streams that a session holds open for the server to speak on.
    streams: BTreeMap<ExchangeId, SessionKey>,
}

/// What is known of one response.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) head: ResponseHead,
    /// Part of the body could not be read.
    pub(super) malformed: bool,
}

impl Known {
    /// The status, where it is an error.
    pub(super) fn error_status(&self) -> Option<u16> {
        (self.head.status >= 300).then_some(self.head.status)
    }
}

impl Exchanges {
    /// Keeps a head; returns whether the oldest had to be forgotten for it.
    pub(super) fn insert(&mut self, exchange: ExchangeId, head: ResponseHead, max: usize) -> bool {
        self.known.insert(
            exchange,
            Known {
                head,
                malformed: false,
            },
        );
        let over = self.known.len() > max;
        if over {
            self.known.pop_first();
        }
        over
    }

    /// Keeps an open stream of a session; returns the session whose oldest one had to be forgotten.
    pub(super) fn open_stream(
        &mut self,
        exchange: ExchangeId,
        home: SessionKey,
        max: usize,
    ) -> Option<SessionKey> {
        let before = self.streams.insert(exchange, home);
        let over = self.streams.len() > max;
        before.or_else(|| {
            over.then(|| self.streams.pop_first())
                .flatten()
                .map(|(_, home)| home)
        })
    }

    /// The stream closed; returns its session.
    pub(super) fn close_stream(&mut self, exchange: ExchangeId) -> Option<SessionKey> {
        self.streams.remove(&exchange)
    }

    /// Part of the response could not be read.
    pub(super) fn mark_malformed(&mut self, exchange: ExchangeId) {
        if let Some(known) = self.known.get_mut(&exchange) {
            known.malformed = true;
        }
    }

    pub(super) fn get(&self, exchange: Option<ExchangeId>) -> Option<&Known> {
        self.known.get(&exchange?)
    }

    pub(super) fn remove(&mut self, exchange: ExchangeId) -> Option<Known> {
        self.known.remove(&exchange)
    }

    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.streams.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len().saturating_add(self.streams.len())
    }
}
