//! Tasks as they pass: made, asked about, told of, over.

use affiant_entry::call::{Ending, Reason, Status, StatusCode};
use affiant_entry::record::{Body, CallTask, Direction};
use affiant_entry::{Fact, Moment, Record};

use super::anomaly::{Code, Facts};
use super::closing::Why;
use super::draft::clipped;
use super::ending::{answered, malformed, rpc_error, tool_result};
use super::pairing::OpenCall;
use super::session::SessionKey;
use super::task::{Clock, Task, TaskSerial, TaskStatus};
use super::telling::About;
use super::{Mint, Output, Seen, Tracker, view};
use crate::message::Kind;
use crate::scan::Slot;

/// JSON-RPC: invalid parameters. A server that does not know a task answers with it.
const INVALID_PARAMS: i64 = -32602;

impl<M: Mint> Tracker<M> {
    pub(super) fn make_task(
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
    pub(super) fn settle_task_status(
        &mut self,
        now: Moment,
        message: &Seen,
        home: SessionKey,
        task: &str,
    ) {
        let Some(word) = message
            .text(Slot::ResultStatus)
            .filter(|_| message.kind == Kind::Response)
        else {
            return;
        };
        let Some(serial) = self.tasks.find(task, home) else {
            return;
        };
        let inlined = Inlined::read(message, IN_RESULT);
        self.observe(now, message, serial, TaskStatus::parse(&word), &inlined);
    }

    /// The answer to `tasks/result` (2025-11-25) is what the call would have got: also its error. An
    /// error `-32602` may as well mean that the task is not known (any more), so it counts only if
    /// the task is known to have failed.
    pub(super) fn settle_task_result(
        &mut self,
        now: Moment,
        message: &Seen,
        home: SessionKey,
        task: &str,
    ) {
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

    /// A notification of a task's status; it may come before the answer that names the task.
    pub(super) fn handle_task_status(&mut self, now: Moment, message: &Seen, home: SessionKey) {
        let (Some(id), Some(word)) = (
            message.text(Slot::ParamsTaskId),
            message.text(Slot::ParamsStatus),
        ) else {
            return;
        };
        let (id, status) = (view::bounded(&id, &self.key), TaskStatus::parse(&word));
        if let Some(serial) = self.tasks.find(&id, home) {
            let inlined = Inlined::read(message, IN_NOTIFICATION);
            self.observe(now, message, serial, status, &inlined);
        } else if self
            .tasks
            .push_early(&id, home, status, self.config.limits.tasks_early_max)
        {
            self.limit(now, None, "tasks-early");
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
            (TaskStatus::Running, _) => return self.keep_waiting(now, serial),
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

    /// A task still runs. If the client asked to cancel it, the server has not done so yet.
    fn keep_waiting(&mut self, now: Moment, serial: TaskSerial) {
        let deadline = self.tasks.get(serial).and_then(|task| task.deadline);
        if let Some((_, Clock::CancelAsked)) = deadline {
            let deadline_us = now
                .mono_us
                .saturating_add(self.config.limits.task_result_grace_us);
            self.tasks
                .expect_end(serial, deadline_us, Clock::CancelAsked);
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
        self.push_task_end(&task, ending);
    }
}

/// Where an answer inlines the outcome: result, its `isError`, error, its code.
const IN_RESULT: [Slot; 4] = [
    Slot::ResultResult,
    Slot::ResultResultIsError,
    Slot::ResultError,
    Slot::ResultErrorCode,
];
/// Where a notification does.
const IN_NOTIFICATION: [Slot; 4] = [
    Slot::ParamsResult,
    Slot::ParamsResultIsError,
    Slot::ParamsError,
    Slot::ParamsErrorCode,
];

/// What a message about a task carries of its outcome.
#[derive(Debug, Default)]
struct Inlined {
    /// The status the result has.
    result: Option<Status>,
    /// An error is there, with its code if that can be read.
    error: Option<Option<i64>>,
}

impl Inlined {
    fn read(message: &Seen, [result, is_error, error, code]: [Slot; 4]) -> Self {
        let has_result = message.json_kind(result).is_some();
        let status = || tool_result(message, is_error).unwrap_or_else(malformed);
        Self {
            result: has_result.then(status),
            error: message.json_kind(error).map(|_| message.integer(code)),
        }
    }
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
