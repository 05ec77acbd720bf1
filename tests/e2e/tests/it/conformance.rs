//! The official suite says the same about a server, whether it is asked directly or through the gateway.

use std::path::Path;
use std::process::Command;

use affiant_e2e::entries;
use affiant_e2e::gateway::Setup;
use affiant_e2e::program::{built, output, output_ok, root, said};
use affiant_e2e::scratch::Scratch;
use affiant_e2e::tcp_tap::TcpTap;
use affiant_e2e::upstream::Upstream;

#[test]
fn revision_2025_06_18_is_the_same_through_the_gateway() {
    compare("2025-06-18", 56);
}

#[test]
fn revision_2025_11_25_is_the_same_through_the_gateway() {
    compare("2025-11-25", 84);
}

#[test]
fn revision_2026_07_28_is_the_same_through_the_gateway() {
    compare("2026-07-28", 197);
}

/// Runs the suite twice, compares the verdicts, then looks at the evidence.
fn compare(revision: &str, passed: usize) {
    let scratch = Scratch::new("conformance");
    let data = scratch.path("data");
    // One server for each run: the suite changes state in it.
    let direct = Upstream::announced(&mut Command::new(built("affiant-conformance-server")));
    let behind = Upstream::announced(&mut Command::new(built("affiant-conformance-server")));
    let tap = TcpTap::before(behind.address());
    let gateway = Setup::new(&data).route("conformance", &tap.origin).start();

    let expected = suite(
        &format!("{}/mcp", direct.origin),
        revision,
        &scratch.path("direct"),
    );
    let found = suite(
        &gateway.url("conformance", "/mcp"),
        revision,
        &scratch.path("proxied"),
    );
    let successes = expected
        .iter()
        .filter(|line| line.ends_with("\tSUCCESS"))
        .count();
    assert_eq!(successes, passed, "the server itself is not what it was");
    assert_eq!(
        difference(&expected, &found),
        Vec::<String>::new(),
        "direct (-) and through the gateway (+)"
    );

    gateway.stop();
    entries::assert_verifies(&data);
    let ends = entries::of_kind(&data, "call.end");
    assert_eq!(
        ends.len(),
        tap.count("\"method\":\"tools/call\""),
        "calls on record, calls that reached the server"
    );
    for end in &ends {
        entries::assert_twelve(end);
    }
}

/// The verdicts, one a line: scenario, check, status.
fn suite(url: &str, revision: &str, out: &Path) -> Vec<String> {
    let script = root().join("testdata/peers/conformance.sh");
    let ran = output(
        Command::new("sh")
            .arg(script)
            .args([url, revision])
            .arg(out),
    );
    let checks = output_ok(
        Command::new("python3")
            .arg(root().join("testdata/peers/checks.py"))
            .arg(out),
    );
    let lines: Vec<String> = String::from_utf8_lossy(&checks.stdout)
        .lines()
        .map(str::to_owned)
        .collect();
    assert!(
        !lines.is_empty(),
        "the suite gave no verdict: {}",
        said(&ran)
    );
    lines
}

/// Lines of one multiset that the other lacks.
fn difference(expected: &[String], found: &[String]) -> Vec<String> {
    let mut more = found.to_vec();
    let mut out = Vec::new();
    for line in expected {
        match more.iter().position(|other| other == line) {
            Some(at) => drop(more.swap_remove(at)),
            None => out.push(format!("- {line}")),
        }
    }
    out.extend(more.into_iter().map(|line| format!("+ {line}")));
    out
}
