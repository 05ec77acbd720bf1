//! The formats of answers.

use affiant_store::query::{Bounds, Format, Limits};

use crate::world::{Maker, World, ask_with, engine};

const ROWS: &str = "SELECT * FROM (VALUES (1, 'a,\"b\"', TIMESTAMP '2026-11-20 01:02:03', true, 0.5), (2, NULL, NULL, NULL, NULL), (3, '', NULL, false, 1.0)) AS t(n, s, at, b, f) ORDER BY n";

fn answer(format: Format, sql: &str) -> Vec<u8> {
    let world = World::new(Vec::new());
    let store = world.open();
    let answer = ask_with(
        &engine(&store),
        sql,
        format,
        Bounds::default(),
        Limits::default(),
    )
    .unwrap();
    assert_eq!(answer.content_type, format.content_type());
    answer.body
}

fn text(format: Format) -> String {
    String::from_utf8(answer(format, ROWS)).unwrap()
}

#[test]
fn json_keeps_numbers_and_nulls() {
    let lines = "{\"n\":1,\"s\":\"a,\\\"b\\\"\",\"at\":\"2026-11-20T01:02:03.000000\",\"b\":true,\"f\":0.5}\n\
                 {\"n\":2,\"s\":null,\"at\":null,\"b\":null,\"f\":null}\n\
                 {\"n\":3,\"s\":\"\",\"at\":null,\"b\":false,\"f\":1.0}\n";
    assert_eq!(text(Format::JsonLines), lines);
    let array = lines.trim_end().replace('\n', ",\n");
    assert_eq!(text(Format::Json), format!("[{array}]\n"));
    let none = answer(Format::Json, "SELECT 1 AS n WHERE false");
    assert_eq!(none, b"[]\n");
}

#[test]
fn csv_tells_an_empty_text_from_none() {
    let wanted = "n,s,at,b,f\r\n1,\"a,\"\"b\"\"\",2026-11-20T01:02:03.000000,true,0.5\r\n2,,,,\r\n3,\"\",,false,1.0\r\n";
    assert_eq!(text(Format::Csv), wanted);
}

#[test]
fn a_table_is_for_people_and_obeys_nobody() {
    let shown = text(Format::Table);
    assert!(shown.starts_with("n  s      at"), "{shown}");
    let mut maker = Maker::new(1);
    maker.foreign("stop", "stop", "{\"reason\":\"\\u001b[2J\"}");
    let world = World::new(maker.leaves);
    let store = world.open();
    world.follow(&store, 1, usize::MAX);
    let sql = "SELECT json_text(body, '/reason') AS r FROM entries";
    let answer = ask_with(
        &engine(&store),
        sql,
        Format::Table,
        Bounds::default(),
        Limits::default(),
    );
    let shown = String::from_utf8(answer.unwrap().body).unwrap();
    assert!(
        shown.contains("\\u{1b}[2J") && !shown.contains('\u{1b}'),
        "{shown:?}"
    );
}

#[test]
fn parquet_and_arrow_begin_as_they_must() {
    let parquet = answer(Format::Parquet, ROWS);
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    let arrow = answer(Format::Arrow, ROWS);
    assert_eq!(arrow[..4], [0xff; 4]);
}
