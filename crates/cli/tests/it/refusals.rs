//! Bad input: one clear line, and the documented code.

use std::os::unix::fs::PermissionsExt;

use crate::sandbox::{Ran, Sandbox};

fn refused(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, code, "{ran:?}");
    assert_eq!(ran.stdout, "");
    let lines: Vec<_> = ran.stderr.lines().collect();
    assert!(lines[0].starts_with("error: "), "{ran:?}");
    assert!(
        lines.len() == 1 || (lines.len() == 2 && lines[1].starts_with("hint: ")),
        "{ran:?}"
    );
    for word in words {
        assert!(ran.stderr.contains(word), "no `{word}` in {}", ran.stderr);
    }
}

#[test]
fn a_command_that_is_missing() {
    let sandbox = Sandbox::new();
    refused(&sandbox.run(["run"]), 2, &["no command to run"]);
    refused(
        &sandbox.run(["run", "--server", "crm", "--"]),
        2,
        &["no command to run"],
    );
    assert!(!sandbox.data().exists());
}

#[test]
fn a_flag_that_does_not_exist_is_usage() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(["entries", "--sinec", "1h"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--since"), "{}", ran.stderr);
}

#[test]
fn values_that_cannot_be() {
    let sandbox = Sandbox::new();
    sandbox.record(1);
    refused(
        &sandbox.run(["entries", "--since", "yesterday"]),
        2,
        &["`--since` cannot be `yesterday`"],
    );
    refused(
        &sandbox.run(["entries", "--kind", "calls"]),
        2,
        &["`--kind` cannot be `calls`", "call.end"],
    );
    refused(&sandbox.run(["entries", "--call", "7"]), 2, &["no call id"]);
    refused(
        &sandbox.run(["entries", "--spool", "nope"]),
        2,
        &["no spool `nope`", "`crm`"],
    );
    refused(
        &sandbox.run(["spool", "inspect", "nope"]),
        2,
        &["no spool `nope`"],
    );
    refused(
        &sandbox.run(["--log", "loud", "entries"]),
        2,
        &["log filter `loud`"],
    );
    refused(
        &sandbox.run(["run", "--server", "Über", "--", "cat"]),
        2,
        &["`--server` cannot be"],
    );
    refused(
        &sandbox.run(["run", "--source", "A B", "--", "cat"]),
        2,
        &["source id `A B`"],
    );
    refused(
        &sandbox.run(["run", "--source", "other", "--", "cat"]),
        2,
        &["not `other`"],
    );
}

#[test]
fn directories_that_are_none() {
    let sandbox = Sandbox::new();
    refused(
        &sandbox.run(["entries"]),
        2,
        &["there is no data directory"],
    );
    refused(
        &sandbox.run(["verify", "nowhere"]),
        2,
        &["`nowhere` does not exist"],
    );
    fs_err::create_dir(sandbox.path("empty")).unwrap();
    refused(
        &sandbox.run(["verify", "empty"]),
        3,
        &["nothing in `empty`"],
    );
    fs_err::create_dir(sandbox.path("foreign")).unwrap();
    sandbox.write("foreign/file", "x");
    refused(
        &sandbox.run(["verify", "foreign"]),
        2,
        &["`foreign` is not a data directory"],
    );
    refused(
        &sandbox.run(["entries", "--data-dir", "foreign"]),
        2,
        &["`foreign` is not a data directory"],
    );
    sandbox.write("plain", "x");
    refused(
        &sandbox.run(["run", "--data-dir", "plain", "--", "cat"]),
        2,
        &["`plain` is not a directory"],
    );
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.record(1);
    let key = sandbox.data().join("keys/source.key");
    fs_err::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    refused(
        &sandbox.run(["run", "--server", "crm", "--", "cat"]),
        4,
        &["source.key", "chmod 600"],
    );
    refused(&sandbox.run(["key", "new"]), 4, &["source.key"]);
    // The auditor's commands need no secret.
    assert_eq!(sandbox.verify().code, 0);
    let doctor = sandbox.run(["doctor"]);
    assert_eq!(doctor.code, 3);
    assert!(doctor.stdout.contains("chmod 600"), "{}", doctor.stdout);
}

#[test]
fn a_key_that_is_gone_is_not_replaced_in_silence() {
    let sandbox = Sandbox::new();
    sandbox.record(1);
    fs_err::remove_file(sandbox.data().join("keys/source.key")).unwrap();
    refused(
        &sandbox.run(["run", "--server", "crm", "--", "cat"]),
        4,
        &["source.key` is missing"],
    );
}

#[test]
fn redaction_rules_with_a_mistake_name_the_place() {
    let sandbox = Sandbox::new();
    sandbox.write("rules.toml", "[[rule]]\nid = \"badge\"\nvalues = 'B'\n");
    let ran = sandbox.run(["run", "--redaction", "rules.toml", "--", "cat"]);
    refused(
        &ran,
        2,
        &[
            "rules.toml:3:",
            "unknown key `values`",
            "did you mean `value`?",
        ],
    );
    refused(
        &sandbox.run(["redact", "rules", "--rules", "missing.toml"]),
        2,
        &["missing.toml"],
    );
    assert!(!sandbox.data().exists());
}

#[test]
fn trust_files_with_a_mistake_name_the_line() {
    let sandbox = Sandbox::new();
    sandbox.record(1);
    sandbox.write("trust", "# keys\nnot a key\n");
    refused(
        &sandbox.run(["verify", "--trust", "trust", "data"]),
        2,
        &["`trust`, line 2"],
    );
    refused(
        &sandbox.run(["verify", "--trust", "missing", "data"]),
        2,
        &["missing"],
    );
}

#[test]
fn a_configuration_with_a_mistake_names_the_line() {
    let sandbox = Sandbox::new();
    refused(
        &sandbox.run(["agent", "--config", "missing.toml"]),
        2,
        &["missing.toml"],
    );
    sandbox.write("agent.toml", "[gateway]\nlisten_on = \"127.0.0.1:0\"\n");
    let ran = sandbox.run(["agent", "--config", "agent.toml"]);
    refused(
        &ran,
        2,
        &[
            "agent.toml:2: unknown key `listen_on`",
            "did you mean `listen`?",
        ],
    );
    refused(
        &sandbox.run(["config", "check", "agent.toml"]),
        2,
        &["agent.toml:2"],
    );
}
