//! Blobs of a spool that is being written: stored durably, and counted.

use std::io;

use super::{Room, Spool, is_full, to_u64};
use crate::blob::{self, BlobId};
use crate::error::{BlobError, FullReason};
use crate::storage::Storage;

impl Spool {
    /// Stores a blob under the SHA-256 of its content, durably; returns false if it was there with
    /// this content already. One with other content (a damaged one) is replaced.
    ///
    /// Does not check that the content fits the name.
    ///
    /// # Errors
    ///
    /// See [`BlobError`].
    pub fn put_blob(&mut self, id: BlobId, content: &[u8]) -> Result<bool, BlobError> {
        let failed = |source| BlobError::Storage { id, source };
        let bytes_needed = to_u64(content.len());
        let old = blob::len(&*self.storage, &self.dir, id).map_err(failed)?;
        if old == Some(bytes_needed) {
            let found = blob::read(&*self.storage, &self.dir, id).map_err(failed)?;
            if found.as_deref() == Some(content) {
                blob::sync(&*self.storage, &self.dir).map_err(failed)?;
                return Ok(false);
            }
        }
        if bytes_needed > self.available(Room::Ordinary) {
            return Err(self.blob_full(FullReason::Quota, bytes_needed));
        }
        match blob::write(&*self.storage, &self.dir, id, content) {
            Err(error) if is_full(&error) => {
                return Err(self.blob_full(FullReason::Disk, bytes_needed));
            }
            written => written.map_err(failed)?,
        }
        let others = self.blob_bytes.saturating_sub(old.unwrap_or_default());
        self.blob_bytes = others.saturating_add(bytes_needed);
        Ok(true)
    }

    /// The content of a blob, or `None` if there is none of that name.
    ///
    /// # Errors
    ///
    /// [`BlobError::Storage`] if the disk refuses.
    pub fn read_blob(&self, id: BlobId) -> Result<Option<Vec<u8>>, BlobError> {
        blob::read(&*self.storage, &self.dir, id)
            .map_err(|source| BlobError::Storage { id, source })
    }

    /// Removes a blob, durably; returns false if there was none.
    ///
    /// # Errors
    ///
    /// [`BlobError::Storage`] if the disk refuses.
    pub fn remove_blob(&mut self, id: BlobId) -> Result<bool, BlobError> {
        let failed = |source| BlobError::Storage { id, source };
        let bytes = blob::len(&*self.storage, &self.dir, id).map_err(failed)?;
        let removed = blob::remove(&*self.storage, &self.dir, id).map_err(failed)?;
        self.blob_bytes = self.blob_bytes.saturating_sub(bytes.unwrap_or_default());
        Ok(removed)
    }

    /// Removes blobs, with one sync for all of them; returns how many were there.
    ///
    /// # Errors
    ///
    /// [`BlobError::Storage`] names the blob at which the disk refused; those before it are gone.
    pub fn remove_blobs(&mut self, ids: &[BlobId]) -> Result<u64, BlobError> {
        let mut removed = 0_u64;
        for &id in ids {
            let failed = |source| BlobError::Storage { id, source };
            let bytes = blob::len(&*self.storage, &self.dir, id).map_err(failed)?;
            if blob::remove_unsynced(&*self.storage, &self.dir, id).map_err(failed)? {
                self.blob_bytes = self.blob_bytes.saturating_sub(bytes.unwrap_or_default());
                removed = removed.saturating_add(1);
            }
        }
        if let Some(&id) = ids.last().filter(|_| removed > 0) {
            blob::sync(&*self.storage, &self.dir)
                .map_err(|source| BlobError::Storage { id, source })?;
        }
        Ok(removed)
    }

    fn blob_full(&self, reason: FullReason, bytes_needed: u64) -> BlobError {
        let (bytes_used, bytes_max) = (self.bytes_used(), self.options.bytes_max);
        BlobError::Full {
            reason,
            bytes_needed,
            bytes_used,
            bytes_max,
        }
    }
}

/// What the blobs of a spool take up.
pub(super) fn blob_bytes(storage: &dyn Storage, dir: &std::path::Path) -> io::Result<u64> {
    let mut bytes = 0_u64;
    for id in blob::ids(storage, dir)? {
        bytes = bytes.saturating_add(blob::len(storage, dir, id)?.unwrap_or_default());
    }
    Ok(bytes)
}
