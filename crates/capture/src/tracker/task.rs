//! Calls that a server turned into tasks.
//!
//! ```text
//!  tools/call ─▶ answer "task" ─▶ call.task
//!                     │  status working, input_required: nothing
//!                     │  status completed, failed: wait for the result, at most the grace time
//!                     ▼
//!  result, error, cancelled, time to live over, result never fetched ─▶ call.end, once
//! ```
//!
//! A task outlives its stream and may be asked about on another, so tasks are found by their id,
//! first within the conversation that made them, then on the whole route. A status may come before
//! the answer that names the task (2025-11-25): it is kept for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use affiant_entry::call::Chain;
use affiant_entry::{CallId, Moment};

use super::revision::Revision;
use super::session::SessionKey;

/// A task's status, as both eras name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TaskStatus {
    /// `working`, `input_required`, and words of later revisions.
    Running,
    /// `completed`.
    Completed,
    /// `failed`.
    Failed,
    /// `cancelled`.
    Cancelled,
}

impl TaskStatus {
    pub(super) fn parse(word: &str) -> Self {
        match word {
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            "cancelled" => Self::Cancelled,
            _ => Self::Running,
        }
    }
}

/// Why a task's time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// Its time to live.
    TimeToLive,
    /// Its final status is known, and nobody fetched the result.
    Final(TaskStatus),
    /// The client asked to cancel it, and nothing more was heard.
    CancelAsked,
}

/// A call carried by a task.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) call: CallId,
    pub(super) at: Moment,
    pub(super) id: String,
    pub(super) home: SessionKey,
    pub(super) revision: Option<Revision>,
    pub(super) chain: Option<Chain>,
    pub(super) deadline: Option<(u64, Clock)>,
}

/// Number of a task, in the order they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TaskSerial(u64);

/// All running tasks.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    slots: BTreeMap<TaskSerial, Task>,
    by_id: BTreeMap<(String, SessionKey), TaskSerial>,
    deadlines: BTreeSet<(u64, TaskSerial)>,
    early: VecDeque<(String, SessionKey, TaskStatus)>,
    next: u64,
}

impl Tasks {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn get(&self, serial: TaskSerial) -> Option<&Task> {
        self.slots.get(&serial)
    }

    /// The task of that id: of this conversation, else the newest of any.
    pub(super) fn find(&self, id: &str, home: SessionKey) -> Option<TaskSerial> {
        if let Some(serial) = self.find_home(id, home) {
            return Some(serial);
        }
        let all = (id.to_owned(), SessionKey(0))..=(id.to_owned(), SessionKey(u64::MAX));
        self.by_id.range(all).map(|(_, serial)| *serial).max()
    }

    /// The task of that id of exactly this conversation.
    pub(super) fn find_home(&self, id: &str, home: SessionKey) -> Option<TaskSerial> {
        self.by_id.get(&(id.to_owned(), home)).copied()
    }

    /// Takes a task in. Its id must be free in its conversation.
    pub(super) fn insert(&mut self, task: Task) -> TaskSerial {
        let serial = TaskSerial(self.next);
        self.next = self.next.wrapping_add(1);
        self.by_id.insert((task.id.clone(), task.home), serial);
        if let Some((deadline_us, _)) = task.deadline {
            self.deadlines.insert((deadline_us, serial));
        }
        self.slots.insert(serial, task);
        serial
    }

    pub(super) fn take(&mut self, serial: TaskSerial) -> Option<Task> {
        let task = self.slots.remove(&serial)?;
        let key = (task.id.clone(), task.home);
        if self.by_id.get(&key) == Some(&serial) {
            self.by_id.remove(&key);
        }
        if let Some((deadline_us, _)) = task.deadline {
            self.deadlines.remove(&(deadline_us, serial));
        }
        Some(task)
    }

    /// Sets when and why the task's time is over, unless it is sooner already for a final status.
    pub(super) fn expect_end(&mut self, serial: TaskSerial, deadline_us: u64, why: Clock) {
        let Some(task) = self.slots.get_mut(&serial) else {
            return;
        };
        if let Some((_, Clock::Final(..))) = task.deadline {
            return;
        }
        if let Some((old, _)) = task.deadline.replace((deadline_us, why)) {
            self.deadlines.remove(&(old, serial));
        }
        self.deadlines.insert((deadline_us, serial));
    }

    /// Keeps a status of a task nobody named yet; returns whether the oldest had to be forgotten.
    pub(super) fn push_early(
        &mut self,
        id: &str,
        home: SessionKey,
        status: TaskStatus,
        max: usize,
    ) -> bool {
        self.early
            .retain(|(other, at, _)| !(other == id && *at == home));
        self.early.push_back((id.to_owned(), home, status));
        let over = self.early.len() > max;
        if over {
            self.early.pop_front();
        }
        over
    }

    /// The status that came before the task.
    pub(super) fn take_early(&mut self, id: &str, home: SessionKey) -> Option<TaskStatus> {
        let at = self
            .early
            .iter()
            .position(|(other, of, _)| other == id && *of == home)?;
        self.early.remove(at).map(|(_, _, status)| status)
    }

    pub(super) fn oldest(&self) -> Option<TaskSerial> {
        self.slots.first_key_value().map(|(serial, _)| *serial)
    }

    pub(super) fn deadline_us(&self) -> Option<u64> {
        self.deadlines.first().map(|(deadline_us, _)| *deadline_us)
    }

    /// The next task whose time is over.
    pub(super) fn overdue(&self, now_us: u64) -> Option<TaskSerial> {
        let (deadline_us, serial) = self.deadlines.first()?;
        (*deadline_us <= now_us).then_some(*serial)
    }

    pub(super) fn clear_early(&mut self) {
        self.early.clear();
    }

    #[cfg(test)]
    pub(super) fn early_len(&self) -> usize {
        self.early.len()
    }
}
