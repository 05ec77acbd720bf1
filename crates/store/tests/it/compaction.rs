//! Many files become few, and nobody who asks can tell.

use crate::world::{World, ask, engine, eventful, number};

const ALL: &str = "SELECT * FROM entries ORDER BY leaf";

#[test]
fn answers_are_the_same_before_and_after() {
    let world = World::new(eventful());
    let store = world.open();
    world.follow(&store, 20, 1);
    let engine = engine(&store);
    let before = ask(&engine, ALL);
    let files = store.status().files;
    assert!(files > 60, "{files}");
    while store.compact().unwrap() {}
    assert!(store.status().files < 20, "{:?}", store.status());
    assert_eq!(store.status().rows, before.len() as u64);
    assert_eq!(ask(&engine, ALL), before);
    drop((engine, store));
    let store = world.open();
    assert_eq!(ask(&crate::world::engine(&store), ALL), before);
}

#[test]
fn a_rebuilt_store_gives_byte_equal_answers() {
    let world = World::new(eventful());
    let store = world.open();
    world.follow(&store, 33, 2);
    store.compact().unwrap();
    let first = ask(&engine(&store), ALL);
    drop(store);
    let again = World::new(world.leaves.0.lock().unwrap().clone());
    let store = again.open();
    again.follow(&store, 4096, 1);
    assert_eq!(ask(&engine(&store), ALL), first);
}

/// Leaves come in while files are merged: neither loses anything.
#[test]
fn following_and_merging_go_on_side_by_side() {
    let world = World::new(eventful());
    let total = world.leaves.0.lock().unwrap().len() as i64;
    let store = world.open();
    std::thread::scope(|scope| {
        let merging = scope.spawn(|| {
            let mut merged = 0;
            while store.status().cursor < total as u64 {
                merged += usize::from(store.compact().unwrap());
            }
            merged
        });
        let asking = scope.spawn(|| {
            let engine = engine(&store);
            let mut last = 0;
            while last < total {
                let now = number(&engine, "SELECT count(*) AS n FROM entries");
                assert!(now >= last, "{now} after {last}");
                last = now;
            }
        });
        world.follow(&store, 8, 1);
        assert!(merging.join().unwrap() > 0);
        asking.join().unwrap();
    });
    while store.compact().unwrap() {}
    assert_eq!(
        number(
            &engine(&store),
            "SELECT count(DISTINCT leaf) AS n FROM entries"
        ),
        total
    );
    let on_disk = walk(&world.dir.path().join("data"));
    assert_eq!(on_disk, store.status().files, "merged files are removed");
}

fn walk(data: &std::path::Path) -> usize {
    let days = std::fs::read_dir(data).unwrap();
    days.map(|day| std::fs::read_dir(day.unwrap().path()).unwrap().count())
        .sum()
}
