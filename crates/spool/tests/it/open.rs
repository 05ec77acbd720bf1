//! Opening, locking, closing, over the real file system.

use affiant_spool::{Frame, Item, OpenError, Options, ReadError, Reader, Recovery, Spool, Tail};

use crate::common::{drain, small};

fn opened(dir: &std::path::Path) -> (Spool, Recovery) {
    Spool::open(dir, small()).unwrap()
}

#[test]
fn a_second_writer_is_told_who_holds_the_spool() {
    let dir = tempfile::tempdir().unwrap();
    assert!(!Spool::is_locked(dir.path()).unwrap());
    let (spool, recovery) = opened(dir.path());
    assert!(recovery.created && recovery.is_clean());
    assert!(Spool::is_locked(dir.path()).unwrap());
    match Spool::open(dir.path(), small()) {
        Err(OpenError::Locked { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{:?}", other.map(|(_, recovery)| recovery)),
    }
    spool.close().unwrap();
    assert!(!Spool::is_locked(dir.path()).unwrap());
    assert_eq!(fs_err::read(dir.path().join("lock")).unwrap(), b"");
}

#[test]
fn a_closed_spool_has_no_slack_and_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _) = opened(dir.path());
    let group = spool
        .append_group(&[Frame::entry(b"one"), Frame::seal(b"two")])
        .unwrap();
    assert_eq!(
        (group.first.get(), group.last.get(), group.poisoned),
        (0, 1, None)
    );
    spool.close().unwrap();
    let len = fs_err::metadata(dir.path().join("seg-0000000000000000.aff"))
        .unwrap()
        .len();
    assert_eq!(len, 64 + 20 + 20 + 33);
    let read = drain(Reader::open_strict(dir.path()).unwrap());
    assert_eq!(read.damage, []);
    assert_eq!(read.payloads(), [b"one", b"two"]);
    assert_eq!(read.tail, Some(Tail::Clean));
}

#[test]
fn an_abandoned_writer_leaves_slack_that_the_next_cuts() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _) = opened(dir.path());
    spool.append_group(&[Frame::entry(b"one")]).unwrap();
    drop(spool);
    let read = drain(Reader::open_strict(dir.path()).unwrap());
    assert!(
        matches!(read.tail, Some(Tail::Slack { zero_bytes: 4096.. })),
        "{read:?}"
    );
    let (spool, recovery) = opened(dir.path());
    assert_eq!((recovery.damage.len(), recovery.next.get()), (0, 1));
    assert!(matches!(recovery.tail, Tail::Slack { .. }));
    spool.close().unwrap();
    let read = drain(Reader::open_strict(dir.path()).unwrap());
    assert_eq!((read.damage.len(), read.tail), (0, Some(Tail::Clean)));
}

#[test]
fn opening_again_and_again_leaves_no_trail_of_empty_segments() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..6 {
        let (mut spool, recovery) = opened(dir.path());
        assert_eq!(recovery.damage, []);
        spool.maintain().unwrap();
        if round == 3 {
            spool.append_group(&[Frame::entry(b"one")]).unwrap();
        }
        if round % 2 == 0 {
            spool.close().unwrap();
        }
    }
    let names = fs_err::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let segments = names
        .filter(|name| name.to_string_lossy().starts_with("seg-"))
        .count();
    assert_eq!(segments, 2);
    let read = drain(Reader::open_strict(dir.path()).unwrap());
    assert_eq!((read.damage.len(), read.frames.len()), (0, 1));
}

#[test]
fn a_directory_without_spool_is_said_to_be_none() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        Reader::open(dir.path()),
        Err(ReadError::NoSpool { .. })
    ));
    assert!(matches!(
        Reader::open(dir.path().join("no")),
        Err(ReadError::NoSpool { .. })
    ));
}

#[test]
fn files_are_private_to_the_user() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("spool");
    let (mut spool, _) = opened(&dir);
    spool.append_group(&[Frame::entry(b"one")]).unwrap();
    let mode = |name: &str| {
        let path = if name.is_empty() {
            dir.clone()
        } else {
            dir.join(name)
        };
        fs_err::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode(""), 0o700);
    assert_eq!(mode("blobs"), 0o700);
    for file in ["lock", "reserve", "seg-0000000000000000.aff"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
}

#[test]
fn writer_and_reader_may_move_to_another_thread() {
    fn check<T: Send>() {}
    check::<Spool>();
    check::<Reader>();
}

#[test]
fn options_outside_their_limits_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.segment_bytes = 10;
    let error = Spool::open(dir.path(), options).map(|_| ()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("option segment_bytes is 10, allowed is 8192 to"),
        "{text}"
    );
}

#[test]
fn a_reader_follows_a_live_writer_group_by_group() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _) = opened(dir.path());
    spool.maintain().unwrap();
    let mut reader = Reader::open(dir.path()).unwrap();
    let mut seen = 0_u64;
    for round in 0..40_u64 {
        assert_eq!(reader.poll_new().unwrap(), []);
        let payload = vec![b'x'; 700];
        spool
            .append_group(&[Frame::entry(&payload), Frame::seal(b"s")])
            .unwrap();
        for item in reader.poll_new().unwrap() {
            let Item::Frame(frame) = item else {
                panic!("{item:?}")
            };
            assert_eq!(frame.ordinal.get(), seen);
            seen += 1;
        }
        assert_eq!(seen, (round + 1) * 2);
    }
    spool.close().unwrap();
    assert_eq!(reader.poll_new().unwrap(), []);
    assert_eq!(reader.next_item().unwrap(), None);
    assert_eq!(reader.tail(), Some(Tail::Clean));
}
