//! The same questions to another engine, over the leaves themselves: DuckDB says the same, whatever
//! happened to the files.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::world::{World, ask, engine, eventful};

/// The queries, one a line.
fn queries() -> Vec<&'static str> {
    let lines = include_str!("queries.sql").lines();
    lines
        .filter(|line| !line.is_empty() && !line.starts_with("--"))
        .collect()
}

#[test]
fn duckdb_says_the_same_from_the_raw_leaves() {
    let queries = queries();
    assert!(queries.len() >= 30, "{} queries", queries.len());
    let leaves = eventful();
    let wanted = reference(&leaves, &queries);
    let world = World::new(leaves);
    let store = world.open();
    world.follow(&store, 100, 4);
    compare(&engine(&store), &queries, &wanted, "with rows in memory");
    store.flush().unwrap();
    while store.compact().unwrap() {}
    compare(&engine(&store), &queries, &wanted, "merged");
    drop(store);
    compare(&engine(&world.open()), &queries, &wanted, "after a restart");
    let again = World::new(world.leaves.0.lock().unwrap().clone());
    let store = again.open();
    again.follow(&store, 4096, 1);
    compare(&engine(&store), &queries, &wanted, "rebuilt");
}

fn compare(engine: &affiant_store::query::Engine, queries: &[&str], wanted: &[Value], when: &str) {
    for (sql, wanted) in queries.iter().zip(wanted) {
        let found: Vec<Value> = ask(engine, sql).into_iter().map(plain).collect();
        let wanted: Vec<Value> = wanted
            .as_array()
            .unwrap()
            .iter()
            .cloned()
            .map(plain)
            .collect();
        assert_eq!(found.len(), wanted.len(), "{when}: {sql}");
        for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            assert_eq!(found, wanted, "{when}: row {at} of {sql}");
        }
    }
}

/// Numbers with nine digits, as the engines add in different orders.
fn plain(row: Value) -> Value {
    let Value::Object(row) = row else { return row };
    let round = |value: Value| match value.as_f64() {
        Some(number) if value.is_number() => json!(format!("{number:.8e}")),
        _ => value,
    };
    Value::Object(
        row.into_iter()
            .map(|(name, value)| (name, round(value)))
            .collect::<Map<_, _>>(),
    )
}

fn reference(leaves: &[Vec<u8>], queries: &[&str]) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let (log, asked) = (dir.path().join("leaves"), dir.path().join("queries"));
    let lines = leaves.iter().enumerate().map(|(leaf, raw)| {
        format!(
            "{}\n",
            json!({"leaf": leaf, "raw": String::from_utf8_lossy(raw)})
        )
    });
    std::fs::write(&log, lines.collect::<String>()).unwrap();
    std::fs::write(&asked, json!(queries).to_string()).unwrap();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/reference.py");
    let python = peers().join("venv-sql/bin/python");
    assert!(
        python.exists(),
        "{} is missing: run `testdata/peers/install.sh target/peers`",
        python.display()
    );
    let run = Command::new(python)
        .arg(script)
        .arg(log)
        .arg(asked)
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    serde_json::from_slice(&run.stdout).unwrap()
}

/// Where `testdata/peers/install.sh` puts them.
fn peers() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::env::var_os("AFFIANT_PEERS").map_or_else(|| root.join("target/peers"), PathBuf::from)
}
