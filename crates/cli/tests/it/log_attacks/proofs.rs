//! `affiant prove`, and what becomes of proofs.

use fs_err as fs;

use super::{lived, policy, verify};
use crate::sandbox::Sandbox;

#[test]
fn an_entry_is_proven_by_leaf_by_place_and_by_call() {
    let sandbox = Sandbox::new();
    let dir = lived(&sandbox);
    let entries = sandbox.run([
        "entries",
        "--data-dir",
        dir.to_str().unwrap(),
        "--format",
        "json",
        "--kind",
        "call.end",
    ]);
    let end: serde_json::Value =
        serde_json::from_str(entries.stdout.lines().next().unwrap()).unwrap();
    let call = end["call"].as_str().unwrap().to_owned();
    let place = format!(
        "{}/{}/{}",
        end["source"].as_str().unwrap(),
        end["boot"].as_str().unwrap(),
        end["seq"]
    );
    let proof = sandbox.path("call.proof");
    // An entry, the aggregator's own, and a seal.
    for wanted in [call, place, "8".to_owned(), "1".to_owned(), "12".to_owned()] {
        let made = sandbox.run([
            "prove",
            &wanted,
            "--from",
            dir.to_str().unwrap(),
            "-o",
            proof.to_str().unwrap(),
        ]);
        assert_eq!(made.code, 0, "{made:?}");
        let ran = verify(&sandbox, &proof, &["--trust", policy().to_str().unwrap()]);
        assert_eq!(ran.code, 0, "{wanted}: {ran:?}");
    }
    let ran = verify(&sandbox, &proof, &[]);
    assert_eq!(ran.code, 4, "without a key: {ran:?}");
}

#[test]
fn what_is_not_there_cannot_be_proven() {
    let sandbox = Sandbox::new();
    let dir = lived(&sandbox);
    for wanted in [
        "27",
        "x",
        "01KAWZ5G9N0000000000000001",
        "gw-7/01KAWZ5G9N0000000000000001/0",
    ] {
        let ran = sandbox.run(["prove", wanted, "--from", dir.to_str().unwrap()]);
        assert_eq!(ran.code, 2, "{wanted}: {ran:?}");
    }
}

/// 52 to 56: see also the tests of `crates/audit`.
#[test]
fn a_forged_proof_is_refused() {
    let sandbox = Sandbox::new();
    let vectors = policy().parent().unwrap().to_owned();
    let trust = policy();
    let trust = ["--trust", trust.to_str().unwrap()];
    assert_eq!(
        verify(&sandbox, &vectors.join("honest.proof"), &trust).code,
        0
    );
    let ran = verify(&sandbox, &vectors.join("forged.proof"), &trust);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("not in the log"), "{ran:?}");
    let cut = sandbox.path("cut.proof");
    let bytes = fs::read(vectors.join("honest.proof")).unwrap();
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(verify(&sandbox, &cut, &trust).code, 1);
}
