//! A stored log under attack: what `affiant verify` says, where, and with which exit code. Attacks on what
//! leaves say are in the tests of `crates/audit`; these are on files, checkpoints, witnesses and memory.

mod anchors;
mod keys;
mod proofs;
mod retention;
mod url;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use affiant_entry::record::ChainGapReason;
use fs_err as fs;

use crate::sandbox::{Ran, Sandbox, copy};
use crate::stored::{Stored, note};
use crate::world::{Source, World};

/// A stored log of `testdata/logs`.
pub(super) fn stored(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata/logs")
        .join(name)
}

/// The log's key and one witness.
pub(super) fn policy() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vectors/proof/trust.txt")
}

/// A copy of `lived` in the sandbox.
pub(super) fn lived(sandbox: &Sandbox) -> PathBuf {
    let dir = sandbox.path("agg");
    copy(&stored("lived"), &dir);
    dir
}

pub(super) fn verify(sandbox: &Sandbox, target: &Path, options: &[&str]) -> Ran {
    let mut args: Vec<OsString> = vec!["verify".into(), target.into()];
    args.extend(options.iter().map(OsString::from));
    sandbox.run(args)
}

fn with_policy(sandbox: &Sandbox, target: &Path) -> Ran {
    let policy = policy();
    verify(sandbox, target, &["--trust", policy.to_str().unwrap()])
}

/// What is done to the log, the exit code, and a piece of what is said.
struct Case {
    name: &'static str,
    attack: fn(&Path),
    code: i32,
    says: &'static str,
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn edit_text(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { name: "1 flip a bit in an entry", code: 1, says: "tile/0/000.p/27: does not follow from the leaves",
        attack: |d| edit(&d.join("log/tile/entries/000.p/27"), |b| b[200] ^= 1) },
    Case { name: "1 flip a bit in a length prefix", code: 1, says: "tile/entries/000.p/27: malformed",
        attack: |d| edit(&d.join("log/tile/entries/000.p/27"), |b| b[0] ^= 0x80) },
    Case { name: "1 flip a bit in a tile", code: 1, says: "tile/0/000.p/27: does not follow from the leaves",
        attack: |d| edit(&d.join("log/tile/0/000.p/27"), |b| b[40] ^= 4) },
    Case { name: "1 flip a bit in what an older tree left", code: 1, says: "tile/0/000.p/18: the wider file at its place does not begin like it",
        attack: |d| edit(&d.join("log/tile/0/000.p/18"), |b| b[40] ^= 4) },
    Case { name: "1 another size in the checkpoint", code: 1, says: "signature by",
        attack: |d| edit_text(&d.join("log/checkpoint"), "\n27\n", "\n26\n") },
    Case { name: "1 another root in the checkpoint", code: 1, says: "checkpoint",
        attack: |d| edit(&d.join("log/checkpoint"), |b| { let at = b.windows(4).position(|w| w == b"\n27\n").unwrap() + 10; b[at] = if b[at] == b'A' { b'B' } else { b'A' }; }) },
    Case { name: "1 a cosignature that is not the witness's", code: 1, says: "cosignature is bad",
        attack: |d| edit(&d.join("log/checkpoint"), |b| { let at = b.len() - 12; b[at] = if b[at] == b'A' { b'B' } else { b'A' }; }) },
    Case { name: "55 a checkpoint of another origin", code: 4, says: "is not in the policy",
        attack: |d| edit_text(&d.join("log/checkpoint"), "localhost/", "localhosu/") },
    Case { name: "3 delete a bundle", code: 3, says: "tile/entries/000.p/27: missing",
        attack: |d| fs::remove_file(d.join("log/tile/entries/000.p/27")).unwrap() },
    Case { name: "3 delete a tile", code: 3, says: "tile/0/000.p/27: missing",
        attack: |d| fs::remove_file(d.join("log/tile/0/000.p/27")).unwrap() },
    Case { name: "3 delete the checkpoint", code: 1, says: "there is no checkpoint",
        attack: |d| fs::remove_file(d.join("log/checkpoint")).unwrap() },
    Case { name: "6 bytes behind a bundle", code: 1, says: "malformed",
        attack: |d| edit(&d.join("log/tile/entries/000.p/27"), |b| b.push(0)) },
    Case { name: "6 a bundle that ends early", code: 1, says: "malformed",
        attack: |d| edit(&d.join("log/tile/entries/000.p/27"), |b| { b.pop(); }) },
    Case { name: "7 a partial tile of another width", code: 1, says: "tile/0/000.p/27: does not follow from the leaves",
        attack: |d| edit(&d.join("log/tile/0/000.p/27"), |b| b.truncate(26 * 32)) },
    Case { name: "21, 41 a checkpoint without the witness", code: 3, says: "too few of your witnesses",
        attack: |d| edit(&d.join("log/checkpoint"), |b| { let text = String::from_utf8(b.clone()).unwrap(); let lines: Vec<_> = text.lines().collect(); *b = (lines[..lines.len() - 1].join("\n") + "\n").into_bytes(); }) },
    Case { name: "27 a source that fell silent", code: 3, says: "SILENT",
        attack: |d| { fs::remove_dir_all(d).unwrap(); copy(&stored("silent"), d); } },
    Case { name: "73 a path that leads out of the log is no part of it", code: 0, says: "no part of a log",
        attack: |d| { fs::create_dir_all(d.join("log/tile/0/..x")).unwrap(); fs::write(d.join("log/tile/0/..x/001"), b"x").unwrap(); } },
];

#[test]
fn every_attack_on_a_stored_log_has_its_code_and_place() {
    let mut wrong = Vec::new();
    for case in CASES {
        let sandbox = Sandbox::new();
        let dir = lived(&sandbox);
        (case.attack)(&dir);
        let ran = with_policy(&sandbox, &dir);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        if ran.code != case.code || !said.contains(case.says) {
            wrong.push(format!(
                "{}: {} instead of {}\n{said}",
                case.name, ran.code, case.code
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_honest_log_is_ok_as_data_directory_and_as_log() {
    let sandbox = Sandbox::new();
    let dir = lived(&sandbox);
    for target in [dir.clone(), dir.join("log")] {
        let ran = verify(&sandbox, &target, &[]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stdout.contains("COMPLETE"), "{ran:?}");
        assert!(
            ran.stdout.contains("found beside the log itself"),
            "{ran:?}"
        );
        let ran = with_policy(&sandbox, &target);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stdout.contains("seen by witness w"), "{ran:?}");
    }
}

/// 21: an old checkpoint that everybody cosigned, long ago.
#[test]
fn a_log_that_was_frozen_is_stale() {
    let sandbox = Sandbox::new();
    let dir = lived(&sandbox);
    let policy = policy();
    let run = |age| {
        let trust = ["--trust", policy.to_str().unwrap()];
        verify(
            &sandbox,
            &dir,
            &[&trust[..], &["--max-cosignature-age", age]].concat(),
        )
    };
    let ran = run("5s");
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.contains("the log may be frozen"), "{ran:?}");
    // Seen in 2026 by the one witness there is.
    assert_eq!(run("5200w").code, 0);
    assert_eq!(run("soon").code, 2);
    let ran = verify(&sandbox, &dir, &["--max-cosignature-age", "5200w"]);
    assert_eq!(ran.code, 3, "nobody to ask: {ran:?}");
}

/// 10, 11: perfect in itself, and older than what was verified before.
#[test]
fn a_log_that_was_rolled_back_is_refused_by_memory() {
    let sandbox = Sandbox::new();
    let dir = lived(&sandbox);
    assert_eq!(verify(&sandbox, &dir, &[]).code, 0);
    fs::remove_dir_all(&dir).unwrap();
    copy(&stored("earlier"), &dir);
    let ran = verify(&sandbox, &dir, &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("rolled back"), "{ran:?}");
    let ran = verify(&sandbox, &dir, &["--no-remember"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("you asked not to remember"), "{ran:?}");
}

/// 13, 14: another history, signed by the same key.
#[test]
fn a_log_that_was_rewritten_is_refused_by_memory() {
    let sandbox = Sandbox::new();
    let dir = lived(&sandbox);
    assert_eq!(verify(&sandbox, &dir, &[]).code, 0);
    fs::remove_dir_all(&dir).unwrap();
    copy(&stored("forked"), &dir);
    let ran = verify(&sandbox, &dir, &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("rewritten"), "{ran:?}");
}

#[test]
fn a_log_that_grew_is_remembered_at_its_new_size() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("agg");
    copy(&stored("earlier"), &dir);
    assert_eq!(verify(&sandbox, &dir, &[]).code, 0);
    fs::remove_dir_all(&dir).unwrap();
    copy(&stored("lived"), &dir);
    assert!(
        verify(&sandbox, &dir, &[])
            .stdout
            .contains("you remember it at 18 leaves")
    );
    assert!(
        verify(&sandbox, &dir, &[])
            .stdout
            .contains("you remember it at 27 leaves")
    );
}

#[test]
fn memory_that_was_altered_is_not_a_pass() {
    let sandbox = Sandbox::new();
    let dir = lived(&sandbox);
    assert_eq!(verify(&sandbox, &dir, &[]).code, 0);
    let memory = sandbox.path("home/.local/state/affiant/verifier");
    let file = fs::read_dir(memory)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    edit_text(&file, "\n27\n", "\n17\n");
    let ran = verify(&sandbox, &dir, &[]);
    assert_eq!(ran.code, 3, "{ran:?}");
}

#[test]
fn json_says_the_same() {
    let sandbox = Sandbox::new();
    let dir = lived(&sandbox);
    let ran = verify(&sandbox, &dir, &["--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json["answer"], "ok");
    assert_eq!(json["checkpoint"]["size"], 27);
    assert_eq!(
        json["log"]["sources"][0]["intervals"][0]["verdict"],
        "COMPLETE"
    );
    assert_eq!(json["files"]["bundles"], 1);
    assert_eq!(json["leftovers"]["narrower"], 2);
}

#[test]
fn since_and_resume_leave_out_what_was_judged() {
    let sandbox = Sandbox::new();
    let dir = lived(&sandbox);
    let ran = verify(&sandbox, &dir, &["--since", "18"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stdout.contains("what entries before leaf 18 say"),
        "{ran:?}"
    );
    let state = sandbox.path("state.json");
    let ran = verify(&sandbox, &dir, &["--resume", state.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        !state.exists(),
        "a verification that ended leaves nothing to take up"
    );
}

#[test]
fn without_a_key_nothing_is_trusted() {
    let sandbox = Sandbox::new();
    let dir = lived(&sandbox);
    fs::remove_file(dir.join("keys/log.vkey")).unwrap();
    let ran = verify(&sandbox, &dir, &[]);
    assert_eq!(ran.code, 4, "{ran:?}");
    let bad = sandbox.write("trust.txt", "log x\nquorum none\n");
    let ran = verify(&sandbox, &dir, &["--trust", bad.to_str().unwrap()]);
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn entries_lists_what_a_log_holds() {
    let sandbox = Sandbox::new();
    let dir = lived(&sandbox);
    let dir = dir.to_str().unwrap();
    let ran = sandbox.run(["entries", "--data-dir", dir, "--format", "json"]);
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 27), "{ran:?}");
    let ran = sandbox.run([
        "entries",
        "--data-dir",
        dir,
        "--format",
        "json",
        "--kind",
        "call.end",
    ]);
    assert_eq!(ran.stdout.lines().count(), 6, "{ran:?}");
    let ran = sandbox.run(["entries", "--data-dir", dir]);
    assert!(ran.stdout.contains("search_customers"), "{ran:?}");
    assert!(ran.stdout.contains("enrol gw-7, key gw-7+"), "{ran:?}");
}

/// What the aggregator says of others is told, and not only its kind.
#[test]
fn entries_tells_what_the_aggregator_says() {
    let mut world = World::lived().0;
    world.roster(7, 50, &[("gw-7", 1, 60)]);
    let note = note(&world.leaves[..10]).to_string();
    world.anchor(&note, 10, "AAAA", "2026-11-22T07:54:01Z");
    let mut source = Source::new("gw-9", 9);
    source.boot();
    world.chain_gap(ChainGapReason::MissingSeals, source.chain(), 4);
    let sandbox = Sandbox::new();
    let dir = sandbox.path("agg");
    anchors::write(&dir.join("log"), &Stored::of(&world.leaves, &[]));
    let ran = sandbox.run(["entries", "--data-dir", dir.to_str().unwrap()]);
    for said in [
        "serial 7",
        "tsa.example stamped 10 leaves at 2026-11-22T07:54:01Z",
        "missing-seals of gw-9 spool main, before seal 4, number of entries lost unknown",
    ] {
        assert!(ran.stdout.contains(said), "{said}: {ran:?}");
    }
}
