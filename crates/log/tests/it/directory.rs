//! A log in a directory: what lies there, and who may write.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use affiant_log::store::{DirStore, Object, OpenStoreError, ReadObjects, Store, StoreError};
use affiant_log::{Log, LogOptions, LogReader, OpenLogError};

use crate::support::{audit, key, leaves};

fn options(dir: &Path) -> LogOptions {
    let mut options = LogOptions::new(dir.join("log"), dir.join("state"), Arc::new(key(1)));
    options.interval = Duration::ZERO;
    options
}

fn paths(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs_err::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let path = path.strip_prefix(root).unwrap();
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_layout_is_that_of_tlog_tiles_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(options(dir.path())).unwrap();
    log.submit(leaves(0, 200)).wait().unwrap();
    log.submit(leaves(1, 400)).wait().unwrap();
    log.submit(leaves(2, 1)).wait().unwrap();
    let expected = [
        "checkpoint",
        "tile/0/000",
        "tile/0/001",
        "tile/0/002.p/88",
        "tile/0/002.p/89",
        "tile/1/000.p/2",
        "tile/entries/000",
        "tile/entries/001",
        "tile/entries/002.p/88",
        "tile/entries/002.p/89",
    ];
    assert_eq!(paths(&dir.path().join("log")), expected);
    let meta = fs_err::metadata(dir.path().join("log/tile/0/000")).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o444);
    log.close();
    // One stage is kept: that of the newest round.
    let staged = fs_err::read_dir(dir.path().join("state/staging")).unwrap();
    assert_eq!(staged.count(), 1);
    audit(&LogReader::open_dir(dir.path().join("log")), 1);
}

#[test]
fn a_log_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for batch in 0..6 {
        let log = Log::open(options(dir.path())).unwrap();
        let leaves = leaves(batch, 111 * batch);
        log.submit(leaves.clone()).wait().unwrap();
        expected.extend(leaves);
    }
    assert_eq!(
        audit(&LogReader::open_dir(dir.path().join("log")), 1),
        expected
    );
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(options(dir.path())).unwrap();
    let second = Log::open(options(dir.path()));
    assert!(matches!(
        second,
        Err(OpenLogError::Store(OpenStoreError::Held { .. }))
    ));
    // A reader does not keep the lease.
    let reader = log.reader();
    log.close();
    Log::open(options(dir.path())).unwrap();
    assert!(reader.checkpoint().unwrap().is_some());
}

#[test]
fn the_head_is_compared_before_it_is_swapped() {
    let dir = tempfile::tempdir().unwrap();
    let store = DirStore::open(dir.path().join("log"), dir.path().join("state")).unwrap();
    assert_eq!(store.head().unwrap(), None);
    store.swap_head(None, b"one").unwrap();
    assert!(matches!(
        store.swap_head(None, b"two"),
        Err(StoreError::HeadMoved)
    ));
    assert!(matches!(
        store.swap_head(Some(b"x"), b"two"),
        Err(StoreError::HeadMoved)
    ));
    store.swap_head(Some(b"one"), b"two").unwrap();
    assert_eq!(store.head().unwrap().unwrap(), b"two");
}

fn object(path: &str, bytes: &[u8]) -> Object {
    Object {
        path: path.to_owned(),
        bytes: bytes.to_vec(),
    }
}

#[test]
fn objects_are_created_once_and_compared_after() {
    let dir = tempfile::tempdir().unwrap();
    let store = DirStore::open(dir.path().join("log"), dir.path().join("state")).unwrap();
    let objects = [
        object("tile/0/000", b"a"),
        object("tile/0/x001/000.p/3", b"bb"),
    ];
    store.stage("1", &objects).unwrap();
    assert_eq!(store.staged("1").unwrap().unwrap(), objects);
    assert_eq!(store.get("tile/0/000").unwrap(), None);
    for _ in 0..2 {
        store.promote("1", &objects).unwrap();
    }
    assert_eq!(store.get("tile/0/x001/000.p/3").unwrap().unwrap(), b"bb");
    let other = [object("tile/0/000", b"z")];
    store.stage("2", &other).unwrap();
    let conflict = store.promote("2", &other);
    assert!(matches!(conflict, Err(StoreError::Conflict { path }) if path == "tile/0/000"));
    assert_eq!(store.get("tile/0/000").unwrap().unwrap(), b"a");
    store.sync().unwrap();
    store.unstage("2").unwrap();
    store.unstage("2").unwrap();
    assert_eq!(store.staged_names().unwrap(), ["1"]);
    assert_eq!(store.staged("2").unwrap(), None);
    store.remove_partials("tile/0/x001/000").unwrap();
    assert_eq!(store.get("tile/0/x001/000.p/3").unwrap(), None);
}

#[test]
fn a_cut_stage_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let store = DirStore::open(dir.path().join("log"), dir.path().join("state")).unwrap();
    store.stage("1", &[object("tile/0/000", b"abc")]).unwrap();
    let stage = dir.path().join("state/staging/1");
    let manifest = fs_err::read(stage.join("MANIFEST")).unwrap();
    for end in 0..manifest.len() {
        fs_err::remove_file(stage.join("MANIFEST")).unwrap();
        fs_err::write(stage.join("MANIFEST"), &manifest[..end]).unwrap();
        assert!(
            matches!(store.staged("1"), Err(StoreError::Damaged { .. })),
            "{end}"
        );
    }
}

/// Where `log` and `state` are on two file systems, promotion copies.
#[test]
fn two_file_systems_do() {
    let shared = Path::new("/dev/shm");
    let dir = tempfile::tempdir().unwrap();
    let Ok(other) = tempfile::tempdir_in(shared) else {
        return;
    };
    let mut options = options(dir.path());
    options.state = other.path().join("state");
    let log = Log::open(options).unwrap();
    log.submit(leaves(0, 5000)).wait().unwrap();
    log.submit(leaves(1, 3)).wait().unwrap();
    log.close();
    assert_eq!(
        audit(&LogReader::open_dir(dir.path().join("log")), 1).len(),
        5003
    );
}
