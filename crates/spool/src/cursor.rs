//! The cursor file: how far the frames of a spool were acknowledged.
//!
//! ```text
//!    0  8  magic "AFFCURSR"
//!    8  2  format version, 1
//!   10  6  zero
//!   16 16  spool id
//!   32  8  first ordinal that is not acknowledged
//!   40  8  lowest segment number that a new segment may have
//!   48 12  zero
//!   60  4  crc32c over bytes 0..60
//! ```
//!
//! See `docs/spec/spool.md`, "Cursor".

use std::io;
use std::path::Path;

use crate::frame::{u32_at, u64_at};
use crate::ordinal::{Ordinal, SegmentNumber, SpoolId};
use crate::storage::Storage;

pub(crate) const CURSOR_FILE: &str = "cursor";
const CURSOR_TEMPORARY: &str = "cursor.tmp";
const CURSOR_BYTES: usize = 64;
const MAGIC: &[u8; 8] = b"AFFCURSR";

/// What the cursor file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) spool_id: SpoolId,
    /// The first ordinal that is not acknowledged.
    pub(crate) acknowledged_end: Ordinal,
    /// No segment with a lower number will be created, even if none is left.
    pub(crate) next_segment: SegmentNumber,
}

/// What lies where the cursor belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CursorFile {
    Absent,
    Damaged,
    Valid(Cursor),
}

impl CursorFile {
    pub(crate) fn acknowledged_end(self) -> Ordinal {
        match self {
            Self::Valid(cursor) => cursor.acknowledged_end,
            Self::Absent | Self::Damaged => Ordinal::FIRST,
        }
    }
}

pub(crate) fn read(storage: &dyn Storage, dir: &Path) -> io::Result<CursorFile> {
    let file = match storage.open_read(&dir.join(CURSOR_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(CursorFile::Absent),
        Err(error) => return Err(error),
    };
    let mut bytes = [0; CURSOR_BYTES + 1];
    let read = file.read_at(&mut bytes, 0)?;
    let cursor = bytes.get(..read).and_then(decode);
    Ok(cursor.map_or(CursorFile::Damaged, CursorFile::Valid))
}

/// Replaces the cursor file. After an error it is the old one or the new one.
pub(crate) fn write(storage: &dyn Storage, dir: &Path, cursor: &Cursor) -> io::Result<()> {
    let temporary = dir.join(CURSOR_TEMPORARY);
    let file = storage.create(&temporary)?;
    file.write_all_at(&encode(cursor), 0)?;
    file.sync_data()?;
    storage.rename(&temporary, &dir.join(CURSOR_FILE))?;
    storage.sync_dir(dir)
}

fn encode(cursor: &Cursor) -> Vec<u8> {
    let mut out = Vec::with_capacity(CURSOR_BYTES);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&1_u16.to_le_bytes());
    out.extend_from_slice(&[0; 6]);
    out.extend_from_slice(cursor.spool_id.as_bytes());
    out.extend_from_slice(&cursor.acknowledged_end.get().to_le_bytes());
    out.extend_from_slice(&cursor.next_segment.get().to_le_bytes());
    out.extend_from_slice(&[0; 12]);
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

fn decode(bytes: &[u8]) -> Option<Cursor> {
    let bytes: &[u8; CURSOR_BYTES] = bytes.try_into().ok()?;
    let cursor = Cursor {
        spool_id: SpoolId::new(*bytes.get(16..)?.first_chunk::<16>()?),
        acknowledged_end: Ordinal::new(u64_at(bytes, 32)?),
        next_segment: SegmentNumber::new(u64_at(bytes, 40)?),
    };
    let crc = crc32c::crc32c(bytes.get(..60)?);
    // Magic, version and zeros are held by comparing with what would be written.
    (u32_at(bytes, 60)? == crc && encode(&cursor) == bytes).then_some(cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_round_trips_and_no_flipped_bit_passes() {
        let cursor = Cursor {
            spool_id: SpoolId::new([7; 16]),
            acknowledged_end: Ordinal::new(12),
            next_segment: SegmentNumber::new(3),
        };
        let bytes = encode(&cursor);
        assert_eq!(decode(&bytes), Some(cursor));
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&bytes), None, "bit {bit}");
        }
    }
}
