//! The hub, `affiant serve`, and its witness, `affiant witness serve`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::time::sleep;

use super::client::in_time;
use super::process::{LOOK_AGAIN, Stage, orderly, started};
use super::{Told, authority, broken};
use crate::error::ExpectedError;

/// Name of the witness's key.
const WITNESS: &str = "localhost/affiant-demo-witness";
/// What a hub says when a witness knows of a larger tree.
const AHEAD: &str = "cosigned size ";

/// A running aggregator.
pub(super) struct Hub {
    process: HubProcess,
    /// Name of its log.
    pub(super) name: String,
    /// Host and port that sources ship to.
    pub(super) ingest: String,
}

/// An aggregator that may not have come up yet.
pub(super) struct HubProcess {
    child: Child,
    dir: PathBuf,
    log: PathBuf,
}

/// A running witness.
pub(super) struct Witness {
    _child: Child,
    /// Host and port.
    pub(super) address: String,
    vkey: String,
}

/// What a witness knows better.
#[derive(Debug)]
pub(super) struct Ahead {
    /// Leaves of the tree it cosigned.
    pub(super) cosigned: u64,
    /// Leaves of the tree it was shown.
    pub(super) shown: u64,
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
    pub(super) fn hub_process(&self, dir: &Path) -> Told<HubProcess> {
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

    /// Starts `affiant witness serve` for one log and waits until it listens.
    pub(super) async fn witness(&self, log_vkey: &str) -> Told<Witness> {
        let mut command = self.affiant("witness.log")?;
        command.args(["witness", "serve", "--name", WITNESS]);
        command.args([
            "--log-key",
            log_vkey,
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
        ]);
        command.arg(self.props().join("witness"));
        let mut child = started(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
        let silent = || broken("a witness that listens", "none; see `demo/witness.log`");
        let stdout = child.stdout.take().ok_or_else(silent)?;
        let mut lines = BufReader::new(stdout).lines();
        let line = in_time("a witness that listens", lines.next_line()).await?;
        let vkey = line.ok().flatten().ok_or_else(silent)?;
        let said = read(&self.props().join("witness.log"))?;
        let url = said
            .split_whitespace()
            .find(|word| word.starts_with("http://"));
        Ok(Witness {
            _child: child,
            address: authority(url.ok_or_else(silent)?).to_owned(),
            vkey,
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

    /// Waits until it says that a witness knows of a larger tree.
    pub(super) async fn objected(&self) -> Told<Ahead> {
        let look = async {
            loop {
                let said = read(&self.log)?;
                if let Some(ahead) = said.lines().find_map(ahead) {
                    return Ok(ahead);
                }
                sleep(LOOK_AGAIN).await;
            }
        };
        in_time("a witness that refuses to cosign", look).await?
    }

    /// Ends it, however it is doing, and lets go of its directory.
    pub(super) async fn kill(mut self) -> Told<()> {
        in_time("the end of a killed process", self.child.kill())
            .await?
            .map_err(|e| ExpectedError::storage(&e))
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

impl Witness {
    /// A C2SP tlog-policy that asks for it; with its URL for the log, without for verifiers.
    pub(super) fn policy(&self, log_vkey: &str, with_url: bool) -> String {
        let url = if with_url {
            format!(" http://{}", self.address)
        } else {
            String::new()
        };
        let vkey = &self.vkey;
        format!("log {log_vkey}\nwitness demo {vkey}{url}\nquorum demo\n")
    }
}

/// `… cosigned size 112, but the log has size 93 …`
fn ahead(line: &str) -> Option<Ahead> {
    let (_, rest) = line.split_once(AHEAD)?;
    let mut numbers = rest
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse().ok());
    Some(Ahead {
        cosigned: numbers.next()?,
        shown: numbers.next()?,
    })
}

pub(super) fn read(path: &Path) -> Told<String> {
    fs::read_to_string(path).map_err(|e| ExpectedError::storage(&e))
}

#[cfg(test)]
mod tests {
    use super::ahead;

    #[test]
    fn sizes_are_read_from_the_objection() {
        let line = "ERROR x error=witness w cosigned size 112, but the log has size 93";
        let found = ahead(line).unwrap();
        assert_eq!((found.cosigned, found.shown), (112, 93));
        assert!(ahead("INFO log").is_none());
    }
}
