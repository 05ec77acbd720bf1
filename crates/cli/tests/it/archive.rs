//! `affiant archive` and the archive of a running aggregator, in a directory.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::{PEER, Ran, Sandbox, session};
use affiant_archive::Key;
use affiant_archive::store::{Objects as _, S3Objects};

/// An aggregator with a configuration that archives; killed with the test.
struct Archiving {
    sandbox: Sandbox,
    child: Option<Child>,
}

impl Archiving {
    /// `archive` is the text of `[archive]`, with `ARCHIVE` for a directory of the test.
    fn start(archive: &str) -> Self {
        let sandbox = Sandbox::new();
        let dir = sandbox.path("archive").display().to_string();
        let archive = archive.replace("ARCHIVE", &dir);
        let text = format!(
            "[log]\nname = \"log.example/archived\"\n[ingest]\nlisten = \"127.0.0.1:0\"\n[api]\nlisten = \"127.0.0.1:0\"\n[archive]\n{archive}\n"
        );
        sandbox.write("serve.toml", &text);
        let mut aggregator = Self {
            sandbox,
            child: None,
        };
        aggregator.serve();
        aggregator
    }

    fn dir(&self) -> PathBuf {
        self.sandbox.path("aggregator")
    }

    fn path(&self, name: &str) -> String {
        self.sandbox.path(name).display().to_string()
    }

    fn serve(&mut self) {
        let dir = self.dir();
        let config = self.path("serve.toml");
        let args = [
            "serve",
            "--config",
            &config,
            "--data-dir",
            dir.to_str().unwrap(),
        ];
        let log = fs_err::File::create(self.sandbox.path("serve.log")).unwrap();
        let mut command = self.sandbox.affiant(args);
        self.child = Some(
            command
                .stderr(Stdio::from(log.into_file()))
                .spawn()
                .unwrap(),
        );
        for _ in 0..600 {
            if dir.join("serve.json").exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = fs_err::read_to_string(self.sandbox.path("serve.log"));
        panic!("`affiant serve` did not come up: {log:?}");
    }

    fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }

    fn enrol(&self) {
        let dir = self.dir();
        let token = self
            .sandbox
            .run(["token", "new", "--data-dir", dir.to_str().unwrap()]);
        assert_eq!(token.code, 0, "{token:?}");
        let ran = self.sandbox.run([
            "enroll",
            &self.address("ingest"),
            "--token",
            token.stdout.trim(),
        ]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }

    fn address(&self, name: &str) -> String {
        let text = fs_err::read_to_string(self.dir().join("serve.json")).unwrap();
        let addresses: serde_json::Value = serde_json::from_str(&text).unwrap();
        addresses[name].as_str().unwrap().to_owned()
    }

    /// Records calls, one of them with an input that becomes a blob, and ships them.
    fn ship(&self, calls: usize) {
        let large = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"tools/call\",\"params\":{{\"name\":\"search\",\"arguments\":{{\"text\":\"{}\"}}}}}}\n",
            "word ".repeat(9_000)
        );
        let input = format!("{}{large}", session(calls));
        let ran = self
            .sandbox
            .wrap(&["--user", "ann"], &["sh", "-c", PEER], input.as_bytes());
        assert_eq!(ran.code, 7, "{ran:?}");
        let shipped = self.sandbox.run(["spool", "ship"]);
        assert_eq!(shipped.code, 0, "{shipped:?}");
    }

    fn archive(&self, args: &[&str]) -> Ran {
        let config = self.path("serve.toml");
        let args = [&["archive"], args, &["--config", &config]].concat();
        self.sandbox.run(args)
    }

    fn flush(&self) {
        let dir = self.path("aggregator");
        let flushed = self.archive(&["flush", "--data-dir", &dir]);
        assert_eq!(flushed.code, 0, "{flushed:?}");
    }

    /// Flushes until there are so many sets: the first entries of a boot come in a moment.
    fn flush_to(&self, sets: u64) {
        for _ in 0..200 {
            self.flush();
            if self.status()["sets"] == sets {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("not {sets} sets: {}", self.status());
    }

    fn status(&self) -> serde_json::Value {
        let dir = self.path("aggregator");
        let status = self.archive(&["status", "--data-dir", &dir, "--format", "json"]);
        serde_json::from_str(&status.stdout).unwrap_or_else(|_| panic!("{status:?}"))
    }

    fn metrics(&self) -> String {
        let url = format!("{}/metrics", self.address("api"));
        let out = std::process::Command::new("curl")
            .args(["-s", &url])
            .output()
            .unwrap();
        String::from_utf8(out.stdout).unwrap()
    }

    fn verify(&self, target: &Path) -> Ran {
        let key = self.path("log.vkey");
        self.sandbox.run([
            "verify",
            "--no-remember",
            "--trust",
            &key,
            target.to_str().unwrap(),
        ])
    }

    fn keep_key(&self) {
        let key = fs_err::read_to_string(self.dir().join("keys/log.vkey")).unwrap();
        self.sandbox.write("log.vkey", &key);
    }
}

impl Drop for Archiving {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

const LOCAL: &str = "url = \"file://ARCHIVE\"\nset_age_s = 86400\nscrub_every_s = 1";

fn metric(text: &str, name: &str) -> Option<u64> {
    let line = text
        .lines()
        .find(|line| line.starts_with(name) && !line.starts_with('#'))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn a_lost_data_directory_comes_back_from_the_archive_and_goes_on() {
    let mut aggregator = Archiving::start(LOCAL);
    aggregator.enrol();
    aggregator.ship(20);
    aggregator.flush();
    aggregator.ship(5);
    aggregator.stop();
    // What was not archived yet: a stopped aggregator's directory is enough.
    aggregator.flush();
    let status = aggregator.status();
    assert_eq!(
        (&status["waiting"], &status["sets"]),
        (&0.into(), &2.into()),
        "{status}"
    );
    aggregator.keep_key();
    assert_eq!(aggregator.verify(&aggregator.dir()).code, 0);
    // The archive itself, offline, by a key from elsewhere.
    let archive = aggregator.sandbox.path("archive");
    let verified = aggregator.verify(&archive);
    assert_eq!(verified.code, 0, "{verified:?}");
    let untrusted = aggregator
        .sandbox
        .run(["verify", archive.to_str().unwrap()]);
    assert_eq!(untrusted.code, 4, "{untrusted:?}");
    // All is lost but the archive and a copy of the secrets.
    let (dir, backup) = (aggregator.dir(), aggregator.sandbox.path("backup"));
    for name in ["keys", "ca"] {
        crate::sandbox::copy(&dir.join(name), &backup.join(name));
    }
    let before = fs_err::read(dir.join("log/checkpoint")).unwrap();
    fs_err::remove_dir_all(&dir).unwrap();
    let (dir_text, backup) = (aggregator.path("aggregator"), aggregator.path("backup"));
    let restored = aggregator.archive(&["restore", "--data-dir", &dir_text, "--secrets", &backup]);
    assert_eq!(restored.code, 0, "{restored:?}");
    assert_eq!(fs_err::read(dir.join("log/checkpoint")).unwrap(), before);
    let verified = aggregator.verify(&dir);
    assert_eq!(verified.code, 0, "{verified:?}");
    let again = aggregator.archive(&["restore", "--data-dir", &dir_text]);
    assert_eq!(again.code, 2, "{again:?}");
    // It goes on: the source is still known, nobody sees a rollback, and sets follow.
    aggregator.serve();
    let address = aggregator.address("ingest");
    assert!(address.starts_with("https://"));
    aggregator.flush_to(3);
    aggregator.stop();
    let verified = aggregator.verify(&dir);
    assert_eq!(verified.code, 0, "{verified:?}");
    let verified = aggregator.verify(&archive);
    assert_eq!(verified.code, 0, "{verified:?}");
    let sources = fs_err::read_dir(dir.join("state/sources")).unwrap().count();
    assert_eq!(sources, 1);
}

/// Attacks 1 and 3 on an archive.
#[test]
fn what_is_changed_or_gone_is_said_by_scrub_verify_and_metrics() {
    let mut aggregator = Archiving::start(LOCAL);
    aggregator.enrol();
    aggregator.ship(20);
    aggregator.flush();
    aggregator.keep_key();
    let archive = aggregator.sandbox.path("archive");
    let find = |kind: &str| {
        let set = fs_err::read_dir(archive.join("sets/0000000000")).unwrap();
        let mut paths = set.map(|entry| entry.unwrap().path());
        paths
            .find(|path| path.display().to_string().contains(kind))
            .unwrap()
    };
    let clean = aggregator.archive(&["scrub"]);
    assert_eq!(clean.code, 0, "{clean:?}");
    let leaves = find("/leaves-");
    let bytes = fs_err::read(&leaves).unwrap();
    let mut bad = bytes.clone();
    let middle = bad.len() / 2;
    *bad.get_mut(middle).unwrap() ^= 1;
    fs_err::remove_file(&leaves).unwrap();
    fs_err::write(&leaves, &bad).unwrap();
    let changed = aggregator.archive(&["scrub"]);
    assert_eq!(changed.code, 1, "{changed:?}");
    assert!(changed.stdout.starts_with("CHANGED"), "{changed:?}");
    assert_eq!(aggregator.verify(&archive).code, 1);
    // The running aggregator finds it as well.
    let mut found = None;
    for _ in 0..100 {
        let metrics = aggregator.metrics();
        found = metric(&metrics, "affiant_archive_findings{problem=\"changed\"}");
        if found == Some(1) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(found, Some(1), "{}", aggregator.metrics());
    fs_err::remove_file(&leaves).unwrap();
    let missing = aggregator.archive(&["scrub"]);
    assert_eq!(missing.code, 3, "{missing:?}");
    let verified = aggregator.verify(&archive);
    assert_eq!(verified.code, 3, "{verified:?}");
    let dir = aggregator.path("new");
    let restored = aggregator.archive(&["restore", "--data-dir", &dir]);
    assert_eq!(restored.code, 3, "{restored:?}");
    fs_err::write(&leaves, &bytes).unwrap();
    assert_eq!(aggregator.verify(&archive).code, 0);
    // A blob that is gone.
    let blobs = fs_err::read_dir(archive.join("blobs"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs_err::remove_dir_all(&blobs).unwrap();
    let missing = aggregator.archive(&["scrub"]);
    assert_eq!(missing.code, 3, "{missing:?}");
    assert_eq!(aggregator.verify(&archive).code, 3);
    aggregator.stop();
}

/// Attack 10: an older archive in place of the newest.
#[test]
fn an_older_archive_is_not_gone_on_with() {
    let mut aggregator = Archiving::start(LOCAL);
    aggregator.flush_to(1);
    aggregator.enrol();
    aggregator.flush_to(2);
    aggregator.stop();
    fs_err::remove_dir_all(aggregator.sandbox.path("archive/sets/0000000001")).unwrap();
    let dir = aggregator.path("aggregator");
    let refused = aggregator.archive(&["status", "--data-dir", &dir]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("archive ends at set 0, but set 1 was written"),
        "{refused:?}"
    );
    let refused = aggregator.archive(&["flush", "--data-dir", &dir]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(!aggregator.sandbox.path("archive/sets/0000000001").exists());
}

#[test]
fn a_store_that_is_not_there_stops_nobody_and_shows() {
    let sandbox = Sandbox::new();
    let credentials = sandbox.write("credentials", "id\nsecret\n");
    fs_err::set_permissions(
        &credentials,
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    let text = format!(
        "url = \"s3://evidence/x\"\nendpoint = \"http://127.0.0.1:9\"\ncredentials_file = \"{}\"\nset_age_s = 1",
        credentials.display()
    );
    let mut aggregator = Archiving::start(&text);
    aggregator.enrol();
    aggregator.ship(3);
    let mut seen = (None, None);
    for _ in 0..200 {
        let metrics = aggregator.metrics();
        let lag = metric(&metrics, "affiant_view_lag_leaves{view=\"archive\"}");
        let failures = metric(&metrics, "affiant_view_failures_total{view=\"archive\"}");
        seen = (lag, failures);
        if failures > Some(0) && lag > Some(0) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(seen.0 > Some(0) && seen.1 > Some(0), "{seen:?}");
    let unreachable = aggregator.archive(&["status"]);
    assert_eq!(unreachable.code, 5, "{unreachable:?}");
    let log = fs_err::read_to_string(aggregator.sandbox.path("serve.log")).unwrap();
    assert!(!log.contains("secret"), "{log}");
    aggregator.stop();
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    let sandbox = Sandbox::new();
    fs_err::create_dir(sandbox.path("empty")).unwrap();
    let empty = format!("file://{}", sandbox.path("empty").display());
    let readable = sandbox.write("readable", "id\nsecret\n");
    let readable = readable.to_str().unwrap();
    for (args, code, says) in [
        (
            vec!["status", "s3://b/../../etc"],
            2,
            "is neither `file:///DIRECTORY`",
        ),
        (
            vec!["status", "file:///no/such/place"],
            2,
            "is not a directory",
        ),
        (vec!["status", "s3://b"], 2, "no credentials"),
        (
            vec!["status", "--credentials", readable, "s3://b"],
            4,
            "chmod 600",
        ),
        (
            vec!["restore", "--data-dir", "new", &empty],
            2,
            "there is no archive",
        ),
        (vec!["hold", "5..5", "--on", &empty], 2, "is not FIRST..END"),
        (
            vec!["hold", "0..5", "--on", &empty],
            3,
            "no set holds such leaves",
        ),
    ] {
        let ran = sandbox.run([&["archive"], args.as_slice()].concat());
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(says), "{args:?}: {ran:?}");
    }
    for (archive, says) in [
        ("url = \"http://x\"", "serve.toml:4: `url` is neither"),
        ("lock = \"none\"", "`archive.url` is missing"),
        ("url = \"s3://b\"", "`archive.credentials_file` is missing"),
        (
            "url = \"file:///x\"\nlock = \"compliance\"",
            "serve.toml:5: `lock` asks for a lock",
        ),
        (
            "url = \"file:///x\"\nset_leaves = 1",
            "`set_leaves` is 1; it takes 256 to 16777216",
        ),
        ("url = \"file:///x\"\nurll = 1", "unknown key `urll`"),
    ] {
        sandbox.write(
            "serve.toml",
            &format!("[log]\nname = \"log.example/l\"\n[archive]\n{archive}\n"),
        );
        let ran = sandbox.run(["serve", "--config", "serve.toml", "--data-dir", "x"]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains(says), "{archive}: {ran:?}");
    }
}

#[test]
fn a_directory_holds_nothing() {
    let mut aggregator = Archiving::start(LOCAL);
    aggregator.flush_to(1);
    aggregator.stop();
    let held = aggregator.archive(&["hold", "0..5", "--on"]);
    assert_eq!(held.code, 2, "{held:?}");
    assert!(held.stderr.contains("legal hold"), "{held:?}");
}

/// A bucket of a real S3 server that is killed and hangs: nothing waits, nothing is lost, the lag shows.
#[test]
fn a_bucket_that_goes_away_costs_nobody_anything_and_gets_everything() {
    let server = crate::seaweed::Seaweed::start();
    let bucket = server.bucket("evidence", Some("COMPLIANCE"));
    let sandbox = Sandbox::new();
    let credentials = sandbox.write("credentials", "affiant-test\nnot-a-secret\n");
    fs_err::set_permissions(
        &credentials,
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    let text = format!(
        "url = \"s3://evidence/eu-1\"\nendpoint = \"{}\"\ncredentials_file = \"{}\"\nset_age_s = 1\nscrub_every_s = 1",
        server.endpoint(),
        credentials.display()
    );
    let mut aggregator = Archiving::start(&text);
    aggregator.enrol();
    aggregator.ship(5);
    aggregator.flush();
    server.kill();
    aggregator.ship(5);
    let mut lag = None;
    for _ in 0..200 {
        let metrics = aggregator.metrics();
        let failures = metric(&metrics, "affiant_view_failures_total{view=\"archive\"}");
        lag = metric(&metrics, "affiant_view_lag_leaves{view=\"archive\"}");
        if failures > Some(0) && lag > Some(0) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(lag > Some(0), "{lag:?}");
    aggregator.ship(5);
    server.run();
    server.signal("STOP");
    aggregator.ship(5);
    server.signal("CONT");
    aggregator.flush();
    let scrubbed = aggregator.archive(&["scrub"]);
    assert_eq!(scrubbed.code, 0, "{scrubbed:?}");
    assert!(
        scrubbed
            .stdout
            .contains("each must be under compliance retention"),
        "{scrubbed:?}"
    );
    // Held objects stay held, and what hides an object is found.
    let held = aggregator.archive(&["hold", "0..5", "--on"]);
    assert_eq!(held.code, 0, "{held:?}");
    let manifest = "evidence/eu-1/sets/0000000000/manifest.json";
    let mut options = bucket.options();
    options.prefix = "eu-1".to_owned();
    let objects = S3Objects::open(options).unwrap();
    let lock = objects.lock(&Key::manifest(0), None).unwrap().unwrap();
    assert!(lock.hold, "{lock}");
    let (status, _) = bucket.call("DELETE", manifest, &[], "");
    assert_eq!(status, 204, "a delete marker may be put on top");
    let scrubbed = aggregator.archive(&["scrub"]);
    assert_eq!(scrubbed.code, 1, "{scrubbed:?}");
    assert!(scrubbed.stdout.starts_with("SHADOWED"), "{scrubbed:?}");
    aggregator.keep_key();
    aggregator.stop();
    aggregator.flush();
    // All is lost; the archive has it, though somebody hid a part.
    let dir = aggregator.dir();
    let before = fs_err::read(dir.join("log/checkpoint")).unwrap();
    fs_err::remove_dir_all(&dir).unwrap();
    let dir_text = aggregator.path("aggregator");
    let restored = aggregator.archive(&["restore", "--data-dir", &dir_text]);
    assert_eq!(restored.code, 0, "{restored:?}");
    assert!(restored.stderr.contains("SHADOWED"), "{restored:?}");
    assert_eq!(fs_err::read(dir.join("log/checkpoint")).unwrap(), before);
    let verified = aggregator.verify(&dir);
    assert_eq!(verified.code, 0, "{verified:?}");
}
