//! Whole files that go missing, change places, or come from elsewhere.

use std::sync::Arc;

use affiant_spool::testing::CrashDisk;
use affiant_spool::{Damage, Frame, Options, Ordinal, Reader, Scan, SpoolId, Tail};

use crate::common::{append, dir, drain, open, open_with, read, read_strict, segments, small};

/// Five segments or so, closed.
fn rolled() -> CrashDisk {
    let disk = CrashDisk::new(1);
    let (mut spool, _) = open(&disk);
    for number in 0..60_u8 {
        append(&mut spool, &[&[number; 1000]]);
        spool.maintain().unwrap();
    }
    spool.close().unwrap();
    assert!(segments(&disk).len() >= 4, "{:?}", disk.files());
    assert_eq!(read_strict(&disk).damage, []);
    disk
}

#[test]
fn a_deleted_segment_is_missing_and_the_others_are_read() {
    let disk = rolled();
    let all = segments(&disk).len();
    for index in 0..all - 1 {
        let path = &segments(&disk)[index];
        let content = disk.content(path).unwrap();
        disk.delete(path);
        let read = read_strict(&disk);
        let [Damage::Missing { first, lost }] = read.damage.as_slice() else {
            panic!("{:?}", read.damage)
        };
        assert_eq!(first.unwrap().get(), index as u64);
        assert_eq!(read.frames.len() as u64 + lost.unwrap().count(), 60);
        disk.put(path, content);
    }
}

#[test]
fn segments_that_changed_names_are_read_in_their_own_order() {
    let disk = rolled();
    let files = segments(&disk);
    let (one, two) = (
        disk.content(&files[1]).unwrap(),
        disk.content(&files[2]).unwrap(),
    );
    disk.put(&files[1], two);
    disk.put(&files[2], one);
    let read = read_strict(&disk);
    assert_eq!(read.ordinals(), (0..60).collect::<Vec<_>>());
    assert!(matches!(
        read.damage.as_slice(),
        [Damage::Misnamed { .. }, Damage::Misnamed { .. }]
    ));
}

#[test]
fn a_copied_segment_is_left_out_and_named() {
    let disk = rolled();
    let files = segments(&disk);
    disk.put(
        &dir().join("seg-00000000000000ff.aff"),
        disk.content(&files[1]).unwrap(),
    );
    disk.put(
        &dir().join("seg-0000000000000001 (copy).aff"),
        disk.content(&files[1]).unwrap(),
    );
    let read = read_strict(&disk);
    assert_eq!(read.ordinals(), (0..60).collect::<Vec<_>>());
    let duplicate = |damage: &&Damage| matches!(damage, Damage::Duplicate { .. });
    let unknown = |damage: &&Damage| matches!(damage, Damage::UnknownFile { .. });
    assert_eq!(
        read.damage.iter().filter(duplicate).count(),
        1,
        "{:?}",
        read.damage
    );
    assert_eq!(
        read.damage.iter().filter(unknown).count(),
        1,
        "{:?}",
        read.damage
    );
    // A writer does not write over it.
    let (mut spool, _) = open(&disk);
    append(&mut spool, &[b"more"]);
    assert_eq!(
        segments(&disk).last().unwrap(),
        &dir().join("seg-0000000000000100.aff")
    );
}

#[test]
fn a_segment_of_another_spool_is_left_out_and_named() {
    let disk = rolled();
    let other = CrashDisk::new(2);
    let mut options = small();
    options.new_id = Some(SpoolId::new([8; 16]));
    let (mut spool, _) = open_with(&other, options);
    append(&mut spool, &[b"foreign"]);
    spool.close().unwrap();
    let foreign = other.content(&segments(&other)[0]).unwrap();
    disk.put(&dir().join("seg-00000000000000ff.aff"), foreign);
    let read = read_strict(&disk);
    assert!(
        matches!(read.damage.as_slice(), [Damage::Foreign { .. }]),
        "{:?}",
        read.damage
    );
    assert_eq!(read.frames.len(), 60);
}

#[test]
fn released_segments_are_not_missed() {
    let disk = rolled();
    let (mut spool, recovery) = open(&disk);
    assert_eq!((recovery.first.get(), recovery.next.get()), (0, 60));
    let released = spool.release_through(Ordinal::new(40)).unwrap();
    assert!(released.segments >= 2);
    spool.close().unwrap();
    let read = read_strict(&disk);
    assert_eq!(read.damage, []);
    assert!(read.ordinals()[0] <= 41 && read.ordinals()[0] > 0);

    let (mut spool, recovery) = open(&disk);
    assert!(recovery.is_clean(), "{recovery:?}");
    spool.release_through(Ordinal::new(59)).unwrap();
    spool.close().unwrap();
    let frames = read_strict(&disk).frames;
    assert_eq!(frames, []);
    let (mut spool, recovery) = open(&disk);
    assert!(!recovery.created);
    assert_eq!((recovery.next.get(), recovery.damage.len()), (60, 0));
    append(&mut spool, &[b"more"]);
    spool.close().unwrap();
    assert_eq!(read_strict(&disk).ordinals(), [60]);
    assert_eq!(read_strict(&disk).damage, []);
}

#[test]
fn a_crash_amid_a_release_leaves_no_false_alarm() {
    for seed in 0..100 {
        let disk = CrashDisk::new(seed);
        let (mut spool, _) = open(&disk);
        for number in 0..60_u8 {
            append(&mut spool, &[&[number; 1000]]);
        }
        spool.release_through(Ordinal::new(30)).unwrap();
        let _ = spool.release_through(Ordinal::new(59));
        disk.crash();
        let read = read(&disk);
        assert_eq!(read.damage, [], "seed {seed}");
        let (_, recovery) = open(&disk);
        assert_eq!((recovery.next.get(), recovery.damage.len()), (60, 0));
    }
}

#[test]
fn a_reader_lists_the_segments() {
    let disk = rolled();
    let reader = Reader::open_on(Arc::new(disk), dir()).unwrap();
    let infos = reader.segments();
    let numbers = infos
        .iter()
        .map(|info| info.number.get())
        .collect::<Vec<_>>();
    assert_eq!(numbers, (0..infos.len() as u64).collect::<Vec<_>>());
    for pair in infos.windows(2) {
        assert_eq!(pair[1].header.unwrap().previous_end, pair[0].bytes);
    }
}

#[test]
fn reading_from_an_ordinal_skips_what_lies_before() {
    let disk = rolled();
    for from in [0, 1, 17, 59, 60, 100] {
        let storage = Arc::new(disk.clone());
        let reader = Reader::open_from_on(storage, dir(), Ordinal::new(from)).unwrap();
        let read = drain(reader);
        assert_eq!(read.ordinals(), (from.min(60)..60).collect::<Vec<_>>());
        assert_eq!(read.damage, []);
        assert_eq!(read.tail, Some(Tail::Clean));
    }
}

#[test]
fn opening_may_look_at_the_last_segment_alone() {
    let disk = rolled();
    let mut options: Options = small();
    options.scan = Scan::LastSegment;
    let (spool, recovery) = open_with(&disk, options.clone());
    assert_eq!((recovery.first.get(), recovery.next.get()), (0, 60));
    assert!(recovery.is_clean());
    drop(spool);
    disk.delete(&segments(&disk)[1]);
    let (_, recovery) = open_with(&disk, options);
    assert!(
        matches!(recovery.damage.as_slice(), [Damage::Missing { .. }]),
        "{recovery:?}"
    );
}

#[test]
fn a_group_larger_than_a_segment_gets_one_of_its_own() {
    let disk = CrashDisk::new(1);
    let (mut spool, _) = open(&disk);
    append(&mut spool, &[b"small"]);
    let big = vec![b'b'; 100_000];
    spool.append_group(&[Frame::entry(&big)]).unwrap();
    append(&mut spool, &[b"small"]);
    spool.close().unwrap();
    let read = read_strict(&disk);
    assert_eq!((read.frames.len(), read.damage.len()), (3, 0));
    assert_eq!(segments(&disk).len(), 3);
}
