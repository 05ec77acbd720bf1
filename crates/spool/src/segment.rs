//! The segment header: 64 bytes in front of the frames.
//!
//! ```text
//!    0  8  magic "AFFSPOOL"
//!    8  2  format version, 1
//!   10  2  flags: bit 0 = the segment before was abandoned; others zero
//!   12  4  header bytes, 64
//!   16 16  spool id
//!   32  8  segment number
//!   40  8  ordinal of the first frame
//!   48  8  bytes of the segment before that count (its end); 0 = there was none
//!   56  4  zero
//!   60  4  crc32c over bytes 0..60
//! ```
//!
//! See `docs/spec/spool.md`, "Segment header".

use crate::frame::{u32_at, u64_at};
use crate::ordinal::{Ordinal, SegmentNumber, SpoolId};

/// Bytes of a segment header.
pub const HEADER_BYTES: usize = 64;

/// The only format version this crate writes and reads.
pub const FORMAT_VERSION: u16 = 1;

pub(crate) const HEADER_END: u64 = 64;
const MAGIC: &[u8; 8] = b"AFFSPOOL";
const FLAG_PREVIOUS_ABANDONED: u16 = 1;

/// What a segment header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The spool the segment belongs to.
    pub spool_id: SpoolId,
    /// The number of the segment; equals the number in its file name.
    pub segment: SegmentNumber,
    /// The ordinal of the first frame of the segment.
    pub first_ordinal: Ordinal,
    /// Where the content of the segment before ends, in bytes; 0 if there was none.
    pub previous_end: u64,
    /// The segment before was given up after a storage error: what lies behind `previous_end`
    /// in it was never acknowledged, or was written again here.
    pub previous_abandoned: bool,
}

/// Why a segment header was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The file is shorter than a header.
    #[error("file is shorter than a header")]
    Short,
    /// The file is not a segment.
    #[error("magic bytes are not those of a segment")]
    Magic,
    /// The checksum does not match.
    #[error("header checksum does not match")]
    Checksum,
    /// The segment was written by a format this reader does not know.
    #[error("format version {found} is not known to this reader")]
    Version {
        /// The version found.
        found: u16,
    },
    /// A flag or reserved byte is set that this version does not define.
    #[error("reserved header bits are set")]
    Reserved,
}

impl SegmentHeader {
    /// The 64 bytes of the header.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let flags = if self.previous_abandoned {
            FLAG_PREVIOUS_ABANDONED
        } else {
            0
        };
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&64_u32.to_le_bytes());
        out.extend_from_slice(self.spool_id.as_bytes());
        out.extend_from_slice(&self.segment.get().to_le_bytes());
        out.extend_from_slice(&self.first_ordinal.get().to_le_bytes());
        out.extend_from_slice(&self.previous_end.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out.try_into().unwrap_or([0; HEADER_BYTES])
    }

    /// Reads a header from the first bytes of a segment file.
    ///
    /// Does not check that the number agrees with the file's name.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] names the first rule that does not hold.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let header = bytes
            .first_chunk::<HEADER_BYTES>()
            .ok_or(HeaderError::Short)?;
        if !header.starts_with(MAGIC) {
            return Err(HeaderError::Magic);
        }
        let covered = header.get(..60).ok_or(HeaderError::Short)?;
        if u32_at(header, 60) != Some(crc32c::crc32c(covered)) {
            return Err(HeaderError::Checksum);
        }
        let word = |at: usize| u64_at(header, at).ok_or(HeaderError::Short);
        let version_and_flags = u32_at(header, 8).ok_or(HeaderError::Short)?.to_le_bytes();
        let [version_low, version_high, flags_low, flags_high] = version_and_flags;
        let version = u16::from_le_bytes([version_low, version_high]);
        let flags = u16::from_le_bytes([flags_low, flags_high]);
        if version != FORMAT_VERSION {
            return Err(HeaderError::Version { found: version });
        }
        let reserved = u32_at(header, 56) != Some(0) || u32_at(header, 12) != Some(64);
        if reserved || flags & !FLAG_PREVIOUS_ABANDONED != 0 {
            return Err(HeaderError::Reserved);
        }
        let id = header.get(16..).and_then(|rest| rest.first_chunk::<16>());
        Ok(Self {
            spool_id: SpoolId::new(*id.ok_or(HeaderError::Short)?),
            segment: SegmentNumber::new(word(32)?),
            first_ordinal: Ordinal::new(word(40)?),
            previous_end: word(48)?,
            previous_abandoned: flags & FLAG_PREVIOUS_ABANDONED != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> SegmentHeader {
        SegmentHeader {
            spool_id: SpoolId::new([9; 16]),
            segment: SegmentNumber::new(3),
            first_ordinal: Ordinal::new(17),
            previous_end: 4242,
            previous_abandoned: true,
        }
    }

    #[test]
    fn a_header_round_trips() {
        assert_eq!(SegmentHeader::decode(&sample().encode()), Ok(sample()));
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_refused() {
        for bit in 0..HEADER_BYTES * 8 {
            let mut bytes = sample().encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_later_version_is_named() {
        let mut bytes = sample().encode();
        bytes[8] = 2;
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(
            SegmentHeader::decode(&bytes),
            Err(HeaderError::Version { found: 2 })
        );
    }
}
