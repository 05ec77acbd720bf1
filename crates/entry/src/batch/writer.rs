//! Groups to bytes.

use super::{
    BATCH_BYTES_MAX, BATCH_GROUPS_BYTES_MAX, BATCH_GROUPS_MAX, BATCH_MAGIC, BatchHeader,
    FRAME_HEAD_BYTES, frame,
};
use crate::limits::{ENTRY_BYTES_MAX, GROUP_ENTRIES_MAX};

/// Makes one batch. Whatever it refuses leaves it as it was, ready to be finished.
#[derive(Debug, Clone)]
pub struct BatchWriter {
    bytes: Vec<u8>,
    groups: usize,
    groups_bytes: usize,
}

/// A piece does not belong into this batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchWriteError {
    /// The batch is full: finish it, and put the piece into the next. Never for the first group of a
    /// batch, nor for a blob in a batch that is empty, unless they are too long for any batch.
    #[error("batch is full")]
    Full,
    /// An entry or seal that is empty or longer than an entry may be.
    #[error("entry of {bytes} bytes cannot be sent")]
    Entry {
        /// Its length.
        bytes: usize,
    },
    /// A group without entries, or with more than a seal may cover.
    #[error("group of {entries} entries cannot be sent")]
    Group {
        /// Their number.
        entries: usize,
    },
}

impl BatchWriter {
    /// Begins a batch.
    #[must_use]
    pub fn new(header: &BatchHeader) -> Self {
        let mut bytes = BATCH_MAGIC.to_vec();
        push(&mut bytes, frame::HEADER, &header.to_json());
        Self {
            bytes,
            groups: 0,
            groups_bytes: 0,
        }
    }

    /// Whether a group of so many bytes of entries and seal fits behind what is here. The first group
    /// fits whatever its length, up to [`BATCH_BYTES_MAX`].
    #[must_use]
    pub const fn fits(&self, group_bytes: usize) -> bool {
        self.groups == 0
            || (self.groups < BATCH_GROUPS_MAX
                && self.groups_bytes.saturating_add(group_bytes) <= BATCH_GROUPS_BYTES_MAX)
    }

    /// Adds a blob. It belongs to the next group, or to one of a later batch.
    ///
    /// # Errors
    /// [`BatchWriteError::Full`].
    pub fn blob(&mut self, blob: &[u8]) -> Result<(), BatchWriteError> {
        self.has_room(framed(blob))?;
        push(&mut self.bytes, frame::BLOB, blob);
        Ok(())
    }

    /// Adds a group: its entries in order, and the seal entry that covers them.
    ///
    /// # Errors
    /// [`BatchWriteError`]; the batch is then as if the group had never been offered.
    pub fn group<'a>(
        &mut self,
        entries: impl IntoIterator<Item = &'a [u8]>,
        seal_entry: &[u8],
    ) -> Result<(), BatchWriteError> {
        let begin = self.bytes.len();
        let pushed = self.push_group(entries, seal_entry);
        match pushed {
            Ok(group_bytes) => {
                self.groups = self.groups.saturating_add(1);
                self.groups_bytes = self.groups_bytes.saturating_add(group_bytes);
                Ok(())
            }
            Err(error) => {
                self.bytes.truncate(begin);
                Err(error)
            }
        }
    }

    /// Groups so far.
    #[must_use]
    pub const fn groups(&self) -> usize {
        self.groups
    }

    /// Bytes so far.
    #[must_use]
    pub const fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no group yet: such a batch is a hello.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.groups == 0
    }

    /// The bytes, uncompressed.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Gives the bytes of entries and seal.
    fn push_group<'a>(
        &mut self,
        entries: impl IntoIterator<Item = &'a [u8]>,
        seal_entry: &[u8],
    ) -> Result<usize, BatchWriteError> {
        let (mut count, mut group_bytes) = (0_usize, 0_usize);
        for entry in entries {
            count = count.saturating_add(1);
            if count > GROUP_ENTRIES_MAX {
                return Err(BatchWriteError::Group { entries: count });
            }
            group_bytes = group_bytes.saturating_add(self.push_entry(frame::ENTRY, entry)?);
        }
        if count == 0 {
            return Err(BatchWriteError::Group { entries: 0 });
        }
        group_bytes = group_bytes.saturating_add(self.push_entry(frame::SEAL, seal_entry)?);
        if self.fits(group_bytes) {
            Ok(group_bytes)
        } else {
            Err(BatchWriteError::Full)
        }
    }

    fn push_entry(&mut self, kind: u8, entry: &[u8]) -> Result<usize, BatchWriteError> {
        if entry.is_empty() || entry.len() > ENTRY_BYTES_MAX {
            return Err(BatchWriteError::Entry { bytes: entry.len() });
        }
        self.has_room(framed(entry))?;
        push(&mut self.bytes, kind, entry);
        Ok(entry.len())
    }

    const fn has_room(&self, more: usize) -> Result<(), BatchWriteError> {
        if self.bytes.len().saturating_add(more) > BATCH_BYTES_MAX {
            Err(BatchWriteError::Full)
        } else {
            Ok(())
        }
    }
}

const fn framed(payload: &[u8]) -> usize {
    payload.len().saturating_add(FRAME_HEAD_BYTES)
}

fn push(bytes: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    // Everything here is shorter than `BATCH_BYTES_MAX`.
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    bytes.push(kind);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(payload);
}
