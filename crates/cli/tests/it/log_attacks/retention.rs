//! 3, 66, 67, 70: what is not here is pruned, erased or missing, and these are three.

use std::path::{Path, PathBuf};

use fs_err as fs;
use sha2::{Digest as _, Sha256};

use super::{anchors, verify};
use crate::sandbox::{Ran, Sandbox};
use crate::stored::Stored;
use crate::world::{LOG, Source, World, vkey};

/// A log of some three bundles, of which the first two may go.
fn prunable(min_index: u64) -> World {
    let mut world = World::new();
    let mut source = Source::new("gw-7", 1);
    world.append(&source.boot());
    while world.leaves.len() < 540 {
        world.append(&source.work());
    }
    world.enrol("gw-7", 1);
    world.prune(min_index);
    world.append(&source.work());
    world.append(&source.stop());
    world
}

fn lay(sandbox: &Sandbox, world: &World) -> PathBuf {
    let dir = sandbox.path("agg");
    anchors::write(&dir.join("log"), &Stored::of(&world.leaves, &[]));
    fs::create_dir_all(dir.join("keys")).unwrap();
    fs::write(dir.join("keys/log.vkey"), format!("{}\n", vkey(LOG, 200))).unwrap();
    dir
}

fn judge(sandbox: &Sandbox, dir: &Path) -> Ran {
    verify(sandbox, dir, &[])
}

#[test]
fn pruned_is_ok_and_missing_is_not() {
    for (min_index, code, says) in [
        (512, 0, "PRUNED 512 leaves, under policy retention-2026"),
        (256, 3, "256 leaves are missing"),
    ] {
        let sandbox = Sandbox::new();
        let dir = lay(&sandbox, &prunable(min_index));
        assert_eq!(judge(&sandbox, &dir).code, 0);
        for bundle in ["000", "001"] {
            fs::remove_file(dir.join("log/tile/entries").join(bundle)).unwrap();
        }
        let ran = judge(&sandbox, &dir);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.stdout.contains(says), "{ran:?}");
        // What is kept can be proven as before.
        let proof = sandbox.path("entry.proof");
        let (from, to) = (dir.to_str().unwrap(), proof.to_str().unwrap());
        let made = sandbox.run(["prove", "520", "--from", from, "-o", to]);
        assert_eq!(made.code, 0, "{made:?}");
        let key = dir.join("keys/log.vkey");
        let ran = verify(&sandbox, &proof, &["--trust", key.to_str().unwrap()]);
        assert!([0, 4].contains(&ran.code), "{ran:?}");
        let gone = sandbox.run(["prove", "5", "--from", from, "-o", to]);
        assert_ne!(gone.code, 0, "{gone:?}");
    }
}

#[test]
fn a_pruned_log_says_so_to_machines() {
    let sandbox = Sandbox::new();
    let dir = lay(&sandbox, &prunable(512));
    fs::remove_file(dir.join("log/tile/entries/000")).unwrap();
    fs::remove_file(dir.join("log/tile/0/000")).unwrap();
    let ran = verify(&sandbox, &dir, &["--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json["answer"], "ok", "{ran:?}");
    assert_eq!(json["log"]["pruned"]["verdict"], "PRUNED");
    assert_eq!(json["log"]["pruned"]["leaves"], 256);
    assert_eq!(json["files"]["tiles_pruned"], 1);
    assert_eq!(
        json["log"]["sources"][0]["intervals"][0]["verdict"],
        "PRUNED"
    );
}

/// A log with one blob, named by its fourth leaf; and whether the log says that it was erased.
fn with_blob(erased: bool) -> (World, String) {
    let hash = hex::encode(Sha256::digest(b"evidence"));
    let mut world = World::new();
    let blob = format!("sha256:{hash}");
    let at = world.fork_evidence(&blob);
    let leaf = world.leaves[at].clone();
    if erased {
        world.erase(&leaf, &blob);
    }
    (world, hash)
}

#[test]
fn a_blob_is_intact_erased_missing_or_not_what_it_should_be() {
    // What lies there, whether the log says that it was erased, and what is said of it.
    let cases: [(Option<&[u8]>, bool, &str, &str); 5] = [
        (Some(b"evidence"), false, "", "1 of 1 blob intact"),
        (None, true, "", "1 ERASED as the log says"),
        (None, false, "blob-missing", "MISSING, and no entry says"),
        (
            Some(b"evidence"),
            true,
            "blob-not-erased",
            "though an entry says that it was erased",
        ),
        (
            Some(b"evidenze"),
            false,
            "blob-altered",
            "not what its name says",
        ),
    ];
    for (content, erased, code, says) in cases {
        let sandbox = Sandbox::new();
        let (world, hash) = with_blob(erased);
        let dir = lay(&sandbox, &world);
        fs::create_dir_all(dir.join("blobs")).unwrap();
        if let Some(content) = content {
            fs::write(dir.join("blobs").join(hash), content).unwrap();
        }
        let text = judge(&sandbox, &dir);
        assert!(text.stdout.contains(says), "{text:?}");
        let ran = verify(&sandbox, &dir, &["--format", "json"]);
        let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        let codes: Vec<_> = json["faults"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["code"].as_str().unwrap())
            .collect();
        let expected = if code.is_empty() { vec![] } else { vec![code] };
        assert_eq!(codes, expected, "{ran:?}");
    }
}
