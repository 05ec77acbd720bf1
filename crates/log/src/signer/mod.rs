//! Who signs checkpoints: a key in memory, or a device that never gives its key away.

#[cfg(feature = "pkcs11")]
mod pkcs11;

use std::sync::Arc;

use affiant_tlog::note::SignError;
use affiant_tlog::{Note, SignerKey, VerifierKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

#[cfg(feature = "pkcs11")]
pub use pkcs11::{Pkcs11Key, Pkcs11Signer};

/// Signs the text of a checkpoint.
///
/// Signing the same text twice must be harmless: a log that restarts signs its head again.
pub trait CheckpointSigner: Send + Sync {
    /// The public half. Its name is the log's origin.
    fn verifier_key(&self) -> &VerifierKey;

    /// The Ed25519 signature (RFC 8032) over exactly these bytes.
    ///
    /// # Errors
    ///
    /// [`SignerError`], where the device refuses or is gone. The log stops answering until it works.
    fn sign(&self, text: &str) -> Result<[u8; 64], SignerError>;
}

impl CheckpointSigner for SignerKey {
    fn verifier_key(&self) -> &VerifierKey {
        Self::verifier_key(self)
    }

    fn sign(&self, text: &str) -> Result<[u8; 64], SignerError> {
        let note = Note::sign(text, self).map_err(|cause| SignerError::new(&cause))?;
        let signature = note.signatures().first();
        signature
            .and_then(|signature| signature.bytes().try_into().ok())
            .ok_or(SignerError::Malformed)
    }
}

/// Why there is no signature.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// The device or its library refused. Retryable.
    #[error("signing device failed: {reason}")]
    Device {
        /// What it said.
        reason: String,
    },
    /// What the device gave does not verify under its own public key. Not retryable: the key in the
    /// device is another than the one configured.
    #[error("signature does not verify under the log's key")]
    Malformed,
}

impl SignerError {
    pub(crate) fn new(cause: &dyn std::error::Error) -> Self {
        Self::Device {
            reason: cause.to_string(),
        }
    }
}

impl From<SignError> for SignerError {
    fn from(cause: SignError) -> Self {
        Self::new(&cause)
    }
}

/// The text as a note with one signature line per signer, each verified before it is given out.
pub(crate) fn sign_note(
    text: &str,
    signers: &[Arc<dyn CheckpointSigner>],
) -> Result<Note, SignerError> {
    let mut bytes = format!("{text}\n");
    let mut keys = Vec::new();
    for signer in signers {
        let key = signer.verifier_key();
        let mut keyed = key.key_id().0.to_be_bytes().to_vec();
        keyed.extend_from_slice(&signer.sign(text)?);
        bytes.push_str(&format!("— {} {}\n", key.name(), STANDARD.encode(keyed)));
        keys.push(key.clone());
    }
    let note = Note::parse(bytes.as_bytes()).map_err(|_| SignerError::Malformed)?;
    let verified = affiant_tlog::note::verify(&note, &keys).map_err(|_| SignerError::Malformed)?;
    if verified.signatures().len() != keys.len() {
        return Err(SignerError::Malformed);
    }
    Ok(note)
}
