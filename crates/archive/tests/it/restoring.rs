//! From the archive alone: the same log, byte for byte, that goes on.

use std::sync::Arc;

use affiant_archive::{ArchivedLog, restore};
use affiant_log::store::ReadObjects as _;
use affiant_tlog::LeafIndex;
use affiant_tlog::tile::{bundles_between, tiles_between};

use crate::support::{NOW_US, World, all_leaves, files, leaf, open};

const NOW_MS: u64 = 1_795_350_600_000;

#[test]
fn what_is_restored_is_the_log_and_goes_on() {
    for sets in [&[1_usize][..], &[256], &[300, 1000, 7], &[70_000]] {
        let mut world = World::new();
        let objects = world.archive_sets(sets);
        let before = files(&world.path("data/log"));
        world.lose_everything();
        let mut seen = Vec::new();
        let mut see = |index: LeafIndex, leaf: &[u8]| seen.push((index, leaf.to_vec()));
        let (log, state) = (world.path("new/log"), world.path("new/state"));
        let restored = restore(&objects, &log, &state, NOW_MS, &mut see).unwrap();
        let size = sets.iter().sum::<usize>() as u64;
        assert_eq!((restored.size.0, restored.sets), (size, sets.len() as u64));
        let expected: Vec<_> = (0..)
            .map(LeafIndex)
            .zip((0..sets.iter().sum()).map(leaf))
            .collect();
        assert!(seen == expected);
        let after = files(&log);
        // Narrower files that an older tree left are not those of this one.
        for (path, bytes) in &after {
            assert!(before.get(path) == Some(bytes), "{path}");
        }
        for tile in tiles_between(affiant_tlog::TreeSize(0), restored.size) {
            assert!(after.contains_key(&tile.path()), "{tile}");
        }
        for bundle in bundles_between(affiant_tlog::TreeSize(0), restored.size) {
            assert!(after.contains_key(&bundle.path()), "{bundle}");
        }
        let again = open(world.dir.path(), "new");
        let appended = again.submit(vec![b"and on".to_vec()]).wait().unwrap();
        assert_eq!(appended.first.0, size);
        assert_eq!(
            again.reader().root(appended.head.checkpoint.size).unwrap(),
            appended.head.checkpoint.root
        );
    }
}

#[test]
fn the_archiver_goes_on_behind_what_was_restored() {
    let mut world = World::new();
    let objects = world.archive_sets(&[300, 400]);
    world.lose_everything();
    restore(
        &objects,
        &world.path("data/log"),
        &world.path("data/state"),
        NOW_MS,
        &mut |_, _| {},
    )
    .unwrap();
    let log = open(world.dir.path(), "data");
    log.submit((0..50).map(leaf).collect()).wait().unwrap();
    let mut archiver = world.archiver(&objects, None);
    let cut = archiver.cut(NOW_US).unwrap().unwrap();
    assert_eq!(
        (cut.head.set, cut.leaves),
        (2, LeafIndex(700)..LeafIndex(750))
    );
}

#[test]
fn nothing_is_restored_over_a_log() {
    let mut world = World::new();
    let objects = world.archive_sets(&[10]);
    let refused = restore(
        &objects,
        &world.path("data/log"),
        &world.path("data/state"),
        NOW_MS,
        &mut |_, _| {},
    );
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("restoring failed")
    );
    assert_eq!(all_leaves(&world.reader(), 10).len(), 10);
}

#[test]
fn an_archive_reads_as_the_log_it_is_of() {
    let mut world = World::new();
    let objects = world.archive_sets(&[300, 1000, 70_000, 7]);
    let archived = ArchivedLog::open(Arc::clone(&objects)).unwrap();
    let log = world.reader();
    let size = archived.size();
    assert_eq!(size.0, 71_307);
    assert_eq!(
        archived.get("checkpoint").unwrap(),
        log.checkpoint().unwrap()
    );
    for tile in tiles_between(affiant_tlog::TreeSize(0), size) {
        assert!(
            archived.get(&tile.path()).unwrap() == log.get(&tile.path()).unwrap(),
            "{tile}"
        );
    }
    for bundle in bundles_between(affiant_tlog::TreeSize(0), size).step_by(17) {
        assert!(
            archived.get(&bundle.path()).unwrap() == log.get(&bundle.path()).unwrap(),
            "{bundle}"
        );
    }
    for path in [
        "",
        "../secret",
        "tile/0/../../x",
        "tile/9/000",
        "tile/entries/x999/999",
        "tile/0/000.p/3",
    ] {
        assert_eq!(archived.get(path).unwrap(), None, "{path}");
    }
    assert_eq!(archived.take_findings(), []);
}
