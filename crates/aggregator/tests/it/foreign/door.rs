//! The HTTP door: OTLP's answers, and those of the import.

use std::io::Write as _;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use affiant_aggregator::foreign::{
    BODY_BYTES_MAX, Encoding, Foreign, Imported, Signal, Sink, SinkError, read_request, router,
};
use axum::body::Body;
use fs_err as fs;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{entries, fixture, importer, now};

/// Keeps what it gets, or refuses.
#[derive(Debug, Clone, Default)]
struct Memory {
    held: Arc<Mutex<Vec<Imported>>>,
    refuses: Option<SinkError>,
}

impl Sink for Memory {
    async fn append(&self, imported: Vec<Imported>) -> Result<Range<u64>, SinkError> {
        if let Some(error) = self.refuses {
            return Err(error);
        }
        let mut held = self.held.lock().unwrap();
        let first = u64::try_from(held.len()).unwrap();
        held.extend(imported);
        Ok(first..u64::try_from(held.len()).unwrap())
    }
}

struct Answer {
    status: StatusCode,
    kind: String,
    retry_after: bool,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Default)]
struct Door {
    sink: Memory,
}

impl Door {
    fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let foreign = Foreign {
            importer: importer(),
            sink: self.sink.clone(),
            now,
        };
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        runtime.block_on(async {
            let response = router(Arc::new(foreign)).oneshot(request).await.unwrap();
            let text = |name: &str| {
                let value = response.headers().get(name);
                value.map(|value| value.to_str().unwrap().to_owned())
            };
            let (kind, retry_after) =
                (text("content-type").unwrap(), text("retry-after").is_some());
            let status = response.status();
            let body = response
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .to_vec();
            Answer {
                status,
                kind,
                retry_after,
                body,
            }
        })
    }

    fn held(&self) -> usize {
        self.sink.held.lock().unwrap().len()
    }
}

const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const GZIP: (&str, &str) = ("content-encoding", "gzip");

/// A line of the OTLP fixture, from 1: itself a request.
fn line(number: usize) -> String {
    let text = fs::read_to_string(fixture("otlp/export.jsonl")).unwrap();
    text.lines().nth(number - 1).unwrap().to_owned()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[test]
fn all_spans_taken_is_an_empty_answer() {
    let door = Door::default();
    let answer = door.post("/v1/traces", &[JSON], line(2));
    assert_eq!(
        (answer.status, answer.kind.as_str()),
        (StatusCode::OK, "application/json")
    );
    assert_eq!(answer.json(), json!({}));
    assert_eq!(door.held(), 1);
    let entry: Value = serde_json::from_str(&entries(&door.sink.held.lock().unwrap())[0]).unwrap();
    assert_eq!(entry["import"]["door"], "otlp-spans");
    assert_eq!(entry["import"]["format"], "otel-mcp");
}

#[test]
fn what_was_not_recorded_is_counted_as_rejected() {
    let door = Door::default();
    let answer = door.post("/v1/traces", &[JSON], line(7));
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["partialSuccess"]["rejectedSpans"], "2");
    let answer = door.post("/v1/traces", &[JSON], line(8));
    assert_eq!(answer.json()["partialSuccess"]["rejectedSpans"], "2");
    let message = answer.json()["partialSuccess"]["errorMessage"].to_string();
    assert!(
        message.contains("0 that are no MCP tool calls, 2 tool calls without"),
        "{message}"
    );
    assert_eq!(door.held(), 0);
}

#[test]
fn logs_are_taken_and_marked() {
    let door = Door::default();
    assert_eq!(door.post("/v1/logs", &[JSON], line(6)).json(), json!({}));
    let entry = entries(&door.sink.held.lock().unwrap()).remove(0);
    assert!(entry.contains(r#""door":"otlp-logs""#), "{entry}");
}

#[test]
fn both_encodings_give_the_same_entries() {
    let binary = fs::read(fixture("otlp/export.binpb")).unwrap();
    let text = fs::read(fixture("otlp/export.json")).unwrap();
    let read = |encoding, bytes: &[u8]| {
        let read = read_request(Signal::Spans, encoding, bytes, &importer(), now()).unwrap();
        (entries(&read.imported), read.other, read.unknown)
    };
    let (entries, other, unknown) = read(Encoding::Protobuf, &binary);
    assert_eq!((entries.len(), other, unknown), (2, 1, 1));
    assert_eq!((entries, other, unknown), read(Encoding::Json, &text));
}

#[test]
fn protobuf_is_answered_in_protobuf() {
    let door = Door::default();
    let binary = fs::read(fixture("otlp/export.binpb")).unwrap();
    let answer = door.post("/v1/traces", &[PROTOBUF, GZIP], gzip(&binary));
    assert_eq!(
        (answer.status, answer.kind.as_str()),
        (StatusCode::OK, "application/x-protobuf")
    );
    // partial_success = 1 { rejected_spans = 1: 2, error_message = 2: "…" }
    assert_eq!(answer.body[0], 0x0a);
    assert_eq!(answer.body[2..4], [0x08, 2]);
    assert!(String::from_utf8_lossy(&answer.body).contains("1 that are no MCP tool calls"));
    assert_eq!(door.held(), 2);
    let refused = door.post("/v1/traces", &[PROTOBUF], &b"\x0a\xff"[..]);
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    // google.rpc.Status { code = 1: INVALID_ARGUMENT, message = 2 }
    assert_eq!(refused.body[..2], [0x08, 3]);
}

#[test]
fn a_request_that_is_cut_is_refused_unless_whole_resources_remain() {
    let binary = fs::read(fixture("otlp/export.binpb")).unwrap();
    let importer = importer();
    let whole: Vec<_> = (0..=binary.len())
        .filter_map(|end| {
            let cut = &binary[..end];
            read_request(Signal::Spans, Encoding::Protobuf, cut, &importer, now()).ok()
        })
        .map(|request| request.imported.len())
        .collect();
    assert_eq!(whole, [0, 1, 2, 2, 2]);
}

#[test]
fn malformed_requests_are_refused_and_nothing_is_taken() {
    let door = Door::default();
    for body in [
        "",
        "[]",
        "{",
        "null",
        "7",
        r#"{"resourceSpans":7}"#,
        r#"{"resourceSpans":[7]}"#,
        &line(10),
    ] {
        let answer = door.post("/v1/traces", &[JSON], body.to_owned());
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer.json()["code"], 3);
    }
    for body in [
        "{}",
        r#"{"resourceSpans":null}"#,
        r#"{"resourceSpans":[{}]}"#,
    ] {
        let answer = door.post("/v1/traces", &[JSON], body.to_owned());
        assert_eq!(
            (answer.status, answer.json()),
            (StatusCode::OK, json!({})),
            "{body}"
        );
    }
    let unsupported = door.post("/v1/traces", &[("content-type", "text/plain")], line(1));
    assert_eq!(unsupported.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let zstd = door.post("/v1/traces", &[JSON, ("content-encoding", "zstd")], line(1));
    assert_eq!(zstd.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let broken = door.post("/v1/traces", &[JSON, GZIP], line(1));
    assert_eq!(broken.status, StatusCode::BAD_REQUEST);
    assert_eq!(door.held(), 0);
}

#[test]
fn a_compression_bomb_is_cut_at_the_bound() {
    let bomb = gzip(&vec![b' '; BODY_BYTES_MAX + 1]);
    assert!(bomb.len() < BODY_BYTES_MAX / 100);
    let door = Door::default();
    let answer = door.post("/v1/traces", &[JSON, GZIP], bomb);
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let plain = door.post("/v1/logs", &[JSON], vec![b' '; BODY_BYTES_MAX + 1]);
    assert_eq!(plain.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn a_log_that_does_not_take_records_makes_senders_try_again() {
    let door = Door {
        sink: Memory {
            refuses: Some(SinkError::Unavailable),
            ..Memory::default()
        },
    };
    let answer = door.post("/v1/traces", &[JSON], line(1));
    assert_eq!(
        (answer.status, answer.retry_after),
        (StatusCode::SERVICE_UNAVAILABLE, true)
    );
    let answer = door.post("/v1/import/otlp", &[], line(1));
    assert_eq!(
        (answer.status, answer.retry_after),
        (StatusCode::SERVICE_UNAVAILABLE, true)
    );
    assert_eq!(
        answer.json()["type"],
        "https://affiant.dev/problems/log-unavailable"
    );
}

#[test]
fn lines_are_imported_and_each_unknown_one_is_named() {
    let door = Door::default();
    let text = fs::read(fixture("toolhive/audit.jsonl")).unwrap();
    let answer = door.post("/v1/import/toolhive?first_line=101", &[], text);
    assert_eq!(answer.status, StatusCode::OK);
    let value = answer.json();
    assert_eq!(
        (&value["imported"], &value["other"]),
        (&json!(5), &json!(2))
    );
    assert_eq!(
        (&value["first_index"], &value["end_index"]),
        (&json!(0), &json!(5))
    );
    assert_eq!(
        value["unknown"][0],
        json!({"line": 108, "problem": "no-tool"})
    );
    let unknown = door.post("/v1/import/nginx", &[], "");
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let empty = door.post("/v1/import/otlp", &[], "");
    assert_eq!(empty.json()["lines"], 0);
}
