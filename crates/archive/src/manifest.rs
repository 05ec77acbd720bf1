//! The manifest of a set: what it holds, byte for byte, and what came before.

use std::ops::Range;

use affiant_tlog::{Hash, LeafIndex, TreeSize};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::ManifestError;
use crate::key::{Key, Kind};

/// The longest manifest, bytes: some 16,000 chunks, a thousand million leaves.
pub const MANIFEST_BYTES_MAX: u64 = 32 << 20;
/// The longest object that a manifest may name, bytes.
pub const OBJECT_BYTES_MAX: u64 = 256 << 20;
/// The largest integer that every JSON reader holds.
const INTEGER_MAX: u64 = (1 << 53) - 1;
const VERSION: u64 = 1;

/// What a set holds (docs/spec/archive.md, "The manifest").
///
/// [`Manifest::parse`] gives only such as keep its rules: ranges without holes, keys that are the names of
/// what they hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    v: u64,
    /// Number of the set, from 0 without holes.
    pub set: u64,
    /// Origin of the log.
    pub log: String,
    first: u64,
    end: u64,
    root: String,
    /// SHA-256 of the manifest before, hex; `null` in the first.
    pub previous: Option<String>,
    /// When it was written, RFC 3339; nobody vouches for it.
    pub created: String,
    /// The leaves, in order.
    pub chunks: Vec<Chunk>,
    /// The note whose tree ends where the set ends.
    pub checkpoint: Stored,
}

/// A run of leaves with all that is kept of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunk {
    first: u64,
    end: u64,
    /// The leaves.
    pub leaves: Stored,
    /// Full tiles that became full with them, if any did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiles: Option<Stored>,
    /// The leaves as rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Stored>,
    /// Which blobs they name, if they name any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blobs: Option<Stored>,
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    key: String,
    /// Its length.
    pub bytes: u64,
    sha256: String,
    /// Its length before compression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_bytes: Option<u64>,
}

impl Stored {
    /// What is said of these bytes under a key.
    #[must_use]
    pub fn of(key: &Key, bytes: &[u8], raw_bytes: Option<u64>) -> Self {
        Self {
            key: key.as_str().to_owned(),
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            sha256: digest_hex(bytes),
            raw_bytes,
        }
    }

    /// Where it lies.
    ///
    /// # Panics
    /// Never, for what [`Manifest::parse`] or [`Stored::of`] gave.
    #[must_use]
    pub fn key(&self) -> Key {
        Key::parse(&self.key).unwrap_or_else(|_| Key::about())
    }

    /// SHA-256 of its bytes.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        hash_of(&self.sha256).unwrap_or_default()
    }

    /// Whether these are its bytes.
    #[must_use]
    pub fn is(&self, bytes: &[u8]) -> bool {
        u64::try_from(bytes.len()) == Ok(self.bytes) && digest_hex(bytes) == self.sha256
    }

    fn check(
        &self,
        member: &'static str,
        set: u64,
        kind: Kind,
        range: &Range<LeafIndex>,
    ) -> Result<(), ManifestError> {
        let wrong = ManifestError::Value { member };
        let key = Key::parse(&self.key).map_err(|_| wrong.clone())?;
        let packed = matches!(kind, Kind::Leaves | Kind::Blobs);
        let lengths = self.bytes <= OBJECT_BYTES_MAX
            && self.raw_bytes.is_some() == packed
            && self.raw_bytes.is_none_or(|raw| raw <= OBJECT_BYTES_MAX);
        if key.names(set, kind, range) && lengths && hash_of(&self.sha256).is_some() {
            return Ok(());
        }
        Err(wrong)
    }
}

impl Chunk {
    /// A chunk of these leaves.
    #[must_use]
    pub const fn new(range: &Range<LeafIndex>, leaves: Stored) -> Self {
        Self {
            first: range.start.0,
            end: range.end.0,
            leaves,
            tiles: None,
            rows: None,
            blobs: None,
        }
    }

    /// Its leaves.
    #[must_use]
    pub const fn range(&self) -> Range<LeafIndex> {
        LeafIndex(self.first)..LeafIndex(self.end)
    }

    /// All its objects.
    pub fn objects(&self) -> impl Iterator<Item = (Kind, &Stored)> {
        [
            (Kind::Leaves, Some(&self.leaves)),
            (Kind::Tiles, self.tiles.as_ref()),
            (Kind::Rows, self.rows.as_ref()),
            (Kind::Blobs, self.blobs.as_ref()),
        ]
        .into_iter()
        .filter_map(|(kind, stored)| Some((kind, stored?)))
    }
}

/// What a new manifest is made from.
pub(crate) struct Parts {
    pub(crate) set: u64,
    pub(crate) log: String,
    pub(crate) range: Range<LeafIndex>,
    pub(crate) root: Hash,
    pub(crate) previous: Option<[u8; 32]>,
    pub(crate) created: String,
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) checkpoint: Stored,
}

impl Manifest {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            v: VERSION,
            set: parts.set,
            log: parts.log,
            first: parts.range.start.0,
            end: parts.range.end.0,
            root: parts.root.to_base64(),
            previous: parts.previous.map(hex::encode),
            created: parts.created,
            chunks: parts.chunks,
            checkpoint: parts.checkpoint,
        }
    }

    /// Its file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads the manifest of a set; strict.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn parse(set: u64, bytes: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Version {
            v: u64,
        }
        let syntax = |error: serde_json::Error| ManifestError::Syntax {
            problem: error.to_string(),
        };
        let version: Version = serde_json::from_slice(bytes).map_err(syntax)?;
        if version.v != VERSION {
            return Err(ManifestError::Version { found: version.v });
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(syntax)?;
        manifest.check(set)?;
        Ok(manifest)
    }

    fn check(&self, set: u64) -> Result<(), ManifestError> {
        let member = |good: bool, member| match good {
            true => Ok(()),
            false => Err(ManifestError::Value { member }),
        };
        member(self.set == set, "set")?;
        member(self.first < self.end && self.end <= INTEGER_MAX, "end")?;
        member((set == 0) == (self.first == 0), "first")?;
        member(Hash::from_base64(&self.root).is_ok(), "root")?;
        let previous = self.previous.as_deref().map(|text| hash_of(text).is_some());
        member(previous == (set > 0).then_some(true), "previous")?;
        let mut at = self.first;
        for chunk in &self.chunks {
            member(chunk.first == at && chunk.end > at, "chunks")?;
            at = chunk.end;
            let range = chunk.range();
            for (kind, stored) in chunk.objects() {
                stored.check("chunks", set, kind, &range)?;
            }
        }
        member(at == self.end, "chunks")?;
        self.checkpoint
            .check("checkpoint", set, Kind::Checkpoint, &self.range())
    }

    /// Whether it is the next behind `before`, whose file has this hash.
    ///
    /// # Errors
    /// [`ManifestError::Chain`].
    pub fn follows(&self, before: &Self, hash: &[u8; 32]) -> Result<(), ManifestError> {
        let next = self.set == before.set.saturating_add(1)
            && self.first == before.end
            && self.log == before.log
            && self.previous.as_deref().and_then(hash_of) == Some(*hash);
        match next {
            true => Ok(()),
            false => Err(ManifestError::Chain { before: before.set }),
        }
    }

    /// Its leaves.
    #[must_use]
    pub const fn range(&self) -> Range<LeafIndex> {
        LeafIndex(self.first)..LeafIndex(self.end)
    }

    /// Size of the log's tree behind it.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        TreeSize(self.end)
    }

    /// Root of that tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        Hash::from_base64(&self.root).unwrap_or(Hash([0; 32]))
    }

    /// All its objects but itself and blobs.
    pub fn objects(&self) -> impl Iterator<Item = (Kind, &Stored)> {
        let chunks = self.chunks.iter().flat_map(Chunk::objects);
        chunks.chain([(Kind::Checkpoint, &self.checkpoint)])
    }
}

/// SHA-256 of bytes.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn digest_hex(bytes: &[u8]) -> String {
    hex::encode(digest(bytes))
}

/// 64 lowercase hex digits.
pub(crate) fn hash_of(text: &str) -> Option<[u8; 32]> {
    let hash: [u8; 32] = hex::decode(text).ok()?.try_into().ok()?;
    (hex::encode(hash) == text).then_some(hash)
}
