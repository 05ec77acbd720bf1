//! What servers send: answers, notifications, and requests of their own.

use affiant_entry::call::{Chain, Ending, Reason, Status, StatusCode};
use affiant_entry::record::{Body, CallTask, Direction};
use affiant_entry::{Fact, Moment, Record};

use super::anomaly::{Code, Facts};
use super::chain::Key;
use super::draft::clipped;
use super::ending::{Answer, answered, malformed, rpc_error, tool_result};
use super::manifest::{Listing, PageError};
use super::pairing::{OpenCall, Request, Serial, What};
use super::revision::Revision;
use super::scope::{Known, Scope};
use super::session::{Name, SessionKey};
use super::task::{Clock, Task, TaskSerial, TaskStatus};
use super::via::{StreamKind, Via};
use super::{About, End, Mint, Output, Seen, Tracker, Why, view};
use crate::message::{IdKind, Invalid, Kind, RpcId};
use crate::scan::Slot;

/// JSON-RPC: invalid parameters. A server that does not know a task answers with it.
const INVALID_PARAMS: i64 = -32602;

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
        let facts = Facts::new().identifier("id", &String::from_utf8_lossy(id.raw()));
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
        if let Some(exchange) = via.exchange.filter(|_| via.stream == StreamKind::Post) {
            let of_exchange = || self.requests.of_exchange(exchange);
            if let Some(serial) = pick(of_exchange, id) {
                return Some(serial);
            }
        }
        let home = home?;
        let serial = self
            .requests
            .find(Scope::Home(home), id)
            .or_else(|| pick(|| self.requests.of_home(home), id))?;
        let request = self.requests.get(serial)?;
        // An answer on another request's stream is taken only if its own stream is gone.
        let elsewhere =
            via.stream == StreamKind::Post && request.attached && request.exchange != via.exchange;
        (!elsewhere).then_some(serial)
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
            Answer::Task(id) => return self.make_task(now, message, home, call, id),
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
            peers.server = server.or(peers.server.take());
            peers.revision = revision.or(peers.revision.take());
            peers.client = client.or(peers.client.take());
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
        let next = message
            .raw(Slot::ResultNextCursor)
            .filter(|raw| *raw != b"null");
        let next = next.map(|raw| self.commit_text("cursor", raw));
        let limits = (
            self.config.limits.manifest_tools_max,
            self.config.limits.manifests_max,
        );
        match self.manifests.page(
            &self.config.server_id,
            listing,
            tools,
            next.as_ref(),
            limits,
        ) {
            Ok(page) => {
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
}

// === tasks ===

impl<M: Mint> Tracker<M> {
    fn make_task(
        &mut self,
        now: Moment,
        message: &Seen,
        home: SessionKey,
        call: OpenCall,
        id: String,
    ) {
        let about = About {
            home: Some(home),
            call: Some(call.call),
            direction: Some(Direction::ServerToClient),
        };
        if let Some(other) = self.tasks.find_home(&id, home) {
            self.anomaly(
                now,
                about,
                Code::TaskIdReused,
                Facts::new().identifier("task", &id),
            );
            self.end_task(other, &Why::new(Reason::Superseded));
        }
        while self.tasks.len() >= self.config.limits.tasks_max {
            let Some(oldest) = self.tasks.oldest() else {
                break;
            };
            let evicted = self.tasks.get(oldest).map(|task| task.call);
            self.limit(now, evicted, "tasks");
            self.end_task(oldest, &Why::new(Reason::OutcomeUnknown));
        }
        let word = message
            .text(Slot::ResultTaskStatus)
            .or_else(|| message.text(Slot::ResultStatus));
        let ttl_ms = task_ttl_ms(message);
        self.outbox.push_back(Output::Record(Record {
            at: now,
            call: Some(call.call),
            body: Body::CallTask(Box::new(CallTask {
                id: clipped(&id),
                status: clipped(word.as_deref().unwrap_or("unknown")),
                ttl_ms: Fact::from_option(ttl_ms, "no time to live given"),
            })),
        }));
        let early = self.tasks.take_early(&id, home);
        let deadline = ttl_ms.map(|ttl_ms| {
            (
                now.mono_us.saturating_add(ttl_ms.saturating_mul(1000)),
                Clock::TimeToLive,
            )
        });
        let OpenCall {
            call,
            at,
            revision,
            chain,
            ..
        } = call;
        let serial = self.tasks.insert(Task {
            call,
            at,
            id,
            home,
            revision,
            chain,
            deadline,
        });
        let status = word
            .as_deref()
            .map_or(TaskStatus::Running, TaskStatus::parse);
        for status in [Some(status), early].into_iter().flatten() {
            self.observe(now, message, serial, status, &Inlined::default());
        }
    }

    /// The answer to `tasks/get` or `tasks/cancel`. An error of that request says nothing of the task.
    fn settle_task_status(&mut self, now: Moment, message: &Seen, home: SessionKey, task: &str) {
        let Some(word) = message
            .text(Slot::ResultStatus)
            .filter(|_| message.kind == Kind::Response)
        else {
            return;
        };
        let Some(serial) = self.tasks.find(task, home) else {
            return;
        };
        let inlined = Inlined::read(
            message,
            Slot::ResultResult,
            Slot::ResultResultIsError,
            Slot::ResultError,
            Slot::ResultErrorCode,
        );
        self.observe(now, message, serial, TaskStatus::parse(&word), &inlined);
    }

    /// The answer to `tasks/result` (2025-11-25) is what the call would have got: also its error. An
    /// error `-32602` may as well mean that the task is not known (any more), so it counts only if
    /// the task is known to have failed.
    fn settle_task_result(&mut self, now: Moment, message: &Seen, home: SessionKey, task: &str) {
        let Some(serial) = self.tasks.find(task, home) else {
            return;
        };
        let deadline = self.tasks.get(serial).and_then(|task| task.deadline);
        let failed = matches!(deadline, Some((_, Clock::Final(TaskStatus::Failed))));
        let status = match message.kind {
            Kind::Error => {
                let status = rpc_error(message, Slot::ErrorCode);
                if status.rpc_code == Some(INVALID_PARAMS) && !failed {
                    return;
                }
                Status {
                    reason: Reason::TaskFailed,
                    ..status
                }
            }
            Kind::Response => tool_result(message, Slot::ResultIsError).unwrap_or_else(malformed),
            Kind::Request | Kind::Notification | Kind::Invalid(_) => malformed(),
        };
        self.end_task_answered(now, message, serial, status);
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
                let (Some(id), Some(word)) = (
                    message.text(Slot::ParamsTaskId),
                    message.text(Slot::ParamsStatus),
                ) else {
                    return;
                };
                let status = TaskStatus::parse(&word);
                let Some(home) = home else { return };
                if let Some(serial) = self.tasks.find(&id, home) {
                    let inlined = Inlined::read(
                        message,
                        Slot::ParamsResult,
                        Slot::ParamsResultIsError,
                        Slot::ParamsError,
                        Slot::ParamsErrorCode,
                    );
                    self.observe(now, message, serial, status, &inlined);
                } else {
                    self.tasks
                        .push_early(&id, home, status, self.config.limits.tasks_early_max);
                }
            }
            Some("notifications/progress") => self.refresh(now, via, message, home),
            _ => {}
        }
    }

    /// A status of a task was seen. Where the final status says all, or its result is in the same
    /// message, the call ends; else the result may still be fetched.
    fn observe(
        &mut self,
        now: Moment,
        message: &Seen,
        serial: TaskSerial,
        status: TaskStatus,
        inlined: &Inlined,
    ) {
        let end = match (status, inlined) {
            (TaskStatus::Running, _) => return,
            (TaskStatus::Cancelled, _) => Some(Status::new(StatusCode::Error, Reason::Cancelled)),
            (
                TaskStatus::Completed,
                Inlined {
                    result: Some(status),
                    ..
                },
            ) => Some(status.clone()),
            (
                TaskStatus::Failed,
                Inlined {
                    error: Some(code), ..
                },
            ) => Some(Status {
                rpc_code: *code,
                ..Status::new(StatusCode::Error, Reason::TaskFailed)
            }),
            (TaskStatus::Completed | TaskStatus::Failed, _) => None,
        };
        if let Some(status) = end {
            self.end_task_answered(now, message, serial, status);
        } else {
            let deadline_us = now
                .mono_us
                .saturating_add(self.config.limits.task_result_grace_us);
            self.tasks
                .expect_end(serial, deadline_us, Clock::Final(status));
        }
    }

    fn end_task_answered(
        &mut self,
        now: Moment,
        message: &Seen,
        serial: TaskSerial,
        status: Status,
    ) {
        let Some(task) = self.tasks.take(serial) else {
            return;
        };
        let ending = Ending {
            task: Some(clipped(&task.id)),
            ..answered(now, task.at, message, status)
        };
        self.push_task_end(task, ending);
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

/// What a message about a task carries of its outcome.
#[derive(Debug, Default)]
struct Inlined {
    /// The status the result has.
    result: Option<Status>,
    /// An error is there, with its code if that can be read.
    error: Option<Option<i64>>,
}

impl Inlined {
    fn read(message: &Seen, result: Slot, is_error: Slot, error: Slot, code: Slot) -> Self {
        let has_result = message.json_kind(result).is_some();
        let status = || tool_result(message, is_error).unwrap_or_else(malformed);
        Self {
            result: has_result.then(status),
            error: message.json_kind(error).map(|_| message.integer(code)),
        }
    }
}

/// The request with that id; failing that the only one whose numeric id has the same value, as some
/// peers rewrite numbers.
fn pick<'a, I>(requests: impl Fn() -> I, id: &RpcId) -> Option<Serial>
where
    I: Iterator<Item = (Serial, &'a Request)>,
{
    let exact = requests().find(|(_, request)| request.id.as_ref() == Some(id));
    if let Some((serial, _)) = exact {
        return Some(serial);
    }
    if id.kind() != IdKind::Number {
        return None;
    }
    let mut same = requests().filter(|(_, request)| {
        request
            .id
            .as_ref()
            .is_some_and(|other| other.is_same_number(id))
    });
    let found = same.next().map(|(serial, _)| serial);
    found.filter(|_| same.next().is_none())
}

/// The time to live of a task just made, milliseconds.
fn task_ttl_ms(message: &Seen) -> Option<u64> {
    let modern = || {
        message
            .integer(Slot::ResultTtlMs)
            .and_then(|ttl_ms| u64::try_from(ttl_ms).ok())
    };
    message
        .raw(Slot::ResultTask)
        .map_or_else(modern, view::task_ttl_ms)
}
