//! What `affiant verify` must not cry wolf about.

use std::collections::BTreeMap;

use rustix::process::Signal;

use crate::sandbox::{PEER, Sandbox, Talk, call};

/// Records some calls, and dies at once.
fn crashed(sandbox: &Sandbox, ids: std::ops::Range<usize>) {
    let mut talk = Talk::start(sandbox, &[], &["sh", "-c", PEER]);
    for id in ids {
        talk.call(id);
    }
    talk.send(&call(999, "mute"));
    talk.send(&call(998, "echo"));
    assert!(talk.receive().contains("998"));
    talk.signal(Signal::KILL);
    talk.child.wait().unwrap();
}

#[test]
fn a_trail_whose_process_was_killed_holds() {
    let sandbox = Sandbox::new();
    crashed(&sandbox, 0..3);
    let ran = sandbox.verify();
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert!(
        ran.stdout.contains("ended without closing it"),
        "{}",
        ran.stdout
    );
    // Durable before it was forwarded: every call is there, and no more.
    assert_eq!(sandbox.entries(&["--kind", "call.begin"]).len(), 5);
    sandbox.record(1);
    let ran = sandbox.verify();
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    let mut ends = BTreeMap::new();
    for end in sandbox.entries(&["--kind", "call.end"]) {
        *ends
            .entry(end["call"].as_str().unwrap().to_owned())
            .or_insert(0) += 1;
    }
    assert_eq!(ends.len(), 6);
    assert!(ends.values().all(|n| *n == 1), "{ends:?}");
    assert!(!sandbox.entries(&["--status", "outcome-unknown"]).is_empty());
}

#[test]
fn bytes_a_crash_tore_are_a_note() {
    let sandbox = Sandbox::new();
    crashed(&sandbox, 0..2);
    let segment = sandbox.data().join("spools/crm/seg-0000000000000000.aff");
    let mut bytes = fs_err::read(&segment).unwrap();
    // Half a group, as a power loss leaves it: behind the last group there are zeros.
    let end = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
    let end = end.next_multiple_of(8) + 8;
    bytes[end..end + 40].fill(0x5a);
    fs_err::write(&segment, bytes).unwrap();
    let ran = sandbox.verify();
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    sandbox.record(1);
    assert_eq!(sandbox.verify().code, 0);
}

#[test]
fn a_live_trail_is_verified_as_far_as_it_is_durable() {
    let sandbox = Sandbox::new();
    let mut talk = Talk::start(&sandbox, &[], &["sh", "-c", PEER]);
    talk.call(1);
    let ran = sandbox.verify();
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert!(
        ran.stdout.contains("a process writes to it"),
        "{}",
        ran.stdout
    );
    assert_eq!(sandbox.entries(&["--kind", "call.begin"]).len(), 1);
    talk.hang_up();
    talk.child.wait().unwrap();
    assert_eq!(sandbox.verify().code, 0);
}

#[test]
fn restarts_and_a_rotated_key_hold_against_either_key() {
    let sandbox = Sandbox::new();
    sandbox.record(1);
    let old = sandbox.run(["key", "show"]).stdout;
    let old = sandbox.write("old.vkey", &old);
    assert_eq!(sandbox.run(["key", "new"]).code, 0);
    sandbox.record(1);
    assert_eq!(sandbox.run(["key", "new"]).code, 0);
    sandbox.record(1);
    let ran = sandbox.verify();
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert_eq!(
        sandbox.verdict()["spools"][0]["chain"]["keys"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let data = sandbox.data();
    let pinned = sandbox.run([
        "verify",
        "--trust",
        old.to_str().unwrap(),
        data.to_str().unwrap(),
    ]);
    assert_eq!(pinned.code, 0, "{}", pinned.stdout);
}

#[test]
fn one_spool_of_a_data_directory_verifies_by_itself() {
    let sandbox = Sandbox::new();
    sandbox.record(1);
    let spool = sandbox.data().join("spools/crm");
    let ran = sandbox.run(["verify", spool.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn orphans_are_closed_by_whoever_comes() {
    let sandbox = Sandbox::new();
    crashed(&sandbox, 0..1);
    sandbox.wrap(&["--server", "other"], &["sh", "-c", "sleep 1"], b"");
    let stop = sandbox.entries(&["--kind", "stop", "--spool", "crm"]);
    assert_eq!(stop[0]["stop"]["reason"], "adopted");
    let ran = sandbox.verify();
    assert_eq!(ran.code, 0, "{}", ran.stdout);
}

#[test]
fn the_narrative_says_what_was_not_checked() {
    let sandbox = Sandbox::new();
    sandbox.record(2);
    let told = sandbox.verify().stdout;
    for wanted in [
        "2 calls ended, 2 with all 12 fields",
        "Not checked",
        "put back to an earlier state",
        "Verdict: ok",
    ] {
        assert!(told.contains(wanted), "no `{wanted}` in\n{told}");
    }
    let json = sandbox.verdict();
    assert_eq!(json["answer"], "ok");
    assert_eq!(json["exit"], 0);
    assert_eq!(json["spools"][0]["state"], "closed");
    assert_eq!(json["spools"][0]["chain"]["coverage"]["complete"], 2);
}
