//! C2SP tlog-witness: asking for a cosignature, and deciding whether to give one.
//!
//! # The bytes
//!
//! ```text
//! POST <prefix>/add-checkpoint                 200: signature lines, `— name base64⏎` each
//!                                              409: the size the witness remembers, `20852014⏎`
//! old 20852014⏎         size the log thinks    400, 403, 404, 422: see `Refusal`
//! PlRNCrwHpqhGrup…⏎     consistency proof,
//! …⏎                    0 to 63 hashes
//! ⏎
//! example.com/log⏎      the checkpoint, a signed note
//! …
//! ```
//!
//! [`AddCheckpoint`] is that request, [`judge`] the whole decision, [`Refusal`] each way to say no.
//! A log reads answers with [`read_cosignatures`] and [`read_conflict`].
//!
//! # What a witness must do around [`judge`]
//!
//! Hold a lock on the log's origin; read what it remembers; judge; write the accepted checkpoint
//! where it survives a crash; only then cosign and answer. Whoever answers before the write, or judges
//! two requests at once, can be made to cosign a fork.
//!
//! Not here: sockets, storage, the clock, `sign-subtree`.
//!
//! Specification: <https://c2sp.org/tlog-witness> 1.0.0.

mod answer;
mod judge;
mod request;

pub use answer::{
    AnswerError, CONFLICT_CONTENT_TYPE, read_conflict, read_cosignatures, write_cosignatures,
};
pub use judge::{Accepted, KnownLog, Refusal, UnprocessableError, judge};
pub use request::{AddCheckpoint, PROOF_HASHES_MAX, ParseRequestError, REQUEST_BYTES_MAX};
