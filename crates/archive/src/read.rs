//! Reading objects back: by their hash, from whichever version has it.

use affiant_tlog::Note;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::ArchiveError;
use crate::key::Key;
use crate::manifest::{Chunk, MANIFEST_BYTES_MAX, Manifest, Stored, digest, hash_of};
use crate::origin::About;
use crate::store::{LockMode, Objects};

/// What is wrong with an object of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The object.
    pub key: String,
    /// What is wrong.
    pub problem: Problem,
    /// In words: the version that was found, or the lock.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// The ways in which an object can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Problem {
    /// Hidden by a newer version or a delete marker; an older version has the right bytes.
    Shadowed,
    /// Not locked as the configuration asks for; its bytes are right.
    Unlocked,
    /// There, with other bytes in every version.
    Changed,
    /// In no version there.
    Missing,
    /// The store answers, but cannot give this object.
    Unreadable,
    /// A manifest that is none, or does not follow from the one before.
    Broken,
    /// The newest set known is gone: an older archive was put in its place.
    RolledBack,
}

impl Problem {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Shadowed,
        Self::Unlocked,
        Self::Changed,
        Self::Missing,
        Self::Unreadable,
        Self::Broken,
        Self::RolledBack,
    ];

    /// As it stands in JSON and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shadowed => "shadowed",
            Self::Unlocked => "unlocked",
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
            Self::Broken => "broken",
            Self::RolledBack => "rolled-back",
        }
    }

    /// Whether the bytes can still be had.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        matches!(self, Self::Shadowed | Self::Unlocked)
    }
}

/// Reads an archive, and remembers what it found hidden.
pub struct Reader<'o> {
    objects: &'o dyn Objects,
    findings: Vec<Finding>,
}

/// How the bytes of an object are known.
#[derive(Debug, Clone, Copy)]
enum Wanted<'w> {
    /// As a manifest says.
    Stored(&'w Stored),
    /// By their hash alone.
    Hash(&'w [u8; 32]),
}

impl Wanted<'_> {
    fn fits(self, bytes: &[u8]) -> bool {
        match self {
            Self::Stored(stored) => stored.is(bytes),
            Self::Hash(hash) => digest(bytes) == *hash,
        }
    }
}

impl<'o> Reader<'o> {
    /// Reads from a store.
    #[must_use]
    pub fn new(objects: &'o dyn Objects) -> Self {
        Self {
            objects,
            findings: Vec::new(),
        }
    }

    /// What was found hidden so far, and forgets it.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    /// An object as its manifest says.
    ///
    /// # Errors
    /// [`ArchiveError::Missing`], [`ArchiveError::Changed`] where no version is right.
    pub fn object(&mut self, stored: &Stored) -> Result<Bytes, ArchiveError> {
        self.wanted(&stored.key(), Wanted::Stored(stored), stored.bytes)
    }

    /// A blob by its hash.
    ///
    /// # Errors
    /// [`ArchiveError::Missing`], [`ArchiveError::Changed`] where no version is right.
    pub fn blob(&mut self, hash: &[u8; 32]) -> Result<Bytes, ArchiveError> {
        let key = Key::blob(hash);
        self.wanted(&key, Wanted::Hash(hash), crate::manifest::OBJECT_BYTES_MAX)
    }

    /// What the archive says of itself, from its oldest version; `None` where there is none.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn about(&mut self) -> Result<Option<About>, ArchiveError> {
        let Some((about, hiding)) = About::find(self.objects)? else {
            return Ok(None);
        };
        if let Some(hiding) = hiding {
            let detail = format!("version {} hides the first", hiding.id);
            self.found(&Key::about(), Problem::Shadowed, detail);
        }
        Ok(Some(about))
    }

    fn wanted(
        &mut self,
        key: &Key,
        wanted: Wanted<'_>,
        bytes_max: u64,
    ) -> Result<Bytes, ArchiveError> {
        let newest = self.read(key, None, bytes_max)?;
        if let Some(bytes) = newest.bytes.filter(|bytes| wanted.fits(bytes)) {
            return Ok(bytes);
        }
        let mut there = newest.there;
        for version in self.objects.versions(key)? {
            if version.is_delete_marker {
                continue;
            }
            let found = self.read(key, Some(&version), bytes_max)?;
            there |= found.there;
            if let Some(bytes) = found.bytes.filter(|bytes| wanted.fits(bytes)) {
                let detail = format!("version {} has the right bytes", version.id);
                self.found(key, Problem::Shadowed, detail);
                return Ok(bytes);
            }
        }
        let key = key.clone();
        Err(match there {
            true => ArchiveError::Changed { key },
            false => ArchiveError::Missing { key },
        })
    }

    /// Too long is other bytes.
    fn read(
        &self,
        key: &Key,
        version: Option<&crate::store::Version>,
        bytes_max: u64,
    ) -> Result<Read, ArchiveError> {
        match self.objects.get(key, version, bytes_max) {
            Ok(bytes) => Ok(Read {
                there: bytes.is_some(),
                bytes,
            }),
            Err(crate::store::StoreError::TooLong { .. }) => Ok(Read {
                there: true,
                bytes: None,
            }),
            Err(error) => Err(error.into()),
        }
    }

    fn found(&mut self, key: &Key, problem: Problem, detail: String) {
        self.findings.push(Finding {
            key: key.as_str().to_owned(),
            problem,
            detail,
        });
    }

    /// The manifest of a set that follows `before`: the newest version that does. `None` if there is none
    /// in any version.
    ///
    /// # Errors
    /// [`ArchiveError::Manifest`] where what is there is none, or does not follow.
    pub fn manifest(
        &mut self,
        set: u64,
        before: Option<&(Manifest, [u8; 32])>,
    ) -> Result<Option<(Manifest, [u8; 32])>, ArchiveError> {
        let key = Key::manifest(set);
        let judge = |bytes: &[u8]| {
            let manifest = Manifest::parse(set, bytes)?;
            if let Some((before, hash)) = before {
                manifest.follows(before, hash)?;
            }
            Ok((manifest, digest(bytes)))
        };
        self.judged(&key, judge)
    }

    /// The manifest with this hash.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn manifest_of_hash(
        &mut self,
        set: u64,
        hash: &[u8; 32],
    ) -> Result<Manifest, ArchiveError> {
        let key = Key::manifest(set);
        let bytes = self.wanted(&key, Wanted::Hash(hash), MANIFEST_BYTES_MAX)?;
        Manifest::parse(set, &bytes).map_err(|source| ArchiveError::Manifest { key, source })
    }

    fn judged<T>(
        &mut self,
        key: &Key,
        judge: impl Fn(&[u8]) -> Result<T, crate::error::ManifestError>,
    ) -> Result<Option<T>, ArchiveError> {
        let mut wrong = None;
        let newest = self.objects.get(key, None, MANIFEST_BYTES_MAX)?;
        match newest.as_deref().map(&judge) {
            Some(Ok(good)) => return Ok(Some(good)),
            Some(Err(error)) => wrong = Some(error),
            None => {}
        }
        for version in self.objects.versions(key)? {
            if version.is_delete_marker {
                continue;
            }
            let bytes = self.objects.get(key, Some(&version), MANIFEST_BYTES_MAX)?;
            match bytes.as_deref().map(&judge) {
                Some(Ok(good)) => {
                    let detail = format!("version {} is the manifest", version.id);
                    self.found(key, Problem::Shadowed, detail);
                    return Ok(Some(good));
                }
                Some(Err(error)) => wrong = wrong.or(Some(error)),
                None => {}
            }
        }
        match wrong {
            None => Ok(None),
            Some(source) => Err(ArchiveError::Manifest {
                key: key.clone(),
                source,
            }),
        }
    }

    /// The signed note of a set; its text is the checkpoint that the manifest names. Whether somebody
    /// trusted signed it is for the caller.
    ///
    /// # Errors
    /// [`ArchiveError::Checkpoint`].
    pub fn note(&mut self, manifest: &Manifest) -> Result<(Note, Bytes), ArchiveError> {
        let bytes = self.object(&manifest.checkpoint)?;
        let wrong = || ArchiveError::Checkpoint { set: manifest.set };
        let note = Note::parse(&bytes).map_err(|_| wrong())?;
        let checkpoint = affiant_tlog::Checkpoint::parse(note.text()).map_err(|_| wrong())?;
        let fits = checkpoint.origin.as_str() == manifest.log
            && checkpoint.size == manifest.size()
            && checkpoint.root == manifest.root();
        if fits {
            Ok((note, bytes))
        } else {
            Err(wrong())
        }
    }

    /// The blobs that were archived with a chunk.
    ///
    /// # Errors
    /// [`ArchiveError`] where the list cannot be read.
    pub fn blobs_of(&mut self, chunk: &Chunk) -> Result<Vec<[u8; 32]>, ArchiveError> {
        let Some(list) = &chunk.blobs else {
            return Ok(Vec::new());
        };
        let packed = self.object(list)?;
        let raw = crate::chunk::unpack(list, &packed)?;
        let text = String::from_utf8_lossy(&raw);
        let named = text.lines().filter_map(|line| line.strip_prefix("blob "));
        let names = named.filter_map(|rest| hash_of(rest.split(' ').next()?));
        Ok(names.collect())
    }

    /// Whether an object's lock is as asked for.
    ///
    /// # Errors
    /// [`ArchiveError::Unlocked`], [`ArchiveError::Missing`].
    pub fn locked(&self, key: &Key, wanted: LockMode, now_us: i64) -> Result<(), ArchiveError> {
        let lock = self.objects.lock(key, None)?;
        let lock = lock.ok_or_else(|| ArchiveError::Missing { key: key.clone() })?;
        if lock.holds(wanted, now_us) {
            return Ok(());
        }
        Err(ArchiveError::Unlocked {
            key: key.clone(),
            wanted: wanted.name().to_owned(),
            found: lock.to_string(),
        })
    }
}

struct Read {
    there: bool,
    bytes: Option<Bytes>,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader({} findings)", self.findings.len())
    }
}
