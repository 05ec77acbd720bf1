//! Blobs: payloads too large for a frame, in files named by the SHA-256 of their content.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::catalog::{self, TEMPORARY_SUFFIX};
use crate::storage::Storage;

/// The SHA-256 of a blob's content, which is its name.
///
/// The caller computes it. The spool does not check that it fits the content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId([u8; 32]);

impl BlobId {
    /// Wraps a SHA-256 digest.
    #[must_use]
    pub const fn new(sha256: [u8; 32]) -> Self {
        Self(sha256)
    }

    /// The digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 lowercase hex digits; `None` for anything else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let mut digest = [0; 32];
        for (index, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
        }
        Some(Self(digest))
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

pub(crate) const BLOB_DIR: &str = "blobs";

/// The ids of the blobs in a spool, in order. Files with other names are left out.
pub(crate) fn ids(storage: &dyn Storage, dir: &Path) -> io::Result<Vec<BlobId>> {
    let names = catalog::list(storage, &dir.join(BLOB_DIR))?;
    let mut ids: Vec<_> = names
        .iter()
        .filter_map(|name| BlobId::from_hex(name))
        .collect();
    ids.sort();
    Ok(ids)
}

/// A blob's size in bytes, if it is there.
pub(crate) fn len(storage: &dyn Storage, dir: &Path, id: BlobId) -> io::Result<Option<u64>> {
    optional(
        storage
            .open_read(&path(dir, id))
            .and_then(|file| file.len_bytes()),
    )
}

/// A blob's content, if it is there.
pub(crate) fn read(storage: &dyn Storage, dir: &Path, id: BlobId) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = optional(storage.open_read(&path(dir, id)))? else {
        return Ok(None);
    };
    let mut content = vec![0; usize::try_from(file.len_bytes()?).unwrap_or(usize::MAX)];
    let read = file.read_at(&mut content, 0)?;
    content.truncate(read);
    Ok(Some(content))
}

/// Writes a blob, durably and in whole or not at all, replacing one with other content.
pub(crate) fn write(
    storage: &dyn Storage,
    dir: &Path,
    id: BlobId,
    content: &[u8],
) -> io::Result<()> {
    let blobs = dir.join(BLOB_DIR);
    storage.create_dir_all(&blobs)?;
    let temporary = blobs.join(format!("{id}{TEMPORARY_SUFFIX}"));
    let result = storage.create(&temporary).and_then(|file| {
        file.write_all_at(content, 0)?;
        file.sync_data()?;
        storage.rename(&temporary, &path(dir, id))?;
        storage.sync_dir(&blobs)
    });
    if result.is_err() {
        // What matters is the first error; a left-over is removed by the next open.
        let _ = storage.remove(&temporary);
    }
    result
}

/// Makes the names of blobs durable again: a blob found may stem from a put that failed late.
pub(crate) fn sync(storage: &dyn Storage, dir: &Path) -> io::Result<()> {
    storage.sync_dir(&dir.join(BLOB_DIR))
}

/// Removes a blob; whether there was one.
pub(crate) fn remove(storage: &dyn Storage, dir: &Path, id: BlobId) -> io::Result<bool> {
    let removed = remove_unsynced(storage, dir, id)?;
    if removed {
        sync(storage, dir)?;
    }
    Ok(removed)
}

/// Removes a blob; a power loss may bring it back until the next [`sync`].
pub(crate) fn remove_unsynced(storage: &dyn Storage, dir: &Path, id: BlobId) -> io::Result<bool> {
    Ok(optional(storage.remove(&path(dir, id)))?.is_some())
}

fn path(dir: &Path, id: BlobId) -> PathBuf {
    dir.join(BLOB_DIR).join(id.to_string())
}

fn optional<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_name_is_64_lowercase_hex_digits_and_nothing_else() {
        let id = BlobId::new([0xa5; 32]);
        assert_eq!(BlobId::from_hex(&id.to_string()), Some(id));
        for text in [
            "",
            "a5",
            &"A5".repeat(32),
            &"a5".repeat(33),
            &"é5".repeat(21),
        ] {
            assert_eq!(BlobId::from_hex(text), None, "{text}");
        }
    }
}
