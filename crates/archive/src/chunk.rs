//! The bytes of a chunk of leaves: as in an entry bundle, any number of them, compressed.

use affiant_tlog::LeafIndex;
use affiant_tlog::bundle;

use crate::error::ArchiveError;
use crate::key::Key;
use crate::manifest::{OBJECT_BYTES_MAX, Stored};

/// zstd's own default.
const LEVEL: i32 = 3;

/// Leaves on their way into a chunk.
#[derive(Debug, Default)]
pub(crate) struct ChunkWriter {
    raw: Vec<u8>,
    leaves: u64,
}

impl ChunkWriter {
    pub(crate) fn push(&mut self, leaf: &[u8]) -> Result<(), bundle::EntryTooLong> {
        bundle::push(&mut self.raw, leaf)?;
        self.leaves = self.leaves.saturating_add(1);
        Ok(())
    }

    pub(crate) const fn leaves(&self) -> u64 {
        self.leaves
    }

    pub(crate) fn raw_bytes(&self) -> u64 {
        u64::try_from(self.raw.len()).unwrap_or(u64::MAX)
    }

    pub(crate) fn compress(&self) -> std::io::Result<Vec<u8>> {
        pack(&self.raw)
    }
}

/// Compresses.
pub(crate) fn pack(raw: &[u8]) -> std::io::Result<Vec<u8>> {
    zstd::bulk::compress(raw, LEVEL)
}

/// Decompresses what has exactly the length that its manifest says.
pub(crate) fn unpack(stored: &Stored, bytes: &[u8]) -> Result<Vec<u8>, ArchiveError> {
    let failed = |problem: String| ArchiveError::Decode {
        key: stored.key(),
        problem,
    };
    let expected = stored.raw_bytes.unwrap_or(0).min(OBJECT_BYTES_MAX);
    let capacity = usize::try_from(expected).unwrap_or(usize::MAX);
    let raw = zstd::bulk::decompress(bytes, capacity).map_err(|error| failed(error.to_string()))?;
    if raw.len() == capacity {
        return Ok(raw);
    }
    Err(failed(format!("{} bytes instead of {capacity}", raw.len())))
}

/// The leaves of a chunk.
pub(crate) fn leaves<'r>(
    key: &Key,
    first: LeafIndex,
    end: LeafIndex,
    raw: &'r [u8],
) -> Result<Vec<&'r [u8]>, ArchiveError> {
    let mut out = Vec::new();
    let mut rest = raw;
    let cut = || ArchiveError::Decode {
        key: key.clone(),
        problem: "it does not hold the leaves that its manifest says".to_owned(),
    };
    for _ in first.0..end.0 {
        let (length, behind) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (leaf, behind) = behind.split_at_checked(length).ok_or_else(cut)?;
        out.push(leaf);
        rest = behind;
    }
    if rest.is_empty() { Ok(out) } else { Err(cut()) }
}
