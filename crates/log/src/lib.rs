//! A transparency log in storage: leaves in, tiles and signed checkpoints out.
//!
//! It does not know what a leaf means, nor who submits it; it does not speak HTTP but as a client of
//! witnesses and time stamp authorities.
//!
//! ```text
//! submit ─▶ queue ─▶ sequencer: stage ▸ swap head ▸ settle ▸ sign ─▶ publication ─▶ outcomes
//!                        ▲                 the round is decided           │
//!                        └── any error: forget, load from storage         └▶ log/checkpoint
//! ```
//!
//! # Promises
//!
//! - An outcome is given only when a checkpoint over the leaves is published, and a checkpoint is
//!   published only when all it covers is durable.
//! - The leaves of one submission stand in the log in order and without a gap, all or none.
//! - No two signed checkpoints contradict each other, whatever crashes: the head is swapped before
//!   anything is signed, and who loses the swap stops.
//! - A round costs what it adds, however large the log is.
//!
//! # What is not promised
//!
//! Whoever can write to the storage, or holds the key, can present another history to somebody who
//! remembers nothing. Witnesses, time stamps, and readers' memories are against that.
//!
//! The layout on disk is C2SP tlog-tiles, and docs/spec/log-storage.md for the rest.

pub mod anchor;
mod clock;
mod engine;
mod error;
mod head;
mod log;
pub mod net;
mod pending;
mod publication;
mod queue;
mod reader;
pub mod restore;
mod sequencer;
mod signer;
pub mod store;
pub mod witness;

pub use clock::{Clock, SystemClock};
pub use error::{LoadError, OpenLogError, ReadLogError, RoundError, SequenceError};
pub use head::Head;
pub use log::{Log, LogOptions};
pub use pending::{Appended, Pending};
pub use reader::LogReader;
pub use signer::{CheckpointSigner, SignerError};
#[cfg(feature = "pkcs11")]
pub use signer::{Pkcs11Key, Pkcs11Signer};
pub use witness::{PublishRule, Witness, WitnessAnswer, WitnessState, Witnesses};
