//! 15, 34, 35, 42: stolen keys, split views, keys of another kind. And 74: that none of it needs a network.

use std::path::Path;
use std::process::Command;

use affiant_entry::LogRotation;
use affiant_entry::record::KeyAction;
use affiant_tlog::checkpoint::Origin;
use affiant_tlog::cosignature::{CosignerSigner, PosixTime};
use affiant_tlog::note::{KeyName, Note};
use fs_err as fs;

use super::{anchors, lived, policy, verify};
use crate::sandbox::{Ran, Sandbox};
use crate::stored::{COSIGNED_S, Stored};
use crate::world::{LOG, World, checkpoint, key, vkey};

fn witness(n: u8) -> CosignerSigner {
    let name = KeyName::new(&format!("witness.example/w{n}")).unwrap();
    CosignerSigner::ed25519(name, &[100 + n; 32])
}

/// A quorum of two witnesses.
fn two(sandbox: &Sandbox) -> String {
    let text = format!(
        "log {}\nwitness w1 {}\nwitness w2 {}\ngroup both 2 w1 w2\nquorum both\n",
        vkey(LOG, 200),
        witness(1).key(),
        witness(2).key()
    );
    let path = sandbox.write("two.txt", &text);
    path.to_str().unwrap().to_owned()
}

/// The leaves as a log of the true log key, cosigned by these witnesses.
fn lay(dir: &Path, leaves: &[Vec<u8>], cosigned_by: &[u8]) {
    let _ = fs::remove_dir_all(dir);
    let mut stored = Stored::of(leaves, &[]);
    let mut note: Note = checkpoint(leaves).sign(&key(LOG, 200)).unwrap();
    for n in cosigned_by {
        let line = witness(*n)
            .cosign(note.text(), PosixTime(COSIGNED_S))
            .unwrap();
        note.attach(line).unwrap();
    }
    stored.0.insert("checkpoint".to_owned(), note.to_bytes());
    anchors::write(&dir.join("log"), &stored);
}

/// Another history that is whole in itself: what the aggregator said of gw-8 at the end is something else.
fn rewritten() -> Vec<Vec<u8>> {
    let mut world = World::lived().0;
    let last = world.leaves.len() - 2;
    world.leaves.truncate(last);
    world.silent("gw-8");
    world.heard("gw-8");
    world.leaves
}

/// 34, 35: everything is signed anew by whoever stole the log's key, and one witness's.
#[test]
fn a_log_that_was_signed_anew_lacks_the_witnesses_whose_keys_were_not_stolen() {
    let sandbox = Sandbox::new();
    let (dir, two) = (sandbox.path("agg"), two(&sandbox));
    let judge = || verify(&sandbox, &dir, &["--trust", &two, "--no-remember"]);
    lay(&dir, &World::lived().0.leaves, &[1, 2]);
    assert_eq!(judge().code, 0);
    for stolen in [&[][..], &[1], &[2]] {
        lay(&dir, &rewritten(), stolen);
        let ran = judge();
        assert_eq!(ran.code, 3, "{stolen:?}: {ran:?}");
        assert!(ran.stdout.contains("too few of your witnesses"), "{ran:?}");
    }
}

/// 15: two verifiers are shown two histories. Neither can tell alone; with the other's memory it can.
#[test]
fn a_split_view_is_found_by_whoever_gets_the_others_memory() {
    let (a, b) = (Sandbox::new(), Sandbox::new());
    let judge = |sandbox: &Sandbox| -> Ran {
        let key = sandbox.write("log.vkey", &format!("{}\n", vkey(LOG, 200)));
        let trust = ["--trust", key.to_str().unwrap()];
        verify(sandbox, &sandbox.path("agg"), &trust)
    };
    lay(&a.path("agg"), &World::lived().0.leaves, &[]);
    lay(&b.path("agg"), &rewritten(), &[]);
    assert_eq!((judge(&a).code, judge(&b).code), (0, 0));
    let memory = "home/.local/state/affiant/verifier";
    crate::sandbox::copy(&a.path(memory), &b.path(memory));
    let ran = judge(&b);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("rewritten"), "{ran:?}");
}

/// The log's key was changed: whoever pinned the older one follows, if the log itself says so.
#[test]
fn a_log_key_that_follows_from_the_pinned_one_is_taken_if_the_log_says_so() {
    let rotation = LogRotation {
        log: Origin::new(LOG).unwrap(),
        old: vkey(LOG, 200),
        new: vkey(LOG, 201),
        utc_us: crate::world::NOW_US,
    };
    let mut note = Note::sign(&rotation.to_text(), &key(LOG, 200)).unwrap();
    note.add_signature(&key(LOG, 201)).unwrap();
    let notes = note.to_string();
    let judge = |logged: bool, beside: &str, pinned: u8| {
        let mut world = World::lived().0;
        if logged {
            world.key(KeyAction::Log, LOG, &vkey(LOG, 201), Some(notes.clone()));
        }
        let sandbox = Sandbox::new();
        let dir = sandbox.path("agg");
        let mut stored = Stored::of(&world.leaves, &[]);
        let signed = checkpoint(&world.leaves).sign(&key(LOG, 201)).unwrap();
        stored.0.insert("checkpoint".to_owned(), signed.to_bytes());
        stored
            .0
            .insert("key-rotations".to_owned(), beside.as_bytes().to_vec());
        anchors::write(&dir.join("log"), &stored);
        let trust = sandbox.write("log.vkey", &format!("{}\n", vkey(LOG, pinned)));
        verify(&sandbox, &dir, &["--trust", trust.to_str().unwrap()])
    };
    let ran = judge(true, &notes, 200);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.stdout.contains("no part of a log"), "{ran:?}");
    assert_eq!(judge(true, &notes, 201).code, 0, "the newest is pinned");
    let ran = judge(false, &notes, 200);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(
        ran.stdout.contains("but no entry of the log says so"),
        "{ran:?}"
    );
    // Without the notes, or with those of a stranger, nothing leads to the key.
    assert_eq!(judge(true, "", 200).code, 4);
    assert_eq!(judge(true, &notes, 66).code, 4);
    // Never backwards: the older key after the newer.
    let mut world = World::lived().0;
    world.key(KeyAction::Log, LOG, &vkey(LOG, 201), Some(notes.clone()));
    let sandbox = Sandbox::new();
    let dir = sandbox.path("agg");
    let mut stored = Stored::of(&world.leaves, &[]);
    stored
        .0
        .insert("key-rotations".to_owned(), notes.clone().into_bytes());
    anchors::write(&dir.join("log"), &stored);
    let trust = sandbox.write("log.vkey", &format!("{}\n", vkey(LOG, 201)));
    assert_eq!(
        verify(&sandbox, &dir, &["--trust", trust.to_str().unwrap()]).code,
        4
    );
}

/// 42: the same bytes as a key of another kind are another key.
#[test]
fn a_key_of_another_kind_is_refused() {
    let sandbox = Sandbox::new();
    let dir = lived(&sandbox);
    let good = format!("{}", vkey(LOG, 200));
    let mut parts = good.splitn(3, '+');
    let [name, id, key] = [(); 3].map(|()| parts.next().unwrap());
    let head = format!("{name}+{id}");
    assert!(key.starts_with('A'), "{good}");
    // The first byte of a key is its kind: 1 Ed25519; 2 ECDSA, 4 a cosigner, 6 ML-DSA-44.
    for kind in ["Ag", "BA", "Bg", "AA", "/w"] {
        let other = format!("{head}+{kind}{}", &key[2..]);
        let trust = sandbox.write("trust.txt", &format!("{other}\n"));
        let ran = verify(&sandbox, &dir, &["--trust", trust.to_str().unwrap()]);
        assert_eq!(ran.code, 2, "{kind}: {ran:?}");
    }
    // A witness's key is no log's, though its name is right.
    let cosigner = CosignerSigner::ed25519(KeyName::new(LOG).unwrap(), &[200; 32]);
    let trust = sandbox.write(
        "trust.txt",
        &format!("log {}\nquorum none\n", cosigner.key()),
    );
    let ran = verify(&sandbox, &dir, &["--trust", trust.to_str().unwrap()]);
    assert!([2, 4].contains(&ran.code), "{ran:?}");
}

/// 74: every system call of a verification, and none of them is about a network.
#[test]
fn nothing_local_makes_a_network_call() {
    let sandbox = Sandbox::new();
    let dir = lived(&sandbox);
    let edge = sandbox.data();
    sandbox.record(2);
    let proof = policy().parent().unwrap().join("honest.proof");
    for target in [dir, edge, proof] {
        let trace = sandbox.path("trace");
        let trust = policy();
        let is_edge = target == sandbox.data();
        let plain = sandbox.affiant(["verify"]);
        let mut traced = Command::new("strace");
        traced
            .args(["-f", "-qq", "-e", "trace=network", "-o"])
            .arg(&trace)
            .arg(plain.get_program())
            .arg("verify")
            .arg(&target)
            .env_clear()
            .envs(
                plain
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .current_dir(sandbox.path(""));
        if !is_edge {
            traced.arg("--trust").arg(&trust);
        }
        let ran = Ran::of(
            traced
                .output()
                .expect("this test needs the `strace` command"),
        );
        assert_eq!(ran.code, 0, "{ran:?}");
        let calls = fs::read_to_string(&trace).unwrap();
        let made: Vec<_> = calls.lines().filter(|line| line.contains('(')).collect();
        assert!(made.is_empty(), "{}: {made:?}", target.display());
    }
}
