//! From what a proxy shows to what the trail holds: tracker, redaction, trail, for one server or route.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use affiant_capture::scan::{Scan, Tap};
use affiant_capture::tracker::{
    Config, Disposition, End, ExchangeEnd, Finish, MESSAGE_LABEL, Malformed, Output, Refusal,
    ResponseHead, Tracker, Via,
};
use affiant_entry::call::Call;
use affiant_entry::limits::INPUT_INLINE_BYTES_MAX;
use affiant_entry::record::{Body, Direction, Record};
use affiant_entry::{CallId, CommitKey, CommitRun, Commitment, Fact, Moment};
use affiant_policy::redact::{Echoes, Redactor};

use crate::clock;
use crate::entropy::OsMint;
use crate::trail::{Intent, Item, Outcome, Ticket, Trail};

/// How often timeouts are looked for.
const TIMER_TICK: Duration = Duration::from_millis(100);

/// Keyed commitment to the bytes of one message, made while they are scanned.
#[derive(Debug, Clone)]
pub struct CommitTap(CommitRun);

impl Tap for CommitTap {
    type Out = Commitment;

    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(self) -> Commitment {
        self.0.finish()
    }
}

/// Records the conversations of one server; clones share it.
#[derive(Debug, Clone)]
pub struct Recorder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    trail: Trail,
    redactor: Arc<Redactor>,
    key: CommitKey,
    intent: Intent,
}

#[derive(Debug)]
struct State {
    tracker: Tracker<OsMint>,
    open: BTreeMap<CallId, Kept>,
    binary: Binary,
}

/// What is kept of an open call: its redacted fields, and the secrets to look for in later texts.
#[derive(Debug)]
struct Kept {
    call: Call,
    echoes: Echoes,
}

/// The digest of the wrapped executable, which takes a moment to make; `session` entries wait for it.
#[derive(Debug)]
enum Binary {
    Known(Option<Fact<String>>),
    Pending(Vec<Record>),
}

/// A client message that was shown, and what it waits for.
#[derive(Debug)]
#[must_use = "a request is forwarded only after `wait` or `ready`"]
pub struct Held {
    recorder: Recorder,
    calls: Vec<CallId>,
    ticket: Option<Ticket>,
}

/// The message must not be forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The calls it holds, now ended as `error / refused`.
    pub calls: Vec<CallId>,
}

impl Held {
    /// Whether it can be forwarded at once.
    #[must_use]
    pub const fn is_pass(&self) -> bool {
        self.ticket.is_none()
    }

    /// The calls in it.
    #[must_use]
    pub fn calls(&self) -> &[CallId] {
        &self.calls
    }

    /// Waits on this thread until it may be forwarded.
    ///
    /// # Errors
    /// When the trail refuses it.
    pub fn wait(mut self) -> Result<(), Refused> {
        let outcome = self.ticket.take().map(Ticket::wait);
        self.settle(outcome)
    }

    /// Waits until it may be forwarded.
    ///
    /// # Errors
    /// When the trail refuses it.
    pub async fn ready(mut self) -> Result<(), Refused> {
        let outcome = match self.ticket.take() {
            Some(ticket) => Some(ticket.ready().await),
            None => None,
        };
        self.settle(outcome)
    }

    fn settle(self, outcome: Option<Outcome>) -> Result<(), Refused> {
        match outcome {
            None | Some(Outcome::Durable) => Ok(()),
            Some(Outcome::Dropped) => {
                self.recorder.forget(&self.calls);
                Ok(())
            }
            Some(Outcome::Refused { recorded }) => {
                if !recorded {
                    self.recorder.forget(&self.calls);
                }
                self.recorder.refuse(&self.calls, Refusal::Refused);
                Err(Refused { calls: self.calls })
            }
        }
    }
}

impl Recorder {
    /// A recorder for one server. `binary_pending` says that [`Recorder::binary`] will be called.
    #[must_use]
    pub fn new(
        config: Config,
        trail: Trail,
        redactor: Arc<Redactor>,
        key: CommitKey,
        intent: Intent,
        binary_pending: bool,
    ) -> Self {
        let state = State {
            tracker: Tracker::new(config, key.clone(), OsMint::default()),
            open: BTreeMap::new(),
            binary: if binary_pending {
                Binary::Pending(Vec::new())
            } else {
                Binary::Known(None)
            },
        };
        let inner = Arc::new(Inner {
            state: Mutex::new(state),
            trail,
            redactor,
            key,
            intent,
        });
        spawn_timer(&Arc::downgrade(&inner));
        Self { inner }
    }

    /// The tap that makes a message's commitment while it is scanned.
    #[must_use]
    pub fn commit_tap(&self) -> CommitTap {
        CommitTap(self.inner.key.begin(MESSAGE_LABEL))
    }

    /// Keyed hash of a token, for field 3.
    #[must_use]
    pub fn token(&self, token: &[u8]) -> Commitment {
        self.inner.key.commit("token", token)
    }

    /// The redactor in force.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        &self.inner.redactor
    }

    /// Calls open now.
    #[must_use]
    pub fn calls_open(&self) -> usize {
        self.lock().tracker.calls_open()
    }

    /// A text of a client passes: a line, or a body. Forward it after the returned [`Held`] says so.
    pub fn client_scan(&self, at: Moment, via: &Via, scan: &Scan<Commitment>) -> Held {
        let mut state = self.lock();
        let disposition = state.tracker.handle_client_scan(at, via, scan);
        let items = self.inner.drain(&mut state);
        let Disposition::Hold(calls) = disposition else {
            self.inner.trail.submit_some(items);
            return Held {
                recorder: self.clone(),
                calls: Vec::new(),
                ticket: None,
            };
        };
        // Handed over under the lock, so that no `call.end` can come before its `call.begin`.
        let ticket = match self.inner.intent {
            Intent::Durable => Some(self.inner.trail.submit_durable(items)),
            Intent::Buffered => {
                self.inner.trail.submit_some(items);
                None
            }
        };
        Held {
            recorder: self.clone(),
            calls,
            ticket,
        }
    }

    /// A text of the server passed at `at`: a line, a body, or the data of an event.
    pub fn server_scan(&self, at: Moment, via: &Via, scan: &Scan<Commitment>) {
        self.with(|tracker| tracker.handle_server_scan(at, via, scan));
    }

    /// Bytes passed that are no message.
    pub fn malformed(&self, via: &Via, direction: Direction, what: Malformed) {
        self.with(|tracker| tracker.handle_malformed(clock::now(), via, direction, what));
    }

    /// The head of an HTTP response passed.
    pub fn response_head(&self, via: &Via, head: &ResponseHead) {
        self.with(|tracker| tracker.handle_http_response_head(clock::now(), via, head));
    }

    /// The server answered a DELETE, which ends a session of Streamable HTTP, with `status`.
    pub fn deleted(&self, via: &Via, status: u16) {
        self.with(|tracker| tracker.handle_http_delete(clock::now(), via, status));
    }

    /// An HTTP exchange ended.
    pub fn exchange_closed(&self, via: &Via, end: ExchangeEnd) {
        self.with(|tracker| tracker.handle_exchange_closed(clock::now(), via, end));
    }

    /// The server ended, or the shell stops: every open call gets its end.
    pub fn finish(&self, why: Finish) {
        self.binary(Fact::absent("not read before the end"));
        self.with(|tracker| tracker.finish(clock::now(), why));
    }

    /// The digest of the wrapped executable is known, or will not be. The first word counts.
    pub fn binary(&self, digest: Fact<String>) {
        let mut state = self.lock();
        if let Binary::Pending(waiting) = &mut state.binary {
            let waiting = std::mem::take(waiting);
            state.binary = Binary::Known(Some(digest));
            let items = waiting
                .into_iter()
                .map(|record| Item::from(state.with_binary(record)))
                .collect();
            self.inner.trail.submit_some(items);
        }
    }

    fn refuse(&self, calls: &[CallId], why: Refusal) {
        self.with(|tracker| {
            for call in calls {
                tracker.handle_refused(clock::now(), *call, why);
            }
        });
    }

    /// Forgets calls whose begin is not in the trail: their ends are not recorded either.
    fn forget(&self, calls: &[CallId]) {
        let mut state = self.lock();
        for call in calls {
            state.open.remove(call);
        }
    }

    fn with(&self, act: impl FnOnce(&mut Tracker<OsMint>)) {
        self.inner.with(act);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.lock()
    }
}

// === impl Inner ===

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(&self, act: impl FnOnce(&mut Tracker<OsMint>)) {
        let mut state = self.lock();
        act(&mut state.tracker);
        let items = self.drain(&mut state);
        self.trail.submit_some(items);
    }

    /// Turns everything the tracker has to say into items, in its order.
    fn drain(&self, state: &mut State) -> Vec<Item> {
        let mut items = Vec::new();
        while let Some(output) = state.tracker.poll_output() {
            match output {
                Output::Begin { call, at, draft } => {
                    let (mut redacted, echoes) = self.redactor.redact_call(*draft);
                    let blob = redacted.input.take_blob(INPUT_INLINE_BYTES_MAX, &self.key);
                    let body = Body::CallBegin(Box::new(redacted.clone()));
                    state.open.insert(
                        call,
                        Kept {
                            call: redacted,
                            echoes,
                        },
                    );
                    items.push(Item {
                        record: Record {
                            at,
                            call: Some(call),
                            body,
                        },
                        blob,
                    });
                }
                Output::Record(record) => items.extend(state.admit(record).map(Item::from)),
                Output::End(end) => items.extend(self.end(state, *end).map(Item::from)),
            }
        }
        items
    }

    fn end(&self, state: &mut State, end: End) -> Option<Record> {
        let Kept { mut call, echoes } = state.open.remove(&end.call)?;
        let mut ending = end.ending;
        ending.status.text = end
            .cancel_text
            .map(|text| self.redactor.redact_peer_text(&text, Some(&echoes)));
        call.head.server = end.server;
        call.head.chain = end.chain;
        let body = Body::CallEnd(Box::new(call), Box::new(ending));
        Some(Record {
            at: end.requested_at,
            call: Some(end.call),
            body,
        })
    }
}

impl State {
    /// Lets a record pass, or keeps a `session` that waits for the executable's digest.
    fn admit(&mut self, record: Record) -> Option<Record> {
        match &mut self.binary {
            Binary::Pending(waiting) if matches!(record.body, Body::Session(_)) => {
                waiting.push(record);
                None
            }
            Binary::Pending(_) | Binary::Known(_) => Some(self.with_binary(record)),
        }
    }

    fn with_binary(&self, mut record: Record) -> Record {
        if let (Body::Session(info), Binary::Known(Some(digest))) = (&mut record.body, &self.binary)
        {
            info.binary = digest.clone();
        }
        record
    }
}

/// Looks for timeouts until the recorder is gone.
fn spawn_timer(inner: &Weak<Inner>) {
    let inner = Weak::clone(inner);
    let spawned = std::thread::Builder::new()
        .name("timer".to_owned())
        .spawn(move || {
            loop {
                std::thread::sleep(TIMER_TICK);
                let Some(inner) = inner.upgrade() else { return };
                let now = clock::now();
                let due = inner
                    .lock()
                    .tracker
                    .poll_timeout()
                    .is_some_and(|at| at <= now.mono_us);
                if due {
                    inner.with(|tracker| tracker.handle_timeout(now));
                }
            }
        });
    if let Err(error) = spawned {
        tracing::error!(%error, "timer cannot be started; calls will not time out");
    }
}
