//! `affiant demo` tells its story to the end, and no secret of it is told or written.

use std::ffi::OsStr;
use std::io::Read;
use std::process::Stdio;

use crate::sandbox::Sandbox;

/// The secrets that the demo's client sends.
const SECRETS: [&str; 2] = ["correct-horse-battery-42", "AKIAIOSFODNN7EXAMPLE"];

#[test]
fn every_step_comes_out_as_told() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("demo-trail");
    let ran = sandbox.run(["demo", "--data-dir", dir.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.stderr, "");
    for step in 1..=12 {
        let title = format!("\n{step:<3}");
        assert!(
            ran.stdout.contains(&title),
            "no step {step}: {}",
            ran.stdout
        );
    }
    // Long lines are broken between words.
    let words: Vec<_> = ran.stdout.split_whitespace().collect();
    let words = words.join(" ");
    for told in [
        "export_report",
        "[redacted:aws-key]",
        "[redacted:key-password]",
        "no, the trail was altered, cut or forged",
        "seg-0000000000000000.aff",
        "outcome-unknown",
        "Each seal came back with a receipt",
        "stands in the log exactly once",
        "`affiant verify` of that file alone, offline: ok",
        "refuses (409)",
        "receipt does not verify",
        "All 12 steps came out as told",
    ] {
        assert!(words.contains(told), "no `{told}`: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\x1b'), "colours without a terminal");
    for secret in SECRETS {
        assert!(!ran.stdout.contains(secret), "{}", ran.stdout);
    }
    let wide = ran.stdout.lines().filter(|line| !line.contains('/'));
    let wide = wide.map(|line| line.chars().count()).max();
    assert!(wide <= Some(100), "{wide:?} wide: {}", ran.stdout);
    // The commands it ends with do what it says, and it wants a directory of its own.
    let trust = dir.join("demo/trust.policy");
    let trust = [OsStr::new("--trust"), trust.as_os_str()];
    for (target, trust, code) in [
        ("flipped", &[][..], 1),
        ("hub", &trust[..], 0),
        ("one.proof", &trust[..], 0),
        ("flipped.proof", &trust[..], 1),
    ] {
        let target = dir.join("demo").join(target);
        let ran = sandbox.run([&[OsStr::new("verify"), target.as_os_str()][..], trust].concat());
        assert_eq!(ran.code, code, "{ran:?}");
    }
    let again = sandbox.run(["demo", "--data-dir", dir.to_str().unwrap()]);
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("is not empty"), "{again:?}");
}

#[test]
fn for_machines_it_is_one_object() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("demo-trail");
    let ran = sandbox.run([
        "demo",
        "--format",
        "json",
        "--data-dir",
        dir.to_str().unwrap(),
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let expected = serde_json::json!({
        "v": 1, "ok": true, "steps_done": 12, "error": null,
        "calls_made": 18, "calls_recorded": 18, "calls_complete": 12, "calls_outcome_unknown": 1,
        "redactions": ["aws-key", "key-password"], "secret_found": 0,
        "verify": "ok", "verify_flipped": "no", "verify_cut": "no", "verify_after_crash": "ok",
        "calls_in_log": 18, "verify_log": "ok", "verify_proof": "ok", "verify_proof_flipped": "no",
        "witness_refused": true, "receipt_refused": true, "verify_turned_back": "no",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&told[name], value, "{name}: {told}");
    }
    // The environment's data directory is left alone.
    assert!(!sandbox.data().exists());
}

#[test]
fn an_interrupted_demo_ends_its_processes() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("demo-trail");
    let mut command = sandbox.affiant(["demo", "--data-dir", dir.to_str().unwrap()]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Once it talks, its processes run.
    let mut stdout = child.stdout.take().unwrap();
    let mut first = [0; 1];
    stdout.read_exact(&mut first).unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let rest = std::thread::spawn(move || stdout.read_to_end(&mut Vec::new()));
    let ended = child.wait_with_output().unwrap();
    rest.join().unwrap().unwrap();
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    // The gateway holds its spool's lock for as long as it lives; it was killed, not asked to stop.
    let spools = dir.join("spools");
    let held = || {
        let names = fs_err::read_dir(&spools).into_iter().flatten();
        names
            .map(|entry| entry.unwrap().path())
            .any(|spool| affiant_spool::Spool::is_locked(spool).unwrap_or(false))
    };
    let patience = 500;
    let gone = (0..patience).any(|_| {
        let free = !held();
        if !free {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        free
    });
    assert!(gone, "a process of the demo still writes to its spool");
}
