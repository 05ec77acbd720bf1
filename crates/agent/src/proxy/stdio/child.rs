//! The wrapped server as a process.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::Pid;

/// The server cannot be started. Shells end with 127 or 126 for the same.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// There is no such program.
    #[error("command `{program}` not found")]
    NotFound {
        /// As given.
        program: String,
    },
    /// It is not executable, or the system refused.
    #[error("command `{program}` cannot be started")]
    Refused {
        /// As given.
        program: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl SpawnError {
    /// The exit code shells use: 127 when not found, 126 when it cannot be run.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound { .. } => 127,
            Self::Refused { .. } => 126,
        }
    }
}

pub(super) struct Server {
    child: Child,
}

pub(super) fn spawn(command: &[OsString]) -> Result<Server, SpawnError> {
    let (program, args) = command.split_first().ok_or_else(|| SpawnError::NotFound {
        program: String::new(),
    })?;
    // Same process group, so that a signal to the client's group reaches the server as it would
    // without us; stderr is the client's own.
    let spawned = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    match spawned {
        Ok(child) => Ok(Server { child }),
        Err(source) => {
            let program = program.to_string_lossy().into_owned();
            Err(if source.kind() == std::io::ErrorKind::NotFound {
                SpawnError::NotFound { program }
            } else {
                SpawnError::Refused { program, source }
            })
        }
    }
}

impl Server {
    pub(super) fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    pub(super) fn take_pipes(&mut self) -> (Option<ChildStdin>, Option<ChildStdout>) {
        (self.child.stdin.take(), self.child.stdout.take())
    }

    pub(super) fn wait(mut self) -> u8 {
        match self.child.wait() {
            Ok(status) => exit_code(status),
            Err(error) => {
                tracing::error!(%error, "server cannot be waited for");
                1
            }
        }
    }
}

/// The server's code, or 128 + n for signal n, as shells say it.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|n| n.saturating_add(128)))
        .unwrap_or(1);
    u8::try_from(code & 0xff).unwrap_or(1)
}
