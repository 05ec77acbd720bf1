//! C2SP tlog-cosignature: a witness says that this is the largest tree of the log it saw.
//!
//! # The bytes
//!
//! A cosignature is one more signature line under a checkpoint. Behind the key id stand the time and
//! the signature; what is signed is not the note text alone:
//!
//! ```text
//! — witness.example/w1 base64( key id, 4 │ time, 8, big-endian │ signature, 64 or 2420 )
//!
//! Ed25519, type 0x04                 ML-DSA-44, type 0x06
//! cosignature/v1⏎                    "subtree/v1" 0x0A 0x00
//! time 1679315147⏎                   u8 length │ cosigner name
//! <note text: origin⏎ size⏎ root⏎>   u64 time
//!                                    u8 length │ origin
//!                                    u64 0 │ u64 size │ root, 32
//! ```
//!
//! A log may sign its own checkpoints in the ML-DSA-44 form as well, beside its Ed25519 signature.
//!
//! # What verification promises
//!
//! [`CosignerKey::verify`] says that the holder of the key signed these very bytes at the time they
//! claim. Not checked: whether that time is plausible, and whether the witness is honest. The
//! Ed25519 form does not cover the name of the witness; a key must have one name.
//!
//! ```
//! use affiant_tlog::cosignature::{CosignerSigner, PosixTime};
//! use affiant_tlog::note::{KeyName, Note, SignerKey};
//! use affiant_tlog::{Checkpoint, checkpoint::Origin, TreeSize, empty_root};
//!
//! let log = SignerKey::from_seed(KeyName::new("log.example/1")?, &[1; 32]);
//! let witness = CosignerSigner::ed25519(KeyName::new("witness.example/w1")?, &[2; 32]);
//! let mut note = Checkpoint::new(Origin::new("log.example/1")?, TreeSize(0), empty_root()).sign(&log)?;
//!
//! note.attach(witness.cosign(note.text(), PosixTime(1_679_315_147))?)?;
//! assert_eq!(witness.key().verify_in(&note)?, Some(PosixTime(1_679_315_147)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//!
//! ML-DSA-44 needs the feature `ml-dsa` (on by default); without it such keys are refused as of an
//! unknown type. Subtrees that do not begin at leaf 0 are neither signed nor verified.
//!
//! Specification: <https://c2sp.org/tlog-cosignature>, FIPS 204 (deterministic, empty context).

mod key;
mod message;
#[cfg(feature = "ml-dsa")]
mod ml_dsa44;
mod signer;

use std::fmt;

pub use key::{CosignatureError, CosignerAlgorithm, CosignerKey};
pub use message::CosignError;
pub use signer::CosignerSigner;

/// Seconds since 1970-01-01T00:00:00Z, without leap seconds (POSIX).
///
/// Zero is a cosignature that does not say when, nor that the tree was the largest seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PosixTime(
    /// The seconds; at most 2^63 - 1 in a cosignature.
    pub u64,
);

impl fmt::Display for PosixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
