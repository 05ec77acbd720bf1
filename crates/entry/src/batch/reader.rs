//! Bytes to groups.

use super::{
    BATCH_BYTES_MAX, BATCH_GROUPS_BYTES_MAX, BATCH_GROUPS_MAX, BATCH_MAGIC, BatchHeader,
    BatchHeaderError, frame,
};
use crate::limits::{ENTRY_BYTES_MAX, GROUP_ENTRIES_MAX};

/// Reads one batch: its header at once, then group after group, without copying.
///
/// A group that was given out is well-formed; one behind it may not be. A receiver that wants all or
/// nothing reads to the end before it acts.
///
/// ```
/// use affiant_entry::batch::{BatchReader, BatchError};
///
/// fn entries(batch: &[u8]) -> Result<usize, BatchError> {
///     let mut reader = BatchReader::new(batch)?;
///     let mut entries = 0;
///     for group in reader.by_ref() {
///         entries += group?.entries.len();
///     }
///     Ok(entries)
/// }
/// assert!(entries(b"something else").is_err());
/// ```
#[derive(Debug)]
pub struct BatchReader<'a> {
    header: BatchHeader,
    rest: &'a [u8],
    groups: usize,
    groups_bytes: usize,
    ahead: Vec<&'a [u8]>,
    failed: bool,
}

/// One group: entries under one seal, and blobs that they name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<'a> {
    /// The entries in order; at least one.
    pub entries: Vec<&'a [u8]>,
    /// The seal entry.
    pub seal: &'a [u8],
    /// The blobs that stood before the entries.
    pub blobs: Vec<&'a [u8]>,
}

/// Bytes are not a batch. The sender is at fault; sending them again does not help.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// Longer than [`BATCH_BYTES_MAX`].
    #[error("batch of {bytes} bytes is longer than {BATCH_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Another format, or another version of it.
    #[error("batch does not begin with the line of version 1")]
    Magic,
    /// The first frame is not a header.
    #[error("batch does not begin with its header")]
    NoHeader,
    /// The header cannot be read.
    #[error("header of the batch is malformed")]
    Header(#[source] BatchHeaderError),
    /// The bytes end within a frame.
    #[error("batch ends within a frame")]
    Truncated,
    /// A frame of a kind this version does not know, or a second header.
    #[error("batch has a frame of kind {kind} where none may be")]
    Frame {
        /// The kind.
        kind: u8,
    },
    /// An entry or seal that is empty or longer than an entry may be.
    #[error("batch has an entry of {bytes} bytes")]
    Entry {
        /// Its length.
        bytes: usize,
    },
    /// A seal without entries before it.
    #[error("batch has a seal without entries")]
    EmptyGroup,
    /// A blob between the entries of a group.
    #[error("batch has a blob within a group")]
    BlobInside,
    /// The last group has no seal.
    #[error("batch ends in entries without a seal")]
    Unsealed,
    /// More entries in a group than a seal may cover.
    #[error("batch has a group of more than {GROUP_ENTRIES_MAX} entries")]
    GroupTooLong,
    /// More than [`BATCH_GROUPS_MAX`] groups.
    #[error("batch has more than {BATCH_GROUPS_MAX} groups")]
    TooManyGroups,
    /// Several groups with more than [`BATCH_GROUPS_BYTES_MAX`] bytes together.
    #[error("batch has several groups with more than {BATCH_GROUPS_BYTES_MAX} bytes together")]
    TooMuch,
}

impl BatchError {
    /// Whether the batch is refused for its size alone.
    #[must_use]
    pub const fn is_too_large(&self) -> bool {
        matches!(
            self,
            Self::TooLong { .. } | Self::TooManyGroups | Self::TooMuch | Self::GroupTooLong
        )
    }
}

impl<'a> BatchReader<'a> {
    /// Reads the header. Never panics, whatever the bytes.
    ///
    /// # Errors
    /// [`BatchError::TooLong`], [`BatchError::Magic`], [`BatchError::NoHeader`],
    /// [`BatchError::Header`], [`BatchError::Truncated`].
    pub fn new(batch: &'a [u8]) -> Result<Self, BatchError> {
        if batch.len() > BATCH_BYTES_MAX {
            return Err(BatchError::TooLong { bytes: batch.len() });
        }
        let mut rest = batch.strip_prefix(BATCH_MAGIC).ok_or(BatchError::Magic)?;
        let (kind, header) = next_frame(&mut rest)?.ok_or(BatchError::NoHeader)?;
        if kind != frame::HEADER {
            return Err(BatchError::NoHeader);
        }
        Ok(Self {
            header: BatchHeader::parse(header).map_err(BatchError::Header)?,
            rest,
            groups: 0,
            groups_bytes: 0,
            ahead: Vec::new(),
            failed: false,
        })
    }

    /// What the sender says of itself.
    #[must_use]
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Blobs behind the last group, which belong to groups of later batches. Empty before the last
    /// group was read.
    #[must_use]
    pub fn ahead(&self) -> &[&'a [u8]] {
        &self.ahead
    }

    fn next_group(&mut self) -> Result<Option<Group<'a>>, BatchError> {
        let (mut blobs, mut entries, mut group_bytes) = (Vec::new(), Vec::new(), 0_usize);
        while let Some((kind, payload)) = next_frame(&mut self.rest)? {
            if matches!(kind, frame::ENTRY | frame::SEAL) {
                if payload.is_empty() || payload.len() > ENTRY_BYTES_MAX {
                    let bytes = payload.len();
                    return Err(BatchError::Entry { bytes });
                }
                group_bytes = group_bytes.saturating_add(payload.len());
            }
            match kind {
                frame::BLOB if entries.is_empty() => blobs.push(payload),
                frame::BLOB => return Err(BatchError::BlobInside),
                frame::ENTRY if entries.len() < GROUP_ENTRIES_MAX => entries.push(payload),
                frame::ENTRY => return Err(BatchError::GroupTooLong),
                frame::SEAL if entries.is_empty() => return Err(BatchError::EmptyGroup),
                frame::SEAL => {
                    self.count(group_bytes)?;
                    return Ok(Some(Group {
                        entries,
                        seal: payload,
                        blobs,
                    }));
                }
                kind => return Err(BatchError::Frame { kind }),
            }
        }
        if !entries.is_empty() {
            return Err(BatchError::Unsealed);
        }
        self.ahead = blobs;
        Ok(None)
    }

    const fn count(&mut self, group_bytes: usize) -> Result<(), BatchError> {
        self.groups = self.groups.saturating_add(1);
        self.groups_bytes = self.groups_bytes.saturating_add(group_bytes);
        if self.groups > BATCH_GROUPS_MAX {
            Err(BatchError::TooManyGroups)
        } else if self.groups > 1 && self.groups_bytes > BATCH_GROUPS_BYTES_MAX {
            Err(BatchError::TooMuch)
        } else {
            Ok(())
        }
    }
}

impl<'a> Iterator for BatchReader<'a> {
    type Item = Result<Group<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let group = self.next_group().transpose();
        self.failed = !matches!(group, Some(Ok(_)));
        group
    }
}

/// Kind and payload of the next frame; `None` at the end.
fn next_frame<'a>(rest: &mut &'a [u8]) -> Result<Option<(u8, &'a [u8])>, BatchError> {
    let Some((kind, behind)) = rest.split_first() else {
        return Ok(None);
    };
    let (length, behind) = behind
        .split_first_chunk::<4>()
        .ok_or(BatchError::Truncated)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| BatchError::Truncated)?;
    let (payload, behind) = behind
        .split_at_checked(length)
        .ok_or(BatchError::Truncated)?;
    *rest = behind;
    Ok(Some((*kind, payload)))
}
