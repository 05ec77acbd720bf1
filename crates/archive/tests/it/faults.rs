//! The store fails at every call, before or after its effect: nothing is lost, nothing stands there twice.

use std::sync::Arc;

use affiant_archive::store::Objects;
use affiant_archive::{ArchiveError, Key, restore};

use crate::support::{Failing, NOW_US, World, leaf, problems, scrub};

#[test]
fn after_a_failure_at_any_call_the_next_attempt_makes_the_archive_whole() {
    let mut failed = 0;
    for effect_first in [false, true] {
        for calls in 0.. {
            let mut world = World::new();
            let blob = world.keep_blob(b"an input");
            world.append_these(vec![format!("blob {blob}").into_bytes()]);
            let objects = world.archive_sets(&[299]);
            world.append(700);
            let failing = Failing::new(Arc::clone(&objects), calls, effect_first);
            let through: Arc<dyn Objects> = failing;
            let tried = world
                .try_archiver(&through, None)
                .and_then(|mut archiver| archiver.cut(NOW_US));
            if tried.is_ok() {
                break;
            }
            failed += 1;
            // More came meanwhile: the last chunk is another.
            world.append(1);
            while world
                .archiver(&objects, None)
                .cut(NOW_US)
                .unwrap()
                .is_some()
            {}
            let report = scrub(&objects);
            assert_eq!(problems(&report), [], "call {calls}");
            assert_eq!(report.leaves, 1001, "call {calls}");
            let mut leaves = 0;
            let (log, state) = (world.path("new/log"), world.path("new/state"));
            restore(&objects, &log, &state, 0, &mut |_, _| leaves += 1).unwrap();
            assert_eq!(leaves, 1001);
        }
    }
    assert!(failed > 20, "{failed}");
}

#[test]
fn a_name_that_is_taken_by_other_bytes_is_not_overwritten() {
    let mut world = World::new();
    world.append(5);
    let objects = world.archive();
    let range = affiant_tlog::LeafIndex(0)..affiant_tlog::LeafIndex(5);
    let key = Key::object(0, affiant_archive::Kind::Leaves, &range, 1);
    objects.create(&key, b"mine".to_vec().into()).unwrap();
    world.archiver(&objects, None).cut(NOW_US).unwrap();
    assert_eq!(objects.get(&key, None, 100).unwrap().unwrap(), "mine");
    assert_eq!(scrub(&objects).findings_total, 0);
    let mut leaves = Vec::new();
    let (log, state) = (world.path("new/log"), world.path("new/state"));
    restore(&objects, &log, &state, 0, &mut |_, leaf| {
        leaves.push(leaf.to_vec())
    })
    .unwrap();
    assert_eq!(leaves, (0..5).map(leaf).collect::<Vec<_>>());
}

#[test]
fn whoever_loses_the_manifest_adds_nothing() {
    let mut world = World::new();
    world.append(5);
    let objects = world.archive();
    let mut loser = world.archiver(&objects, None);
    world.append(5);
    let mut winner = world.archiver(&objects, None);
    winner.cut(NOW_US).unwrap();
    // The loser saw the archive empty, and now wants to write set 0 as well.
    let lost = loser.cut(NOW_US + 1).unwrap_err();
    assert!(matches!(lost, ArchiveError::Occupied { .. }), "{lost}");
    assert_eq!(world.archiver(&objects, None).end().0, 10);
    assert_eq!(scrub(&objects).findings_total, 0);
}
