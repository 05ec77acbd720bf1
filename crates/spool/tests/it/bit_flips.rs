//! No byte of a cleanly closed spool is outside every check.

use affiant_spool::testing::CrashDisk;
use affiant_spool::{Ordinal, Tail};

use crate::common::{append, dir, open, read_strict};

/// Two segments, a cursor and a reserve, closed cleanly.
fn closed_spool() -> CrashDisk {
    let disk = CrashDisk::new(1);
    for round in 0..2 {
        let (mut spool, _) = open(&disk);
        append(&mut spool, &[b"first", b"", &[round; 8]]);
        append(&mut spool, &[b"alone"]);
        spool.acknowledge_through(Ordinal::new(1)).unwrap();
        spool.close().unwrap();
    }
    disk
}

#[test]
fn a_cleanly_closed_spool_has_nothing_to_report() {
    let read = read_strict(&closed_spool());
    assert_eq!(read.damage, []);
    assert_eq!(read.tail, Some(Tail::Clean));
    assert_eq!(read.ordinals(), (0..8).collect::<Vec<_>>());
}

#[test]
fn every_flipped_bit_of_a_cleanly_closed_spool_is_damage() {
    let disk = closed_spool();
    let mut flips = 0;
    for path in disk.files() {
        let content = disk.content(&path).unwrap();
        // The reserve is zeros throughout: every 97th bit stands for the others.
        let step = if path.ends_with("reserve") { 97 } else { 1 };
        for bit in (0..content.len() * 8).step_by(step) {
            let mut flipped = content.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            disk.put(&path, flipped);
            let read = read_strict(&disk);
            assert!(
                !read.damage.is_empty(),
                "bit {bit} of {} went unseen",
                path.display()
            );
            assert!(
                read.frames.len() >= 5,
                "bit {bit} of {}: {read:?}",
                path.display()
            );
            flips += 1;
        }
        disk.put(&path, content);
    }
    assert!(flips > 2000, "{flips}");
}

#[test]
fn every_cut_of_the_last_segment_is_damage() {
    let disk = closed_spool();
    let path = dir().join("seg-0000000000000001.aff");
    let content = disk.content(&path).unwrap();
    for len in 0..content.len() {
        disk.put(&path, content[..len].to_vec());
        assert!(
            !read_strict(&disk).damage.is_empty(),
            "cut to {len} went unseen"
        );
    }
}

#[test]
fn bytes_behind_the_trailer_are_damage() {
    let disk = closed_spool();
    for path in ["seg-0000000000000000.aff", "seg-0000000000000001.aff"] {
        let path = dir().join(path);
        let content = disk.content(&path).unwrap();
        disk.put(&path, [content.as_slice(), b"x"].concat());
        assert_eq!(read_strict(&disk).damage.len(), 1);
        disk.put(&path, content);
    }
}
