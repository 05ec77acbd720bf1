//! `affiant serve` and the commands beside it, as far as the commands go.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::{Ran, Sandbox};

/// A running aggregator; killed with the test.
struct Aggregator {
    sandbox: Sandbox,
    child: Child,
}

impl Aggregator {
    fn start() -> Self {
        let sandbox = Sandbox::new();
        let child = spawn(&sandbox);
        Self { sandbox, child }
    }

    fn dir(&self) -> PathBuf {
        self.sandbox.path("aggregator")
    }

    fn run(&self, args: &[&str]) -> Ran {
        let dir = self.dir();
        let dir = dir.to_str().unwrap();
        let args = args.iter().copied().chain(["--data-dir", dir]);
        self.sandbox.run(args)
    }

    /// SIGTERM; its exit code.
    fn stop(&mut self) -> Option<i32> {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Aggregator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(sandbox: &Sandbox) -> Child {
    let dir = sandbox.path("aggregator");
    let mut command = sandbox.affiant(["serve", "--dev", "--data-dir", dir.to_str().unwrap()]);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    for _ in 0..600 {
        if dir.join("serve.json").exists() {
            return child;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = child.kill();
    panic!("`affiant serve` did not come up: {:?}", child.wait());
}

#[test]
fn it_says_where_it_listens_stops_in_order_and_comes_back_at_the_same_place() {
    let mut aggregator = Aggregator::start();
    let serve_json = aggregator.dir().join("serve.json");
    let first: serde_json::Value =
        serde_json::from_slice(&fs_err::read(&serve_json).unwrap()).unwrap();
    assert_eq!(first["pid"], aggregator.child.id());
    assert!(
        first["ingest"]
            .as_str()
            .unwrap()
            .starts_with("https://127.0.0.1:")
    );
    let key = aggregator.run(&["key", "show", "log"]);
    assert_eq!(key.code, 0, "{key:?}");
    assert!(key.stdout.starts_with(first["name"].as_str().unwrap()));
    let second = aggregator.run(&["serve", "--dev"]);
    assert_eq!(second.code, 2, "{second:?}");
    assert_eq!(aggregator.stop(), Some(0));
    assert!(!serve_json.exists());
    aggregator.child = spawn(&aggregator.sandbox);
    let again: serde_json::Value =
        serde_json::from_slice(&fs_err::read(&serve_json).unwrap()).unwrap();
    for member in ["api", "ingest", "log", "name"] {
        assert_eq!(again[member], first[member]);
    }
}

#[test]
fn tokens_are_made_listed_and_taken_back_while_it_runs() {
    let aggregator = Aggregator::start();
    let made = aggregator.run(&["token", "new", "--source", "gw-7", "--ttl", "10m"]);
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.stdout.starts_with("affiant-token-v1."));
    assert_eq!(made.stdout.lines().count(), 1);
    let listed = aggregator.run(&["token", "list", "--format", "json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed["tokens"][0]["state"], "valid");
    assert_eq!(listed["tokens"][0]["source"], "gw-7");
    let id = listed["tokens"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(aggregator.run(&["token", "revoke", &id]).code, 0);
    assert_eq!(aggregator.run(&["token", "revoke", &id]).code, 3);
    assert_eq!(aggregator.run(&["token", "revoke", "ab"]).code, 2);
    assert_eq!(aggregator.run(&["token", "new", "--ttl", "soon"]).code, 2);
    assert!(
        aggregator
            .run(&["token", "list"])
            .stdout
            .contains("revoked")
    );
}

#[test]
fn a_roster_is_signed_with_a_key_that_stays_elsewhere() {
    let aggregator = Aggregator::start();
    let key = aggregator.sandbox.path("admin.key");
    let key = key.to_str().unwrap();
    assert_eq!(aggregator.run(&["roster", "show"]).code, 3);
    let made = aggregator.run(&["roster", "new", "--admin-key", key]);
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.stdout.starts_with("admin+"));
    assert_eq!(
        aggregator.run(&["roster", "new", "--admin-key", key]).code,
        2
    );
    let signed = aggregator.run(&["roster", "sign", "--admin-key", key]);
    assert_eq!(signed.code, 0, "{signed:?}");
    let unknown = aggregator.run(&["roster", "sign", "--admin-key", key, "--source", "gw-7=60"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    let shown = aggregator.run(&["roster", "show", "--format", "json"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["serial"], 1);
    fs_err::write(aggregator.dir().join("keys/admin.vkey"), "").unwrap();
    assert_eq!(aggregator.run(&["roster", "show"]).code, 4);
}

#[test]
fn a_source_is_revoked_once() {
    let aggregator = Aggregator::start();
    let revoked = aggregator.run(&["key", "revoke", "gw-7", "--reason", "stolen"]);
    assert_eq!(revoked.code, 0, "{revoked:?}");
    assert!(revoked.stderr.contains("is revoked"), "{}", revoked.stderr);
    let again = aggregator.run(&["key", "revoke", "gw-7"]);
    assert!(
        again.stderr.contains("was revoked before"),
        "{}",
        again.stderr
    );
    assert_eq!(aggregator.run(&["key", "revoke", "Not An Id"]).code, 2);
}

#[test]
fn what_is_no_aggregators_directory_is_told() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("empty");
    for args in [
        &["token", "new"][..],
        &["roster", "show"],
        &["key", "revoke", "gw-7"],
    ] {
        let dir = dir.to_str().unwrap();
        let ran = sandbox.run(args.iter().copied().chain(["--data-dir", dir]));
        assert_eq!(ran.code, 2, "{ran:?}");
    }
    sandbox.write("serve.toml", "[log]\nname = \"l\"\nidel_s = 3\n");
    let ran = sandbox.run(["serve", "--config", "serve.toml", "--data-dir", "x"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("did you mean `idle_s`"),
        "{}",
        ran.stderr
    );
}
