//! `affiant agent` as a process.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::guard::Guard;
use crate::program::affiant;
use crate::wait;

/// What a gateway is started with.
#[derive(Debug, Clone)]
pub struct Setup {
    data: PathBuf,
    trail: String,
    routes: String,
    log: Option<String>,
}

impl Setup {
    /// Without routes, on ports that the system chooses.
    #[must_use]
    pub fn new(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
            trail: String::new(),
            routes: String::new(),
            log: None,
        }
    }

    /// A Streamable HTTP route for every path.
    #[must_use]
    pub fn route(self, id: &str, upstream: &str) -> Self {
        self.route_with(id, upstream, "")
    }

    /// A route with further keys.
    #[must_use]
    pub fn route_with(mut self, id: &str, upstream: &str, keys: &str) -> Self {
        self.routes.push_str(&format!(
            "[[route]]\nid = \"{id}\"\nupstream = \"{upstream}\"\n{keys}\n"
        ));
        self
    }

    /// Keys of the table `[trail]`.
    #[must_use]
    pub fn trail(mut self, keys: &str) -> Self {
        keys.clone_into(&mut self.trail);
        self
    }

    /// What is logged.
    #[must_use]
    pub fn log(mut self, filter: &str) -> Self {
        self.log = Some(filter.to_owned());
        self
    }

    /// The configuration as a file beside the data directory.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn write(&self) -> PathBuf {
        let text = format!(
            "[gateway]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[trail]\n{}\n{}",
            self.trail, self.routes
        );
        let path = self.data.with_extension("toml");
        fs_err::write(&path, text).unwrap();
        path
    }

    /// Starts it and waits until it listens.
    ///
    /// # Panics
    /// When it ends before it listens.
    #[must_use]
    pub fn start(&self) -> Gateway {
        let log = self.data.with_extension("log");
        let stderr = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap()
            .into_file();
        let mut command = affiant();
        command
            .arg("agent")
            .arg("--config")
            .arg(self.write())
            .arg("--data-dir")
            .arg(&self.data);
        if let Some(filter) = &self.log {
            command.args(["--log", filter]);
        }
        let mut guard = Guard::spawn(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(stderr),
        );
        let file = self.data.join("agent.json");
        let id = u64::from(guard.id());
        let state = wait::until("the gateway listens", || {
            assert!(
                !guard.has_ended(),
                "the gateway ended; see {}\n{}",
                log.display(),
                fs_err::read_to_string(&log).unwrap()
            );
            let state: Value = serde_json::from_slice(&fs_err::read(&file).ok()?).ok()?;
            (state["pid"].as_u64() == Some(id)).then_some(state)
        });
        Gateway { guard, state, log }
    }
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    /// The process.
    pub guard: Guard,
    /// What it says on stderr.
    pub log: PathBuf,
    state: Value,
}

impl Gateway {
    /// A URL of a route.
    ///
    /// # Panics
    /// When there is no such route.
    #[must_use]
    pub fn url(&self, route: &str, path: &str) -> String {
        let base = self.state["routes"][route].as_str();
        let Some(base) = base else {
            panic!("no route `{route}` in {}", self.state)
        };
        format!("{base}{path}")
    }

    /// A URL of the admin listener.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn admin(&self, path: &str) -> String {
        format!("{}{path}", self.state["admin"].as_str().unwrap())
    }

    /// Stops it in order.
    ///
    /// # Panics
    /// When it does not succeed at that.
    pub fn stop(mut self) {
        let status = self.guard.terminate();
        let said = fs_err::read_to_string(&self.log).unwrap_or_default();
        assert!(status.success(), "the gateway ended with {status}:\n{said}");
    }
}
