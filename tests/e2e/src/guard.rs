//! Children that do not outlive their test.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::wait;

/// A child in a process group of its own; the whole group is killed when the guard goes.
#[derive(Debug)]
pub struct Guard {
    child: Child,
    what: String,
    ended: Option<ExitStatus>,
}

impl Guard {
    /// Starts a command.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(command: &mut Command) -> Self {
        let what = format!("{command:?}");
        match command.process_group(0).spawn() {
            Ok(child) => Self {
                child,
                what,
                ended: None,
            },
            Err(error) => panic!("cannot start {what}: {error}"),
        }
    }

    /// The child, for its pipes.
    pub const fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.poll().is_some()
    }

    /// Signals the child alone, not its group.
    pub fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            let _ = kill_process(self.pid(), signal);
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn wait(&mut self) -> ExitStatus {
        let what = format!("`{}` ends", self.what);
        wait::until(&what, || self.poll())
    }

    /// Asks it to end and waits.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// `kill -9` of the child alone: its own children live on.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn kill(&mut self) -> ExitStatus {
        self.signal(Signal::KILL);
        self.wait()
    }

    fn poll(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap();
        }
        self.ended
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = kill_process_group(self.pid(), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}
