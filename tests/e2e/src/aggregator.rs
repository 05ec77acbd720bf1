//! `affiant serve` as a process.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::guard::Guard;
use crate::http;
use crate::metrics::Metrics;
use crate::program::{affiant, output, output_ok, said};
use crate::wait;

/// A running aggregator.
#[derive(Debug)]
pub struct Aggregator {
    /// The process.
    pub guard: Guard,
    /// What it says on stderr.
    pub log: PathBuf,
    data: PathBuf,
    state: Value,
}

impl Aggregator {
    /// Starts `affiant serve --dev` and waits until it listens.
    ///
    /// # Panics
    /// When it ends before it listens.
    #[must_use]
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, &["--dev".as_ref()])
    }

    /// `affiant serve --config FILE`.
    ///
    /// # Panics
    /// When it ends before it listens.
    #[must_use]
    pub fn start_configured(data: &Path, config: &Path) -> Self {
        Self::start_with(data, &["--config".as_ref(), config.as_os_str()])
    }

    /// What an aggregator says that ends by itself instead of serving.
    ///
    /// # Panics
    /// When it does not end, or calls that success.
    #[must_use]
    pub fn refused(data: &Path, config: &Path) -> String {
        let out = Self::attempted(data, config);
        assert!(!out.status.success(), "{}", said(&out));
        said(&out)
    }

    /// How an aggregator ends that does so by itself.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn attempted(data: &Path, config: &Path) -> Output {
        let mut command = affiant();
        command.args(["serve", "--config"]).arg(config);
        output(command.arg("--data-dir").arg(data))
    }

    fn start_with(data: &Path, words: &[&OsStr]) -> Self {
        let log = data.with_extension("log");
        let stderr = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap()
            .into_file();
        let mut command = affiant();
        command.args(["serve", "--data-dir"]).arg(data).args(words);
        let mut guard = Guard::spawn(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(stderr),
        );
        let file = data.join("serve.json");
        let id = u64::from(guard.id());
        let state = wait::until("the aggregator listens", || {
            assert!(
                !guard.has_ended(),
                "the aggregator ended; see {}\n{}",
                log.display(),
                fs_err::read_to_string(&log).unwrap()
            );
            let state: Value = serde_json::from_slice(&fs_err::read(&file).ok()?).ok()?;
            (state["pid"].as_u64() == Some(id)).then_some(state)
        });
        Self {
            guard,
            log,
            data: data.to_owned(),
            state,
        }
    }

    /// One of `api`, `ingest`, `log`: a URL without a slash at its end.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn url(&self, what: &str) -> String {
        let url = self.state[what].as_str();
        let Some(url) = url else {
            panic!("no `{what}` in {}", self.state)
        };
        url.trim_end_matches('/').to_owned()
    }

    /// Enrols the edge whose state is `edge`, at its own address.
    ///
    /// # Panics
    /// When that fails.
    pub fn enrol(&self, edge: &Path, source: &str) {
        self.enrol_through(&self.url("ingest"), edge, source);
    }

    /// Enrols at another address that leads here.
    ///
    /// # Panics
    /// When that fails.
    pub fn enrol_through(&self, url: &str, edge: &Path, source: &str) {
        enrol_at(url, &token(&self.data), edge, source);
    }

    /// Enrols with a token.
    ///
    /// # Panics
    /// When that fails.
    pub fn enrol_with(&self, token: &str, edge: &Path, source: &str) {
        enrol_at(&self.url("ingest"), token, edge, source);
    }

    /// What `/v1/status` says.
    ///
    /// # Panics
    /// When it says nothing.
    #[must_use]
    pub fn status(&self) -> Value {
        let reply = http::get(&format!("{}/v1/status", self.url("api"))).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.head);
        reply.json()
    }

    /// Whether `/readyz` says that the log takes leaves.
    ///
    /// # Panics
    /// When nobody answers.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let reply = http::get(&format!("{}/readyz", self.url("api"))).unwrap();
        reply.status == 200
    }

    /// Its metrics.
    ///
    /// # Panics
    /// When they cannot be read.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics::read(&format!("{}/metrics", self.url("api")))
    }

    /// Stops it in order.
    ///
    /// # Panics
    /// When it does not succeed at that.
    pub fn stop(mut self) {
        let status = self.guard.terminate();
        let said = fs_err::read_to_string(&self.log).unwrap_or_default();
        assert!(
            status.success(),
            "the aggregator ended with {status}:\n{said}"
        );
    }
}

fn enrol_at(url: &str, token: &str, edge: &Path, source: &str) {
    let words = ["enroll", url, "--token", token, "--source", source];
    let out = output(affiant().args(words).arg("--data-dir").arg(edge));
    assert!(
        out.status.success(),
        "enroll: {}\n{}",
        out.status,
        said(&out)
    );
}

/// A one-time token of the aggregator with this data directory.
///
/// # Panics
/// When none is made.
#[must_use]
pub fn token(data: &Path) -> String {
    line(&output_ok(
        affiant().args(["token", "new", "--data-dir"]).arg(data),
    ))
}

/// The verifier key of the log.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn log_key(data: &Path) -> String {
    line(&output_ok(
        affiant()
            .args(["key", "show", "log", "--data-dir"])
            .arg(data),
    ))
}

/// Ships all that waits at an edge, and says how that ended.
#[must_use]
pub fn ship(edge: &Path) -> Output {
    output(
        affiant()
            .args(["spool", "ship", "--once", "--data-dir"])
            .arg(edge),
    )
}

/// [`ship`] until nothing waits.
///
/// # Panics
/// When that does not come about.
pub fn ship_all(edge: &Path) {
    wait::until("all is shipped", || {
        ship(edge).status.success().then_some(())
    });
}

/// `affiant verify TARGET` in JSON, with its exit code.
#[must_use]
pub fn verify(target: &Path, words: &[&str]) -> (Option<i32>, String) {
    let out = output(affiant().arg("verify").arg(target).args(words));
    (out.status.code(), said(&out))
}

fn line(out: &Output) -> String {
    let text = String::from_utf8_lossy(&out.stdout);
    text.trim_end().to_owned()
}
