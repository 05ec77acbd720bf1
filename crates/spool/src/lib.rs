//! A durable local buffer of opaque frames: what an append acknowledged survives a crash.
//!
//! It is synchronous, knows nothing of JSON, entries or seals, reads no clock, and opens no socket.
//! It is no evidence by itself: checksums find accidents, signatures in the payloads find people.
//!
//! ```text
//! DIR/lock                     one writer, by flock; the pid in it is for people
//! DIR/seg-<16 hex digits>.aff  header, frames, trailer; zeros ahead while it is live
//! DIR/cursor                   how far the frames were acknowledged by whoever reads them
//! DIR/reserve                  room kept for `gap` and `stop`
//! DIR/blobs/<64 hex digits>    content-addressed payloads too large for a frame
//! ```
//!
//! One group of frames is one write and one `fdatasync`. A group is visible in whole or not at all.
//! Frames are at most [`FRAME_BYTES_MAX`], groups at most [`GROUP_BYTES_MAX`] bytes.
//!
//! ```
//! use affiant_spool::{Frame, Item, Options, Reader, Spool, Tail};
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let (mut spool, recovery) = Spool::open(dir, Options::default())?;
//! assert!(recovery.damage.is_empty());
//! let group = spool.append_group(&[Frame::entry(b"{}"), Frame::seal(b"note")])?;
//! assert_eq!(group.last.get(), 1); // durable from here on
//! spool.close()?;
//!
//! let mut reader = Reader::open(dir)?;
//! let mut payloads = Vec::new();
//! while let Some(item) = reader.next_item()? {
//!     match item {
//!         Item::Frame(frame) => payloads.push(frame.payload),
//!         Item::Damage(damage) => panic!("{damage}"),
//!     }
//! }
//! assert_eq!(payloads, [b"{}".to_vec(), b"note".to_vec()]);
//! assert_eq!(reader.tail(), Some(Tail::Clean));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The format is `docs/spec/spool.md`.

mod blob;
mod catalog;
mod cursor;
mod damage;
mod error;
mod frame;
mod live;
mod options;
mod ordinal;
mod reader;
pub mod recovery;
mod reserve;
mod scan;
mod segment;
mod source;
mod storage;
pub mod testing;
mod writer;

pub use blob::BlobId;
pub use damage::{Damage, Tail};
pub use error::{
    AppendError, BlobError, FullReason, OpenError, ReadError, ReleaseError, UpkeepError,
};
pub use frame::{FRAME_BYTES_MAX, FRAME_OVERHEAD_BYTES, Frame, FrameKind, GROUP_BYTES_MAX};
pub use options::{Options, Scan};
pub use ordinal::{Ordinal, OrdinalRange, Position, SegmentNumber, SpoolId};
pub use reader::{FrameRef, Item, Reader, SegmentInfo};
pub use recovery::Recovery;
pub use segment::{FORMAT_VERSION, HEADER_BYTES, HeaderError, SegmentHeader};
pub use storage::{LockGuard, LockOutcome, OsStorage, Storage, StorageFile};
pub use writer::{GroupPosition, Released, Spool};
