//! What is written, when, and that it is exactly the log.

use affiant_archive::store::LockMode;
use affiant_archive::{ArchiveError, Archiver, Key, Limits, Manifest};
use affiant_tlog::TreeSize;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{NOW_US, World, about, files, limits, problems, scrub};

#[test]
fn a_set_is_these_objects() {
    let mut world = World::new();
    let blob = world.keep_blob(b"an input");
    world.append_these(vec![format!("blob {blob}").into_bytes()]);
    world.archive_sets(&[599]);
    let names: Vec<String> = files(&world.path("archive")).into_keys().collect();
    let range = |first: u64, end: u64| format!("{first:020}-{end:020}");
    assert_eq!(
        names,
        [
            "archive.json".to_owned(),
            format!("blobs/{}/{blob}", blob.get(..2).unwrap()),
            format!("sets/0000000000/blobs-{}.zst", range(0, 512)),
            format!("sets/0000000000/checkpoint-{}.txt", range(0, 600)),
            format!("sets/0000000000/leaves-{}.zst", range(0, 512)),
            format!("sets/0000000000/leaves-{}.zst", range(512, 600)),
            "sets/0000000000/manifest.json".to_owned(),
            format!("sets/0000000000/tiles-{}.bin", range(0, 512)),
        ]
    );
}

#[test]
fn sets_follow_each_other_and_hold_every_leaf_once() {
    let mut world = World::new();
    let objects = world.archive_sets(&[1, 255, 1000, 3]);
    let report = scrub(&objects);
    assert_eq!(
        (report.sets, report.leaves, report.findings_total),
        (4, 1259, 0)
    );
    let mut archiver = world.archiver(&objects, None);
    assert_eq!(archiver.end().0, 1259);
    assert_eq!(archiver.cut(NOW_US).unwrap(), None, "nothing new is no set");
}

#[test]
fn a_set_is_due_by_leaves_or_by_age() {
    let mut world = World::new();
    let objects = world.archive();
    world.append(10);
    let archiver = world.archiver(&objects, None);
    assert!(
        !archiver.is_due(TreeSize(0), Duration::MAX),
        "nothing is never due"
    );
    assert!(!archiver.is_due(TreeSize(10), Duration::from_secs(3599)));
    assert!(archiver.is_due(TreeSize(10), Duration::from_secs(3600)));
    assert!(archiver.is_due(TreeSize(512), Duration::ZERO));
}

#[test]
fn rows_are_kept_where_somebody_gives_them() {
    let mut world = World::new();
    world.append(600);
    let objects = world.archive();
    let mut asked = world.archiver(&objects, None).with_rows(Box::new(|range| {
        (range.start.0 == 0).then(|| format!("rows of {}..{}", range.start, range.end).into_bytes())
    }));
    asked.cut(NOW_US).unwrap();
    let bytes = objects
        .get(&Key::manifest(0), None, 1 << 20)
        .unwrap()
        .unwrap();
    let manifest = Manifest::parse(0, &bytes).unwrap();
    let rows: Vec<_> = manifest
        .chunks
        .iter()
        .map(|chunk| chunk.rows.is_some())
        .collect();
    assert_eq!(rows, [true, false]);
    assert_eq!(scrub(&objects).findings_total, 0);
}

#[test]
fn a_blob_that_is_gone_or_damaged_is_said_to_be_absent() {
    let mut world = World::new();
    let damaged = world.keep_blob(b"as it was");
    fs_err::write(world.path("blobs").join(&damaged), b"as it is").unwrap();
    world.append_these(vec![
        format!("blob {damaged}").into_bytes(),
        format!("blob {}", "ab".repeat(32)).into_bytes(),
    ]);
    let objects = world.archive_sets(&[1]);
    assert!(!world.path("archive/blobs").exists());
    assert_eq!(scrub(&objects).findings_total, 0);
}

#[test]
fn an_erased_blob_is_not_missed_and_a_lost_one_is() {
    let mut world = World::new();
    let (erased, lost) = (world.keep_blob(b"one"), world.keep_blob(b"two"));
    world.append_these(vec![
        format!("blob {erased}").into_bytes(),
        format!("blob {lost}").into_bytes(),
    ]);
    let objects = world.archive_sets(&[1]);
    world.append_these(vec![format!("erase {erased}").into_bytes()]);
    world.archive_sets(&[1]);
    for name in [&erased, &lost] {
        let path = world
            .path("archive/blobs")
            .join(name.get(..2).unwrap())
            .join(name);
        fs_err::remove_file(path).unwrap();
    }
    assert_eq!(problems(&scrub(&objects)), [(lost, "missing")]);
}

#[test]
fn a_directory_does_not_count_where_a_lock_is_asked_for() {
    let mut world = World::new();
    world.append(10);
    let objects = world.archive();
    let mut limits: Limits = limits();
    limits.lock = Some(LockMode::Compliance);
    let mut archiver =
        Archiver::open(Arc::clone(&objects), world.reader(), &about(), limits, None).unwrap();
    let refused = archiver.cut(NOW_US).unwrap_err();
    assert!(
        matches!(refused, ArchiveError::Unlocked { .. }),
        "{refused}"
    );
    assert_eq!(archiver.end().0, 0);
    assert_eq!(objects.get(&Key::manifest(0), None, 1 << 20).unwrap(), None);
}
