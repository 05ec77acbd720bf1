//! `affiant query` and `affiant store`, beside a running aggregator and without one.

use std::time::Duration;

use crate::aggregator::Aggregator;

/// How often an answer is asked for again, at most: 20 s in all.
const TRIES: usize = 200;

#[test]
fn calls_can_be_asked_for_soon_after_they_were_shipped_and_again_after_a_rebuild() {
    let mut aggregator = Aggregator::start();
    aggregator.enrol();
    aggregator.sandbox.record(5);
    assert_eq!(aggregator.sandbox.run(["spool", "ship"]).code, 0);
    let count = [
        "query",
        "SELECT count(*) AS n FROM calls",
        "--format",
        "json",
    ];
    let mut answer = aggregator.run(&count);
    for _ in 0..TRIES {
        if answer.stdout == "[{\"n\":5}]\n" {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
        answer = aggregator.run(&count);
    }
    assert_eq!(answer.stdout, "[{\"n\":5}]\n", "{answer:?}");
    let locked = aggregator.run(&["store", "rebuild"]);
    assert_eq!(locked.code, 2, "{locked:?}");
    assert!(locked.stderr.contains("affiant serve"), "{locked:?}");
    aggregator.stop();
    let all = [
        "query",
        "SELECT * FROM entries ORDER BY leaf",
        "--format",
        "jsonl",
    ];
    let before = aggregator.run(&all);
    assert_eq!(before.code, 0, "{before:?}");
    let status = aggregator.run(&["store", "status"]);
    assert!(status.stdout.contains("read up to"), "{status:?}");
    let rebuilt = aggregator.run(&["store", "rebuild"]);
    assert_eq!(rebuilt.code, 0, "{rebuilt:?}");
    assert_eq!(aggregator.run(&all).stdout, before.stdout);
    fs_err::remove_dir_all(aggregator.dir().join("store")).unwrap();
    assert_eq!(aggregator.run(&["store", "status"]).code, 2);
    let without = aggregator.run(&all);
    assert_eq!(without.stdout, before.stdout, "the log alone says the same");
}

#[test]
fn questions_that_mean_harm_get_one_line_and_a_code() {
    let mut aggregator = Aggregator::start();
    aggregator.stop();
    for (sql, code) in [
        ("DELETE FROM entries", 2),
        ("SELECT * FROM '/etc/passwd'", 2),
        ("SELECT nonsense FROM entries", 2),
        ("SELECT count(*) FROM range(1, 9000000000000)", 3),
    ] {
        let ran = aggregator.run(&["query", sql, "--timeout", "1s"]);
        assert_eq!(ran.code, code, "{sql}: {ran:?}");
        assert!(ran.stdout.is_empty(), "{sql}: {ran:?}");
        assert!(ran.stderr.lines().count() <= 2, "{sql}: {ran:?}");
    }
    let none = aggregator.sandbox.path("none");
    let none = none.to_str().unwrap();
    let ran = aggregator
        .sandbox
        .run(["query", "SELECT 1", "--data-dir", none]);
    assert_eq!(ran.code, 2, "{ran:?}");
}
