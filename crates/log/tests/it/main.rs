//! What a log keeps, whatever fails.

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
