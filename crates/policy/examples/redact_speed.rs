//! How fast redaction is with the built-in rules: `cargo run --release -p affiant-policy --example redact_speed`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement for people, with a clock of its own"
)]

use std::hint::black_box;
use std::time::Instant;

use affiant_entry::CommitKey;
use affiant_policy::redact::{Redactor, RuleSet};

fn main() {
    let start = Instant::now();
    let redactor = Redactor::new(RuleSet::builtin(), CommitKey::new("k1", &[7; 32]));
    println!(
        "{:<34} {:>10.2} ms",
        "rules read and compiled",
        start.elapsed().as_secs_f64() * 1e3
    );
    let wanted = std::env::args().nth(1).unwrap_or_default();
    for (name, json) in inputs()
        .into_iter()
        .filter(|(name, _)| name.starts_with(&wanted))
    {
        measure(&redactor, name, &json);
    }
}

/// The least time of several runs.
fn measure(redactor: &Redactor, name: &str, json: &str) {
    let runs = (50_000_000 / json.len().max(1)).clamp(5, 20_000);
    let mut least = f64::MAX;
    for _ in 0..runs {
        let start = Instant::now();
        black_box(redactor.redact_bytes(black_box(json.as_bytes()), "crm", Some("search")));
        least = least.min(start.elapsed().as_secs_f64());
    }
    let bytes = u32::try_from(json.len()).map_or(f64::MAX, f64::from);
    println!(
        "{name:<34} {:>10} bytes {:>12.1} us {:>8.0} MB/s",
        json.len(),
        least * 1e6,
        bytes / least / 1e6
    );
}

fn inputs() -> Vec<(&'static str, String)> {
    let record = r#"{"id":48213,"customer":"Ann Example","email":"ann@example.com","filter":{"status":["open","waiting"],"since":"2026-01-05T08:00:00Z"},"note":"Please call back: order 2291, see https://crm.example/orders/2291?tab=notes","amount":129.95,"ref":"550e8400-e29b-41d4-a716-446655440000"},"#;
    let secret = r#"{"user":"ann","password":"hunter2x"},"#;
    let list = |piece: &str, bytes: usize| {
        let pieces = piece.repeat(bytes / piece.len() + 1);
        format!("[{}]", pieces.trim_end_matches(','))
    };
    let prose = "The report of Monday 12:30 says: all systems nominal, load=0.4, see page 7. ";
    vec![
        ("records, 1 KiB", list(record, 800)),
        ("records, 10 KiB", list(record, 10 << 10)),
        ("records, 10 MiB", list(record, 10 << 20)),
        (
            "records pretty, 10 MiB",
            list(
                &record.replace("],", "],\n  ").replace("},\"", "},\n  \""),
                10 << 20,
            ),
        ),
        (
            "one text, 10 MiB",
            format!(
                "{{\"text\":\"{}\"}}",
                prose.repeat((10 << 20) / prose.len())
            ),
        ),
        (
            "one escaped text, 10 MiB",
            format!(
                "{{\"text\":\"{}\"}}",
                format!("{prose}\\n").repeat((10 << 20) / prose.len())
            ),
        ),
        (
            "base64, 10 MiB",
            format!(
                "{{\"data\":\"{}\"}}",
                "iVBORw0KGgoAAAANSUhEUg8d".repeat((10 << 20) / 24)
            ),
        ),
        ("numbers, 10 MiB", list("1234.5,", 10 << 20)),
        (
            "nested text of records, 10 MiB",
            serde_json::json!({"body": list(record, 10 << 20)}).to_string(),
        ),
        ("a secret in 1 KiB", list(&format!("{secret}{record}"), 800)),
        ("secrets only, 10 MiB", list(secret, 10 << 20)),
        (
            "worst case: separators, 10 MiB",
            format!("\"{}\"", "a=b:".repeat((10 << 20) / 4)),
        ),
    ]
}
