//! What can be wrong with the bytes of a spool, and how a spool can end.

use std::fmt;

use crate::ordinal::{Ordinal, OrdinalRange, Position, SegmentNumber, SpoolId};
use crate::segment::HeaderError;

/// Something in a spool that its writer did not leave there.
///
/// Never raised for what a crash can leave: that is [`Tail`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// Bytes that are no frame, with proof behind them that they once were acknowledged.
    Bytes {
        /// The first byte that belongs to no frame.
        position: Position,
        /// How many bytes were skipped before reading went on.
        bytes: u64,
        /// The frames that are gone, where known.
        lost: Option<OrdinalRange>,
    },
    /// A frame in order, whose ordinal is not the one that follows: spliced, removed or repeated.
    Order {
        /// The frame.
        position: Position,
        /// The ordinal that should have been there.
        expected: Ordinal,
        /// The ordinal that was. If it is lower, the frame is not handed out again.
        found: Ordinal,
    },
    /// A segment that ends neither with a trailer nor with the zeros of a live one: its end was
    /// cut off or overwritten.
    Unterminated {
        /// Where the last complete frame ends.
        position: Position,
        /// Bytes behind it.
        bytes: u64,
    },
    /// A segment that is longer or shorter than the next one says, or has bytes behind its
    /// trailer.
    Length {
        /// The segment.
        segment: SegmentNumber,
        /// Its length as the trailer or the next segment has it.
        expected: u64,
        /// Its length in bytes.
        found: u64,
    },
    /// A segment whose header does not hold. Its frames are read all the same.
    Header {
        /// The segment, by its file name.
        segment: SegmentNumber,
        /// What is wrong.
        reason: HeaderError,
    },
    /// A segment under another number's name. It is read in the place its header names.
    Misnamed {
        /// The file.
        file: String,
        /// The number in its header.
        segment: SegmentNumber,
    },
    /// A second file for the same segment. It is not read.
    Duplicate {
        /// The file that was left out.
        file: String,
        /// The number both carry.
        segment: SegmentNumber,
    },
    /// A segment of another spool. It is not read.
    Foreign {
        /// The file.
        file: String,
        /// The id of this spool.
        expected: SpoolId,
        /// The id in the header.
        found: SpoolId,
    },
    /// Segments that are not there although nothing says they were released.
    Missing {
        /// The first missing segment, where known.
        first: Option<SegmentNumber>,
        /// The frames that are gone, where known.
        lost: Option<OrdinalRange>,
    },
    /// The cursor file does not hold. Readers act as if nothing had been acknowledged.
    Cursor,
    /// The reserve file is not what was written. (Strict reading only.)
    Reserve,
    /// A file that looks like one of the spool's but is not. (Strict reading only.)
    UnknownFile {
        /// Its name.
        file: String,
    },
}

impl Damage {
    /// The frames that are known to be gone.
    #[must_use]
    pub fn lost(&self) -> Option<OrdinalRange> {
        match self {
            Self::Bytes { lost, .. } | Self::Missing { lost, .. } => *lost,
            Self::Order {
                expected, found, ..
            } => OrdinalRange::until(*expected, *found),
            Self::Unterminated { .. }
            | Self::Length { .. }
            | Self::Header { .. }
            | Self::Misnamed { .. }
            | Self::Duplicate { .. }
            | Self::Foreign { .. }
            | Self::Cursor
            | Self::Reserve
            | Self::UnknownFile { .. } => None,
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes {
                position, bytes, ..
            } => {
                write!(f, "{bytes} damaged bytes at {position}")?;
            }
            Self::Order {
                position,
                expected,
                found,
            } => {
                write!(f, "frame {found} at {position} where {expected} belongs")?;
            }
            Self::Unterminated { position, bytes } => {
                write!(
                    f,
                    "segment cut off or overwritten at {position} ({bytes} bytes behind)"
                )?;
            }
            Self::Length {
                segment,
                expected,
                found,
            } => {
                let file = segment.file_name();
                write!(f, "{file} has {found} bytes where {expected} belong")?;
            }
            Self::Header { segment, reason } => {
                write!(f, "header of {}: {reason}", segment.file_name())?;
            }
            Self::Misnamed { file, segment } => {
                write!(f, "{file} holds segment {}", segment.file_name())?;
            }
            Self::Duplicate { file, segment } => {
                write!(f, "{file} repeats segment {}", segment.file_name())?;
            }
            Self::Foreign {
                file,
                expected,
                found,
            } => {
                write!(f, "{file} belongs to spool {found}, not {expected}")?;
            }
            Self::Missing {
                first: Some(first), ..
            } => {
                write!(f, "{} is missing", first.file_name())?;
            }
            Self::Missing { first: None, .. } => f.write_str("segments are missing")?,
            Self::Cursor => f.write_str("cursor file does not hold")?,
            Self::Reserve => f.write_str("reserve file is not as written")?,
            Self::UnknownFile { file } => write!(f, "{file} is no file of a spool")?,
        }
        match self.lost() {
            Some(lost) => write!(f, ", frames {lost} lost"),
            None => Ok(()),
        }
    }
}

/// How a spool ends. Every variant but `Unterminated` is what a clean close or a crash leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// The last segment was finished: not a byte follows its trailer. Also an empty spool.
    Clean,
    /// The last segment is live or its writer died between groups: only preallocated zeros follow.
    Slack {
        /// How many zeros.
        zero_bytes: u64,
    },
    /// The writer died within a group it had not acknowledged.
    Torn {
        /// Where the last complete group ends.
        position: Position,
        /// Bytes from there to the last byte that is not zero.
        bytes: u64,
    },
    /// The end is damage, reported as [`Damage::Unterminated`] as well.
    Unterminated {
        /// Where the last complete frame ends.
        position: Position,
        /// Bytes behind it.
        bytes: u64,
    },
}
