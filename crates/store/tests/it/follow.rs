//! Leaves in, rows out: at once, after a flush, after a restart, after pruning.

use std::sync::Arc;

use affiant_store::query::{Bounds, EntryFilter, Limits, Order, Page};
use affiant_store::{OpenError, Store, WriteError};
use affiant_tlog::LeafIndex;

use crate::world::{
    DAY_US, LOG, Leaves, Maker, OWN, START_US, World, ask, engine, eventful, number,
};

const COUNT: &str = "SELECT count(*) AS n FROM entries";

#[test]
fn rows_can_be_asked_for_before_they_are_in_files() {
    let mut maker = Maker::new(1);
    (0..50).for_each(|_| {
        maker.call();
    });
    let world = World::new(maker.leaves);
    let store = world.open();
    world.follow(&store, 7, usize::MAX);
    let engine = engine(&store);
    assert_eq!((store.status().files, number(&engine, COUNT)), (0, 100));
    assert_eq!(number(&engine, "SELECT count(*) AS n FROM calls"), 50);
    store.flush().unwrap();
    assert!(store.status().files > 0);
    assert_eq!(
        (store.status().rows_in_memory, number(&engine, COUNT)),
        (0, 100)
    );
}

#[test]
fn a_restart_goes_on_where_files_end_and_no_leaf_counts_twice() {
    let world = World::new(eventful());
    let total = world.leaves.0.lock().unwrap().len() as i64;
    let store = world.open();
    world.follow(&store, 100, 7);
    let flushed = store.status().flushed;
    assert!(
        flushed < store.status().cursor,
        "some rows are in memory alone"
    );
    drop(store);
    let store = world.open();
    assert_eq!(store.cursor(), LeafIndex(flushed));
    // The driver may give again what was taken in.
    let again: Vec<Vec<u8>> = world.leaves.0.lock().unwrap()[..200].to_vec();
    store.append(LeafIndex(0), &again).unwrap();
    assert_eq!(store.cursor(), LeafIndex(flushed));
    world.follow(&store, 100, 3);
    let engine = engine(&store);
    assert_eq!(number(&engine, COUNT), total);
    assert_eq!(
        number(&engine, "SELECT count(DISTINCT leaf) AS n FROM entries"),
        total
    );
}

#[test]
fn leaves_with_a_hole_before_them_are_refused() {
    let world = World::new(Vec::new());
    let store = world.open();
    let refused = store.append(LeafIndex(3), &[b"{}".to_vec()]);
    assert!(
        matches!(
            refused,
            Err(WriteError::Gap {
                first: 3,
                cursor: 0
            })
        ),
        "{refused:?}"
    );
}

#[test]
fn one_process_writes_and_others_read() {
    let world = World::new(eventful());
    let store = world.open();
    world.follow(&store, 500, 2);
    let second = Store::open(world.dir.path(), OWN, LOG, Arc::new(Leaves::default()));
    assert!(matches!(second, Err(OpenError::Locked { .. })));
    let reader = Store::open_read(world.dir.path(), Arc::new(world.leaves.clone())).unwrap();
    let flushed = i64::try_from(store.status().flushed).unwrap();
    assert_eq!(number(&engine(&reader), COUNT), flushed);
    // It takes the rest into memory, and writes nothing.
    world.follow(&reader, 100, usize::MAX);
    assert_eq!(reader.cursor(), store.cursor());
    assert_eq!(
        number(&engine(&reader), COUNT),
        number(&engine(&store), COUNT)
    );
    assert!(matches!(reader.flush(), Err(WriteError::ReadOnly)));
    let missing = Store::open_read(
        &world.dir.path().join("nothing"),
        Arc::new(Leaves::default()),
    );
    assert!(matches!(missing, Err(OpenError::Missing { .. })));
}

#[test]
fn a_store_of_another_log_is_built_anew() {
    let world = World::new(eventful());
    let store = world.open();
    world.follow(&store, 500, 1);
    drop(store);
    let other = Store::open(
        world.dir.path(),
        OWN,
        "other.example",
        Arc::new(Leaves::default()),
    )
    .unwrap();
    assert_eq!((other.cursor(), other.status().files), (LeafIndex(0), 0));
    let files = std::fs::read_dir(world.dir.path().join("data")).unwrap();
    let left: usize = files
        .map(|day| std::fs::read_dir(day.unwrap().path()).unwrap().count())
        .sum();
    assert_eq!(left, 0, "no file of the other log is left");
}

#[test]
fn rows_are_flushed_when_they_are_old() {
    let mut maker = Maker::new(2);
    maker.call();
    let world = World::new(maker.leaves);
    let store = world.open();
    world.follow(&store, 10, usize::MAX);
    store.idle(START_US).unwrap();
    store.idle(START_US + 1_000_000).unwrap();
    assert_eq!(store.status().files, 0);
    store.idle(START_US + 60_000_000).unwrap();
    assert_eq!(
        (store.status().flushed, store.status().rows_in_memory),
        (2, 0)
    );
}

#[test]
fn what_the_log_says_is_pruned_is_gone_from_memory_and_files() {
    let mut maker = Maker::new(3);
    (0..100).for_each(|_| {
        maker.call();
    });
    maker.foreign(
        "prune",
        "prune",
        "{\"min_index\":190,\"policy\":\"x\",\"reason\":\"forged\"}",
    );
    let world = World::new(maker.leaves.clone());
    let store = world.open();
    world.follow(&store, 50, 1);
    let secret =
        "SELECT input FROM entries WHERE leaf < 120 AND input IS NOT NULL ORDER BY leaf LIMIT 1";
    let gone = ask(&engine(&store), secret)[0]["input"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(gone.contains("deep"));
    store.idle(START_US).unwrap();
    assert_eq!(store.status().pruned_below, 0, "a source cannot prune");
    maker.own(
        "prune",
        "prune",
        "{\"min_index\":120,\"policy\":\"x\",\"reason\":\"term\"}",
    );
    *world.leaves.0.lock().unwrap() = maker.leaves;
    world.follow(&store, 50, usize::MAX);
    store.idle(START_US).unwrap();
    let engine = engine(&store);
    assert_eq!(store.status().pruned_below, 120);
    assert_eq!(number(&engine, "SELECT min(leaf) AS n FROM entries"), 120);
    assert_eq!(number(&engine, COUNT), 202 - 120);
    drop((engine, store));
    let store = world.open();
    assert_eq!(number(&crate::world::engine(&store), COUNT), 202 - 120);
}

#[test]
fn entries_with_wild_times_do_not_scatter() {
    let mut maker = Maker::new(4);
    for day in 0..300_i64 {
        let time = affiant_entry::rfc3339(day * 97 * DAY_US);
        let boot = affiant_entry::BootId::from_parts(0, 0);
        maker.push(format!("{{\"v\":1,\"kind\":\"stop\",\"source\":\"edge-1\",\"boot\":\"{boot}\",\"seq\":{day},\"time\":\"{time}\",\"mono_us\":1,\"stop\":{{}}}}"));
    }
    let world = World::new(maker.leaves);
    let store = world.open();
    world.follow(&store, 300, 1);
    assert!(store.status().files <= 9, "{:?}", store.status());
    assert_eq!(
        number(
            &engine(&store),
            "SELECT count(DISTINCT day) AS n FROM entries"
        ),
        300
    );
}

#[test]
fn pages_of_entries_follow_each_other_both_ways() {
    let world = World::new(eventful());
    let store = world.open();
    world.follow(&store, 300, 2);
    let engine = engine(&store);
    let filter = EntryFilter {
        user: Some("ann".to_owned()),
        status: Some("timeout".to_owned()),
        ..EntryFilter::default()
    };
    let sql = "SELECT leaf FROM entries WHERE \"user\" = 'ann' AND status_reason = 'timeout' ORDER BY leaf";
    let wanted: Vec<u64> = ask(&engine, sql)
        .iter()
        .map(|row| row["leaf"].as_u64().unwrap())
        .collect();
    assert!(wanted.len() > 20);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for order in [Order::Ascending, Order::Descending] {
        let (mut from, mut found) = (None, Vec::new());
        loop {
            let page = Page {
                from,
                order,
                limit: 7,
            };
            let page = runtime
                .block_on(engine.entries(filter.clone(), page, Limits::default()))
                .unwrap();
            assert_eq!(page.held, store.cursor());
            assert!(page.items.len() <= 7);
            found.extend(page.items.iter().map(|item| item.index.0));
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        if order == Order::Descending {
            found.reverse();
        }
        assert_eq!(found, wanted);
    }
    let bounds = Bounds {
        from_us: Some(START_US + DAY_US),
        to_us: None,
    };
    let late = EntryFilter {
        time: bounds,
        ..filter
    };
    let page = Page {
        from: None,
        order: Order::Ascending,
        limit: 1000,
    };
    let page = runtime
        .block_on(engine.entries(late, page, Limits::default()))
        .unwrap();
    assert!(!page.items.is_empty() && page.items.len() < wanted.len());
}
