//! C2SP signed notes: a text and the Ed25519 signatures over it, in one readable file.
//!
//! # The bytes
//!
//! ```text
//! If you think cryptography is the answer to your problem,⏎          ┐ text: what is signed, with
//! then you don't know what your problem is.⏎                         ┘ its last newline
//! ⏎                                                                    the last empty line
//! — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQ…lpRZb6KE6RyyBwJnAM=⏎         signature line, 1 or more
//! │ │            └ base64( key id, 4 bytes big-endian │ signature, 64 bytes )
//! │ └ key name
//! └ U+2014, space
//!
//! key id       = first 4 bytes of SHA-256( name │ 0x0A │ 0x01 │ public key )
//! verifier key = PeterNeumann+c74f20a3+base64( 0x01 │ public key, 32 bytes )
//! signer key   = PRIVATE+KEY+PeterNeumann+c74f20a3+base64( 0x01 │ seed, 32 bytes )
//! ```
//!
//! # What verification promises
//!
//! [`verify`] gives a [`VerifiedNote`] only where at least one key that the *verifier* brought signed
//! the text, and no signature that names such a key is bad. Signatures by other keys are ignored,
//! so that a signer rotates keys by signing with both. Three failures stay apart:
//!
//! | what happened | error |
//! |---|---|
//! | the bytes are no note | [`ParseNoteError`] |
//! | well-formed, but signed only by keys the verifier does not know | [`VerifyError::UnknownKey`] |
//! | a known key's name and id, but not its signature over this text | [`VerifyError::BadSignature`] |
//!
//! Not checked here: what the text means, how old it is, and whether a known key was entitled to
//! sign it. Two formats signed by one key must differ in their first line.
//!
//! ```
//! use affiant_tlog::note::{self, Note, VerifierKey, VerifyError};
//!
//! let bytes = "If you think cryptography is the answer to your problem,\n\
//!     then you don't know what your problem is.\n\
//!     \n\
//!     — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
//! let key: VerifierKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse()?;
//!
//! let note = Note::parse(bytes.as_bytes())?;
//! let verified = note::verify(&note, &[key.clone()])?;
//! assert!(verified.text().starts_with("If you think"));
//!
//! let forged = Note::parse(bytes.replace("don't know", "know").as_bytes())?;
//! assert!(matches!(note::verify(&forged, &[key]), Err(VerifyError::BadSignature { .. })));
//! assert!(matches!(note::verify(&note, &[]), Err(VerifyError::UnknownKey { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//!
//! A note has at most [`MAX_NOTE_BYTES`] bytes and [`MAX_SIGNATURES`] signatures. Only Ed25519
//! (type `0x01`) keys exist here; signatures of other types are carried along and ignored.
//!
//! Where this module is stricter than `golang.org/x/mod/sumdb/note`: base64 must be canonical, key
//! ids must be lowercase, small-order keys and points are refused (RFC 8032 strict verification),
//! and of several signatures by one known key each must be good, not just the first.
//!
//! Specification: <https://c2sp.org/signed-note> 1.0.0.

mod key_ref;
mod signed;
mod signer;
mod verifier;
mod verify;

pub(crate) use key_ref::split_key;
pub use key_ref::{KeyId, KeyName, KeyNameError, KeyRef, ParseKeyError};
pub use signed::{
    MAX_NOTE_BYTES, MAX_SIGNATURES, Note, ParseNoteError, SignError, Signature, SignatureLineError,
    sign,
};
pub use signer::SignerKey;
pub use verifier::VerifierKey;
pub use verify::{VerifiedNote, VerifyError, verify};
