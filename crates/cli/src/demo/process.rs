//! The processes of the story. Each is killed when its handle is dropped.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use affiant_agent::state::DataDir;
use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::sleep;

use super::client::in_time;
use super::{PROPS, SERVER_HTTP, SERVER_STDIO, Told, USER, broken};
use crate::env;
use crate::error::ExpectedError;

/// How often a file that is to come is looked for.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// This program, and where the story takes place.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    program: PathBuf,
    pub(super) data: DataDir,
}

/// `affiant run` around the server.
pub(super) struct Wrapped {
    child: Child,
    pub(super) stdin: Option<ChildStdin>,
    pub(super) stdout: Option<ChildStdout>,
}

/// The server, on a port of its own.
pub(super) struct HttpServer {
    child: Child,
    /// The server ends when this does.
    stdin: Option<ChildStdin>,
    /// Scheme, host and port.
    pub(super) origin: String,
}

/// `affiant agent` in front of the server.
pub(super) struct Gateway {
    child: Child,
    /// Where clients find the server.
    pub(super) url: String,
}

impl Stage {
    pub(super) fn new(data: DataDir) -> Told<Self> {
        let program = std::env::current_exe().map_err(|e| ExpectedError::storage(&e))?;
        let stage = Self { program, data };
        fs::create_dir_all(stage.props()).map_err(|e| ExpectedError::storage(&e))?;
        Ok(stage)
    }

    /// Where the story keeps what is no part of the trail: configuration, logs, copies.
    pub(super) fn props(&self) -> PathBuf {
        self.data.root().join(PROPS)
    }

    /// This program as one would type it.
    pub(super) fn shown_program(&self) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        let near = self.program.strip_prefix(&here).unwrap_or(&self.program);
        near.display().to_string()
    }

    /// Starts `affiant run … -- affiant demo-server`.
    pub(super) fn wrapped(&self) -> Told<Wrapped> {
        self.wrapped_in(self.data.root())
    }

    /// The same, with the trail in a directory.
    pub(super) fn wrapped_in(&self, data: &Path) -> Told<Wrapped> {
        let mut command = self.affiant("run.log")?;
        command.args(["run", "--server", SERVER_STDIO, "--user", USER]);
        command.arg("--data-dir").arg(data);
        command.arg("--").arg(&self.program).arg("demo-server");
        let mut child = started(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        Ok(Wrapped {
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            child,
        })
    }

    /// Starts `affiant demo-server --http 0` and waits until it listens.
    pub(super) async fn http_server(&self) -> Told<HttpServer> {
        let mut command = self.affiant("server.log")?;
        command.args(["demo-server", "--http", "0"]);
        let mut child = started(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let silent = || broken("a server that listens", "a silent one");
        let stdout = child.stdout.take().ok_or_else(silent)?;
        let mut lines = BufReader::new(stdout).lines();
        let line = in_time("a server that listens", lines.next_line()).await?;
        let line = line.ok().flatten().unwrap_or_default();
        let origin = line
            .strip_prefix("listening ")
            .and_then(|url| url.strip_suffix("/mcp"))
            .ok_or_else(silent)?;
        Ok(HttpServer {
            origin: origin.to_owned(),
            stdin: child.stdin.take(),
            child,
        })
    }

    /// Starts `affiant agent` in front of a server and waits until it listens.
    pub(super) async fn gateway(&self, upstream: &str) -> Told<Gateway> {
        let config = self.props().join("agent.toml");
        let text = format!(
            "[gateway]\nlisten = \"127.0.0.1:0\"\n\n[admin]\nlisten = \"127.0.0.1:0\"\n\n\
             [[route]]\nid = \"{SERVER_HTTP}\"\nupstream = \"{upstream}\"\nuser = \"{USER}\"\n"
        );
        fs::write(&config, text).map_err(|e| ExpectedError::storage(&e))?;
        let mut command = self.affiant("agent.log")?;
        command.arg("agent").arg("--config").arg(&config);
        command.arg("--data-dir").arg(self.data.root());
        let mut child = started(command.stdin(Stdio::null()).stdout(Stdio::null()))?;
        let file = self.data.agent_json();
        let listening = in_time("a gateway that listens", listening(&mut child, &file));
        let base = listening.await??;
        Ok(Gateway {
            child,
            url: format!("{}/mcp", base.trim_end_matches('/')),
        })
    }

    /// This program, untouched by the caller's environment, its stderr in a file.
    pub(super) fn affiant(&self, log: &str) -> Told<Command> {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.props().join(log))
            .map_err(|e| ExpectedError::storage(&e))?;
        let mut command = Command::new(&self.program);
        for name in [env::DATA_DIR, env::USER, env::ROLE, env::LOG] {
            command.env_remove(name);
        }
        // What verifiers remember of logs, among others.
        command.env(env::XDG_STATE_HOME, self.props());
        command.stderr(log.into_file()).kill_on_drop(true);
        Ok(command)
    }
}

impl Wrapped {
    /// Waits until it ended by itself, as it does when its input ends.
    pub(super) async fn ended(mut self) -> Told<()> {
        drop(self.stdin.take());
        orderly("affiant run", &mut self.child).await
    }

    /// `kill -9`.
    pub(super) async fn crash(mut self) -> Told<u32> {
        let pid = self.child.id().unwrap_or_default();
        in_time("a killed process", self.child.kill())
            .await?
            .map_err(|e| ExpectedError::storage(&e))?;
        Ok(pid)
    }
}

impl Gateway {
    /// Stops it with SIGTERM.
    pub(super) async fn stop(mut self) -> Told<()> {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = id.and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM)
                .map_err(|error| ExpectedError::storage(&std::io::Error::from(error)))?;
        }
        orderly("affiant agent", &mut self.child).await
    }
}

impl HttpServer {
    /// Stops it by the end of its input.
    pub(super) async fn stop(mut self) -> Told<()> {
        drop(self.stdin.take());
        orderly("affiant demo-server", &mut self.child).await
    }
}

pub(super) fn started(command: &mut Command) -> Told<Child> {
    command
        .spawn()
        .map_err(|error| broken("a process", error.to_string()))
}

pub(super) async fn orderly(what: &str, child: &mut Child) -> Told<()> {
    let status: ExitStatus = in_time(&format!("the end of `{what}`"), child.wait())
        .await?
        .map_err(|e| ExpectedError::storage(&e))?;
    if status.success() {
        return Ok(());
    }
    Err(broken(
        &format!("`{what}` to end with code 0"),
        status.to_string(),
    ))
}

/// Where the gateway listens, once it does.
async fn listening(child: &mut Child, file: &Path) -> Told<String> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(broken(
                "a gateway that listens",
                format!("{status}; see `demo/agent.log`"),
            ));
        }
        if let Some(base) = route_in(file, child.id()) {
            return Ok(base);
        }
        sleep(LOOK_AGAIN).await;
    }
}

fn route_in(file: &Path, pid: Option<u32>) -> Option<String> {
    let state: Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let ours = state.get("pid").and_then(Value::as_u64) == pid.map(u64::from);
    let base = state.pointer(&format!("/routes/{SERVER_HTTP}"))?;
    base.as_str().filter(|_| ours).map(str::to_owned)
}
