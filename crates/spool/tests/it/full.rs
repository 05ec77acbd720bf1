//! No room: nothing half done, the reserve for what must be said, and a way out.

use affiant_spool::testing::CrashDisk;
use affiant_spool::{AppendError, Frame, FullReason, Ordinal, Spool};

use crate::common::{append, dir, open, open_with, read, read_strict, small};

fn fill(spool: &mut Spool) -> u64 {
    loop {
        match spool.append_group(&[Frame::entry(&[b'e'; 1000])]) {
            Ok(_) => {}
            Err(AppendError::Full { .. }) => return spool.next_ordinal().get(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_full_quota_refuses_without_effect_and_the_reserve_takes_the_gap() {
    let disk = CrashDisk::new(1);
    let mut options = small();
    options.bytes_max = 64 * 1024;
    let (mut spool, _) = open_with(&disk, options.clone());
    let count = fill(&mut spool);
    assert!(count > 40, "{count}");
    let error = spool
        .append_group(&[Frame::entry(&[b'e'; 1000])])
        .unwrap_err();
    assert!(
        matches!(
            error,
            AppendError::Full {
                reason: FullReason::Quota,
                ..
            }
        ),
        "{error}"
    );
    assert!(spool.bytes_used() <= options.bytes_max);
    spool
        .append_reserved(&[Frame::entry(b"gap"), Frame::seal(b"stop")])
        .unwrap();
    assert!(spool.bytes_used() <= options.bytes_max);
    spool
        .append_group(&[Frame::entry(&[b'e'; 1000])])
        .unwrap_err();

    let released = spool.release_through(Ordinal::new(count - 1)).unwrap();
    assert!(
        released.segments > 0 && released.bytes > 16 * 1024,
        "{released:?}"
    );
    spool.maintain().unwrap();
    assert!(disk.files().contains(&dir().join("reserve")));
    append(&mut spool, &[b"room again"]);
    spool.close().unwrap();
    assert_eq!(read_strict(&disk).damage, []);
}

#[test]
fn a_full_disk_refuses_without_effect_and_the_reserve_takes_the_gap() {
    for seed in 0..20 {
        let disk = CrashDisk::new(seed);
        let (mut spool, _) = open(&disk);
        append(&mut spool, &[b"first"]);
        disk.set_capacity(Some(disk.bytes_used() + 30_000));
        let count = fill(&mut spool);
        let error = spool
            .append_group(&[Frame::entry(&[b'e'; 1000])])
            .unwrap_err();
        assert!(
            matches!(
                error,
                AppendError::Full {
                    reason: FullReason::Disk,
                    ..
                }
            ),
            "{error}"
        );
        spool.append_reserved(&[Frame::entry(b"gap")]).unwrap();
        disk.crash();
        let read = read(&disk);
        assert_eq!(
            (read.damage.len(), read.frames.len() as u64),
            (0, count + 1),
            "seed {seed}"
        );

        // Releasing works on a full disk, and makes room.
        let (mut spool, _) = open(&disk);
        spool.release_through(Ordinal::new(count)).unwrap();
        append(&mut spool, &[b"room again"]);
        disk.set_capacity(None);
        spool.close().unwrap();
    }
}

#[test]
fn frames_and_groups_over_their_limits_are_refused_before_anything_is_written() {
    let disk = CrashDisk::new(1);
    let (mut spool, _) = open_with(&disk, affiant_spool::Options::default());
    let big = vec![0; affiant_spool::FRAME_BYTES_MAX + 1];
    let error = spool
        .append_group(&[Frame::entry(b""), Frame::entry(&big)])
        .unwrap_err();
    assert!(
        matches!(error, AppendError::FrameTooLarge { index: 1, .. }),
        "{error}"
    );
    let fits = &big[1..];
    let error = spool
        .append_group(&vec![Frame::entry(fits); 64])
        .unwrap_err();
    assert!(
        matches!(error, AppendError::GroupTooLarge { .. }),
        "{error}"
    );
    assert!(matches!(
        spool.append_group(&[]),
        Err(AppendError::EmptyGroup)
    ));
    spool.append_group(&vec![Frame::entry(fits); 63]).unwrap();
    spool.close().unwrap();
    let read = read_strict(&disk);
    assert_eq!((read.frames.len(), read.damage.len()), (63, 0));
}
