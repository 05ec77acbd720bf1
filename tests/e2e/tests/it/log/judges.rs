//! Verifiers by other hands read our log as it lies on disk, and refuse what we refuse.

use std::path::{Path, PathBuf};
use std::process::Command;

use affiant_e2e::aggregator::{Aggregator, log_key, ship_all, verify};
use affiant_e2e::entries;
use affiant_e2e::program::{affiant, output, output_ok, peers, said};
use affiant_e2e::scratch::Scratch;

use super::session;

/// More than one bundle and one tile, and a partial one.
const CALLS: u64 = 400;

/// `aics-tlog VERB --tiles LOG --log-key KEY WORDS…`: its exit code and what it said.
fn aics(verb: &str, log: &Path, key: &str, words: &[&str]) -> (bool, String) {
    let program = peers().join("venv-tlog/bin/aics-tlog");
    let out = output(
        Command::new(program)
            .arg(verb)
            .arg("--tiles")
            .arg(log)
            .args(["--log-key", key])
            .args(words),
    );
    (out.status.success(), said(&out))
}

/// A log of two sources, at rest, with the checkpoint of its first half beside it.
fn log_at_rest(scratch: &Scratch) -> (PathBuf, String) {
    let (data, seen) = (scratch.path("hub"), scratch.path("seen"));
    let hub = Aggregator::start(&data);
    for (n, name) in ["edge-a", "edge-b"].into_iter().enumerate() {
        let edge = scratch.path(name);
        hub.enrol(&edge, name);
        let first = u64::try_from(n).unwrap() * CALLS;
        session(&edge, "crm", &seen, first, CALLS);
        ship_all(&edge);
        fs_err::copy(
            data.join("log/checkpoint"),
            scratch.path(format!("checkpoint-{n}")),
        )
        .unwrap();
    }
    hub.stop();
    let key = log_key(&data);
    (data, key)
}

#[test]
fn other_verifiers_accept_our_log_and_refuse_what_we_refuse() {
    let scratch = Scratch::new("judges");
    let (data, key) = log_at_rest(&scratch);
    let log = data.join("log");
    let (code, text) = verify(&log, &["--no-remember"]);
    assert_eq!(code, Some(0), "{text}");

    let (ok, text) = aics("verify-checkpoint", &log, &key, &[]);
    assert!(ok, "{text}");
    let out = output_ok(
        affiant()
            .args(["entries", "--format", "json", "--data-dir"])
            .arg(&data),
    );
    let lines: Vec<&[u8]> = out
        .stdout
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .collect();
    assert!(lines.len() > 1600, "{} entries", lines.len());
    let got = scratch.path("entry");
    for index in [0, 1, 255, 256, 257, 1023, lines.len() - 1] {
        let words = [
            "--index",
            &index.to_string(),
            "--entry-out",
            got.to_str().unwrap(),
        ];
        let (ok, text) = aics("verify-inclusion", &log, &key, &words);
        assert!(ok, "{index}: {text}");
        assert_eq!(fs_err::read(&got).unwrap(), lines[index], "entry {index}");
    }
    let early = scratch.path("checkpoint-0");
    let words = ["--old-checkpoint", early.to_str().unwrap()];
    let (ok, text) = aics("verify-consistency", &log, &key, &words);
    assert!(ok, "{text}");

    both_refuse_a_flipped_bit(&scratch, &log, &key);
    both_refuse_a_rollback(&scratch, &log, &key);
}

fn copy(from: &Path, to: &Path) {
    output_ok(Command::new("cp").arg("-r").arg(from).arg(to));
}

fn both_refuse_a_flipped_bit(scratch: &Scratch, log: &Path, key: &str) {
    for file in ["tile/entries/000", "tile/0/000", "checkpoint"] {
        let bad = scratch.path(format!("bad-{}", file.replace('/', "-")));
        copy(log, &bad);
        let path = bad.join(file);
        let mut bytes = fs_err::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        output_ok(Command::new("chmod").arg("u+w").arg(&path));
        fs_err::write(&path, bytes).unwrap();
        let (code, text) = verify(
            &bad,
            &[
                "--no-remember",
                "--trust",
                trust(scratch, key).to_str().unwrap(),
            ],
        );
        // Another name in the checkpoint is another log's: not ours to judge, and no pass either.
        assert!(matches!(code, Some(1 | 4)), "{file}: {code:?} {text}");
        // Theirs looks at the leaves it is asked for: all of the damaged bundle.
        let refused =
            (0..256).any(|n| !aics("verify-inclusion", &bad, key, &["--index", &n.to_string()]).0);
        assert!(refused, "{file}: not seen by aics-tlog");
    }
}

fn both_refuse_a_rollback(scratch: &Scratch, log: &Path, key: &str) {
    let late = scratch.path("late");
    fs_err::copy(log.join("checkpoint"), &late).unwrap();
    let rolled = scratch.path("rolled");
    copy(log, &rolled);
    let checkpoint = rolled.join("checkpoint");
    output_ok(Command::new("chmod").arg("u+w").arg(&checkpoint));
    fs_err::copy(scratch.path("checkpoint-0"), &checkpoint).unwrap();
    let words = ["--old-checkpoint", late.to_str().unwrap()];
    let (ok, _) = aics("verify-consistency", &rolled, key, &words);
    assert!(!ok, "aics-tlog accepts a rollback");
    // We remember the head of a log that we once accepted.
    let state = scratch.path("state");
    let judge = |dir: &Path| {
        let trust = trust(scratch, key);
        let mut command = affiant();
        command.arg("verify").arg(dir).arg("--trust").arg(trust);
        output(command.env("XDG_STATE_HOME", &state)).status.code()
    };
    assert_eq!(judge(log), Some(0));
    assert_eq!(judge(&rolled), Some(1), "a rollback is accepted");
}

fn trust(scratch: &Scratch, key: &str) -> PathBuf {
    let path = scratch.path("trust");
    fs_err::write(&path, format!("log {key}\nquorum none\n")).unwrap();
    path
}

#[test]
fn what_the_aggregator_lists_is_what_the_edges_sealed() {
    let scratch = Scratch::new("arrives");
    let (data, edge, seen) = (
        scratch.path("hub"),
        scratch.path("edge"),
        scratch.path("seen"),
    );
    let hub = Aggregator::start(&data);
    // Sealed before there is anyone to ship to, and kept to compare.
    session(&edge, "crm", &seen, 0, 20);
    let sealed = entries::all(&edge);
    hub.enrol(&edge, &source_of(&sealed));
    ship_all(&edge);
    hub.stop();
    let arrived = entries::all(&data);
    for entry in &sealed {
        let times = arrived.iter().filter(|other| *other == entry).count();
        assert_eq!(times, 1, "{entry}");
    }
    let (code, text) = verify(&data.join("log"), &["--no-remember"]);
    assert_eq!(code, Some(0), "{text}");
}

fn source_of(entries: &[serde_json::Value]) -> String {
    entries[0]["source"].as_str().unwrap().to_owned()
}
