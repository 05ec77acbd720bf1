//! Blobs: whole or not at all, and counted.

use affiant_spool::testing::CrashDisk;
use affiant_spool::{BlobError, BlobId};

use crate::common::{open, open_with, small};

#[test]
fn a_blob_is_stored_once_found_again_and_removed() {
    let disk = CrashDisk::new(1);
    let (mut spool, _) = open(&disk);
    let before = spool.bytes_used();
    let id = BlobId::new([1; 32]);
    assert!(spool.put_blob(id, b"content").unwrap());
    assert!(!spool.put_blob(id, b"content").unwrap());
    assert_eq!(spool.bytes_used(), before + 7);
    disk.crash();
    let (mut spool, _) = open(&disk);
    assert_eq!(
        spool.read_blob(id).unwrap().as_deref(),
        Some(b"content".as_slice())
    );
    assert!(spool.bytes_used() >= 7);
    assert!(spool.remove_blob(id).unwrap());
    assert!(!spool.remove_blob(id).unwrap());
    assert_eq!(spool.read_blob(id).unwrap(), None);
}

#[test]
fn a_damaged_blob_is_healed_by_the_next_put() {
    let disk = CrashDisk::new(1);
    let (mut spool, _) = open(&disk);
    let id = BlobId::new([1; 32]);
    let path = crate::common::dir().join("blobs").join(id.to_string());
    spool.put_blob(id, b"content").unwrap();
    disk.put(&path, b"c0ntent".to_vec());
    assert!(spool.put_blob(id, b"content").unwrap());
    assert_eq!(
        spool.read_blob(id).unwrap().as_deref(),
        Some(b"content".as_slice())
    );
}

#[test]
fn a_crash_leaves_a_blob_in_whole_or_not_at_all() {
    for seed in 0..60 {
        let disk = CrashDisk::new(seed);
        let (mut spool, _) = open(&disk);
        disk.fail_sync_after(0, 1);
        let id = BlobId::new([2; 32]);
        assert!(spool.put_blob(id, &[b'x'; 5000]).is_err());
        disk.crash();
        let (mut spool, _) = open(&disk);
        assert_eq!(spool.read_blob(id).unwrap(), None);
        spool.put_blob(id, &[b'x'; 5000]).unwrap();
        disk.crash();
        let (spool, _) = open(&disk);
        assert_eq!(spool.read_blob(id).unwrap(), Some(vec![b'x'; 5000]));
    }
}

#[test]
fn a_blob_beyond_the_quota_is_refused() {
    let disk = CrashDisk::new(1);
    let mut options = small();
    options.bytes_max = 32 * 1024;
    let (mut spool, _) = open_with(&disk, options);
    let error = spool
        .put_blob(BlobId::new([3; 32]), &[0; 40_000])
        .unwrap_err();
    assert!(
        matches!(
            error,
            BlobError::Full {
                bytes_needed: 40_000,
                ..
            }
        ),
        "{error}"
    );
}
