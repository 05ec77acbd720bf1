//! Proof files for other readers, in `testdata/vectors/proof`, and small stored logs, in
//! `testdata/logs`, for the tests of the command line; and that the judge agrees with them.
//!
//! `AFFIANT_BLESS=1 cargo test -p affiant-audit vectors` rewrites them.

use std::path::PathBuf;

use affiant_audit::{ProofFile, TrustFile, Verdict};

use super::proof::{self, ENTRY};
use super::stored::{Stored, witness};
use super::world::{LOG, World, vkey};

fn path(name: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("../../testdata/vectors/proof").join(name)
}

/// Writes a stored log as an aggregator keeps it, or compares the one that is kept.
fn kept_log(name: &str, leaves: &[Vec<u8>], published: &[usize]) {
    let dir = format!("../../logs/{name}");
    for (path, bytes) in &Stored::of(leaves, published).0 {
        kept_bytes(&format!("{dir}/log/{path}"), bytes);
    }
    kept(
        &format!("{dir}/keys/log.vkey"),
        format!("{}\n", vkey(LOG, 200)).as_bytes(),
    );
}

#[test]
fn stored_logs_are_what_they_were() {
    let (world, ..) = World::lived();
    kept_log("lived", &world.leaves, &[18]);
    // The same log, earlier; another history of the same size; one with a declared gap; one whose
    // source fell silent.
    kept_log("earlier", &world.leaves[..18], &[]);
    let (mut other, ..) = World::lived();
    let last = other.leaves.len() - 2;
    other.leaves.truncate(last);
    other.silent("gw-8");
    other.heard("gw-8");
    kept_log("forked", &other.leaves, &[]);
    let (mut silent, ..) = World::lived();
    silent.silent("gw-8");
    kept_log("silent", &silent.leaves, &[]);
}

fn kept_bytes(name: &str, made: &[u8]) {
    if std::env::var_os("AFFIANT_BLESS").is_some() {
        fs_err::create_dir_all(path(name).parent().unwrap()).unwrap();
        fs_err::write(path(name), made).unwrap();
    }
    assert!(fs_err::read(path(name)).unwrap() == made, "{name}");
}

/// Reads a vector, or writes it anew.
fn kept(name: &str, made: &[u8]) -> Vec<u8> {
    if std::env::var_os("AFFIANT_BLESS").is_some() {
        fs_err::create_dir_all(path(name).parent().unwrap()).unwrap();
        fs_err::write(path(name), made).unwrap();
    }
    let kept = fs_err::read(path(name)).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&kept),
        String::from_utf8_lossy(made),
        "{name}"
    );
    kept
}

#[test]
fn proofs_for_other_readers_are_what_they_were() {
    let (world, ..) = World::lived();
    let text = format!(
        "log {}\nwitness w {}\nquorum w\n",
        vkey(LOG, 200),
        witness().key()
    );
    let trust = TrustFile::parse(&kept("trust.txt", text.as_bytes())).unwrap();
    let honest = proof::prove(&world, ENTRY).to_bytes();
    let judge = |bytes: &[u8]| ProofFile::parse(bytes).unwrap().verify(&trust).verdict;
    assert_eq!(judge(&kept("honest.proof", &honest)), Verdict::Ok);
    let forged = proof::forged(&honest);
    assert_eq!(judge(&kept("forged.proof", &forged)), Verdict::No);
}
