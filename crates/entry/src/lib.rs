//! The record: its twelve fields, its one encoding, its seal.
//!
//! The only maker of hashed bytes. Pure: no clock, randomness, file, socket or environment.

pub mod call;
pub mod codec;
mod fact;
mod ids;
pub mod limits;
mod moment;
pub mod record;
mod secret;

pub use codec::{EncodeError, EntryBytes, Stamp, encode, encode_seal};
pub use fact::Fact;
pub use ids::{BootId, CallId, IdError, SealNumber, Seq, SourceId, SourceIdError};
pub use moment::{Moment, parse_rfc3339, rfc3339};
pub use record::{Body, Record};
pub use secret::{CommitKey, CommitRun, Commitment, Unredacted};
