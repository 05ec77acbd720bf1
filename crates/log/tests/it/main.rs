//! What a log keeps, whatever fails.
#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod anchors;
mod directory;
mod faults;
mod judges;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod recovery;
mod sequencing;
mod support;
mod witnesses;
