//! Writing sets: from where the archive ends to the log's published checkpoint.
//!
//! ```text
//! chunk by chunk: create leaves, tiles, rows, blob list, blobs ─▸ read each back ─▸ look at its lock
//! create checkpoint ─▸ create manifest                  <- the set is there, whole, or not at all
//! ```
//!
//! A crash or an error leaves objects that no manifest names. The next attempt makes the same chunks again
//! and finds them there; where it made other bytes it takes the next name. Nothing is ever removed.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use affiant_log::LogReader;
use affiant_tlog::note::Note;
use affiant_tlog::{Checkpoint, LeafIndex, TreeSize, verify_consistency};
use bytes::Bytes;

use crate::chunk::{self, ChunkWriter};
use crate::error::ArchiveError;
use crate::head::{Head, find_head};
use crate::key::{ATTEMPTS_MAX, Key, Kind};
use crate::manifest::{
    Chunk, MANIFEST_BYTES_MAX, Manifest, OBJECT_BYTES_MAX, Parts, Stored, digest,
};
use crate::origin::About;
use crate::read::Reader;
use crate::store::{Created, LockMode, Objects};
use crate::tiles;

/// Leaves that are read from the log at once.
const READ_LEAVES: u64 = 256;

/// How sets are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Leaves that make a set due. Also the most in one chunk.
    pub leaves: u64,
    /// Age of the oldest leaf that waits that makes a set due.
    pub age: Duration,
    /// Bytes of leaves, before compression, that end a chunk.
    pub chunk_bytes: u64,
    /// The lock that every object must have; `None` for none.
    pub lock: Option<LockMode>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            leaves: 65_536,
            age: Duration::from_secs(3600),
            chunk_bytes: 64 << 20,
            lock: None,
        }
    }
}

/// Which blobs leaves name, and their bytes.
pub trait BlobSource: Send {
    /// The SHA-256 of each blob that a leaf names.
    fn named_by(&self, leaf: &[u8]) -> Vec<[u8; 32]>;

    /// The SHA-256 of each blob that a leaf says was erased.
    fn erased_by(&self, leaf: &[u8]) -> Vec<[u8; 32]>;

    /// The bytes of a blob; `None` if it is not there, or was erased.
    ///
    /// # Errors
    /// When the disk fails.
    fn read(&self, blob: &[u8; 32]) -> std::io::Result<Option<Vec<u8>>>;
}

/// A log whose leaves name no blobs.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoBlobs;

impl BlobSource for NoBlobs {
    fn named_by(&self, _leaf: &[u8]) -> Vec<[u8; 32]> {
        Vec::new()
    }

    fn erased_by(&self, _leaf: &[u8]) -> Vec<[u8; 32]> {
        Vec::new()
    }

    fn read(&self, _blob: &[u8; 32]) -> std::io::Result<Option<Vec<u8>>> {
        Ok(None)
    }
}

/// Gives the leaves of a range as a Parquet file, if it has them.
pub type Rows = Box<dyn FnMut(Range<LeafIndex>) -> Option<Vec<u8>> + Send>;

/// One set that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// The new end of the archive.
    pub head: Head,
    /// Its leaves.
    pub leaves: Range<LeafIndex>,
    /// Objects written, blobs among them.
    pub objects: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// Writes a log into an archive. One writer at a time; a second one loses at the manifest.
pub struct Archiver {
    objects: Arc<dyn Objects>,
    log: LogReader,
    origin: String,
    limits: Limits,
    blobs: Box<dyn BlobSource>,
    rows: Option<Rows>,
    head: Option<(Manifest, [u8; 32])>,
    written: (u64, u64),
    stop: Arc<AtomicBool>,
}

impl Archiver {
    /// Opens an archive to go on with it, or begins one. `remembered` is the head that this log's archiver
    /// knew last.
    ///
    /// # Errors
    /// [`ArchiveError::RolledBack`], [`ArchiveError::OtherLog`], [`ArchiveError::LogBehind`],
    /// [`ArchiveError::Forked`] need a person.
    pub fn open(
        objects: Arc<dyn Objects>,
        log: LogReader,
        about: &About,
        limits: Limits,
        remembered: Option<&Head>,
    ) -> Result<Self, ArchiveError> {
        about.ensure(&*objects)?;
        let head = find_head(&*objects, remembered)?;
        let archiver = Self {
            objects,
            log,
            origin: about.log.clone(),
            limits,
            blobs: Box::new(NoBlobs),
            rows: None,
            head,
            written: (0, 0),
            stop: Arc::default(),
        };
        archiver.check_log()?;
        Ok(archiver)
    }

    /// Ends between two chunks when this says so, with [`ArchiveError::Interrupted`].
    #[must_use]
    pub fn with_stop(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// Archives blobs as well.
    #[must_use]
    pub fn with_blobs(mut self, blobs: Box<dyn BlobSource>) -> Self {
        self.blobs = blobs;
        self
    }

    /// Archives rows as well.
    #[must_use]
    pub fn with_rows(mut self, rows: Rows) -> Self {
        self.rows = Some(rows);
        self
    }

    /// The newest set.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        self.head
            .as_ref()
            .map(|(manifest, hash)| Head::of(manifest, hash))
    }

    /// Leaves archived.
    #[must_use]
    pub fn end(&self) -> LeafIndex {
        self.head
            .as_ref()
            .map_or(LeafIndex(0), |(manifest, _)| manifest.range().end)
    }

    /// Whether a set is due, by leaves that wait and the age of the oldest.
    #[must_use]
    pub fn is_due(&self, published: TreeSize, waited: Duration) -> bool {
        let waiting = published.0.saturating_sub(self.end().0);
        waiting >= self.limits.leaves || (waiting > 0 && waited >= self.limits.age)
    }

    /// The archive's tree must be a beginning of the log's.
    fn check_log(&self) -> Result<(), ArchiveError> {
        let Some((manifest, _)) = &self.head else {
            return Ok(());
        };
        let archived = manifest.size();
        let published = self.published()?.map(|(checkpoint, _)| checkpoint);
        let Some(published) = published.filter(|published| published.size >= archived) else {
            let log = TreeSize(self.log_size()?);
            return Err(ArchiveError::LogBehind { archived, log });
        };
        // From the newest tree: the narrow tiles of an older one may be gone.
        let proof = self.log.consistency(archived, published.size)?;
        let (old, new) = (manifest.root(), published.root);
        verify_consistency(archived, published.size, &proof, &old, &new)
            .map_err(|_| ArchiveError::Forked { size: archived })
    }

    fn log_size(&self) -> Result<u64, ArchiveError> {
        let published = self.published()?;
        Ok(published.map_or(0, |(checkpoint, _)| checkpoint.size.0))
    }

    fn published(&self) -> Result<Option<(Checkpoint, Vec<u8>)>, ArchiveError> {
        let Some(bytes) = self.log.checkpoint()? else {
            return Ok(None);
        };
        let note = Note::parse(&bytes).ok();
        let checkpoint = note.and_then(|note| Checkpoint::parse(note.text()).ok());
        let checkpoint = checkpoint.ok_or(ArchiveError::NoCheckpoint)?;
        if checkpoint.origin.as_str() != self.origin {
            return Err(ArchiveError::OtherLog {
                expected: self.origin.clone(),
                found: checkpoint.origin.to_string(),
            });
        }
        Ok(Some((checkpoint, bytes)))
    }

    /// Writes one set up to the published checkpoint, however few leaves there are; `None` if there are none.
    /// The time is for the manifest, and to judge locks by.
    ///
    /// # Errors
    /// [`ArchiveError`]; then no set was added, or it was and [`Archiver::open`] finds it.
    pub fn cut(&mut self, now_us: i64) -> Result<Option<Archived>, ArchiveError> {
        let (checkpoint, note) = self.published()?.ok_or(ArchiveError::NoCheckpoint)?;
        let range = self.end()..LeafIndex(checkpoint.size.0);
        if range.is_empty() {
            return Ok(None);
        }
        self.written = (0, 0);
        let set = self
            .head
            .as_ref()
            .map_or(0, |(before, _)| before.set.saturating_add(1));
        let mut chunks = Vec::new();
        let mut at = range.start;
        while at < range.end {
            if self.stop.load(Ordering::Relaxed) {
                return Err(ArchiveError::Interrupted);
            }
            let chunk = self.chunk(set, at, range.end, checkpoint.size, now_us)?;
            at = chunk.range().end;
            chunks.push(chunk);
        }
        let note = self.keep(
            set,
            Kind::Checkpoint,
            &range,
            &Bytes::from(note),
            None,
            now_us,
        )?;
        let manifest = Manifest::new(Parts {
            set,
            log: self.origin.clone(),
            range: range.clone(),
            root: checkpoint.root,
            previous: self.head.as_ref().map(|(_, hash)| *hash),
            created: affiant_entry::rfc3339(now_us),
            chunks,
            checkpoint: note,
        });
        let hash = self.commit(&manifest, now_us)?;
        let head = Head::of(&manifest, &hash);
        self.head = Some((manifest, hash));
        Ok(Some(Archived {
            head,
            leaves: range,
            objects: self.written.0,
            bytes: self.written.1,
        }))
    }

    /// Writes what is kept of the next run of leaves.
    fn chunk(
        &mut self,
        set: u64,
        first: LeafIndex,
        end: LeafIndex,
        size: TreeSize,
        now_us: i64,
    ) -> Result<Chunk, ArchiveError> {
        let mut writer = ChunkWriter::default();
        let mut list = String::new();
        let mut at = first;
        // Chunks end at full bundles, wherever one was tried before.
        while at < end
            && writer.leaves() < self.limits.leaves.max(1)
            && writer.raw_bytes() < self.limits.chunk_bytes
        {
            let stop = (at.0 - at.0 % READ_LEAVES).saturating_add(READ_LEAVES);
            let next = LeafIndex(stop.min(end.0));
            for (leaf, index) in self.log.leaves(at..next, size)?.iter().zip(at.0..) {
                let pushed = writer.push(leaf);
                pushed.map_err(|_| ArchiveError::NoCheckpoint)?;
                self.blobs_of(leaf, LeafIndex(index), &mut list, now_us)?;
            }
            at = next;
        }
        let range = first..at;
        let leaves = self.keep(
            set,
            Kind::Leaves,
            &range,
            &Bytes::from(writer.compress()?),
            Some(writer.raw_bytes()),
            now_us,
        )?;
        let mut chunk = Chunk::new(&range, leaves);
        let tiles = self.tiles(&range)?;
        if !tiles.is_empty() {
            chunk.tiles =
                Some(self.keep(set, Kind::Tiles, &range, &Bytes::from(tiles), None, now_us)?);
        }
        if let Some(rows) = self.rows.as_mut().and_then(|rows| rows(range.clone())) {
            chunk.rows =
                Some(self.keep(set, Kind::Rows, &range, &Bytes::from(rows), None, now_us)?);
        }
        if !list.is_empty() {
            let packed = chunk::pack(list.as_bytes())?;
            let raw = u64::try_from(list.len()).unwrap_or(u64::MAX);
            chunk.blobs = Some(self.keep(
                set,
                Kind::Blobs,
                &range,
                &Bytes::from(packed),
                Some(raw),
                now_us,
            )?);
        }
        Ok(chunk)
    }

    fn tiles(&self, range: &Range<LeafIndex>) -> Result<Vec<u8>, ArchiveError> {
        let mut out = Vec::new();
        for tile in tiles::completed(range) {
            let path = tile.path();
            let bytes = affiant_log::store::ReadObjects::get(&self.log, &path);
            let bytes = bytes.map_err(affiant_log::ReadLogError::Store)?;
            let bytes = bytes.filter(|bytes| bytes.len() == tiles::TILE_BYTES);
            let damaged = || affiant_log::store::StoreError::Damaged { name: path };
            let bytes = bytes.ok_or_else(|| affiant_log::ReadLogError::Store(damaged()))?;
            out.extend_from_slice(&bytes);
        }
        Ok(out)
    }

    /// Archives the blobs that a leaf names, and notes them and those it says were erased.
    fn blobs_of(
        &mut self,
        leaf: &[u8],
        index: LeafIndex,
        list: &mut String,
        now_us: i64,
    ) -> Result<(), ArchiveError> {
        for blob in self.blobs.erased_by(leaf) {
            list.push_str(&format!("erased {} {index}\n", hex::encode(blob)));
        }
        for blob in self.blobs.named_by(leaf) {
            let name = hex::encode(blob);
            let read = self
                .blobs
                .read(&blob)
                .map_err(|source| ArchiveError::Blob {
                    blob: name.clone(),
                    leaf: index,
                    source,
                })?;
            // What is damaged here is not archived under a name that it does not have.
            let Some(bytes) = read.filter(|bytes| digest(bytes) == blob) else {
                list.push_str(&format!("absent {name} {index}\n"));
                continue;
            };
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            if length > OBJECT_BYTES_MAX {
                return Err(ArchiveError::BlobTooLong {
                    blob: name,
                    bytes: length,
                });
            }
            list.push_str(&format!("blob {name} {index} {length}\n"));
            let key = Key::blob(&blob);
            if self.objects.create(&key, bytes.into())? == Created::New {
                self.count(length);
            }
            self.read_back(&key, length, |back| digest(back) == blob, now_us)?;
        }
        Ok(())
    }

    /// Creates an object of a set under the first of its names that is free, or has these bytes.
    fn keep(
        &mut self,
        set: u64,
        kind: Kind,
        range: &Range<LeafIndex>,
        bytes: &Bytes,
        raw_bytes: Option<u64>,
        now_us: i64,
    ) -> Result<Stored, ArchiveError> {
        for attempt in 1..=ATTEMPTS_MAX {
            let key = Key::object(set, kind, range, attempt);
            let stored = Stored::of(&key, bytes, raw_bytes);
            let created = self.objects.create(&key, bytes.clone())?;
            if created == Created::New {
                self.count(stored.bytes);
            }
            match self.read_back(&key, stored.bytes, |back| stored.is(back), now_us) {
                Ok(()) => return Ok(stored),
                Err(ArchiveError::ReadBack { .. }) if created == Created::Exists => {}
                Err(error) => return Err(error),
            }
        }
        let key = Key::object(set, kind, range, 1);
        Err(ArchiveError::Occupied { key })
    }

    /// The manifest has one name: whoever finds it taken lost to another writer, or to its own retry.
    fn commit(&mut self, manifest: &Manifest, now_us: i64) -> Result<[u8; 32], ArchiveError> {
        let key = Key::manifest(manifest.set);
        let bytes = manifest.to_bytes();
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if length > MANIFEST_BYTES_MAX {
            return Err(ArchiveError::Store(crate::store::StoreError::TooLong {
                key,
                bytes: length,
                bytes_max: MANIFEST_BYTES_MAX,
            }));
        }
        let hash = digest(&bytes);
        let created = self.objects.create(&key, bytes.into())?;
        match self.read_back(
            &key,
            MANIFEST_BYTES_MAX,
            |back| digest(back) == hash,
            now_us,
        ) {
            Ok(()) => {}
            Err(ArchiveError::ReadBack { key }) if created == Created::Exists => {
                return Err(ArchiveError::Occupied { key });
            }
            Err(error) => return Err(error),
        }
        self.count(length);
        Ok(hash)
    }

    fn read_back(
        &self,
        key: &Key,
        bytes_max: u64,
        is_right: impl Fn(&[u8]) -> bool,
        now_us: i64,
    ) -> Result<(), ArchiveError> {
        let back = match self.objects.get(key, None, bytes_max) {
            Err(crate::store::StoreError::TooLong { .. }) => None,
            back => back?,
        };
        if !back.is_some_and(|back| is_right(&back)) {
            return Err(ArchiveError::ReadBack { key: key.clone() });
        }
        match self.limits.lock {
            Some(wanted) => Reader::new(&*self.objects).locked(key, wanted, now_us),
            None => Ok(()),
        }
    }

    const fn count(&mut self, bytes: u64) {
        self.written.0 = self.written.0.saturating_add(1);
        self.written.1 = self.written.1.saturating_add(bytes);
    }
}

impl std::fmt::Debug for Archiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Archiver({}, {} leaves)", self.origin, self.end())
    }
}
