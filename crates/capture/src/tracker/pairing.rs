//! Requests of the client that wait for their answer.
//!
//! ```text
//!           insert                       take
//!  request ───────▶ slots (by serial) ───────▶ answered, cancelled, timed out, closed …
//!                     ▲  by_id        (scope, id)      the answer's way in
//!                     │  by_exchange  (exchange)       the closing of a stream
//!                     │  by_home      (conversation)   the end of a conversation
//!                     │  by_call      (call)           a refusal
//!                     │  by_progress  (scope, token)   only with a timeout
//!                     │  deadlines    (time)           only with a timeout
//!                     │  respellable                   ids a server may write otherwise
//! ```
//!
//! Serials count up, so the oldest request is the first. Every index holds exactly the requests in
//! `slots`; [`Requests::take`] is the only way out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use affiant_entry::call::Chain;
use affiant_entry::{CallId, Moment};

use super::manifest::Listing;
use super::revision::{Era, Revision};
use super::scope::Scope;
use super::session::SessionKey;
use super::via::ExchangeId;
use crate::message::{IdKind, RpcId};

/// Number of a request, in the order they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Serial(u64);

/// A request that waits.
#[derive(Debug)]
pub(super) struct Request {
    /// `None` when it cannot be answered by id.
    pub(super) id: Option<RpcId>,
    pub(super) scope: Scope,
    pub(super) home: SessionKey,
    /// The session entries name, which is the home unless the client says better.
    pub(super) session: SessionKey,
    /// The exchange it came in.
    pub(super) exchange: Option<ExchangeId>,
    /// Whether that exchange (or the process) is still open.
    pub(super) attached: bool,
    pub(super) era: Era,
    pub(super) progress: Option<RpcId>,
    pub(super) deadline_us: Option<u64>,
    pub(super) what: What,
}

/// What was asked.
#[derive(Debug)]
pub(super) enum What {
    /// `tools/call`.
    Call(OpenCall),
    /// `initialize`, with the client's `name/version`.
    Initialize(Option<String>),
    /// `server/discover`.
    Discover,
    /// `tools/list`.
    ToolsList(Listing),
    /// `tasks/get` or `tasks/cancel`: the answer tells the task's status.
    TaskStatus(String),
    /// `tasks/result` (2025-11-25): the answer is that of the call.
    TaskResult(String),
    /// Anything else.
    Other,
}

/// A `tools/call` that waits.
#[derive(Debug)]
pub(super) struct OpenCall {
    pub(super) call: CallId,
    pub(super) at: Moment,
    /// The tool, for the next round.
    pub(super) name: String,
    /// The revision of this request, where it carries one.
    pub(super) revision: Option<Revision>,
    /// The client asked for a task (2025-11-25).
    pub(super) task_asked: bool,
    pub(super) chain: Option<Chain>,
}

impl Request {
    /// The conversations it keeps awake while its stream is open.
    pub(super) fn sessions(&self) -> impl Iterator<Item = SessionKey> + use<> {
        let named = Some(self.session).filter(|session| *session != self.home);
        [Some(self.home), named].into_iter().flatten()
    }

    fn id_bytes(&self) -> usize {
        let ids = [&self.id, &self.progress].into_iter().flatten();
        ids.map(|id| id.raw().len()).fold(0, usize::saturating_add)
    }

    pub(super) fn call(&self) -> Option<CallId> {
        match &self.what {
            What::Call(call) => Some(call.call),
            What::Initialize(_)
            | What::Discover
            | What::ToolsList(_)
            | What::TaskStatus(_)
            | What::TaskResult(_)
            | What::Other => None,
        }
    }
}

/// The in-flight table.
#[derive(Debug, Default)]
pub(super) struct Requests {
    slots: BTreeMap<Serial, Request>,
    by_id: BTreeMap<(Scope, RpcId), Serial>,
    by_exchange: BTreeSet<(ExchangeId, Serial)>,
    by_home: BTreeSet<(SessionKey, Serial)>,
    by_call: BTreeMap<CallId, Serial>,
    by_progress: BTreeMap<(Scope, RpcId), Serial>,
    /// Those whose id a peer may spell otherwise.
    respellable: BTreeSet<Serial>,
    deadlines: BTreeSet<(u64, Serial)>,
    id_bytes: usize,
    next: u64,
}

impl Requests {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn calls(&self) -> usize {
        self.by_call.len()
    }

    pub(super) fn get(&self, serial: Serial) -> Option<&Request> {
        self.slots.get(&serial)
    }

    /// The request in flight under that id.
    pub(super) fn find(&self, scope: Scope, id: &RpcId) -> Option<Serial> {
        self.by_id.get(&(scope, id.clone())).copied()
    }

    /// The request in flight under that id, or under another spelling of the same number: some peers
    /// answer `1.0` with `1`, and large integers rounded. Only one such request will do.
    pub(super) fn find_respelled(&self, scope: Scope, id: &RpcId) -> Option<Serial> {
        if let Some(serial) = self.find(scope, id) {
            return Some(serial);
        }
        if id.kind() != IdKind::Number {
            return None;
        }
        if let Some(serial) = plain_integer(id).and_then(|plain| self.find(scope, &plain)) {
            return Some(serial);
        }
        let same = |serial: &&Serial| {
            let request = self
                .slots
                .get(serial)
                .filter(|request| request.scope == scope);
            request
                .and_then(|request| request.id.as_ref())
                .is_some_and(|other| other.is_same_number(id))
        };
        let mut found = self.respellable.iter().filter(same);
        let serial = found.next().copied();
        serial.filter(|_| found.next().is_none())
    }

    /// The request of that call.
    pub(super) fn find_call(&self, call: CallId) -> Option<Serial> {
        self.by_call.get(&call).copied()
    }

    /// Bytes of all ids and progress tokens.
    pub(super) fn id_bytes(&self) -> usize {
        self.id_bytes
    }

    /// Takes a request in. Its id must be free: [`find`](Self::find) and [`take`](Self::take) first.
    pub(super) fn insert(&mut self, request: Request) -> Serial {
        let serial = Serial(self.next);
        self.next = self.next.wrapping_add(1);
        self.id_bytes = self.id_bytes.saturating_add(request.id_bytes());
        if let Some(id) = &request.id {
            self.by_id.insert((request.scope, id.clone()), serial);
            if is_respellable(id) {
                self.respellable.insert(serial);
            }
        }
        if let Some(exchange) = request.exchange {
            self.by_exchange.insert((exchange, serial));
        }
        self.by_home.insert((request.home, serial));
        if let Some(call) = request.call() {
            self.by_call.insert(call, serial);
        }
        if let Some(deadline_us) = request.deadline_us {
            self.deadlines.insert((deadline_us, serial));
            if let Some(token) = &request.progress {
                self.by_progress
                    .insert((request.scope, token.clone()), serial);
            }
        }
        self.slots.insert(serial, request);
        serial
    }

    /// Takes a request out.
    pub(super) fn take(&mut self, serial: Serial) -> Option<Request> {
        let request = self.slots.remove(&serial)?;
        self.id_bytes = self.id_bytes.saturating_sub(request.id_bytes());
        if let Some(id) = &request.id {
            remove_if(&mut self.by_id, &(request.scope, id.clone()), serial);
            self.respellable.remove(&serial);
        }
        if let Some(exchange) = request.exchange {
            self.by_exchange.remove(&(exchange, serial));
        }
        self.by_home.remove(&(request.home, serial));
        if let Some(call) = request.call() {
            self.by_call.remove(&call);
        }
        if let Some(deadline_us) = request.deadline_us {
            self.deadlines.remove(&(deadline_us, serial));
        }
        if let Some(token) = &request.progress {
            remove_if(
                &mut self.by_progress,
                &(request.scope, token.clone()),
                serial,
            );
        }
        Some(request)
    }

    /// The stream of a request closed, but an answer may still come on another.
    pub(super) fn detach(&mut self, serial: Serial) {
        if let Some(request) = self.slots.get_mut(&serial) {
            request.attached = false;
        }
    }

    /// Progress came: the time to answer starts anew.
    pub(super) fn refresh(&mut self, scope: Scope, token: &RpcId, deadline_us: u64) -> bool {
        let Some(serial) = self.by_progress.get(&(scope, token.clone())).copied() else {
            return false;
        };
        let Some(request) = self.slots.get_mut(&serial) else {
            return false;
        };
        if let Some(old) = request.deadline_us.replace(deadline_us) {
            self.deadlines.remove(&(old, serial));
        }
        self.deadlines.insert((deadline_us, serial));
        true
    }

    pub(super) fn oldest(&self) -> Option<Serial> {
        self.slots.first_key_value().map(|(serial, _)| *serial)
    }

    pub(super) fn of_exchange(
        &self,
        exchange: ExchangeId,
    ) -> impl Iterator<Item = (Serial, &Request)> {
        let all = (exchange, Serial(0))..=(exchange, Serial(u64::MAX));
        self.by_exchange
            .range(all)
            .filter_map(|(_, serial)| Some((*serial, self.slots.get(serial)?)))
    }

    pub(super) fn of_home(&self, home: SessionKey) -> impl Iterator<Item = (Serial, &Request)> {
        let all = (home, Serial(0))..=(home, Serial(u64::MAX));
        self.by_home
            .range(all)
            .filter_map(|(_, serial)| Some((*serial, self.slots.get(serial)?)))
    }

    pub(super) fn serials(&self) -> Vec<Serial> {
        self.slots.keys().copied().collect()
    }

    pub(super) fn deadline_us(&self) -> Option<u64> {
        self.deadlines.first().map(|(deadline_us, _)| *deadline_us)
    }

    /// The next request whose time is over.
    pub(super) fn overdue(&self, now_us: u64) -> Option<Serial> {
        let (deadline_us, serial) = self.deadlines.first()?;
        (*deadline_us <= now_us).then_some(*serial)
    }

    /// Whether every index holds exactly what `slots` holds.
    #[cfg(test)]
    pub(super) fn is_consistent(&self) -> bool {
        let count =
            |has: fn(&Request) -> bool| self.slots.values().filter(|request| has(request)).count();
        let id_bytes: usize = self.slots.values().map(Request::id_bytes).sum();
        self.by_home.len() == self.slots.len()
            && self.id_bytes == id_bytes
            && self.by_id.len() == count(|request| request.id.is_some())
            && self.by_exchange.len() == count(|request| request.exchange.is_some())
            && self.by_call.len() == count(|request| request.call().is_some())
            && self.deadlines.len() == count(|request| request.deadline_us.is_some())
            && self
                .by_progress
                .values()
                .all(|serial| self.slots.contains_key(serial))
    }
}

/// Digits of an integer that every reader takes as it is: below 2^53.
const PLAIN_DIGITS_MAX: usize = 15;

/// Whether a peer may write a number in another way: it is no plain integer.
fn is_respellable(id: &RpcId) -> bool {
    let digits = id.raw().strip_prefix(b"-").unwrap_or_else(|| id.raw());
    let plain = digits.len() <= PLAIN_DIGITS_MAX && digits.iter().all(u8::is_ascii_digit);
    id.kind() == IdKind::Number && !plain
}

/// A number such as `1.0` or `1e3` as a plain integer.
fn plain_integer(id: &RpcId) -> Option<RpcId> {
    let value: f64 = id.text().parse().ok()?;
    let text = format!("{value:.0}");
    let plain = RpcId::from_raw(text.as_bytes())?;
    (is_respellable(id) && !is_respellable(&plain) && plain.is_same_number(id)).then_some(plain)
}

fn remove_if<K: Ord>(index: &mut BTreeMap<K, Serial>, key: &K, serial: Serial) {
    if index.get(key) == Some(&serial) {
        index.remove(key);
    }
}

/// Requests that ended without the answer they may still get.
#[derive(Debug, Default)]
pub(super) struct Ended {
    by_id: BTreeMap<(Scope, RpcId), (u64, Option<CallId>)>,
    order: VecDeque<(u64, Scope, RpcId)>,
    next: u64,
}

impl Ended {
    pub(super) fn push(&mut self, scope: Scope, id: RpcId, call: Option<CallId>, max: usize) {
        let serial = self.next;
        self.next = self.next.wrapping_add(1);
        self.by_id.insert((scope, id.clone()), (serial, call));
        self.order.push_back((serial, scope, id));
        while self.order.len() > max {
            let Some((serial, scope, id)) = self.order.pop_front() else {
                break;
            };
            let key = (scope, id);
            if self
                .by_id
                .get(&key)
                .is_some_and(|(newest, _)| *newest == serial)
            {
                self.by_id.remove(&key);
            }
        }
    }

    /// What ended under that id: `None` if nothing did, `Some(None)` if it was no call. Told once.
    pub(super) fn take(&mut self, scope: Scope, id: &RpcId) -> Option<Option<CallId>> {
        self.by_id
            .remove(&(scope, id.clone()))
            .map(|(_, call)| call)
    }

    pub(super) fn clear(&mut self) {
        self.by_id.clear();
        self.order.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_other_spellings_and_only_then() {
        let id = |raw: &str| RpcId::from_raw(raw.as_bytes()).unwrap();
        let request = |raw: &str| Request {
            id: Some(id(raw)),
            scope: Scope::Home(SessionKey(0)),
            home: SessionKey(0),
            session: SessionKey(0),
            exchange: None,
            attached: true,
            era: Era::Legacy,
            progress: None,
            deadline_us: None,
            what: What::Other,
        };
        let mut requests = Requests::default();
        let [one, half, big, text] = ["1", "2.0", "12345678901234567890123", "\"3\""]
            .map(|raw| requests.insert(request(raw)));
        let find = |raw: &str| requests.find_respelled(Scope::Home(SessionKey(0)), &id(raw));
        for (raw, expected) in [
            ("1", Some(one)),
            ("1.0", Some(one)),
            ("10e-1", Some(one)),
            ("\"1\"", None),
            ("2", Some(half)),
            ("1.2345678901234568e+22", Some(big)),
            ("12345678901234567890124", Some(big)),
            ("3", None),
            ("\"3\"", Some(text)),
            ("-1", None),
            ("1e999", None),
        ] {
            assert_eq!(find(raw), expected, "{raw}");
        }
        let elsewhere = Scope::Home(SessionKey(1));
        assert_eq!(requests.find_respelled(elsewhere, &id("2")), None);
        requests.insert(request("12345678901234567890124"));
        let rounded =
            requests.find_respelled(Scope::Home(SessionKey(0)), &id("1.2345678901234568e+22"));
        assert_eq!(rounded, None, "two will not do");
        assert!(requests.is_consistent());
    }

    #[test]
    fn what_ended_is_told_once_and_the_oldest_is_forgotten() {
        let mut ended = Ended::default();
        let scope = Scope::Home(SessionKey(0));
        let id = |n: u8| RpcId::from_raw(n.to_string().as_bytes()).unwrap();
        for n in 0..4 {
            ended.push(scope, id(n), None, 3);
        }
        assert_eq!(ended.take(scope, &id(0)), None);
        assert_eq!(ended.take(scope, &id(3)), Some(None));
        assert_eq!(ended.take(scope, &id(3)), None);
    }
}
