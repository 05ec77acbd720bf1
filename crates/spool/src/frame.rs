//! The frame: one opaque payload with its length, checksum, type and ordinal.
//!
//! ```text
//!   0        4        8    9                 17
//!   +--------+--------+----+-----------------+---------------- - - -
//!   | len    | crc32c |type| ordinal         | payload (len - 9 bytes)
//!   | u32 LE | u32 LE | u8 | u64 LE          |
//!   +--------+--------+----+-----------------+---------------- - - -
//!                     |<------- len bytes, covered by crc ---- - - ->
//! ```
//!
//! See `docs/spec/spool.md`, "Frames".

use crate::ordinal::Ordinal;

/// The largest payload of a frame, in bytes: twice the largest leaf of a C2SP tlog-tiles log
/// (65,535 bytes), so that a seal or a batch-side record never is the reason for a refusal.
pub const FRAME_BYTES_MAX: usize = 128 * 1024;

/// The largest group, in bytes as encoded: what a reader may have to hold in memory at once.
pub const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes a frame adds to its payload.
pub const FRAME_OVERHEAD_BYTES: usize = PREFIX_BYTES;

pub(crate) const PREFIX_BYTES: usize = 17;
/// `len` counts type and ordinal too, so that no frame has `len == 0`, which means "end".
pub(crate) const LEN_MIN: usize = 9;
pub(crate) const LEN_MAX: usize = LEN_MIN + FRAME_BYTES_MAX;
/// A whole frame of the largest size.
pub(crate) const FRAME_TOTAL_MAX: usize = PREFIX_BYTES + FRAME_BYTES_MAX;

const FLAG_GROUP_END: u8 = 0x80;
const FLAG_BASE: u8 = 0x40;
const KIND_MASK: u8 = 0x3f;
const KIND_ENTRY: u8 = 1;
const KIND_SEAL: u8 = 2;
const KIND_TRAILER: u8 = 3;
const TRAILER_PAYLOAD_BYTES: usize = 16;

/// What a frame holds. The spool does not look inside either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// An entry.
    Entry,
    /// A seal over entries before it.
    Seal,
}

/// A frame to append.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// What the payload is.
    pub kind: FrameKind,
    /// The payload, at most [`FRAME_BYTES_MAX`] bytes. It may be empty.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// An entry frame.
    #[must_use]
    pub const fn entry(payload: &'a [u8]) -> Self {
        Self {
            kind: FrameKind::Entry,
            payload,
        }
    }

    /// A seal frame.
    #[must_use]
    pub const fn seal(payload: &'a [u8]) -> Self {
        Self {
            kind: FrameKind::Seal,
            payload,
        }
    }

    pub(crate) const fn encoded_bytes(&self) -> usize {
        PREFIX_BYTES + self.payload.len()
    }
}

/// The decoded prefix of a frame whose checksum matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHead {
    pub(crate) body: FrameBody,
    pub(crate) ordinal: Ordinal,
    /// Last frame of its group.
    pub(crate) group_end: bool,
    /// Everything before this frame was durable when it was written.
    pub(crate) base: bool,
    /// Bytes of the whole frame.
    pub(crate) total: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameBody {
    Payload(FrameKind),
    Trailer(Trailer),
}

/// The frame that ends a finished segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    /// The segment was finished by recovery, not by its writer.
    pub(crate) recovered: bool,
    /// Bytes of a torn tail that recovery discarded.
    pub(crate) discarded_bytes: u64,
}

/// What lies at a place, judged by the first bytes alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// `len == 0`: the end of what was written.
    End,
    /// A frame of this many bytes in all, if its checksum agrees.
    Total(usize),
    /// Not a frame.
    Implausible,
}

pub(crate) fn read_length(prefix: &[u8]) -> Length {
    let Some(len) = u32_at(prefix, 0).and_then(|len| usize::try_from(len).ok()) else {
        return Length::Implausible;
    };
    match len {
        0 => Length::End,
        LEN_MIN..=LEN_MAX => Length::Total(len + 8),
        _ => Length::Implausible,
    }
}

/// The ordinal in a frame's prefix, before any checksum was looked at.
pub(crate) fn peek_ordinal(prefix: &[u8]) -> Option<u64> {
    u64_at(prefix, 9)
}

/// Decodes a whole frame; `None` if checksum, type or trailer body do not hold.
pub(crate) fn decode(bytes: &[u8]) -> Option<FrameHead> {
    let Length::Total(total) = read_length(bytes) else {
        return None;
    };
    let frame = bytes.get(..total)?;
    let covered = frame.get(8..)?;
    if crc32c::crc32c(covered) != u32_at(frame, 4)? {
        return None;
    }
    let tag = *covered.first()?;
    let payload = frame.get(PREFIX_BYTES..)?;
    let body = match tag & KIND_MASK {
        KIND_ENTRY => FrameBody::Payload(FrameKind::Entry),
        KIND_SEAL => FrameBody::Payload(FrameKind::Seal),
        KIND_TRAILER => FrameBody::Trailer(decode_trailer(payload)?),
        _ => return None,
    };
    Some(FrameHead {
        body,
        ordinal: Ordinal::new(u64_at(frame, 9)?),
        group_end: tag & FLAG_GROUP_END != 0,
        base: tag & FLAG_BASE != 0,
        total,
    })
}

fn decode_trailer(payload: &[u8]) -> Option<Trailer> {
    let payload: &[u8; TRAILER_PAYLOAD_BYTES] = payload.try_into().ok()?;
    let recovered = match payload.first_chunk::<8>()? {
        [0, 0, 0, 0, 0, 0, 0, 0] => false,
        [1, 0, 0, 0, 0, 0, 0, 0] => true,
        _ => return None,
    };
    Some(Trailer {
        recovered,
        discarded_bytes: u64_at(payload, 8)?,
    })
}

/// Appends a group's frames to `out`. `base` says that everything before the group is durable.
pub(crate) fn encode_group(frames: &[Frame<'_>], first: Ordinal, base: bool, out: &mut Vec<u8>) {
    let mut ordinal = first;
    for (index, frame) in frames.iter().enumerate() {
        let kind = match frame.kind {
            FrameKind::Entry => KIND_ENTRY,
            FrameKind::Seal => KIND_SEAL,
        };
        let base = if base && index == 0 { FLAG_BASE } else { 0 };
        let end = if index + 1 == frames.len() {
            FLAG_GROUP_END
        } else {
            0
        };
        encode(kind | base | end, ordinal, frame.payload, out);
        ordinal = ordinal.next();
    }
}

pub(crate) fn encode_trailer(trailer: Trailer, next: Ordinal) -> Vec<u8> {
    let mut payload = [0; TRAILER_PAYLOAD_BYTES];
    let (outcome, discarded) = payload.split_at_mut(8);
    if let Some(first) = outcome.first_mut() {
        *first = u8::from(trailer.recovered);
    }
    discarded.copy_from_slice(&trailer.discarded_bytes.to_le_bytes());
    let mut out = Vec::with_capacity(PREFIX_BYTES + TRAILER_PAYLOAD_BYTES);
    encode(
        KIND_TRAILER | FLAG_GROUP_END | FLAG_BASE,
        next,
        &payload,
        &mut out,
    );
    out
}

fn encode(tag: u8, ordinal: Ordinal, payload: &[u8], out: &mut Vec<u8>) {
    let ordinal = ordinal.get().to_le_bytes();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&[tag]), &ordinal);
    let crc = crc32c::crc32c_append(crc, payload);
    // The caller has checked the payload against FRAME_BYTES_MAX, far below u32::MAX.
    let len = u32::try_from(LEN_MIN + payload.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&crc.to_le_bytes());
    out.push(tag);
    out.extend_from_slice(&ordinal);
    out.extend_from_slice(payload);
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*bytes))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk::<8>()?;
    Some(u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_encodes_to_the_bytes_of_the_spec() {
        let mut out = Vec::new();
        let frames = [Frame::entry(b"ab"), Frame::seal(b"")];
        encode_group(&frames, Ordinal::new(7), true, &mut out);
        let hex: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
        let crc = |bytes: &[u8]| -> String {
            let crc = crc32c::crc32c(bytes).to_le_bytes();
            crc.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let first = b"\x41\x07\0\0\0\0\0\0\0ab";
        let second = b"\x82\x08\0\0\0\0\0\0\0";
        let expected = format!(
            "0b000000{}4107000000000000006162{}{}820800000000000000",
            crc(first),
            "09000000",
            crc(second)
        );
        assert_eq!(hex, expected);
        let head = decode(&out).unwrap();
        assert!(head.base && !head.group_end && head.total == 19);
        let head = decode(&out[19..]).unwrap();
        assert!(!head.base && head.group_end);
        assert_eq!(head.body, FrameBody::Payload(FrameKind::Seal));
        assert_eq!(head.ordinal.get(), 8);
    }

    #[test]
    fn a_trailer_round_trips_and_refuses_unknown_outcomes() {
        let trailer = Trailer {
            recovered: true,
            discarded_bytes: 99,
        };
        let bytes = encode_trailer(trailer, Ordinal::new(4));
        assert_eq!(decode(&bytes).unwrap().body, FrameBody::Trailer(trailer));
        assert_eq!(
            decode_trailer(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            None
        );
    }

    #[test]
    fn lengths_outside_the_limits_are_implausible() {
        let check = |len: u32| read_length(&len.to_le_bytes());
        assert_eq!(check(0), Length::End);
        assert_eq!(check(8), Length::Implausible);
        assert_eq!(check(9), Length::Total(17));
        assert_eq!(
            check(u32::try_from(LEN_MAX).unwrap()),
            Length::Total(FRAME_TOTAL_MAX)
        );
        assert_eq!(
            check(u32::try_from(LEN_MAX + 1).unwrap()),
            Length::Implausible
        );
        assert_eq!(read_length(&[1, 2]), Length::Implausible);
    }
}
