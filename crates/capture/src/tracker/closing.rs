//! Ends without an answer: of requests, and of calls that a task carries.

use affiant_entry::call::{Ending, Reason, Status, StatusCode};
use affiant_entry::{Fact, Moment, Unredacted};

use super::draft::clipped;
use super::pairing::{Request, Serial, What};
use super::task::{Clock, Task, TaskSerial, TaskStatus};
use super::{End, Mint, Output, Tracker};

/// Why a request ends without the answer it waited for.
#[derive(Debug)]
pub(super) struct Why {
    pub(super) reason: Reason,
    pub(super) http_status: Option<u16>,
    /// Why there is no response and no latency.
    pub(super) absent: &'static str,
    pub(super) cancel_text: Option<Unredacted>,
}

impl Why {
    pub(super) const fn new(reason: Reason) -> Self {
        Self {
            reason,
            http_status: None,
            absent: "no response",
            cancel_text: None,
        }
    }

    pub(super) fn ending(&self, task: Option<String>) -> Ending {
        let status = Status {
            http_status: self.http_status,
            ..Status::new(StatusCode::Error, self.reason)
        };
        Ending {
            status,
            response: Fact::absent(self.absent),
            latency_us: Fact::absent(self.absent),
            task,
        }
    }
}

impl<M: Mint> Tracker<M> {
    /// Takes a request out of the table; a call ends. With `late`, an answer may still come and is
    /// then known as late.
    pub(super) fn end_request(&mut self, serial: Serial, why: &Why, late: bool) {
        let Some(request) = self.take_request(serial) else {
            return;
        };
        if let (true, Some(id)) = (late, &request.id) {
            self.ended.push(
                request.scope,
                id.clone(),
                request.call(),
                self.config.limits.ended_max,
            );
        }
        if let What::Call(call) = request.what {
            let server = self.server_facts(request.home, call.revision.as_ref());
            self.outbox.push_back(Output::End(Box::new(End {
                call: call.call,
                requested_at: call.at,
                ending: why.ending(None),
                server,
                chain: call.chain,
                cancel_text: why.cancel_text.clone(),
            })));
        }
    }

    pub(super) fn take_request(&mut self, serial: Serial) -> Option<Request> {
        let request = self.requests.take(serial)?;
        if request.attached {
            request
                .sessions()
                .for_each(|session| self.sessions.leave(session));
        }
        Some(request)
    }

    /// The stream of a request closed, but its answer may come on another.
    pub(super) fn detach_request(&mut self, serial: Serial) {
        let Some(request) = self.requests.get(serial).filter(|request| request.attached) else {
            return;
        };
        request
            .sessions()
            .for_each(|session| self.sessions.leave(session));
        self.requests.detach(serial);
    }

    pub(super) fn end_task(&mut self, serial: TaskSerial, why: &Why) {
        if let Some(task) = self.tasks.take(serial) {
            let ending = why.ending(Some(clipped(&task.id)));
            self.push_task_end(&task, ending);
        }
    }

    pub(super) fn push_task_end(&mut self, task: &Task, ending: Ending) {
        let server = self.server_facts(task.home, task.revision.as_ref());
        self.outbox.push_back(Output::End(Box::new(End {
            call: task.call,
            requested_at: task.at,
            ending,
            server,
            chain: task.chain,
            cancel_text: None,
        })));
    }

    /// The time of a task is over.
    pub(super) fn expire_task(&mut self, serial: TaskSerial) {
        let clock = self
            .tasks
            .get(serial)
            .and_then(|task| task.deadline)
            .map(|(_, clock)| clock);
        match clock {
            Some(Clock::Final(TaskStatus::Completed)) => {
                let Some(task) = self.tasks.take(serial) else {
                    return;
                };
                let mut ending = Why {
                    absent: "result never fetched",
                    ..Why::new(Reason::Ok)
                }
                .ending(Some(clipped(&task.id)));
                ending.status.code = StatusCode::Success;
                self.push_task_end(&task, ending);
            }
            Some(Clock::Final(
                TaskStatus::Failed | TaskStatus::Running | TaskStatus::Cancelled,
            )) => {
                let why = Why {
                    absent: "result never fetched",
                    ..Why::new(Reason::TaskFailed)
                };
                self.end_task(serial, &why);
            }
            Some(Clock::CancelAsked) => self.end_task(serial, &Why::new(Reason::Cancelled)),
            Some(Clock::TimeToLive) | None => self.end_task(serial, &Why::new(Reason::Timeout)),
        }
    }

    /// Makes room in the in-flight table.
    pub(super) fn make_room(&mut self, now: Moment) {
        let limits = self.config.limits;
        while self.requests.len() >= limits.calls_open_max
            || self.requests.id_bytes() > limits.calls_open_id_bytes_max
        {
            let Some(serial) = self.requests.oldest() else {
                return;
            };
            let call = self.requests.get(serial).and_then(Request::call);
            self.limit(now, call, "calls-open");
            self.end_request(serial, &Why::new(Reason::OutcomeUnknown), true);
        }
    }
}
