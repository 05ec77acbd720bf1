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
    pub(super) fn of(era: Era, home: SessionKey, name: &Name, exchange: Option<ExchangeId>) -> Self {
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

/// Response heads of open exchanges.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    heads: BTreeMap<ExchangeId, ResponseHead>,
}

impl Exchanges {
    /// Keeps a head; returns whether the oldest had to be forgotten for it.
    pub(super) fn insert(&mut self, exchange: ExchangeId, head: ResponseHead, max: usize) -> bool {
        self.heads.insert(exchange, head);
        let over = self.heads.len() > max;
        if over {
            self.heads.pop_first();
        }
        over
    }

    pub(super) fn head(&self, exchange: ExchangeId) -> Option<&ResponseHead> {
        self.heads.get(&exchange)
    }

    /// The status, where it is an error.
    pub(super) fn error_status(&self, exchange: Option<ExchangeId>) -> Option<u16> {
        let status = self.head(exchange?)?.status;
        (status >= 300).then_some(status)
    }

    pub(super) fn remove(&mut self, exchange: ExchangeId) -> Option<ResponseHead> {
        self.heads.remove(&exchange)
    }

    pub(super) fn clear(&mut self) {
        self.heads.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.heads.len()
    }
}
