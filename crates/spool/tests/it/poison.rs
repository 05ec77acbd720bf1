//! A sync that fails: the segment is given up, nothing that counts is lost.

use affiant_spool::testing::CrashDisk;
use affiant_spool::{AppendError, Frame, Tail};

use crate::common::{append, open, read, read_strict, segments};

#[test]
fn a_failed_sync_moves_the_group_to_a_fresh_segment() {
    for seed in 0..50 {
        let disk = CrashDisk::new(seed);
        let (mut spool, _) = open(&disk);
        append(&mut spool, &[b"before"]);
        spool.append_unsynced(&[Frame::entry(b"buffered")]).unwrap();
        disk.fail_sync_after(0, 1);
        let group = spool.append_group(&[Frame::entry(b"moved")]).unwrap();
        assert_eq!(group.poisoned.map(|segment| segment.get()), Some(0));
        assert_eq!((group.start.segment.get(), group.last.get()), (1, 2));
        append(&mut spool, &[b"behind"]);
        disk.crash();
        let expected: [&[u8]; 4] = [b"before", b"buffered", b"moved", b"behind"];
        assert_eq!(read(&disk).payloads(), expected, "seed {seed}");
        let (spool, recovery) = open(&disk);
        assert_eq!(recovery.damage, [], "seed {seed}");
        spool.close().unwrap();
        let read = read_strict(&disk);
        assert_eq!((read.damage.len(), read.tail), (0, Some(Tail::Clean)));
        assert_eq!(read.ordinals(), [0, 1, 2, 3]);
    }
}

#[test]
fn a_group_that_fails_twice_is_refused_and_the_spool_goes_on_later() {
    for seed in 0..50 {
        let disk = CrashDisk::new(seed);
        let (mut spool, _) = open(&disk);
        append(&mut spool, &[b"before"]);
        spool.append_unsynced(&[Frame::entry(b"buffered")]).unwrap();
        disk.fail_sync_after(0, 100);
        let error = spool.append_group(&[Frame::entry(b"refused")]).unwrap_err();
        assert!(
            matches!(error, AppendError::Storage { next, .. } if next.get() == 2),
            "{error}"
        );
        assert!(spool.sync().is_err());
        disk.heal();
        append(&mut spool, &[b"behind"]);
        disk.crash();
        let expected: [&[u8]; 3] = [b"before", b"buffered", b"behind"];
        let read = read(&disk);
        assert_eq!(
            (read.payloads().as_slice(), read.damage.len()),
            (&expected[..], 0)
        );
        assert_eq!(segments(&disk).len(), 2);
    }
}

#[test]
fn a_restart_after_a_failed_sync_does_not_trust_what_the_cache_shows() {
    for seed in 0..100 {
        let disk = CrashDisk::new(seed);
        let (mut spool, _) = open(&disk);
        append(&mut spool, &[b"before"]);
        disk.fail_sync_after(0, 100);
        spool
            .append_group(&[Frame::entry(&[b'r'; 1500])])
            .unwrap_err();
        disk.heal();
        disk.kill();
        // The live view still shows the refused group; the disk may not have it.
        let (mut spool, recovery) = open(&disk);
        append(&mut spool, &[b"behind"]);
        let shown = read(&disk).frames;
        disk.crash();
        let after = read(&disk);
        assert_eq!(
            (after.frames, after.damage),
            (shown, vec![]),
            "seed {seed} {recovery:?}"
        );
    }
}
