//! Readers beside a live writer, over the simulated disk.

use std::sync::Arc;

use affiant_spool::testing::CrashDisk;
use affiant_spool::{Frame, Item, Ordinal, Reader};

use crate::common::{append, dir, open};

fn ordinals(items: Vec<Item>) -> Vec<u64> {
    let ordinal = |item| match item {
        Item::Frame(frame) => frame.ordinal.get(),
        Item::Damage(damage) => panic!("{damage}"),
    };
    items.into_iter().map(ordinal).collect()
}

#[test]
fn a_follower_sees_no_frame_twice_when_a_segment_is_given_up() {
    let disk = CrashDisk::new(1);
    let (mut spool, _) = open(&disk);
    append(&mut spool, &[b"zero"]);
    let mut reader = Reader::open_on(Arc::new(disk.clone()), dir()).unwrap();
    assert_eq!(ordinals(reader.poll_new().unwrap()), [0]);
    spool.append_unsynced(&[Frame::entry(b"one")]).unwrap();
    assert_eq!(ordinals(reader.poll_new().unwrap()), [1]);
    disk.fail_sync_after(0, 1);
    append(&mut spool, &[b"two"]);
    append(&mut spool, &[b"three"]);
    assert_eq!(ordinals(reader.poll_new().unwrap()), [2, 3]);
}

#[test]
fn a_slow_follower_passes_over_released_segments() {
    let disk = CrashDisk::new(1);
    let (mut spool, _) = open(&disk);
    append(&mut spool, &[b"zero"]);
    let mut reader = Reader::open_on(Arc::new(disk), dir()).unwrap();
    assert_eq!(ordinals(reader.poll_new().unwrap()), [0]);
    for _ in 0..60 {
        append(&mut spool, &[&[b'x'; 1000]]);
    }
    spool.release_through(Ordinal::new(60)).unwrap();
    append(&mut spool, &[b"last"]);
    let seen = ordinals(reader.poll_new().unwrap());
    assert_eq!(seen.last(), Some(&61));
    assert!(seen.is_sorted());
}

#[test]
fn the_plain_reader_goes_on_when_asked_again() {
    let disk = CrashDisk::new(1);
    let (mut spool, _) = open(&disk);
    append(&mut spool, &[b"zero"]);
    let mut reader = Reader::open_on(Arc::new(disk), dir()).unwrap();
    assert!(reader.next_item().unwrap().is_some());
    assert_eq!(reader.next_item().unwrap(), None);
    append(&mut spool, &[b"one"]);
    spool.close().unwrap();
    assert!(
        matches!(reader.next_item().unwrap(), Some(Item::Frame(frame)) if frame.payload == b"one")
    );
    assert_eq!(reader.next_item().unwrap(), None);
}
