//! Commands of this program, run to their end as one would type them.

use std::ffi::OsStr;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use super::client::in_time;
use super::process::{Stage, started};
use super::{Told, broken};
use crate::error::ExpectedError;

/// What a command came to.
#[derive(Debug)]
pub(super) struct Ran {
    /// What was run, in short.
    what: String,
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Stage {
    /// Runs a command with nothing to read.
    pub(super) async fn run<A: AsRef<OsStr>>(&self, args: &[A]) -> Told<Ran> {
        self.run_with("", args).await
    }

    /// Runs a command that reads `input`.
    pub(super) async fn run_with<A: AsRef<OsStr>>(&self, input: &str, args: &[A]) -> Told<Ran> {
        let mut command = self.affiant("commands.log")?;
        command.args(args);
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = started(&mut command)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that does not read it says so itself.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let words = args.iter().map(|arg| arg.as_ref().to_string_lossy());
        let words: Vec<_> = words.take_while(|word| !word.starts_with('-')).collect();
        let what = format!("affiant {}", words.join(" "));
        let end = format!("the end of `{what}`");
        let ended = in_time(&end, child.wait_with_output()).await?;
        let ended = ended.map_err(|e| ExpectedError::storage(&e))?;
        Ok(Ran {
            what,
            code: ended.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&ended.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&ended.stderr).into_owned(),
        })
    }
}

impl Ran {
    /// That it ended with this code.
    pub(super) fn expect(self, code: i32) -> Told<Self> {
        if self.code == code {
            return Ok(self);
        }
        let expected = format!("`{}` to end with code {code}", self.what);
        let said = self.stderr.trim().replace('\n', "; ");
        Err(broken(&expected, format!("code {}: {said}", self.code)))
    }

    /// The one object it printed.
    pub(super) fn json(&self) -> Told<Value> {
        serde_json::from_str(&self.stdout)
            .map_err(|error| broken(&format!("JSON of `{}`", self.what), error.to_string()))
    }

    /// The line of talk that begins like this, without its beginning.
    pub(super) fn told(&self, beginning: &str) -> Told<&str> {
        let mut lines = self.stderr.lines();
        let line = lines.find_map(|line| line.trim().strip_prefix(beginning));
        line.ok_or_else(|| {
            let expected = format!("`{}` to say `{beginning}`", self.what);
            broken(&expected, self.stderr.trim().replace('\n', "; "))
        })
    }
}
