//! The hub, `affiant serve`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::Child;
use tokio::time::sleep;

use super::client::in_time;
use super::process::{LOOK_AGAIN, Stage, orderly, started};
use super::{Told, authority, broken};
use crate::error::ExpectedError;

/// A running aggregator.
pub(super) struct Hub {
    process: HubProcess,
    /// Name of its log.
    pub(super) name: String,
    /// Host and port that sources ship to.
    pub(super) ingest: String,
}

/// An aggregator that may not have come up yet.
struct HubProcess {
    child: Child,
    dir: PathBuf,
    log: PathBuf,
}

impl Stage {
    /// Starts `affiant serve --dev` on a directory and waits until it listens.
    pub(super) async fn hub(&self, dir: &Path) -> Told<Hub> {
        let mut process = self.hub_process(dir)?;
        let what = "an aggregator that listens";
        let state = in_time(what, process.listening()).await??;
        let text = |name| state.get(name).and_then(Value::as_str).unwrap_or_default();
        Ok(Hub {
            name: text("name").to_owned(),
            ingest: authority(text("ingest")).to_owned(),
            process,
        })
    }

    /// Starts `affiant serve --dev`.
    fn hub_process(&self, dir: &Path) -> Told<HubProcess> {
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        let log = format!("{name}.log");
        let mut command = self.affiant(&log)?;
        command.args(["serve", "--dev", "--data-dir"]).arg(dir);
        let child = started(command.stdin(Stdio::null()).stdout(Stdio::null()))?;
        Ok(HubProcess {
            child,
            dir: dir.to_owned(),
            log: self.props().join(log),
        })
    }
}

impl Hub {
    /// Stops it with SIGTERM.
    pub(super) async fn stop(self) -> Told<()> {
        self.process.stop().await
    }
}

impl HubProcess {
    async fn listening(&mut self) -> Told<Value> {
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                let found = format!("{status}; see `{}`", self.log.display());
                return Err(broken("an aggregator that listens", found));
            }
            if let Some(state) = self.state() {
                return Ok(state);
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    fn state(&self) -> Option<Value> {
        let bytes = fs::read(self.dir.join("serve.json")).ok()?;
        let state: Value = serde_json::from_slice(&bytes).ok()?;
        let ours = state.get("pid").and_then(Value::as_u64) == self.child.id().map(u64::from);
        ours.then_some(state)
    }

    /// Stops it with SIGTERM.
    async fn stop(mut self) -> Told<()> {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = id.and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM)
                .map_err(|error| ExpectedError::storage(&std::io::Error::from(error)))?;
        }
        orderly("affiant serve", &mut self.child).await
    }
}

pub(super) fn read(path: &Path) -> Told<String> {
    fs::read_to_string(path).map_err(|e| ExpectedError::storage(&e))
}
