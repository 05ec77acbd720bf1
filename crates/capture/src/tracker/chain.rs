//! Multi-round-trip requests (2026-07-28): which call continues which.
//!
//! A server that needs more input answers `input_required`, usually with a `requestState`; the client
//! makes a new request with the same name, its answers and exactly that state. The state is opaque
//! and may be secret, so only a keyed commitment to it is kept.

use std::collections::BTreeMap;

use affiant_entry::call::Chain;
use affiant_entry::{CallId, Commitment};

use super::session::SessionKey;

/// Rounds that a client may continue.
#[derive(Debug, Default)]
pub(super) struct Chains {
    rounds: BTreeMap<Key, (u64, Chain)>,
    order: BTreeMap<u64, Key>,
    next: u64,
}

/// What ties a round to the next.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// The tool's name and the commitment to `requestState`.
    State(String, String),
    /// Without a state: the tool's name, in the same conversation.
    Name(String, SessionKey),
}

impl Key {
    pub(super) fn new(name: &str, state: Option<&Commitment>, home: SessionKey) -> Self {
        state.map_or_else(
            || Self::Name(name.to_owned(), home),
            |state| Self::State(name.to_owned(), state.as_str().to_owned()),
        )
    }
}

impl Chains {
    /// The place of a request that continues the round under `key`. The round stays: a client may
    /// repeat its request.
    pub(super) fn follow(&self, key: &Key) -> Option<Chain> {
        let (_, chain) = self.rounds.get(key)?;
        Some(Chain {
            first: chain.first,
            round: chain.round.saturating_add(1),
        })
    }

    /// Notes that `call`, at `place` in its chain, was answered `input_required`. Returns its place,
    /// now known, and whether another round had to be forgotten for it.
    pub(super) fn ask(
        &mut self,
        key: Key,
        call: CallId,
        place: Option<Chain>,
        max: usize,
    ) -> (Chain, bool) {
        let place = place.unwrap_or(Chain {
            first: call,
            round: 1,
        });
        let serial = self.next;
        self.next = self.next.wrapping_add(1);
        if let Some((old, _)) = self.rounds.insert(key.clone(), (serial, place)) {
            self.order.remove(&old);
        }
        self.order.insert(serial, key);
        let mut evicted = false;
        while self.rounds.len() > max {
            let Some((_, oldest)) = self.order.pop_first() else {
                break;
            };
            self.rounds.remove(&oldest);
            evicted = true;
        }
        (place, evicted)
    }

    pub(super) fn clear(&mut self) {
        self.rounds.clear();
        self.order.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rounds.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(n: u128) -> CallId {
        CallId::from_parts(0, n)
    }

    #[test]
    fn rounds_count_up_from_the_first_call_and_the_oldest_is_forgotten() {
        let mut chains = Chains::default();
        let key = |n: u64| Key::Name("t".to_owned(), SessionKey(n));
        assert_eq!(chains.follow(&key(0)), None);
        let (first, _) = chains.ask(key(0), call(1), None, 2);
        assert_eq!(
            first,
            Chain {
                first: call(1),
                round: 1
            }
        );
        let second = chains.follow(&key(0));
        assert_eq!(
            second,
            Some(Chain {
                first: call(1),
                round: 2
            })
        );
        chains.ask(key(0), call(2), second, 2);
        assert_eq!(chains.follow(&key(0)).map(|c| c.round), Some(3));
        assert!(!chains.ask(key(1), call(3), None, 2).1);
        assert!(chains.ask(key(2), call(4), None, 2).1);
        assert_eq!(chains.follow(&key(0)), None);
        assert_eq!(chains.len(), 2);
    }
}
