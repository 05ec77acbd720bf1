//! The private half of a cosigner's key.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use zeroize::Zeroizing;

use super::PosixTime;
use super::key::{CosignerAlgorithm, CosignerKey};
use super::message::CosignError;
#[cfg(feature = "ml-dsa")]
use super::ml_dsa44;
use crate::note::{KeyName, ParseKeyError, Signature, split_key};

/// Before each private key, so that nobody publishes one by mistake.
const PREFIX: &str = "PRIVATE+KEY+";
/// Base64 of a type byte and a seed of 32 bytes.
const ENCODED_SEED_CHARS: usize = 44;

/// A key that is ready to sign.
enum Signer {
    Ed25519(Box<SigningKey>),
    #[cfg(feature = "ml-dsa")]
    MlDsa44(ml_dsa44::PrivateKey),
}

/// The private key of a witness, or of a log that signs in ML-DSA-44 form, with its name.
///
/// `FromStr` and [`CosignerSigner::to_secret_text`] use `PRIVATE+KEY+name+id+base64(type │ seed)`,
/// the signer key format with the cosignature types. The seed leaves this type only there: `Debug`
/// and `Display` show name and id. Memory is wiped on drop.
pub struct CosignerSigner {
    key: CosignerKey,
    signer: Signer,
}

impl CosignerSigner {
    /// The Ed25519 cosigner of a seed (RFC 8032 section 5.1.5).
    ///
    /// The seed must come from a secure random source and serve nothing else: least of all a log.
    pub fn ed25519(name: KeyName, seed: &[u8; 32]) -> Self {
        let signer = SigningKey::from_bytes(seed);
        let public_key = signer.verifying_key();
        Self {
            key: CosignerKey::of_ed25519(name, public_key),
            signer: Signer::Ed25519(Box::new(signer)),
        }
    }

    /// The ML-DSA-44 cosigner of a seed (FIPS 204 algorithm 6).
    ///
    /// The seed must come from a secure random source.
    ///
    /// # Errors
    ///
    /// [`ParseKeyError::UnknownType`] in a build without the feature `ml-dsa`.
    pub fn ml_dsa_44(name: KeyName, seed: &[u8; 32]) -> Result<Self, ParseKeyError> {
        #[cfg(feature = "ml-dsa")]
        {
            let signer = ml_dsa44::PrivateKey::from_seed(seed);
            let key = CosignerKey::new(name, CosignerAlgorithm::MlDsa44, &signer.public_key())?;
            Ok(Self {
                key,
                signer: Signer::MlDsa44(signer),
            })
        }
        #[cfg(not(feature = "ml-dsa"))]
        {
            let _ = (name, seed);
            Err(ParseKeyError::UnknownType {
                found: CosignerAlgorithm::MlDsa44.type_byte(),
            })
        }
    }

    /// The public half, to be given to verifiers.
    pub const fn key(&self) -> &CosignerKey {
        &self.key
    }

    /// Cosigns the checkpoint with this note text. Both algorithms are deterministic.
    ///
    /// A witness does so only after [`judge`](crate::witness::judge) accepted the checkpoint *and* it
    /// is stored that it did.
    ///
    /// # Errors
    ///
    /// [`CosignError`].
    pub fn cosign(&self, text: &str, time: PosixTime) -> Result<Signature, CosignError> {
        let message = self.key.message(text, time)?;
        let raw = match &self.signer {
            Signer::Ed25519(key) => key.sign(&message).to_bytes().to_vec(),
            #[cfg(feature = "ml-dsa")]
            Signer::MlDsa44(key) => key.sign(&message),
        };
        Ok(self.key.assemble(time, &raw))
    }

    /// The whole private key as text, **secret**, without a newline: for the key file and nothing
    /// else.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        let mut typed = Zeroizing::new(Vec::with_capacity(33));
        typed.push(self.key.algorithm().type_byte());
        typed.extend_from_slice(match &self.signer {
            Signer::Ed25519(key) => key.as_bytes(),
            #[cfg(feature = "ml-dsa")]
            Signer::MlDsa44(key) => key.seed(),
        });
        // One allocation of sufficient size: a string that grew would leave pieces behind.
        let prefix = format!("{PREFIX}{}+", self.key.key_ref());
        let mut text = Zeroizing::new(String::with_capacity(
            prefix.len().saturating_add(ENCODED_SEED_CHARS),
        ));
        text.push_str(&prefix);
        STANDARD.encode_string(typed.as_slice(), &mut text);
        text
    }
}

impl FromStr for CosignerSigner {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (written, base64) = split_key(text.strip_prefix(PREFIX).ok_or(ParseKeyError::Layout)?)?;
        let bytes = Zeroizing::new(STANDARD.decode(base64).map_err(|_| ParseKeyError::Base64)?);
        let (&found, seed) = bytes.split_first().ok_or(ParseKeyError::Length)?;
        let algorithm =
            CosignerAlgorithm::of_type(found).ok_or(ParseKeyError::UnknownType { found })?;
        let seed: &[u8; 32] = seed.try_into().map_err(|_| ParseKeyError::Length)?;
        let signer = match algorithm {
            CosignerAlgorithm::Ed25519 => Self::ed25519(written.name, seed),
            CosignerAlgorithm::MlDsa44 => Self::ml_dsa_44(written.name, seed)?,
        };
        let computed = signer.key.key_ref().id;
        if computed == written.id {
            Ok(signer)
        } else {
            Err(ParseKeyError::IdMismatch {
                written: written.id,
                computed,
            })
        }
    }
}

impl fmt::Display for CosignerSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.key_ref().fmt(f)
    }
}

impl fmt::Debug for CosignerSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CosignerSigner({}, seed withheld)", self.key.key_ref())
    }
}
