//! `affiant import entries` into a real aggregator.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::aggregator::Aggregator;
use crate::sandbox::{Ran, Sandbox};

fn import(aggregator: &Aggregator, format: &str, file: &Path, more: &[&str]) -> Ran {
    let (file, dir) = (file.to_str().unwrap(), aggregator.dir());
    let words = ["import", "entries", file, "--format", format];
    let place = ["--data-dir", dir.to_str().unwrap()];
    let sandbox = &aggregator.sandbox;
    sandbox.run(words.iter().chain(&place).chain(more))
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata/formats")
        .join(name)
}

#[test]
fn lines_of_every_format_come_into_the_log_and_each_unknown_one_is_named() {
    let aggregator = Aggregator::start();
    let all = [
        ("agentgateway", "requests", 10, 4, 3),
        ("contextforge", "records", 9, 4, 3),
        ("toolhive", "audit", 11, 5, 4),
        ("otlp", "export", 11, 6, 4),
    ];
    for (format, name, lines, calls, unknown) in all {
        let file = fixture(&format!("{format}/{name}.jsonl"));
        let ran = import(&aggregator, format, &file, &["--output", "json"]);
        assert_eq!(ran.code, 3, "{ran:?}");
        let sum: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(
            (&sum["lines"], &sum["imported"]),
            (&json!(lines), &json!(calls))
        );
        assert_eq!(sum["unknown"].as_array().unwrap().len(), unknown);
        let leaves = sum["end_index"].as_u64().unwrap() - sum["first_index"].as_u64().unwrap();
        assert_eq!(leaves, calls);
    }
    let ran = import(
        &aggregator,
        "toolhive",
        &fixture("toolhive/audit.jsonl"),
        &[],
    );
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.stdout
            .starts_with("11 lines: 5 calls imported, unsealed"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("line 9: no time"), "{ran:?}");
    let dir = aggregator.dir();
    let listed = aggregator
        .sandbox
        .run(["entries", "--data-dir", dir.to_str().unwrap()]);
    assert!(listed.stdout.contains("unsealed success"), "{listed:?}");
}

#[test]
fn a_file_of_known_lines_is_well_and_longer_than_one_request() {
    let aggregator = Aggregator::start();
    let text = fs_err::read_to_string(fixture("toolhive/audit.jsonl")).unwrap();
    let line = text.lines().next().unwrap();
    let file = aggregator.sandbox.path("long.jsonl");
    let mut out = fs_err::File::create(&file).unwrap();
    // Each line half a megabyte, so that 10 of them are two requests.
    let padded = line.replacen('{', &format!("{{\"pad\":\"{}\",", "x".repeat(500_000)), 1);
    for _ in 0..10 {
        writeln!(out, "{padded}").unwrap();
    }
    let ran = import(&aggregator, "toolhive", &file, &["--output", "json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let sum: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&sum["lines"], &sum["imported"]), (&json!(10), &json!(10)));
}

#[test]
fn what_cannot_be_read_or_reached_has_its_code() {
    let sandbox = Sandbox::new();
    let file = fixture("toolhive/audit.jsonl");
    let file = file.to_str().unwrap();
    let run = |file: &str, place: [&str; 2]| {
        let words = ["import", "entries", file, "--format", "toolhive"];
        sandbox.run(words.iter().chain(&place)).code
    };
    assert_eq!(run(file, ["--url", "http://127.0.0.1:1"]), 5);
    assert_eq!(run("/nowhere.jsonl", ["--url", "http://127.0.0.1:1"]), 2);
    assert_eq!(run(file, ["--url", "127.0.0.1:1"]), 2);
    fs_err::create_dir(sandbox.path("stopped")).unwrap();
    let stopped = sandbox.path("stopped");
    assert_eq!(run(file, ["--data-dir", stopped.to_str().unwrap()]), 5);
    assert_eq!(run(file, ["--data-dir", "/nowhere"]), 2);
    let unknown = [
        "import",
        "entries",
        file,
        "--format",
        "nginx",
        "--url",
        "http://127.0.0.1:1",
    ];
    assert_eq!(sandbox.run(unknown).code, 2);
}
