//! Power loss and process death.

use affiant_spool::testing::CrashDisk;
use affiant_spool::{Damage, Frame, Tail};

use crate::common::{append, edit, find, open, read, read_strict, segments};

#[test]
fn a_torn_group_is_reported_once_and_cut_off() {
    let mut torn_tails = 0;
    for seed in 0..200 {
        let disk = CrashDisk::new(seed);
        let (mut spool, _) = open(&disk);
        append(&mut spool, &[b"kept"]);
        let payload = [b'x'; 900];
        spool
            .append_unsynced(&[Frame::entry(&payload), Frame::seal(&payload)])
            .unwrap();
        disk.crash();
        let (spool, recovery) = open(&disk);
        assert_eq!(recovery.damage, [], "seed {seed}");
        match recovery.tail {
            Tail::Torn { position, bytes } => {
                assert_eq!((position.offset, recovery.next.get()), (64 + 21, 1));
                assert!(bytes > 0 && bytes <= 2 * 917, "{bytes}");
                torn_tails += 1;
            }
            Tail::Slack { .. } => assert!([1, 3].contains(&recovery.next.get())),
            Tail::Clean | Tail::Unterminated { .. } => panic!("seed {seed}: {recovery:?}"),
        }
        spool.close().unwrap();
        let after = read_strict(&disk);
        assert_eq!(
            (after.damage.len(), after.tail),
            (0, Some(Tail::Clean)),
            "seed {seed}"
        );
        assert!([1, 3].contains(&after.frames.len()));
        let (_, recovery) = open(&disk);
        assert!(recovery.is_clean());
    }
    assert!(torn_tails > 50, "{torn_tails}");
}

#[test]
fn later_groups_of_one_sync_window_do_not_prove_earlier_ones() {
    for seed in 0..300 {
        let disk = CrashDisk::new(seed);
        let (mut spool, _) = open(&disk);
        append(&mut spool, &[b"kept"]);
        for group in 0..6_u8 {
            spool
                .append_unsynced(&[Frame::entry(&[group; 300])])
                .unwrap();
        }
        disk.crash();
        let read = read(&disk);
        assert_eq!(read.damage, [], "seed {seed}");
        assert_eq!(
            read.ordinals(),
            (0..read.frames.len() as u64).collect::<Vec<_>>()
        );
        assert!(!read.frames.is_empty());
    }
}

#[test]
fn damage_before_a_later_sync_is_damage_even_in_an_unclosed_spool() {
    let disk = CrashDisk::new(3);
    let (mut spool, _) = open(&disk);
    append(&mut spool, &[b"first"]);
    append(&mut spool, &[b"second", b"victim", b"third"]);
    append(&mut spool, &[b"fourth"]);
    disk.kill();
    let path = &segments(&disk)[0];
    edit(&disk, path, |content| {
        let at = find(content, b"victim");
        content[at] ^= 1;
    });
    let (mut spool, recovery) = open(&disk);
    let [Damage::Bytes { bytes, lost, .. }] = recovery.damage.as_slice() else {
        panic!("{recovery:?}")
    };
    assert_eq!(
        (*bytes, lost.unwrap().first.get(), lost.unwrap().count()),
        (23, 2, 1)
    );
    assert_eq!(recovery.next.get(), 5);
    append(&mut spool, &[b"fifth"]);
    spool.close().unwrap();
    let read = read_strict(&disk);
    let expected: [&[u8]; 5] = [b"first", b"second", b"third", b"fourth", b"fifth"];
    assert_eq!(read.payloads(), expected);
    assert_eq!(read.damage, recovery.damage);
}

#[test]
fn a_wiped_stretch_is_one_damage_and_reading_goes_on() {
    let disk = CrashDisk::new(4);
    let (mut spool, _) = open(&disk);
    for number in 0..20_u8 {
        append(&mut spool, &[&[number; 200]]);
    }
    spool.close().unwrap();
    let path = &segments(&disk)[0];
    edit(&disk, path, |content| content[500..1200].fill(0));
    let read = read_strict(&disk);
    assert_eq!(read.damage.len(), 1, "{:?}", read.damage);
    let lost = read.damage[0].lost().unwrap();
    assert_eq!(read.frames.len() as u64 + lost.count(), 20);
    assert_eq!(read.tail, Some(Tail::Clean));
}

#[test]
fn frames_inside_a_damaged_payload_are_not_believed() {
    let disk = CrashDisk::new(5);
    let (mut spool, _) = open(&disk);
    append(&mut spool, &[b"inner"]);
    spool.close().unwrap();
    let inner = disk.content(&segments(&disk)[0]).unwrap()[64..].to_vec();

    let disk = CrashDisk::new(5);
    let (mut spool, _) = open(&disk);
    append(
        &mut spool,
        &[&[b"headroom-for-17-bytes", inner.as_slice()].concat()],
    );
    append(&mut spool, &[b"next"]);
    spool.close().unwrap();
    edit(&disk, &segments(&disk)[0], |content| content[64 + 18] ^= 1);
    let read = read_strict(&disk);
    assert_eq!(read.payloads(), [b"next"]);
    assert_eq!(read.ordinals(), [1]);
}
