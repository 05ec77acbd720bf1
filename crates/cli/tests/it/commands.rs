//! The smaller commands.

use std::io::Write;
use std::process::Stdio;

use crate::sandbox::{Ran, Sandbox};

#[test]
fn keys_are_made_shown_and_rotated() {
    let sandbox = Sandbox::new();
    let made = sandbox.run(["key", "new", "--source", "gw-7"]);
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.stdout.starts_with("gw-7+"), "{made:?}");
    assert_eq!(sandbox.run(["key", "show"]).stdout, made.stdout);
    assert_eq!(sandbox.run(["key", "show", "commit-id"]).stdout, "k1\n");
    let rotated = sandbox.run(["key", "new"]);
    assert!(
        rotated.stdout.starts_with("gw-7+") && rotated.stdout != made.stdout,
        "{rotated:?}"
    );
    assert!(rotated.stderr.contains("is succeeded by"), "{rotated:?}");
    assert_eq!(sandbox.run(["key", "new", "--source", "gw-8"]).code, 2);
}

#[test]
fn no_key_is_made_by_looking() {
    let sandbox = Sandbox::new();
    fs_err::create_dir_all(sandbox.data().join("spools")).unwrap();
    assert_eq!(sandbox.run(["key", "show"]).code, 3);
    assert_eq!(sandbox.run(["key", "show", "commit-id"]).code, 3);
    assert!(!sandbox.data().join("keys").exists());
}

#[test]
fn spools_are_listed_and_looked_into() {
    let sandbox = Sandbox::new();
    sandbox.record(1);
    let listed = sandbox.run(["spool", "ls"]);
    assert_eq!(listed.code, 0);
    assert!(
        listed.stdout.contains("crm") && listed.stdout.contains("closed"),
        "{}",
        listed.stdout
    );
    let json: serde_json::Value =
        serde_json::from_str(&sandbox.run(["spool", "ls", "--format", "json"]).stdout).unwrap();
    let frames = json["frames"].as_u64().unwrap();
    let inspected = sandbox.run(["spool", "inspect", "crm", "--format", "json"]);
    assert_eq!(inspected.code, 0);
    let found: serde_json::Value = serde_json::from_str(&inspected.stdout).unwrap();
    assert_eq!(
        found["entries"].as_u64().unwrap() + found["seals"].as_u64().unwrap(),
        frames
    );
    assert!(found["damage"].as_array().unwrap().is_empty());
    assert!(
        sandbox
            .run(["spool", "inspect"])
            .stdout
            .contains("seg-0000000000000000.aff")
    );
}

#[test]
fn redaction_is_shown_before_it_is_relied_on() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "args.json",
        "{\"user\":\"ann\",\"password\":\"hunter2\",\"badge\":\"B-123456\"}\n",
    );
    let shown = sandbox.run(["redact", "test", "args.json"]);
    assert_eq!(shown.code, 0);
    assert!(
        shown.stdout.contains("[redacted:") && shown.stdout.contains("/password"),
        "{}",
        shown.stdout
    );
    assert!(
        !shown.stdout.contains("hunter2") && shown.stdout.contains("B-123456"),
        "{}",
        shown.stdout
    );
    sandbox.write(
        "rules.toml",
        "[[rule]]\nid = \"badge\"\nvalue = 'B-\\d{6}'\n",
    );
    let own = sandbox.run([
        "redact",
        "test",
        "--rules",
        "rules.toml",
        "--format",
        "json",
        "args.json",
    ]);
    let own: serde_json::Value = serde_json::from_str(&own.stdout).unwrap();
    assert!(
        own["hits"]
            .as_array()
            .unwrap()
            .iter()
            .any(|hit| hit["rule"] == "badge"),
        "{own}"
    );
    let listed = sandbox
        .run(["redact", "rules", "--rules", "rules.toml"])
        .stdout;
    assert!(
        listed.starts_with("badge") && listed.contains("digest sha256:"),
        "{listed}"
    );
    let mut child = sandbox.affiant(["redact", "test", "-"]);
    let mut child = child
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"not json").unwrap();
    let withheld = Ran::of(child.wait_with_output().unwrap());
    assert!(
        withheld.stdout.contains("withheld as a whole"),
        "{withheld:?}"
    );
}

#[test]
fn configurations_are_checked_and_shown() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "agent.toml",
        "[[route]]\nid = \"crm\"\nupstream = \"http://127.0.0.1:9\"\n",
    );
    let checked = sandbox.run(["config", "check", "agent.toml"]);
    assert_eq!(
        (checked.code, checked.stderr.as_str()),
        (0, "`agent.toml` can be used: 1 route\n")
    );
    let shown = sandbox.run(["config", "show", "agent.toml"]);
    assert_eq!(shown.code, 0);
    // What is shown is a configuration itself, and says the same.
    sandbox.write("shown.toml", &shown.stdout);
    assert_eq!(
        sandbox.run(["config", "show", "shown.toml"]).stdout,
        shown.stdout
    );
    let origin = sandbox
        .run(["config", "show", "--origin", "agent.toml"])
        .stdout;
    let from = |key: &str| {
        let line = origin
            .lines()
            .find(|line| line.starts_with(&format!("{key} =")))
            .unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    };
    assert_eq!(
        (from("upstream").as_str(), from("intent").as_str()),
        ("file", "default")
    );
}

#[test]
fn the_doctor_looks_at_everything() {
    let sandbox = Sandbox::new();
    sandbox.record(1);
    let told = sandbox.run(["doctor", "--format", "json"]);
    assert!(matches!(told.code, 0 | 3), "{told:?}");
    for what in ["directory", "key", "disk", "clock", "spool"] {
        assert!(
            told.stdout.contains(&format!("\"what\":\"{what}\"")),
            "no {what} in {}",
            told.stdout
        );
    }
    assert!(told.stdout.contains("fdatasync"));
    let left: Vec<_> = fs_err::read_dir(sandbox.data())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        left.iter()
            .all(|name| !name.to_string_lossy().starts_with(".doctor")),
        "{left:?}"
    );
}

#[test]
fn completions_and_manual_pages_come_from_the_same_definition() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = sandbox.run(["completions", shell]);
        assert_eq!(script.code, 0);
        assert!(script.stdout.contains("verify"), "{shell}");
    }
    assert!(sandbox.run(["man"]).stdout.contains(".TH"));
    assert_eq!(sandbox.run(["man", "--out", "man1"]).code, 0);
    for page in ["affiant.1", "affiant-run.1", "affiant-spool-ls.1"] {
        assert!(sandbox.path("man1").join(page).exists(), "{page}");
    }
}
