//! How fast the scanner reads, in MB/s: `cargo run --release -p affiant-capture --example scan_speed`
//!
//! A word behind `--` picks the texts whose name contains it.
#![expect(clippy::print_stdout, reason = "the table is the point")]
#![expect(
    clippy::disallowed_methods,
    reason = "a stopwatch, outside the library"
)]

use std::hint::black_box;
use std::time::Instant;

use affiant_capture::framing::sse::Events;
use affiant_capture::framing::stdio::Lines;

/// What a pipe or socket hands over at a time.
const CHUNK_BYTES: usize = 64 << 10;
/// Small enough that some of the runs are not interrupted.
const TEXT_BYTES: usize = 2 << 20;
const RUNS: usize = 50;

fn main() {
    println!("{:34} {:>10}", "text", "MB/s");
    row("long string", &response("\"", "x", "\""));
    row(
        "long string, a newline each line",
        &response("\"", &format!("{}\\n", "x".repeat(60)), "\""),
    );
    row(
        "base64 blob",
        &response("\"", "iVBORw0KGgoAAAANSUhEUgAA", "\""),
    );
    row(
        "Cyrillic and Latin text",
        &response("\"", "слово and word, ", "\""),
    );
    row("CJK text", &response("\"", "日本語のテキスト", "\""));
    row(
        "escaped CJK text",
        &response("\"", "\\u65e5\\u672c\\u8a9e", "\""),
    );
    row(
        "array of small objects",
        &response(
            "[",
            r#"{"id":12345,"name":"alice","ok":true,"f":1.25},"#,
            "0]",
        ),
    );
    row(
        "array of numbers",
        &response("[", "3.14159,42,-7,1e9,", "0]"),
    );
    row(
        "pretty-printed objects",
        &response(
            "[",
            "    { \"id\": 1,          \"name\": \"bob\"     },     ",
            "0]",
        ),
    );
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"_meta":{"progressToken":1},"name":"search_customers","arguments":{"query":"acme","limit":10,"fields":["id","name"]}}}"#;
    row(
        "tools/call lines",
        &format!("{call}\n").repeat(TEXT_BYTES / (call.len() + 1)),
    );
    events("event stream, long string", &response("\"", "x", "\""));
}

fn response(open: &str, unit: &str, close: &str) -> String {
    let body = unit.repeat(TEXT_BYTES / unit.len());
    format!(r#"{{"result":{{"content":{open}{body}{close}}},"jsonrpc":"2.0","id":1}}"#) + "\n"
}

fn row(name: &str, text: &str) {
    time(name, text.len(), || {
        let mut lines = Lines::default();
        for chunk in text.as_bytes().chunks(CHUNK_BYTES) {
            for line in black_box(lines.push(chunk)) {
                assert_eq!(line.scan.error, None, "{name}");
            }
        }
    });
}

fn events(name: &str, text: &str) {
    let stream = format!("data: {text}\n");
    time(name, stream.len(), || {
        let mut events = Events::default();
        for chunk in stream.as_bytes().chunks(CHUNK_BYTES) {
            black_box(events.push(chunk));
        }
    });
}

/// Prints the best of all runs.
fn time(name: &str, bytes: usize, run: impl Fn()) {
    if !std::env::args()
        .nth(1)
        .is_none_or(|word| name.contains(&word))
    {
        return;
    }
    let best = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .min()
        .unwrap_or_default();
    let per_us = u128::try_from(bytes).unwrap_or_default() / best.as_micros().max(1);
    println!("{name:34} {per_us:>10}");
}
