//! A log and its archive, and an archive that fails on demand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use affiant_archive::store::{Created, DirObjects, Lock, Objects, StoreError, Version};
use affiant_archive::{
    About, ArchiveError, Archiver, BlobSource, Head, Key, Limits, Scrub, ScrubReport, ScrubState,
};
use affiant_log::{Log, LogOptions, LogReader};
use affiant_tlog::note::KeyName;
use affiant_tlog::{LeafIndex, SignerKey};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

pub(crate) const NAME: &str = "log.example/test";
/// Half past noon on 22 November 2026.
pub(crate) const NOW_US: i64 = 1_795_350_600_000_000;

pub(crate) fn key(seed: u8) -> SignerKey {
    SignerKey::from_seed(KeyName::new(NAME).unwrap(), &[seed; 32])
}

pub(crate) fn about() -> About {
    About::new(NAME.to_owned(), key(1).verifier_key().to_string())
}

/// A log on disk with room for an archive beside it.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    log: Option<Log>,
    leaves: usize,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path(), "data");
        Self {
            dir,
            log: Some(log),
            leaves: 0,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts leaves into the log, and waits for the checkpoint.
    pub(crate) fn append(&mut self, count: usize) {
        let leaves = (self.leaves..self.leaves + count).map(leaf).collect();
        self.leaves += count;
        self.append_these(leaves);
    }

    pub(crate) fn append_these(&mut self, leaves: Vec<Vec<u8>>) {
        let log = self.log.as_ref().unwrap();
        log.submit(leaves).wait().unwrap();
    }

    pub(crate) fn reader(&self) -> LogReader {
        LogReader::open_dir(self.path("data/log"))
    }

    /// The data directory is gone, all of it.
    pub(crate) fn lose_everything(&mut self) {
        drop(self.log.take());
        fs_err::remove_dir_all(self.path("data")).unwrap();
    }

    pub(crate) fn archive(&self) -> Arc<dyn Objects> {
        Arc::new(DirObjects::create(&self.path("archive")).unwrap())
    }

    pub(crate) fn archiver(&self, objects: &Arc<dyn Objects>, head: Option<&Head>) -> Archiver {
        self.try_archiver(objects, head).unwrap()
    }

    pub(crate) fn try_archiver(
        &self,
        objects: &Arc<dyn Objects>,
        head: Option<&Head>,
    ) -> Result<Archiver, ArchiveError> {
        let archiver =
            Archiver::open(Arc::clone(objects), self.reader(), &about(), limits(), head)?;
        Ok(archiver.with_blobs(Box::new(TestBlobs(self.path("blobs")))))
    }

    /// Sets of these many leaves each.
    pub(crate) fn archive_sets(&mut self, sets: &[usize]) -> Arc<dyn Objects> {
        let objects = self.archive();
        for count in sets {
            self.append(*count);
            let cut = self.archiver(&objects, None).cut(NOW_US).unwrap();
            assert!(cut.is_some());
        }
        objects
    }

    pub(crate) fn keep_blob(&self, bytes: &[u8]) -> String {
        let name = hex::encode(Sha256::digest(bytes));
        fs_err::create_dir_all(self.path("blobs")).unwrap();
        fs_err::write(self.path("blobs").join(&name), bytes).unwrap();
        name
    }
}

pub(crate) fn limits() -> Limits {
    let mut limits = Limits::default();
    // Several chunks a set, with little to do.
    limits.leaves = 512;
    limits
}

pub(crate) fn open(root: &Path, name: &str) -> Log {
    let at = |part: &str| root.join(name).join(part);
    let mut options = LogOptions::new(at("log"), at("state"), Arc::new(key(1)));
    options.interval = Duration::ZERO;
    Log::open(options).unwrap()
}

pub(crate) fn leaf(n: usize) -> Vec<u8> {
    let mut leaf = format!("leaf {n} ").into_bytes();
    leaf.resize(leaf.len() + n % 7, b'.');
    leaf
}

/// Leaves `blob HEX` and `erase HEX`.
pub(crate) struct TestBlobs(pub(crate) PathBuf);

impl TestBlobs {
    fn word(leaf: &[u8], word: &str) -> Vec<[u8; 32]> {
        let text = std::str::from_utf8(leaf).unwrap_or_default();
        let name = text
            .strip_prefix(word)
            .and_then(|name| hex::decode(name).ok());
        name.and_then(|name| name.try_into().ok())
            .into_iter()
            .collect()
    }
}

impl BlobSource for TestBlobs {
    fn named_by(&self, leaf: &[u8]) -> Vec<[u8; 32]> {
        Self::word(leaf, "blob ")
    }

    fn erased_by(&self, leaf: &[u8]) -> Vec<[u8; 32]> {
        Self::word(leaf, "erase ")
    }

    fn read(&self, blob: &[u8; 32]) -> std::io::Result<Option<Vec<u8>>> {
        match fs_err::read(self.0.join(hex::encode(blob))) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A whole pass from the beginning, with no memory.
pub(crate) fn scrub(objects: &Arc<dyn Objects>) -> ScrubReport {
    scrub_with(objects, ScrubState::default()).last.unwrap()
}

pub(crate) fn scrub_with(objects: &Arc<dyn Objects>, state: ScrubState) -> ScrubState {
    let mut scrub = Scrub::resume(&**objects, None, state, NOW_US).unwrap();
    while scrub.step(NOW_US).unwrap() {}
    scrub.state().clone()
}

/// `(file name, problem)` of each finding.
pub(crate) fn problems(report: &ScrubReport) -> Vec<(String, &'static str)> {
    let name = |key: &str| key.rsplit('/').next().unwrap_or_default().to_owned();
    report
        .findings
        .iter()
        .map(|f| (name(&f.key), f.problem.name()))
        .collect()
}

/// All files below a directory, by path.
pub(crate) fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, dir: &Path, out: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs_err::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, out);
            } else {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                out.insert(name, fs_err::read(&path).unwrap());
            }
        }
    }
    let mut out = BTreeMap::new();
    walk(dir, dir, &mut out);
    out
}

/// Changes a file of a local archive, though it is read-only.
pub(crate) fn tamper(path: &Path, bytes: &[u8]) {
    fs_err::remove_file(path).unwrap();
    fs_err::write(path, bytes).unwrap();
}

/// The leaves of a reader.
pub(crate) fn all_leaves(reader: &LogReader, size: u64) -> Vec<Vec<u8>> {
    reader
        .leaves(LeafIndex(0)..LeafIndex(size), affiant_tlog::TreeSize(size))
        .unwrap()
}

/// A store that fails at its n-th call and ever after, before or after the call's effect.
pub(crate) struct Failing {
    pub(crate) inner: Arc<dyn Objects>,
    pub(crate) calls_left: AtomicI64,
    pub(crate) effect_first: bool,
    pub(crate) created: Mutex<Vec<String>>,
}

impl Failing {
    pub(crate) fn new(inner: Arc<dyn Objects>, calls: i64, effect_first: bool) -> Arc<Self> {
        Arc::new(Self {
            inner,
            calls_left: AtomicI64::new(calls),
            effect_first,
            created: Mutex::default(),
        })
    }

    fn fail<T>(&self, call: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let fails = self.calls_left.fetch_sub(1, Ordering::Relaxed) <= 0;
        if fails && !self.effect_first {
            return Err(gone());
        }
        let out = call();
        if fails { Err(gone()) } else { out }
    }
}

fn gone() -> StoreError {
    StoreError::Failed {
        operation: "reach",
        key: "store".to_owned(),
        source: "pulled the plug".into(),
    }
}

impl Objects for Failing {
    fn create(&self, key: &Key, bytes: Bytes) -> Result<Created, StoreError> {
        self.created.lock().unwrap().push(key.to_string());
        self.fail(|| self.inner.create(key, bytes))
    }

    fn get(
        &self,
        key: &Key,
        version: Option<&Version>,
        bytes_max: u64,
    ) -> Result<Option<Bytes>, StoreError> {
        self.fail(|| self.inner.get(key, version, bytes_max))
    }

    fn sets(&self) -> Result<Vec<u64>, StoreError> {
        self.fail(|| self.inner.sets())
    }

    fn lock(&self, key: &Key, version: Option<&Version>) -> Result<Option<Lock>, StoreError> {
        self.fail(|| self.inner.lock(key, version))
    }

    fn versions(&self, key: &Key) -> Result<Vec<Version>, StoreError> {
        self.fail(|| self.inner.versions(key))
    }

    fn hold(&self, key: &Key, version: Option<&Version>, on: bool) -> Result<(), StoreError> {
        self.fail(|| self.inner.hold(key, version, on))
    }
}
