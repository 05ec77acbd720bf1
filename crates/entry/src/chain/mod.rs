//! The judge of one spool's chain: every entry, in order, from the first boot to the tail.
//!
//! [`ChainVerifier`] reads nothing itself: whoever reads a spool pushes the bytes of each entry, tells
//! it of storage damage, and asks for the [`ChainReport`] at the end. It needs no secret.
//!
//! # What is checked
//!
//! Each seal's signature, root, range, number and link; that boots begin with a `boot` entry that names
//! the seal before it and the key that signs; that source, boot and `seq` are contiguous; that each call
//! ends once; that the seal the key holder remembers is there; the twelve fields of each `call.end`;
//! declared gaps. Each [`Fault`] maps to one [`Verdict`], and the worst wins.
//!
//! # What is not checked
//!
//! Clocks: time may step back. Entries behind the last seal: they are counted, and are no evidence.
//! Entries cut from the end, if no [`RememberedHead`] was given. Whether what was captured is true,
//! and calls that never passed a capture.
//!
//! # When is a key trusted?
//!
//! Seals are verified with the key their own boot declares; whether that key may be believed is asked
//! at the end, when all rotation notes have been seen. So a chain whose oldest boots were sealed by a
//! key that was rotated since needs no second reading.
//!
//! # Memory
//!
//! Bounded by what is open: about 100 bytes a call that has not ended, 16 to 32 bytes a call that has
//! (to notice a second end), at most 65,536 entries' worth of effects under one seal, at most
//! [`FINDINGS_MAX`] findings. A million calls need about 32 MB.

mod calls;
mod finding;
mod group;
mod head;
pub(crate) mod reading;
mod report;
mod summary;
mod verifier;

pub use finding::{Fault, Finding, Place, Verdict};
pub use head::{HeadError, RememberedHead};
pub use report::{
    ChainReport, Counts, Coverage, FINDINGS_MAX, FieldCoverage, HeadCheck, KeyUse, LastSeal,
};
pub use summary::Summary;
pub use verifier::{ChainVerifier, Start, Tail};
