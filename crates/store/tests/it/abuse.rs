//! SQL that means harm: each gets one clear line, and soon.

use std::time::Duration;

use affiant_store::query::{Bounds, Format, Limits, QueryError};

use crate::world::{World, ask_with, engine, eventful, number};

fn small() -> Limits {
    Limits {
        time: Duration::from_secs(2),
        memory_bytes: 64 << 20,
        rows_max: 10_000,
        answer_bytes_max: 8 << 20,
    }
}

/// Statements, and what the refusal has to name.
const WRITES: &[(&str, &str)] = &[
    ("DELETE FROM entries", "DELETE"),
    ("UPDATE entries SET kind = 'x'", "UPDATE"),
    ("INSERT INTO entries (kind) VALUES ('x')", "INSERT"),
    ("TRUNCATE TABLE entries", "TRUNCATE"),
    ("DROP TABLE entries", "DROP"),
    ("DROP VIEW calls", "DROP"),
    ("CREATE TABLE t AS SELECT * FROM entries", "CREATE"),
    ("CREATE VIEW v AS SELECT 1", "CREATE"),
    (
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "CREATE",
    ),
    ("CREATE SCHEMA s", "CREATE"),
    ("CREATE FUNCTION f(DOUBLE) RETURNS DOUBLE RETURN $1", ""),
    ("ALTER TABLE entries ADD COLUMN x INT", "ALTER"),
    ("COPY entries TO '/tmp/x.csv'", "COPY"),
    ("COPY (SELECT * FROM entries) TO '/tmp/x.parquet'", "COPY"),
    ("EXPLAIN COPY (SELECT 1) TO '/tmp/x.csv'", "EXPLAIN"),
    (
        "EXPLAIN ANALYZE INSERT INTO entries (kind) VALUES ('x')",
        "EXPLAIN",
    ),
    (
        "SET datafusion.execution.target_partitions = 1000000",
        "SET",
    ),
    ("RESET datafusion.execution.target_partitions", "RESET"),
    ("PREPARE p AS SELECT 1", "PREPARE"),
    ("BEGIN", "BEGIN"),
    ("GRANT ALL ON entries TO eve", "GRANT"),
    ("SELECT 1; DROP TABLE entries", "one statement"),
    ("", "empty"),
    ("SELECT * INTO t FROM entries", ""),
    (
        "MERGE INTO entries USING calls ON true WHEN MATCHED THEN DELETE",
        "MERGE",
    ),
];

const FILES: &[&str] = &[
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM \"/etc/passwd\"",
    "SELECT * FROM 'file:///etc/passwd'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_parquet('data/2026-11-20/000000000000.parquet')",
    "SELECT * FROM parquet_metadata('data/x.parquet')",
    "SELECT * FROM 'https://example.com/x.csv'",
    "SELECT * FROM 'affiant-store://files/manifest-00000000000000000001.json'",
    "SELECT read_text('/etc/passwd')",
    "SELECT input_file_name() FROM entries",
    "SELECT arrow_metadata(kind) FROM entries",
];

/// Much work or much memory out of a short text.
const BOMBS: &[&str] = &[
    "SELECT count(*) FROM entries a, entries b, entries c, entries d, entries e",
    "SELECT a.leaf FROM entries a CROSS JOIN entries b CROSS JOIN entries c ORDER BY a.input, b.input, c.input",
    "SELECT count(DISTINCT a.input || b.input || c.input) FROM entries a, entries b, entries c",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
    "SELECT sum(value) FROM generate_series(1, 9000000000000)",
    "SELECT * FROM range(1, 9000000000000)",
    "SELECT range(1, 9000000000000)",
    "SELECT repeat('x', 2000000000)",
    "SELECT lpad('x', 2000000000, 'y')",
    "SELECT array_repeat(1, 2000000000)",
    "SELECT string_agg(input, ',') OVER (ORDER BY leaf) FROM entries",
    "SELECT array_agg(a.input) OVER () FROM entries a, entries b",
    "SELECT length(replace(replace(replace(replace(input, 'e', 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee'), 'e', 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee'), 'e', 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee'), 'e', 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee')) FROM entries",
    "SELECT * FROM entries WHERE input ~ '((((a{100}){100}){100}){100})'",
    "SELECT regexp_replace(input, '.', input, 'g') FROM entries",
];

#[test]
fn nothing_can_be_written() {
    let (world, store) = full();
    let engine = engine(&store);
    let before = number(&engine, "SELECT count(*) AS n FROM entries");
    for (sql, names) in WRITES {
        let refused = ask_with(&engine, sql, Format::Json, Bounds::default(), small());
        let error = refused.expect_err(sql);
        assert!(matches!(error, QueryError::Refused(_)), "{sql}: {error:?}");
        one_line(sql, &error);
        assert!(error.to_string().contains(names), "{sql}: {error}");
    }
    assert_eq!(number(&engine, "SELECT count(*) AS n FROM entries"), before);
    drop(world);
}

#[test]
fn no_file_and_no_address_can_be_read() {
    let (_world, store) = full();
    let engine = engine(&store);
    for sql in FILES {
        let refused = ask_with(&engine, sql, Format::Json, Bounds::default(), small());
        let error = refused.expect_err(sql);
        assert!(matches!(error, QueryError::Refused(_)), "{sql}: {error:?}");
        one_line(sql, &error);
        let text = error.to_string();
        assert!(
            !text.contains("root:") && !text.contains("tmp"),
            "{sql}: {text}"
        );
    }
}

#[test]
fn bombs_end_within_their_limits_and_the_next_question_is_answered() {
    let (_world, store) = full();
    let engine = engine(&store);
    for sql in BOMBS {
        let refused = ask_with(&engine, sql, Format::JsonLines, Bounds::default(), small());
        let error = refused.expect_err(sql);
        one_line(sql, &error);
    }
    let doubling = (0..40).fold(
        "WITH t0 AS (SELECT input AS s FROM entries)".to_owned(),
        |sql, n| format!("{sql}, t{} AS (SELECT s || s AS s FROM t{n})", n + 1),
    );
    let sql = format!("{doubling} SELECT max(length(s)) FROM t40");
    let error = ask_with(&engine, &sql, Format::Json, Bounds::default(), small()).unwrap_err();
    one_line("doubling", &error);
    assert!(number(&engine, "SELECT count(*) AS n FROM entries") > 0);
}

#[test]
fn deep_and_long_questions_are_refused_and_do_not_end_the_process() {
    let (_world, store) = full();
    let engine = engine(&store);
    let deep = format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000));
    let chain = format!("SELECT 1{}", "+1".repeat(30_000));
    let either = format!(
        "SELECT count(*) FROM entries WHERE leaf = 0{}",
        " OR leaf = 1".repeat(1_000)
    );
    let long = format!("SELECT '{}'", "x".repeat(70_000));
    for sql in [&deep, &long, &chain] {
        let error = ask_with(&engine, sql, Format::Json, Bounds::default(), small()).unwrap_err();
        one_line("deep or long", &error);
    }
    let shorter = format!("SELECT 1{}", "+1".repeat(1_500));
    for sql in [&shorter, &either] {
        // An answer or a refusal; what counts is that there is one.
        if let Err(error) = ask_with(&engine, sql, Format::Json, Bounds::default(), small()) {
            one_line("chain", &error);
        }
    }
    assert!(number(&engine, "SELECT count(*) AS n FROM entries") > 0);
}

#[test]
fn answers_beyond_their_limits_are_errors_and_never_cut() {
    let (_world, store) = full();
    let engine = engine(&store);
    let limits = |rows_max, answer_bytes_max| Limits {
        rows_max,
        answer_bytes_max,
        ..small()
    };
    let all = "SELECT * FROM entries";
    let rows = ask_with(
        &engine,
        all,
        Format::Csv,
        Bounds::default(),
        limits(100, 8 << 20),
    );
    assert!(
        matches!(&rows, Err(QueryError::TooExpensive(text)) if text.contains("100 rows")),
        "{rows:?}"
    );
    let exact = ask_with(
        &engine,
        "SELECT * FROM entries LIMIT 100",
        Format::Csv,
        Bounds::default(),
        limits(100, 8 << 20),
    );
    assert_eq!(exact.unwrap().rows, 100);
    for format in [
        Format::Json,
        Format::Csv,
        Format::Table,
        Format::Parquet,
        Format::Arrow,
    ] {
        let bytes = ask_with(
            &engine,
            all,
            format,
            Bounds::default(),
            limits(10_000, 4096),
        );
        assert!(
            matches!(bytes, Err(QueryError::TooExpensive(_))),
            "{format:?}: {bytes:?}"
        );
    }
}

fn full() -> (World, affiant_store::Store) {
    let world = World::new(eventful());
    let store = world.open();
    world.follow(&store, 512, 3);
    (world, store)
}

fn one_line(sql: &str, error: &QueryError) {
    let text = error.to_string();
    assert!(
        !text.is_empty() && !text.contains('\n') && text.chars().count() <= 600,
        "{sql}: {text:?}"
    );
}
