//! The API from the command line: tokens of it, and entries through it.

use std::path::Path;

use serde_json::Value;

use crate::aggregator::Aggregator;
use crate::sandbox::Ran;

fn api(aggregator: &Aggregator) -> String {
    let text = fs_err::read_to_string(aggregator.dir().join("serve.json")).unwrap();
    let serve: Value = serde_json::from_str(&text).unwrap();
    serve["api"].as_str().unwrap().to_owned()
}

fn import(aggregator: &Aggregator) {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/formats/toolhive/audit.jsonl");
    let (file, dir) = (file.to_str().unwrap(), aggregator.dir());
    let dir = dir.to_str().unwrap();
    let words = [
        "import",
        "entries",
        file,
        "--format",
        "toolhive",
        "--data-dir",
        dir,
    ];
    assert_eq!(aggregator.sandbox.run(words).code, 3);
}

fn local(aggregator: &Aggregator, more: &[&str]) -> Ran {
    let dir = aggregator.dir();
    let words = [
        "entries",
        "--format",
        "json",
        "--data-dir",
        dir.to_str().unwrap(),
    ];
    aggregator.sandbox.run(words.iter().chain(more))
}

fn remote(aggregator: &Aggregator, more: &[&str]) -> Ran {
    let url = api(aggregator);
    let words = ["entries", "--format", "json", "--api", url.as_str()];
    aggregator.sandbox.run(words.iter().chain(more))
}

#[test]
fn entries_through_the_api_are_the_bytes_of_the_log_with_the_same_filters() {
    let aggregator = Aggregator::start();
    import(&aggregator);
    for filter in [
        vec!["--kind", "call.import"],
        vec!["--kind", "call.import", "--limit", "2"],
        vec!["--kind", "call.import,boot"],
        vec!["--kind", "call.import", "--status", "success"],
        vec![
            "--kind",
            "call.import",
            "--since",
            "2020-01-01",
            "--until",
            "2030-01-01",
        ],
        vec!["--user", "nobody"],
    ] {
        let (here, there) = (local(&aggregator, &filter), remote(&aggregator, &filter));
        assert_eq!(there.code, 0, "{filter:?}: {there:?}");
        assert_eq!(there.stdout, here.stdout, "{filter:?}");
    }
    let all = remote(&aggregator, &["--kind", "call.import"]);
    assert_eq!(all.stdout.lines().count(), 5);
    let table = aggregator
        .sandbox
        .run(["entries", "--api", api(&aggregator).as_str()]);
    assert_eq!(table.code, 0, "{table:?}");
}

#[test]
fn a_token_goes_in_clear_to_this_machine_alone() {
    let aggregator = Aggregator::start();
    let file = aggregator.dir().join("a.token");
    fs_err::write(&file, "affiant-api-v1.0000000000000000.AAAA\n").unwrap();
    let token = ["--token-file", file.to_str().unwrap()];
    let words = ["entries", "--api", "http://trail.example:7480"];
    let ran = aggregator.sandbox.run(words.iter().chain(&token));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("in clear"), "{ran:?}");
    // Who says that he is somebody is judged, although nobody is asked.
    let ran = remote(&aggregator, &token);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(!ran.stderr.contains("AAAA"), "{ran:?}");
    let ran = aggregator
        .sandbox
        .run(["entries", "--api", "http://127.0.0.1:1"]);
    assert_eq!(ran.code, 5, "{ran:?}");
}

#[test]
fn a_token_is_made_listed_used_and_taken_back() {
    let aggregator = Aggregator::start();
    let dir = aggregator.dir();
    let place = ["--data-dir", dir.to_str().unwrap()];
    let token = |words: &[&str]| {
        let words = ["token", "api"].iter().chain(words).chain(&place);
        aggregator.sandbox.run(words)
    };
    let made = token(&[
        "create",
        "--name",
        "ci",
        "--role",
        "analyst",
        "--expires",
        "1h",
    ]);
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.stdout.starts_with("affiant-api-v1."), "{made:?}");
    let file = dir.join("ci.token");
    fs_err::write(&file, &made.stdout).unwrap();
    let with = ["--token-file", file.to_str().unwrap(), "--kind", "boot"];
    let ran = remote(&aggregator, &with);
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 1), "{ran:?}");
    let listed = token(&["list", "--format", "json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let ci = &listed["tokens"][0];
    assert_eq!(
        (&ci["state"], &ci["role"]),
        (&"valid".into(), &"analyst".into())
    );
    let id = ci["id"].as_str().unwrap().to_owned();
    assert_eq!(token(&["revoke", &id[..6]]).code, 0);
    assert_eq!(remote(&aggregator, &with).code, 4);
    assert_eq!(token(&["revoke", &id]).code, 3);
    let late = token(&[
        "create",
        "--name",
        "x",
        "--role",
        "auditor",
        "--from",
        "2027-01-01",
        "--to",
        "2026-01-01",
    ]);
    assert_eq!(late.code, 2, "{late:?}");
}
