//! `affiant entries`.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use affiant_spool::{Item, Reader};

use crate::sandbox::{PEER, Sandbox, call, session};

fn recorded() -> Sandbox {
    let sandbox = Sandbox::new();
    let input = format!("{}{}{}", session(2), call(10, "bad"), call(11, "mute"));
    sandbox.wrap(&["--user", "ann"], &["sh", "-c", PEER], input.as_bytes());
    sandbox
}

#[test]
fn json_is_the_exact_bytes_of_every_entry() {
    let sandbox = recorded();
    let mut reader = Reader::open(sandbox.data().join("spools/crm")).unwrap();
    let mut expected = Vec::new();
    while let Some(item) = reader.next_item().unwrap() {
        let Item::Frame(frame) = item else {
            panic!("{item:?}")
        };
        expected.extend_from_slice(&frame.payload);
        expected.push(b'\n');
    }
    let listed = sandbox.run(["entries", "--format", "json"]);
    assert_eq!(listed.code, 0);
    assert!(listed.bytes == expected);
    assert!(listed.stdout.contains("\"kind\":\"seal\""));
}

#[test]
fn filters_pick_what_they_name() {
    let sandbox = recorded();
    let count = |options: &[&str]| sandbox.entries(options).len();
    assert_eq!(count(&["--kind", "call.end"]), 4);
    assert_eq!(count(&["--kind", "call.end,call.begin"]), 8);
    assert_eq!(count(&["--status", "success"]), 2);
    assert_eq!(count(&["--status", "failure"]), 1);
    assert_eq!(count(&["--status", "tool-error"]), 1);
    assert_eq!(count(&["--tool", "bad", "--kind", "call.end"]), 1);
    assert_eq!(count(&["--user", "ann", "--kind", "call.end"]), 4);
    assert_eq!(count(&["--user", "bob"]), 0);
    assert_eq!(count(&["--server", "crm", "--kind", "manifest"]), 1);
    assert_eq!(count(&["--spool", "crm", "--kind", "boot"]), 1);
    assert_eq!(count(&["--since", "1h", "--kind", "call.end"]), 4);
    assert_eq!(count(&["--until", "1h"]), 0);
    assert_eq!(count(&["--limit", "3"]), 3);
    let last = sandbox.entries(&["--limit", "1"]);
    assert_eq!(last[0]["kind"], "seal");
    let end = &sandbox.entries(&["--tool", "bad", "--kind", "call.end"])[0];
    let (call, session) = (
        end["call"].as_str().unwrap(),
        end["session"]["id"].as_str().unwrap(),
    );
    assert_eq!(count(&["--call", call]), 2);
    assert_eq!(
        count(&["--kind", "call.end", "--session", &session[..10]]),
        4
    );
    assert_eq!(
        count(&["--kind", "call.end", "--session", &session[20..]]),
        4
    );
}

#[test]
fn the_table_shows_calls_and_events_without_colours_in_a_pipe() {
    let sandbox = recorded();
    let table = sandbox.run(["entries"]);
    assert_eq!(table.code, 0);
    let lines: Vec<_> = table.stdout.lines().collect();
    assert!(lines[0].starts_with("TIME (UTC)"), "{}", table.stdout);
    for wanted in [
        "success",
        "failure tool-error",
        "error stream-closed",
        "boot",
        "stop",
        "1 tool",
        "ann",
    ] {
        assert!(
            table.stdout.contains(wanted),
            "no {wanted} in\n{}",
            table.stdout
        );
    }
    assert!(!table.stdout.contains('\x1b') && !table.stdout.contains("call.begin"));
    assert!(!table.stdout.contains("  seal"));
    assert!(
        sandbox
            .run(["entries", "--kind", "seal"])
            .stdout
            .contains("seal")
    );
    let none = sandbox.run(["entries", "--tool", "nothing"]);
    assert_eq!(
        (none.code, none.stdout.as_str(), none.stderr.as_str()),
        (0, "", "no entries match\n")
    );
}

#[test]
fn spools_are_merged_by_time() {
    let sandbox = Sandbox::new();
    for server in ["b", "a", "b"] {
        sandbox.wrap(
            &["--server", server],
            &["sh", "-c", PEER],
            session(1).as_bytes(),
        );
    }
    let boots = sandbox.entries(&["--kind", "boot"]);
    let spools: Vec<_> = boots
        .iter()
        .map(|boot| boot["boot_info"]["spool"].as_str().unwrap())
        .collect();
    assert_eq!(spools, ["b", "a", "b"]);
    assert_eq!(sandbox.verify().code, 0);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let sandbox = Sandbox::new();
    sandbox.record(200);
    let mut child = sandbox
        .affiant(["entries", "--format", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert!(first.contains("\"kind\":\"boot\""));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn following_shows_entries_as_they_come_and_ends_with_its_reader() {
    let sandbox = Sandbox::new();
    sandbox.record(1);
    let mut child = sandbox
        .affiant([
            "entries", "--format", "json", "--follow", "--kind", "call.end",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        serde_json::from_str::<serde_json::Value>(&line).unwrap()
    };
    assert_eq!(next()["kind"], "call.end");
    sandbox.wrap(&[], &["sh", "-c", PEER], call(77, "echo").as_bytes());
    assert_eq!(next()["correlation"]["request_id"], "77");
    // A spool that did not exist when it began.
    sandbox.wrap(
        &["--server", "later"],
        &["sh", "-c", PEER],
        call(78, "echo").as_bytes(),
    );
    assert_eq!(next()["correlation"]["request_id"], "78");
    drop(lines);
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(
        (child.wait().unwrap().code(), stderr.as_str()),
        (Some(0), "")
    );
}

#[test]
fn a_secret_is_found_nowhere() {
    let sandbox = Sandbox::new();
    let secret = "canary-7f3e9a1c55";
    let line = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"echo\",\"arguments\":{{\"password\":\"{secret}\",\"nested\":\"{{\\\"password\\\":\\\"{secret}\\\"}}\"}}}}}}\n"
    );
    let mut child = sandbox.affiant([
        "--log", "trace", "run", "--server", "crm", "--", "sh", "-c", PEER,
    ]);
    let mut child = child
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), line.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains(secret));
    let listed = sandbox.run(["entries", "--format", "json"]).stdout;
    assert!(
        listed.contains("[redacted:") && !listed.contains(secret),
        "{listed}"
    );
}

#[test]
fn damage_is_named_and_the_rest_is_shown() {
    let sandbox = Sandbox::new();
    sandbox.record(30);
    let segment = sandbox.data().join("spools/crm/seg-0000000000000000.aff");
    let mut bytes = fs_err::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs_err::write(&segment, bytes).unwrap();
    let listed = sandbox.run(["entries", "--format", "json"]);
    assert_eq!(listed.code, 3);
    assert!(
        listed.stderr.contains("warning: spool `crm`"),
        "{}",
        listed.stderr
    );
    assert!(listed.stdout.contains("\"kind\":\"stop\""));
    assert_eq!(sandbox.verify().code, 1);
    assert_eq!(sandbox.run(["spool", "inspect", "crm"]).code, 3);
}
