//! One fixture a format: every line has its outcome, every entry all twelve fields, no secret comes out.

use affiant_aggregator::foreign::{Format, LineProblem, Reading, read_lines};
use affiant_entry::completeness::Completeness;
use affiant_entry::decode::Decoded;
use affiant_policy::redact::RuleSet;
use fs_err as fs;
use serde_json::Value;

use super::{SECRETS, blobs, entries, fixture, importer, now, with_rules};

/// Reads a fixture and compares all that comes of it with the files beside it.
fn check(format: Format, name: &str) -> (Reading, Vec<Value>) {
    let text = fs::read(fixture(&format!("{name}.jsonl"))).unwrap();
    let reading = read_lines(format, &text, 1, &importer(), now());
    let entries = entries(&reading.imported);
    let blobs = blobs(&reading.imported);
    let report = serde_json::to_string(&reading.report).unwrap();
    same(name, "entries.jsonl", &entries);
    same(name, "blobs.jsonl", &blobs);
    same(name, "report.json", std::slice::from_ref(&report));
    for entry in &entries {
        let decoded = Decoded::parse(entry.as_bytes()).unwrap();
        let fields = Completeness::of(&decoded).unwrap();
        assert!(
            fields.complete(),
            "{:?} missing in {entry}",
            fields.missing().collect::<Vec<_>>()
        );
        assert!(entry.contains(r#""unsealed":true"#));
    }
    for out in entries.iter().chain(&blobs) {
        for secret in SECRETS {
            assert!(!out.contains(secret), "{secret} in {out}");
        }
    }
    let values = entries
        .iter()
        .map(|e| serde_json::from_str(e).unwrap())
        .collect();
    (reading, values)
}

/// On a difference the new text is kept beside the target directory, to be looked at.
fn same(name: &str, what: &str, lines: &[String]) {
    let path = fixture(&format!("{name}.{what}"));
    let found: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if found != expected {
        let kept = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{}.{what}", name.replace('/', "-")));
        fs::write(&kept, found).unwrap();
        panic!("{} differs, see {}", path.display(), kept.display());
    }
}

fn problems(reading: &Reading) -> Vec<(u64, LineProblem)> {
    let unknown = reading.report.unknown.iter();
    unknown.map(|each| (each.line, each.problem)).collect()
}

/// `status.code/status.reason` of each entry.
fn statuses(entries: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    entries
        .iter()
        .map(|e| {
            format!(
                "{}/{}",
                text(&e["status"]["code"]),
                text(&e["status"]["reason"])
            )
        })
        .collect()
}

#[test]
fn agentgateway_request_logs_are_read() {
    let (reading, entries) = check(Format::Agentgateway, "agentgateway/requests");
    assert_eq!(
        statuses(&entries),
        [
            "success/ok",
            "error/rpc-error",
            "success/ok",
            "error/denied"
        ]
    );
    assert_eq!(
        (
            reading.report.lines,
            reading.report.other,
            reading.report.blank
        ),
        (10, 2, 1)
    );
    assert_eq!(
        problems(&reading),
        [
            (7, LineProblem::NoTool),
            (8, LineProblem::NotJson),
            (10, LineProblem::UnknownShape)
        ]
    );
    // The call began `duration` before it was logged.
    assert_eq!(entries[0]["time"], "2026-08-21T10:15:01.482041Z");
    assert_eq!(entries[1]["status"]["rpc_code"], -32602);
    assert_eq!(entries[2]["input_form"], "value");
    assert_eq!(entries[3]["policy"]["decision"], "deny");
    assert_eq!(entries[3]["correlation"]["origin"], "minted");
}

#[test]
fn contextforge_logs_audit_rows_and_siem_events_are_read() {
    let (reading, entries) = check(Format::Contextforge, "contextforge/records");
    assert_eq!(
        statuses(&entries),
        [
            "success/ok",
            "error/reported",
            "success/ok",
            "error/reported"
        ]
    );
    assert_eq!((reading.report.lines, reading.report.other), (9, 2));
    assert_eq!(
        problems(&reading),
        [
            (7, LineProblem::NoTime),
            (8, LineProblem::NotJson),
            (9, LineProblem::NotAnObject)
        ]
    );
    assert_eq!(entries[0]["latency_us"], 41218);
    assert_eq!(entries[2]["classification"]["level"], "confidential");
    assert!(entries[0]["session"]["id"]["absent"].is_string());
}

#[test]
fn toolhive_audit_events_are_read() {
    let (reading, entries) = check(Format::Toolhive, "toolhive/audit");
    assert_eq!(
        statuses(&entries),
        [
            "success/ok",
            "failure/tool-error",
            "error/rpc-error",
            "error/denied",
            "error/http-error"
        ]
    );
    assert_eq!((reading.report.lines, reading.report.other), (11, 2));
    assert_eq!(
        problems(&reading),
        [
            (8, LineProblem::NoTool),
            (9, LineProblem::NoTime),
            (10, LineProblem::UnknownShape),
            (11, LineProblem::NotAnObject)
        ]
    );
    assert_eq!(entries[1]["correlation"]["request_id"], "7");
    assert_eq!(entries[1]["input"]["title"], "Broken");
    assert_eq!(entries[3]["time"], "2026-08-21T10:15:04.000000Z");
    assert_eq!(entries[4]["server"]["transport"], "stdio");
}

#[test]
fn otlp_lines_are_read() {
    let (reading, entries) = check(Format::Otlp, "otlp/export");
    assert_eq!(
        statuses(&entries),
        [
            "success/ok",
            "failure/tool-error",
            "error/rpc-error",
            "error/reported",
            "error/timeout",
            "error/http-error"
        ]
    );
    assert_eq!((reading.report.lines, reading.report.other), (11, 3));
    assert_eq!(
        problems(&reading),
        [
            (8, LineProblem::NoTool),
            (8, LineProblem::NoTime),
            (10, LineProblem::UnknownShape),
            (11, LineProblem::UnknownShape)
        ]
    );
    assert_eq!(entries[0]["server"]["id"], "weather");
    assert_eq!(entries[2]["server"]["id"], "mcp.example.com:8443");
    assert_eq!(entries[4]["server"]["transport"], "stdio");
    assert_eq!(
        entries[0]["correlation"]["id"],
        "4bf92f3577b34da6a3ce929d0e0e4736"
    );
}

#[test]
fn the_same_line_gets_the_same_call_id() {
    let text = fs::read(fixture("toolhive/audit.jsonl")).unwrap();
    let twice = [text.as_slice(), text.as_slice()].concat();
    let reading = read_lines(Format::Toolhive, &twice, 1, &importer(), now());
    let ids: Vec<_> = reading
        .imported
        .iter()
        .map(|each| each.record.call)
        .collect();
    let (first, second) = ids.split_at(ids.len() / 2);
    assert_eq!(first, second);
    let mut distinct = first.to_vec();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), first.len());
}

#[test]
fn a_rule_that_points_into_the_input_leaves_no_copy_in_the_original() {
    let rules = "[[rule]]\nid = \"plan\"\npointer = '/plan'\n";
    let importer = with_rules(RuleSet::parse(rules).unwrap());
    let line = r#"{"msg":"audit_event","type":"mcp_tool_call","outcome":"success","logged_at":"2026-08-21T10:15:01Z","target":{"name":"t"},"data":{"request":{"params":{"arguments":{"plan":"buy the moon"}}},"response":{"result":"buy the moon"}}}"#;
    let reading = read_lines(Format::Toolhive, line.as_bytes(), 1, &importer, now());
    assert_eq!(reading.imported.len(), 1);
    for out in entries(&reading.imported)
        .iter()
        .chain(&blobs(&reading.imported))
    {
        assert!(!out.contains("moon"), "{out}");
    }
}

#[test]
fn a_long_input_becomes_a_blob() {
    let words = vec!["word"; 20_000].join(" ");
    let line = format!(
        r#"{{"msg":"audit_event","type":"mcp_tool_call","outcome":"success","logged_at":"2026-08-21T10:15:01Z","target":{{"name":"t"}},"data":{{"request":{{"params":{{"arguments":{{"text":"{words}"}}}}}}}}}}"#
    );
    let reading = read_lines(Format::Toolhive, line.as_bytes(), 1, &importer(), now());
    let entry: Value = serde_json::from_str(&entries(&reading.imported)[0]).unwrap();
    assert_eq!(entry["input_form"], "blob");
    assert_eq!(reading.imported[0].blobs.len(), 2);
    assert_eq!(entry["input"]["blob"], reading.imported[0].blobs[1].id());
    assert_eq!(
        entry["import"]["original"],
        reading.imported[0].blobs[0].id()
    );
}

#[test]
fn bytes_that_are_no_text_and_lines_that_are_too_long_are_told() {
    let mut text = b"\xff\xfe\n".to_vec();
    text.extend(std::iter::repeat_n(b' ', (1 << 20) + 1));
    text.extend(b"\n\xef\xbb\xbf{}\r\n\r\n");
    let reading = read_lines(Format::Agentgateway, &text, 40, &importer(), now());
    assert_eq!(
        problems(&reading),
        [
            (40, LineProblem::NotUtf8),
            (41, LineProblem::TooLong),
            (42, LineProblem::UnknownShape)
        ]
    );
    assert_eq!((reading.report.lines, reading.report.blank), (4, 1));
}
