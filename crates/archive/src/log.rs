//! An archive read as a log in the tlog-tiles layout, so that whatever verifies or proves from a log does so
//! from its archive.

use std::sync::{Arc, Mutex, PoisonError};

use affiant_log::store::{ReadObjects, StoreError};
use affiant_tlog::tile::{BundleId, LogPath, TileId};
use affiant_tlog::{TreeSize, bundle};
use bytes::Bytes;

use crate::chunk;
use crate::error::ArchiveError;
use crate::manifest::{Chunk, Manifest};
use crate::origin::About;
use crate::read::{Finding, Reader};
use crate::store::Objects;
use crate::tiles;

/// The log of an archive: its checkpoint is that of the newest set.
///
/// Full tiles are those that the archive holds; partial ones are made from what lies below them. What comes
/// out is as good as the store: check it against the checkpoint, as with any log.
pub struct ArchivedLog {
    objects: Arc<dyn Objects>,
    about: About,
    /// Chunks of all sets, in order.
    chunks: Vec<Chunk>,
    size: TreeSize,
    checkpoint: Bytes,
    /// The chunks read last.
    leaves: Mutex<Cache<Arc<Unpacked>>>,
    tiles: Mutex<Cache<Bytes>>,
    findings: Mutex<Vec<Finding>>,
}

/// The objects read last, by the first leaf of their chunk; newest last.
struct Cache<T> {
    kept: Vec<(u64, T)>,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self { kept: Vec::new() }
    }
}

/// The leaves of a chunk, each behind its length: a bundle is a piece of them.
struct Unpacked {
    raw: Vec<u8>,
    /// Where each leaf begins, and where the last one ends.
    starts: Vec<usize>,
}

/// Objects of a kind that are kept in memory.
const CACHED_MAX: usize = 4;

impl ArchivedLog {
    /// Reads all manifests, each of which must follow from the one before, and the newest checkpoint.
    ///
    /// # Errors
    /// [`ArchiveError`]; [`ArchiveError::NotAnArchive`] where there is none.
    pub fn open(objects: Arc<dyn Objects>) -> Result<Self, ArchiveError> {
        let mut reader = Reader::new(&*objects);
        let about = reader.about()?.ok_or(ArchiveError::NotAnArchive)?;
        let mut chunks = Vec::new();
        let mut at: Option<(Manifest, [u8; 32])> = None;
        loop {
            let next = at
                .as_ref()
                .map_or(0, |(manifest, _)| manifest.set.saturating_add(1));
            let Some((manifest, hash)) = reader.manifest(next, at.as_ref())? else {
                break;
            };
            if manifest.log != about.log {
                return Err(ArchiveError::OtherLog {
                    expected: about.log,
                    found: manifest.log,
                });
            }
            chunks.extend(manifest.chunks.iter().cloned());
            at = Some((manifest, hash));
        }
        let beyond = objects.sets()?.into_iter().max();
        let (manifest, _) = at.ok_or(ArchiveError::NotAnArchive)?;
        if let Some(later) = beyond.filter(|set| *set > manifest.set.saturating_add(1)) {
            let key = crate::key::Key::manifest(manifest.set.saturating_add(1));
            tracing::error!(%key, later, "a set is missing before a later one");
            return Err(ArchiveError::Missing { key });
        }
        let (_, checkpoint) = reader.note(&manifest)?;
        let findings = reader.take_findings();
        Ok(Self {
            about,
            size: manifest.size(),
            objects,
            chunks,
            checkpoint,
            leaves: Mutex::default(),
            tiles: Mutex::default(),
            findings: Mutex::new(findings),
        })
    }

    /// What the archive says of itself.
    #[must_use]
    pub const fn about(&self) -> &About {
        &self.about
    }

    /// Leaves archived.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.size
    }

    /// Bytes of the leaves before compression.
    #[must_use]
    pub fn leaf_bytes(&self) -> u64 {
        let raw = self
            .chunks
            .iter()
            .filter_map(|chunk| chunk.leaves.raw_bytes);
        raw.fold(0, u64::saturating_add)
    }

    /// What was found hidden while reading, and forgets it.
    #[must_use]
    pub fn take_findings(&self) -> Vec<Finding> {
        std::mem::take(&mut self.findings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A blob by its hash; `None` if it is not there.
    ///
    /// # Errors
    /// [`ArchiveError::Changed`], and what the store fails with.
    pub fn blob(&self, hash: &[u8; 32]) -> Result<Option<Bytes>, ArchiveError> {
        self.read(|reader| match reader.blob(hash) {
            Err(ArchiveError::Missing { .. }) => Ok(None),
            blob => blob.map(Some),
        })
    }

    /// The bytes of a file of the log, `None` where the log has no such file.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn file(&self, path: LogPath) -> Result<Option<Vec<u8>>, ArchiveError> {
        match path {
            LogPath::Checkpoint => Ok(Some(self.checkpoint.to_vec())),
            LogPath::Bundle(id) if BundleId::in_tree(id.index(), self.size) == Some(id) => {
                self.bundle(id).map(Some)
            }
            LogPath::Tile(id) if TileId::in_tree(id.level(), id.index(), self.size) == Some(id) => {
                self.tile(id)
            }
            LogPath::Bundle(_) | LogPath::Tile(_) => Ok(None),
        }
    }

    fn bundle(&self, id: BundleId) -> Result<Vec<u8>, ArchiveError> {
        let first = id.first_entry().0;
        let end = first.saturating_add(u64::from(id.width()));
        let mut file = Vec::new();
        let mut at = first;
        while at < end {
            // Bundles at the end of a set go on in the next one.
            let chunk = self.chunk_with(at)?;
            let range = chunk.range();
            let leaves = self.unpacked(chunk)?;
            let place = |leaf: u64| {
                let number = usize::try_from(leaf - range.start.0).unwrap_or(usize::MAX);
                leaves.starts.get(number).copied().unwrap_or_default()
            };
            let piece = place(at)..place(end.min(range.end.0));
            file.extend_from_slice(leaves.raw.get(piece).unwrap_or_default());
            at = end.min(range.end.0);
        }
        Ok(file)
    }

    fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>, ArchiveError> {
        if id.is_full() {
            return self.full_tile(id).map(Some);
        }
        let mut hashes = Vec::new();
        let first = id.index().saturating_mul(256);
        if id.level() == 0 {
            let Some(bundle) = BundleId::new(id.index(), id.width()) else {
                return Ok(None);
            };
            let file = self.bundle(bundle)?;
            if let Ok(bundle) = bundle::Bundle::parse(bundle, &file) {
                hashes = bundle.leaf_hashes();
            }
        } else {
            for index in first..first.saturating_add(u64::from(id.width())) {
                let below = TileId::new(id.level() - 1, index, 256);
                let Some(below) = below else { return Ok(None) };
                let bytes = self.full_tile(below)?;
                if let Ok(tile) = affiant_tlog::tile::Tile::from_bytes(below, &bytes) {
                    hashes.push(tile.root());
                }
            }
        }
        let tile = affiant_tlog::tile::Tile::new(id.level(), id.index(), hashes);
        Ok(tile
            .filter(|tile| tile.id() == id)
            .map(|tile| tile.to_bytes()))
    }

    fn full_tile(&self, id: TileId) -> Result<Vec<u8>, ArchiveError> {
        let chunk = self.chunk_with(tiles::end_of(id).saturating_sub(1))?;
        let range = chunk.range();
        let missing = || ArchiveError::Missing {
            key: chunk.leaves.key(),
        };
        let at = tiles::offset(&range, id).ok_or_else(missing)?;
        let stored = chunk.tiles.as_ref().ok_or_else(missing)?;
        let bytes = self.cached(&self.tiles, range.start.0, || {
            self.read(|reader| reader.object(stored))
        })?;
        let tile = bytes.get(at..at.saturating_add(tiles::TILE_BYTES));
        tile.map(<[u8]>::to_vec).ok_or_else(missing)
    }

    fn unpacked(&self, chunk: &Chunk) -> Result<Arc<Unpacked>, ArchiveError> {
        self.cached(&self.leaves, chunk.range().start.0, || {
            let packed = self.read(|reader| reader.object(&chunk.leaves))?;
            let raw = chunk::unpack(&chunk.leaves, &packed)?;
            let range = chunk.range();
            let mut starts = vec![0];
            let mut at = 0;
            for leaf in chunk::leaves(&chunk.leaves.key(), range.start, range.end, &raw)? {
                at += 2 + leaf.len();
                starts.push(at);
            }
            Ok(Arc::new(Unpacked { raw, starts }))
        })
    }

    fn chunk_with(&self, leaf: u64) -> Result<&Chunk, ArchiveError> {
        let behind = self
            .chunks
            .partition_point(|chunk| chunk.range().end.0 <= leaf);
        self.chunks.get(behind).ok_or(ArchiveError::NotAnArchive)
    }

    fn cached<T: Clone>(
        &self,
        cache: &Mutex<Cache<T>>,
        key: u64,
        read: impl FnOnce() -> Result<T, ArchiveError>,
    ) -> Result<T, ArchiveError> {
        let held = |cache: &Cache<T>| {
            let found = cache.kept.iter().find(|(at, _)| *at == key);
            found.map(|(_, kept)| kept.clone())
        };
        if let Some(kept) = held(&cache.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(kept);
        }
        let made = read()?;
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.kept.len() >= CACHED_MAX {
            cache.kept.remove(0);
        }
        cache.kept.push((key, made.clone()));
        Ok(made)
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, ArchiveError>,
    ) -> Result<T, ArchiveError> {
        let mut reader = Reader::new(&*self.objects);
        let out = read(&mut reader);
        let mut findings = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        for finding in reader.take_findings() {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        out
    }
}

impl ReadObjects for ArchivedLog {
    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Ok(parsed) = path.parse::<LogPath>() else {
            return Ok(None);
        };
        self.file(parsed).map_err(|error| StoreError::Io {
            operation: "read",
            path: path.to_owned(),
            source: Arc::new(std::io::Error::other(error)),
        })
    }
}

impl std::fmt::Debug for ArchivedLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ArchivedLog({}, {} leaves)", self.about.log, self.size)
    }
}
