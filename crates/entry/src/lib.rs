//! The record: its twelve fields, its one encoding, its seal, and the judge of a chain of them.
//!
//! The only maker of hashed bytes. Pure: no clock, randomness, file, socket or environment, so that a
//! browser can verify. It does not capture, redact or store anything.
//!
//! # A chain
//!
//! ```text
//! boot 01KA…                                                boot 01KB…
//! ┌──────┬─────────┬─────────┐┌────┐┌─────────┬────┐┌────┐ ┌──────┬───…
//! │ boot │ call.   │ call.   ││seal││ call.   │stop││seal│ │ boot │
//! │ seq 0│ begin 1 │ begin 2 ││  0 ││ end   3 │  4 ││  1 │ │ seq 0│
//! └──────┴─────────┴─────────┘└────┘└─────────┴────┘└────┘ └──────┴───…
//!   leaf hashes ──▸ root ───────┘ ▴──── previous ──────┘ ▴──── previous, and in the boot entry
//! ```
//!
//! An entry is one line of JSON ([`codec`]); a [`seal`] signs the Merkle root over a group of them and
//! names the seal before it. [`decode`] reads an entry strictly, [`completeness`] counts its twelve
//! fields, [`chain`] judges all entries of a spool.
//!
//! # Limits
//!
//! All in [`limits`]: an entry has at most 65,535 bytes, a seal covers at most 65,536 entries,
//! integers stay below 2^53. Times are microseconds.
//!
//! Specifications: `docs/spec/entry.md`, `docs/spec/seal.md`; RFC 8259, RFC 6962 section 2.1, C2SP
//! signed-note, RFC 8032, RFC 2104.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::as_conversions,
        clippy::arithmetic_side_effects
    )
)]

pub mod batch;
pub mod call;
pub mod chain;
pub mod codec;
pub mod completeness;
pub mod decode;
mod fact;
mod ids;
mod kind;
pub mod limits;
pub mod link;
pub mod log_rotation;
mod moment;
mod note_text;
pub mod receipt;
pub mod reclose;
pub mod record;
pub mod roster;
pub mod rotation;
pub mod seal;
mod secret;

pub use affiant_tlog::error_with_causes;
pub use codec::{EncodeError, EntryBytes, Stamp, encode, encode_seal};
pub use decode::{DecodeError, Decoded, Header};
pub use fact::Fact;
pub use ids::{
    BootId, CallId, IdError, SealNumber, SealPlace, Seq, SourceId, SourceIdError, SpoolName,
    SpoolNameError,
};
pub use kind::{Kind, LogKind};
pub use log_rotation::LogRotation;
pub use moment::{Moment, parse_rfc3339, rfc3339};
pub use note_text::NoteTextError;
pub use record::{Body, Record};
pub use rotation::{Rotation, Trust};
pub use seal::{SealText, Sealer};
pub use secret::{CommitKey, CommitRun, Commitment, Unredacted};
