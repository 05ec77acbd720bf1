//! `affiant serve --dev` as a process.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Setup;
use crate::process::Guard;

pub(super) struct Aggregator {
    pub(super) guard: Guard,
    pub(super) data: PathBuf,
    ingest: String,
}

impl Aggregator {
    pub(super) fn start(setup: &Setup, data: &Path) -> Self {
        let child = Command::new(&setup.affiant)
            .args(["serve", "--dev", "--log", "error", "--data-dir"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("aggregator starts");
        let guard = Guard(child);
        let end = Instant::now() + Duration::from_secs(30);
        let state: Value = loop {
            let text = fs_err::read_to_string(data.join("serve.json")).unwrap_or_default();
            if let Ok(state) = serde_json::from_str(&text) {
                break state;
            }
            assert!(Instant::now() < end, "aggregator does not listen");
            std::thread::sleep(Duration::from_millis(50));
        };
        Self {
            guard,
            data: data.to_owned(),
            ingest: state["ingest"].as_str().unwrap_or_default().to_owned(),
        }
    }

    pub(super) fn enrol(&self, setup: &Setup, edge: &Path, source: &str) {
        let token = Command::new(&setup.affiant)
            .args(["token", "new", "--data-dir"])
            .arg(&self.data)
            .output()
            .expect("token");
        let token = String::from_utf8_lossy(&token.stdout).trim().to_owned();
        let status = Command::new(&setup.affiant)
            .args([
                "enroll",
                &self.ingest,
                "--token",
                &token,
                "--source",
                source,
            ])
            .arg("--data-dir")
            .arg(edge)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("enrolment");
        assert!(status.success(), "enrolment: {status}");
    }

    pub(super) fn log(&self) -> PathBuf {
        self.data.join("log")
    }

    /// Leaves under the newest checkpoint.
    pub(super) fn size(&self) -> usize {
        let note = fs_err::read_to_string(self.log().join("checkpoint")).unwrap_or_default();
        let size = note.lines().nth(1).and_then(|line| line.parse().ok());
        size.unwrap_or(0)
    }
}
