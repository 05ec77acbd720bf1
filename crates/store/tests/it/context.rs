//! Facts beside entries: the last word for a leaf counts, and files stay as they are.

use affiant_store::query::{Bounds, Format, Limits};
use affiant_tlog::LeafIndex;
use serde_json::Value;

use crate::world::{Maker, START_US, World, ask, ask_with, engine, number, refusal};

#[test]
fn late_facts_reach_old_entries_without_a_new_file() {
    let mut maker = Maker::new(5);
    (0..40).for_each(|_| {
        maker.call();
    });
    maker.context(1);
    let world = World::new(maker.leaves.clone());
    let store = world.open();
    world.follow(&store, 1000, 1);
    let engine = engine(&store);
    let owner = "SELECT DISTINCT asset_owner, asset_stale FROM calls WHERE server = 'crm'";
    let before = ask(&engine, owner);
    assert_eq!(
        (before.len(), before[0]["asset_owner"].as_str()),
        (1, Some("team-crm-1"))
    );
    assert_eq!(before[0]["asset_stale"], Value::Bool(true));
    let files = store.status().files;
    maker.say((10, 30), 2, true);
    *world.leaves.0.lock().unwrap() = maker.leaves.clone();
    world.follow(&store, 1000, usize::MAX);
    assert_eq!(store.status().files, files);
    let by = |range: &str| {
        let sql =
            format!("SELECT DISTINCT asset_owner FROM entries WHERE server = 'crm' AND ({range})");
        let rows = ask(&engine, &sql);
        let owner = |row: &Value| row["asset_owner"].as_str().unwrap_or("none").to_owned();
        rows.iter().map(owner).collect::<Vec<_>>()
    };
    assert_eq!(by("leaf >= 10 AND leaf < 30"), ["team-crm-2"]);
    assert_eq!(by("leaf < 10 OR leaf >= 30"), ["team-crm-1"]);
    let unknown =
        "SELECT count(*) AS n FROM entries WHERE server = 'mail' AND asset_facts IS NOT NULL";
    assert_eq!(number(&engine, unknown), 0);
    let facts = ask(
        &engine,
        "SELECT DISTINCT user_facts AS f FROM calls WHERE \"user\" = 'ann' AND leaf < 10",
    );
    assert!(
        facts[0]["f"].as_str().unwrap().contains("weird key"),
        "all keys are in the JSON"
    );
    assert!(
        number(
            &engine,
            "SELECT count(*) AS n FROM context WHERE kind = 'asset' AND key = 'owner'"
        ) > 1
    );
}

#[test]
fn facts_survive_a_restart_and_a_leaf_that_only_points_at_another() {
    let mut maker = Maker::new(6);
    for _ in 0..30 {
        (0..4).for_each(|_| {
            maker.call();
        });
        maker.context(1);
        let end = maker.next();
        maker.say((end - 7, end - 2), 2, true);
        maker.say((end - 7, end - 2), 2, true);
    }
    let pointing = maker
        .leaves
        .iter()
        .filter(|leaf| String::from_utf8_lossy(leaf).contains("same_as"))
        .count();
    assert!(pointing > 0);
    let world = World::new(maker.leaves);
    let store = world.open();
    world.follow(&store, 3, 4);
    let sql = "SELECT leaf, asset_facts, asset_from, user_facts, class_facts, class_level FROM entries ORDER BY leaf";
    let wanted = ask(&engine(&store), sql);
    assert!(
        wanted
            .iter()
            .filter(|row| !row["asset_facts"].is_null())
            .count()
            > 50
    );
    store.flush().unwrap();
    drop(store);
    let store = world.open();
    assert_eq!(store.status().context_faults, 0);
    assert_eq!(ask(&engine(&store), sql), wanted);
}

#[test]
fn a_context_leaf_that_cannot_be_believed_is_counted_and_changes_nothing() {
    let mut maker = Maker::new(8);
    let call = maker.call();
    maker.own(
        "context",
        "context",
        "{\"first\":0,\"end\":900,\"sources\":[],\"facts\":[],\"unknown\":[]}",
    );
    maker.own(
        "context",
        "context",
        "{\"first\":0,\"end\":1,\"sources\":[],\"same_as\":0}",
    );
    maker.own("context", "context", "{\"first\":\"x\"}");
    maker.foreign(
        "context",
        "context",
        &format!("{{\"first\":0,\"end\":{call},\"sources\":[],\"facts\":[],\"unknown\":[]}}"),
    );
    let world = World::new(maker.leaves);
    let store = world.open();
    world.follow(&store, 100, 1);
    assert_eq!(
        (store.status().context_faults, store.status().facts),
        (3, 0)
    );
    assert_eq!(store.cursor(), LeafIndex(6));
    let foreign = "SELECT count(*) AS n FROM entries WHERE problem = 'foreign-kind'";
    assert_eq!(number(&engine(&store), foreign), 1);
}

#[test]
fn an_auditor_bound_to_a_time_sees_no_facts_table_and_no_other_entries() {
    let world = World::new(crate::world::eventful());
    let store = world.open();
    world.follow(&store, 400, 2);
    let engine = engine(&store);
    let bounds = Bounds {
        from_us: Some(START_US),
        to_us: Some(START_US + 3_600_000_000),
    };
    let bounded = |sql: &str| ask_with(&engine, sql, Format::Json, bounds, Limits::default());
    let inside = "SELECT count(*) AS n FROM entries WHERE time < TIMESTAMP '2026-11-20T01:00:00Z'";
    let inside = number(&engine, inside);
    assert!(inside > 10);
    for sql in [
        "SELECT count(*) AS n FROM entries",
        "SELECT count(*) AS n FROM entries WHERE true OR time > TIMESTAMP '2026-11-21T00:00:00Z'",
        "WITH e AS (SELECT * FROM entries) SELECT count(*) AS n FROM e",
        "SELECT count(*) AS n FROM (SELECT 1 FROM affiant.public.entries)",
        "SELECT (SELECT count(*) FROM entries) AS n",
        "SELECT count(*) AS n FROM entries LEFT JOIN (SELECT 1 AS x) ON false",
    ] {
        let answer = bounded(sql).unwrap();
        let wanted = format!("[{{\"n\":{inside}}}]\n");
        assert_eq!(String::from_utf8(answer.body).unwrap(), wanted, "{sql}");
    }
    let facts = bounded("SELECT * FROM context").unwrap_err();
    assert!(facts.to_string().contains("context"), "{facts}");
    for hidden in ["leaves", "files", "raw"] {
        refusal(&engine, &format!("SELECT * FROM {hidden}"));
    }
}
