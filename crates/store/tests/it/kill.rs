//! `kill -9` at any moment, in a process of its own, again and again.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::world::{World, ask, engine, eventful};

const CHILD: &str = "AFFIANT_STORE_TEST_DIR";

/// Not a test of its own: the process that is killed. Follows the log and merges, over and over.
#[test]
fn child() {
    let Ok(dir) = std::env::var(CHILD) else {
        return;
    };
    let mut world = World::new(eventful());
    let own = std::mem::replace(&mut world.dir, tempfile::tempdir().unwrap());
    drop(own);
    let root = std::path::Path::new(&dir);
    let leaves = std::sync::Arc::new(world.leaves.clone());
    let store =
        affiant_store::Store::open(root, crate::world::OWN, crate::world::LOG, leaves).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                store.compact().unwrap();
            }
        });
        world.follow(&store, 16, 1);
    });
}

#[test]
fn nothing_is_lost_and_nothing_counts_twice() {
    let world = World::new(eventful());
    let whole = World::new(eventful());
    let store = whole.open();
    whole.follow(&store, 4096, 1);
    let all = "SELECT * FROM entries ORDER BY leaf";
    let wanted = ask(&engine(&store), all);
    let mut moved = 0;
    for round in 0..12_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child", "--nocapture"])
            .env(CHILD, world.dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(60 + round * 47));
        child.kill().unwrap();
        child.wait().unwrap();
        let store = world.open();
        let cursor = usize::try_from(store.cursor().0).unwrap();
        let found = ask(&engine(&store), all);
        let leaves: Vec<_> = found
            .iter()
            .map(|row| row["leaf"].as_u64().unwrap())
            .collect();
        assert_eq!(leaves, (0..cursor as u64).collect::<Vec<_>>());
        moved += usize::from(cursor > 0);
    }
    assert!(moved > 0, "the child never came to write");
    let store = world.open();
    world.follow(&store, 100, 3);
    while store.compact().unwrap() {}
    assert_eq!(ask(&engine(&store), all), wanted);
}
