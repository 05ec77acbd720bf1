//! The entries of a data directory, read with the program itself.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::program::{affiant, output};

/// All entries, oldest first within a spool.
///
/// # Panics
/// When `affiant entries` fails or a line is not JSON.
#[must_use]
pub fn all(data_dir: &Path) -> Vec<Value> {
    let lines = lines(data_dir);
    let text = |line: &Vec<u8>| parse(&String::from_utf8_lossy(line));
    lines.iter().map(text).collect()
}

/// All entries as their bytes, oldest first within a spool.
///
/// # Panics
/// When `affiant entries` fails.
#[must_use]
pub fn lines(data_dir: &Path) -> Vec<Vec<u8>> {
    let out = output(
        affiant()
            .args(["entries", "--format", "json", "--data-dir"])
            .arg(data_dir),
    );
    assert!(
        out.status.success(),
        "affiant entries: {}\n{}",
        out.status,
        String::from_utf8_lossy(&out.stderr)
    );
    let lines = out.stdout.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

/// An entry keeps what clients write, which JSON allows and `Value` cannot always hold: half of a
/// surrogate pair, a number beyond all floats. Such a member is there as its text.
fn parse(line: &str) -> Value {
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let value =
        |raw: &RawValue| serde_json::from_str(raw.get()).unwrap_or_else(|_| Value::from(raw.get()));
    members
        .into_iter()
        .map(|(name, raw)| (name, value(raw)))
        .collect()
}

/// The entries of one kind.
#[must_use]
pub fn of_kind(data_dir: &Path, kind: &str) -> Vec<Value> {
    all(data_dir)
        .into_iter()
        .filter(|entry| entry["kind"] == kind)
        .collect()
}

/// Asserts that `affiant verify` accepts the data directory.
///
/// # Panics
/// When it does not.
pub fn assert_verifies(data_dir: &Path) {
    let out = output(affiant().arg("verify").arg(data_dir));
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    assert_eq!(out.status.code(), Some(0), "affiant verify says:\n{text}");
}

/// Asserts that each of the twelve fields stands in a `call.end`, as a value or as a reasoned absence.
///
/// # Panics
/// When one is missing.
pub fn assert_twelve(end: &Value) {
    let fields = [
        "/time",
        "/session/id",
        "/agent/role",
        "/agent/user",
        "/agent/token",
        "/server/id",
        "/server/name",
        "/server/version",
        "/tool/name",
        "/input",
        "/status/code",
        "/response",
        "/latency_us",
        "/classification",
        "/policy",
        "/correlation/id",
    ];
    for field in fields {
        assert!(
            end.pointer(field).is_some_and(|v| !v.is_null()),
            "{field} is missing in {end}"
        );
    }
}
