//! An archive of a log that cannot be changed: immutable object sets, each over a range of leaves and
//! under a checkpoint that the log signed.
//!
//! It is a reader of the log. It signs nothing, and does not know what a leaf means. Nothing waits for it.
//!
//! ```text
//! archive.json                                      which log
//! sets/0000000007/leaves-<first>-<end>.zst          up to 65,536 leaves as they are
//!                 tiles-<first>-<end>.bin           the full tiles of all levels that they completed
//!                 rows-<first>-<end>.parquet        the same as rows, where somebody gives them
//!                 blobs-<first>-<end>.zst           which blobs they name
//!                 checkpoint-<first>-<end>.txt      the signed note whose tree ends here
//!                 manifest.json                     size and SHA-256 of each, root, hash of the manifest before
//! blobs/ab/ab12…                                    blobs by the SHA-256 of their bytes
//! ```
//!
//! # Promises
//!
//! - Nothing is overwritten: every object is created under a name that was free (`If-None-Match: *`).
//! - A set is there when its manifest is, and the manifest is written last, when every object was read
//!   back whole and, where the operator asks for a lock, was found locked.
//! - A set ends where a published checkpoint ends, so that what is restored is a tree the log signed.
//! - An object hidden by a newer version or a delete marker is found again, and the hiding is reported.
//!
//! # What is not promised
//!
//! - Whoever may write to a place without object lock can destroy what is there, and whoever may do so
//!   everywhere can put an older archive in its place: hashes and remembered heads find it, nothing undoes it.
//! - Rows are a convenience. The signed root says nothing of them, only the manifest does.
//! - The log's secret keys are not in the archive.
//!
//! Normative: docs/spec/archive.md.

mod chunk;
mod error;
mod head;
mod key;
mod manifest;
mod origin;
mod read;
mod restore;
mod scrub;
pub mod store;
mod tiles;
mod writer;

mod log;

pub use error::{ArchiveError, ManifestError};
pub use head::{Head, find_head};
pub use key::{KEY_BYTES_MAX, Key, KeyError, Kind};
pub use log::ArchivedLog;
pub use manifest::{Chunk, MANIFEST_BYTES_MAX, Manifest, OBJECT_BYTES_MAX, Stored};
pub use origin::About;
pub use read::{Finding, Problem, Reader};
pub use restore::{Restored, restore};
pub use scrub::{FINDINGS_MAX, Pace, Scrub, ScrubReport, ScrubState};
pub use writer::{Archived, Archiver, BlobSource, Limits, NoBlobs, Rows};
