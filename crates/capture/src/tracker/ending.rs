//! How an answer ends a call: fields 7 to 9.

use affiant_entry::Fact;
use affiant_entry::Moment;
use affiant_entry::call::{Ending, Reason, Response, Status, StatusCode};

use super::Seen;
use crate::message::{Invalid, Kind};
use crate::scan::{JsonKind, Slot};

/// What an answer to a `tools/call` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The end of the call.
    Final(Status),
    /// A round of a multi-round-trip request.
    InputRequired,
    /// A task was made; its id.
    Task(String),
    /// A result of a type nobody here knows.
    Extension(Status),
    /// Not a tool result.
    Malformed,
}

impl Answer {
    /// Reads the answer to a call; `task_asked` says whether the client asked for a task in the way
    /// of 2025-11-25 (else a member `task` of the result is just data).
    pub(super) fn read(message: &Seen, task_asked: bool) -> Self {
        match message.kind {
            Kind::Error => return Self::Final(rpc_error(message, Slot::ErrorCode)),
            Kind::Invalid(Invalid::Ambiguous) => return Self::Malformed,
            Kind::Response | Kind::Request | Kind::Notification | Kind::Invalid(_) => {}
        }
        if message.json_kind(Slot::Result) != Some(JsonKind::Object) {
            return Self::Malformed;
        }
        let task = |slot| message.text(slot).map(|id| Self::Task(id.into_owned()));
        if task_asked && let Some(made) = task(Slot::ResultTaskTaskId) {
            return made;
        }
        match message.text(Slot::ResultType).as_deref() {
            None | Some("complete") => {
                tool_result(message, Slot::ResultIsError).map_or(Self::Malformed, Self::Final)
            }
            Some("input_required") => Self::InputRequired,
            Some("task") => task(Slot::ResultTaskId).unwrap_or(Self::Malformed),
            Some(_) => {
                tool_result(message, Slot::ResultIsError).map_or(Self::Malformed, Self::Extension)
            }
        }
    }
}

/// Success, or the tool's own failure; `None` when `isError` is no boolean.
pub(super) fn tool_result(message: &Seen, is_error: Slot) -> Option<Status> {
    match (message.json_kind(is_error), message.boolean(is_error)) {
        (None, _) | (_, Some(false)) => Some(Status::new(StatusCode::Success, Reason::Ok)),
        (_, Some(true)) => Some(Status::new(StatusCode::Failure, Reason::ToolError)),
        (Some(_), None) => None,
    }
}

/// A JSON-RPC error with its code.
pub(super) fn rpc_error(message: &Seen, code: Slot) -> Status {
    Status {
        rpc_code: message.integer(code),
        ..Status::new(StatusCode::Error, Reason::RpcError)
    }
}

pub(super) fn malformed() -> Status {
    Status::new(StatusCode::Error, Reason::MalformedResponse)
}

/// The ending that `message` is.
pub(super) fn answered(
    now: Moment,
    requested_at: Moment,
    message: &Seen,
    status: Status,
) -> Ending {
    Ending {
        status,
        response: Fact::Known(Response {
            bytes: message.bytes,
            commit: message.digest.clone(),
        }),
        latency_us: Fact::Known(now.since_us(&requested_at)),
        task: None,
    }
}
