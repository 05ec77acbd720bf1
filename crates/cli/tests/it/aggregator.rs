//! `affiant serve` and the commands beside it, as far as the commands go.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::{PEER, Ran, Sandbox, Talk, copy, session};

/// A running aggregator; killed with the test.
pub(crate) struct Aggregator {
    pub(crate) sandbox: Sandbox,
    child: Child,
}

impl Aggregator {
    pub(crate) fn start() -> Self {
        let sandbox = Sandbox::new();
        let child = spawn(&sandbox);
        Self { sandbox, child }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.sandbox.path("aggregator")
    }

    fn start_again(&mut self) {
        self.child = spawn(&self.sandbox);
    }

    /// Enrols the sandbox's own data directory.
    pub(crate) fn enrol(&self) {
        let token = self.run(&["token", "new"]);
        assert_eq!(token.code, 0, "{token:?}");
        let serve_json = fs_err::read_to_string(self.dir().join("serve.json")).unwrap();
        let addresses: serde_json::Value = serde_json::from_str(&serve_json).unwrap();
        let url = addresses["ingest"].as_str().unwrap();
        let ran = self
            .sandbox
            .run(["enroll", url, "--token", token.stdout.trim()]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let dir = self.dir();
        let dir = dir.to_str().unwrap();
        let args = args.iter().copied().chain(["--data-dir", dir]);
        self.sandbox.run(args)
    }

    /// SIGTERM; its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
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

#[test]
fn a_log_that_was_rolled_back_gets_nothing_and_is_named_until_it_is_back() {
    let mut aggregator = Aggregator::start();
    aggregator.enrol();
    let ship = |aggregator: &Aggregator| aggregator.sandbox.run(["spool", "ship"]);
    let (data, backup) = (aggregator.dir(), aggregator.sandbox.path("backup"));
    aggregator.sandbox.record(2);
    assert_eq!(ship(&aggregator).code, 0);
    aggregator.stop();
    copy(&data, &backup);
    aggregator.start_again();
    aggregator.sandbox.record(40);
    assert_eq!(ship(&aggregator).code, 0);
    aggregator.stop();
    let kept = aggregator.sandbox.path("kept");
    fs_err::rename(&data, &kept).unwrap();
    fs_err::rename(&backup, &data).unwrap();
    aggregator.start_again();
    aggregator.sandbox.record(1);
    let refused = ship(&aggregator);
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.stderr.contains("rolled back"), "{refused:?}");
    let doctor = aggregator.sandbox.run(["doctor"]);
    assert_eq!(doctor.code, 3, "{doctor:?}");
    assert!(
        doctor.stdout.contains("stopped: log was rolled back"),
        "{doctor:?}"
    );
    let files = fs_err::read_dir(aggregator.sandbox.data().join("ship")).unwrap();
    let evidence = files
        .map(|file| file.unwrap().path())
        .find(|path| path.to_string_lossy().contains("evidence-"));
    let evidence = fs_err::read_to_string(evidence.unwrap()).unwrap();
    let evidence: serde_json::Value = serde_json::from_str(&evidence).unwrap();
    for note in ["remembered", "offered"] {
        let note = evidence[note].as_str().unwrap();
        assert!(note.starts_with("localhost/affiant/"), "{note}");
    }
    // The true one is back: all of it gets there.
    aggregator.stop();
    fs_err::remove_dir_all(&data).unwrap();
    fs_err::rename(&kept, &data).unwrap();
    aggregator.start_again();
    let shipped = ship(&aggregator);
    assert_eq!(shipped.code, 0, "{shipped:?}");
    let doctor = aggregator.sandbox.run(["doctor"]);
    assert!(!doctor.stdout.contains("stopped"), "{doctor:?}");
}

#[test]
fn the_key_of_a_log_is_rotated_by_a_restart_and_sources_follow() {
    let mut aggregator = Aggregator::start();
    aggregator.enrol();
    aggregator.sandbox.record(1);
    assert_eq!(aggregator.sandbox.run(["spool", "ship"]).code, 0);
    let old = aggregator.run(&["key", "show", "log"]).stdout;
    let made = aggregator.run(&["key", "rotate", "log"]);
    assert_eq!(made.code, 0, "{made:?}");
    assert_eq!(aggregator.run(&["key", "rotate", "log"]).code, 2);
    assert_eq!(aggregator.run(&["key", "show", "log"]).stdout, old);
    aggregator.stop();
    aggregator.start_again();
    assert_eq!(aggregator.run(&["key", "show", "log"]).stdout, made.stdout);
    let all = aggregator.run(&["key", "show", "log", "--all"]);
    assert_eq!(all.stdout, format!("{}{old}", made.stdout));
    assert_eq!(aggregator.run(&["key", "show", "source", "--all"]).code, 2);
    aggregator.sandbox.record(1);
    let shipped = aggregator.sandbox.run(["spool", "ship"]);
    assert_eq!(shipped.code, 0, "{shipped:?}");
    // Whoever pins the new key judges all of it, the announcement included.
    let trust = aggregator.sandbox.write("log.vkey", &made.stdout);
    let (dir, trust) = (aggregator.dir(), trust.to_str().unwrap().to_owned());
    let verified = aggregator
        .sandbox
        .run(["verify", "--trust", &trust, dir.to_str().unwrap()]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let none = aggregator.sandbox.path("none");
    let none = none.to_str().unwrap();
    let ran = aggregator
        .sandbox
        .run(["key", "rotate", "log", "--data-dir", none]);
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn a_configuration_of_the_aggregator_is_checked_by_its_tables() {
    let sandbox = Sandbox::new();
    let check = |text: &str, more: &[&str]| {
        sandbox.write("some.toml", text);
        sandbox.run(["config", "check", "some.toml"].iter().chain(more))
    };
    let good = check("[log]\nname = \"log.example/a\"\n", &[]);
    assert_eq!(good.code, 0, "{good:?}");
    assert!(good.stderr.contains("log log.example/a"), "{good:?}");
    let bad = check("[log]\nname = \"l\"\n[ingest]\nlisen = \"x\"\n", &[]);
    assert_eq!(bad.code, 2);
    assert!(bad.stderr.contains("did you mean `listen`"), "{bad:?}");
    let rules = check(
        "[log]\nname = \"l\"\n[redaction]\nrule_file = \"none\"\n",
        &[],
    );
    assert_eq!(rules.code, 2, "{rules:?}");
    // Without a table that tells, it is said.
    let forced = check("", &["--serve"]);
    assert_eq!(forced.code, 2);
    assert!(
        forced.stderr.contains("`log.name` is missing"),
        "{forced:?}"
    );
    let both = check("[gateway]\n[log]\nname = \"l\"\n", &[]);
    assert!(both.stderr.contains("unknown key `log`"), "{both:?}");
}

/// Certificates of three seconds, renewed while calls flow: nothing is refused, nothing is lost.
#[test]
fn certificates_rotate_under_load() {
    let mut aggregator = Aggregator::start();
    aggregator.stop();
    let settings = aggregator.dir().join("dev.toml");
    let mut text = fs_err::read_to_string(&settings).unwrap();
    text.push_str("\n[ca]\nsource_lifetime_s = 3\n");
    fs_err::write(&settings, text).unwrap();
    aggregator.start_again();
    aggregator.enrol();
    let enrolment = aggregator.sandbox.data().join("ship/client.crt");
    let certificate = || fs_err::read_to_string(&enrolment).unwrap();
    let mut seen = vec![certificate()];
    let mut talk = Talk::start(&aggregator.sandbox, &["--user", "ann"], &["sh", "-c", PEER]);
    talk.send(&session(0));
    talk.receive();
    talk.receive();
    let mut calls = 0;
    while seen.len() < 4 {
        talk.call(calls);
        calls += 1;
        if !seen.contains(&certificate()) {
            seen.push(certificate());
        }
        assert!(calls < 2_000, "{} certificates", seen.len());
        std::thread::sleep(Duration::from_millis(20));
    }
    talk.hang_up();
    assert_eq!(talk.end_within(Duration::from_secs(20)), Some(7));
    let shipped = aggregator.sandbox.run(["spool", "ship"]);
    assert_eq!(shipped.code, 0, "{shipped:?}");
    let listed = aggregator.run(&["entries", "--format", "json"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    let of_kind = |kind: &str| {
        let kind = format!("\"kind\":\"{kind}\"");
        listed.stdout.matches(&kind).count()
    };
    assert_eq!(of_kind("call.end"), calls);
    assert_eq!((of_kind("refusal"), of_kind("chain.gap")), (0, 0));
}
