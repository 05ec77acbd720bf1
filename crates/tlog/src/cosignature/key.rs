//! The public half of a cosigner's key.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature as Ed25519Signature, VerifyingKey};

use super::PosixTime;
use super::message::{CosignError, message};
#[cfg(feature = "ml-dsa")]
use super::ml_dsa44;
use crate::note::{KeyId, KeyName, KeyRef, Note, ParseKeyError, Signature, split_key};

/// Bytes of the time before the signature.
const TIME_BYTES: usize = 8;

/// How a cosigner signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CosignerAlgorithm {
    /// Timestamped Ed25519, signature type `0x04`.
    Ed25519,
    /// Timestamped ML-DSA-44, signature type `0x06`.
    MlDsa44,
}

impl CosignerAlgorithm {
    /// The signature type byte (C2SP signed-note, "Signature types").
    pub const fn type_byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x04,
            Self::MlDsa44 => 0x06,
        }
    }

    /// The algorithm of a type byte, where this build knows it.
    pub(super) const fn of_type(byte: u8) -> Option<Self> {
        match byte {
            0x04 => Some(Self::Ed25519),
            0x06 if cfg!(feature = "ml-dsa") => Some(Self::MlDsa44),
            _ => None,
        }
    }
}

/// A key that is ready to verify.
#[derive(Clone)]
enum Verifier {
    Ed25519(VerifyingKey),
    #[cfg(feature = "ml-dsa")]
    MlDsa44(ml_dsa44::PublicKey),
}

/// The public key of a witness, or of a log that signs in ML-DSA-44 form, with its name.
///
/// `Display` and `FromStr` use the verifier key format `name+id+base64(type │ public key)` with type
/// `0x04` or `0x06`; each key has one spelling. Keys of type `0x01` are
/// [`VerifierKey`](crate::VerifierKey)s. Small-order Ed25519 keys do not exist as this type.
#[derive(Clone)]
pub struct CosignerKey {
    key_ref: KeyRef,
    algorithm: CosignerAlgorithm,
    public_key: Vec<u8>,
    verifier: Verifier,
}

impl CosignerKey {
    /// Names a public key.
    ///
    /// # Errors
    ///
    /// [`ParseKeyError::Length`], [`ParseKeyError::WeakKey`], and [`ParseKeyError::UnknownType`] for
    /// ML-DSA-44 in a build without it.
    pub fn new(
        name: KeyName,
        algorithm: CosignerAlgorithm,
        public_key: &[u8],
    ) -> Result<Self, ParseKeyError> {
        let verifier = verifier(algorithm, public_key)?;
        let id = KeyId::of(&name, algorithm.type_byte(), public_key);
        Ok(Self {
            key_ref: KeyRef { name, id },
            algorithm,
            public_key: public_key.to_vec(),
            verifier,
        })
    }

    /// Names an Ed25519 key that is known to be good.
    pub(super) fn of_ed25519(name: KeyName, key: VerifyingKey) -> Self {
        let algorithm = CosignerAlgorithm::Ed25519;
        let id = KeyId::of(&name, algorithm.type_byte(), key.as_bytes());
        Self {
            key_ref: KeyRef { name, id },
            algorithm,
            public_key: key.as_bytes().to_vec(),
            verifier: Verifier::Ed25519(key),
        }
    }

    /// The cosigner's name.
    pub const fn name(&self) -> &KeyName {
        &self.key_ref.name
    }

    /// Name and id, as signature lines carry them.
    pub const fn key_ref(&self) -> &KeyRef {
        &self.key_ref
    }

    /// How it signs.
    pub const fn algorithm(&self) -> CosignerAlgorithm {
        self.algorithm
    }

    /// The public key: RFC 8032 encoding, or that of FIPS 204.
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// Verifies a signature line over the checkpoint with this note text, and gives the time that it
    /// claims.
    ///
    /// # Errors
    ///
    /// [`CosignatureError`].
    pub fn verify(&self, text: &str, signature: &Signature) -> Result<PosixTime, CosignatureError> {
        let bad = || CosignatureError::BadSignature {
            key: self.key_ref.clone(),
        };
        if signature.key_ref() != &self.key_ref {
            return Err(bad());
        }
        let (time, signature) = signature
            .bytes()
            .split_first_chunk::<TIME_BYTES>()
            .ok_or_else(bad)?;
        let time = PosixTime(u64::from_be_bytes(*time));
        let message = self
            .message(text, time)
            .map_err(CosignatureError::Message)?;
        if self.accepts(&message, signature) {
            Ok(time)
        } else {
            Err(bad())
        }
    }

    /// Looks for this cosigner's signature under a checkpoint and verifies it: the time it claims,
    /// of several the latest, or `None` where no line is by this key.
    ///
    /// # Errors
    ///
    /// [`CosignatureError`] where a line names the key and is not a good signature by it.
    pub fn verify_in(&self, note: &Note) -> Result<Option<PosixTime>, CosignatureError> {
        let mut latest = None;
        for signature in note.signatures() {
            if signature.key_ref() == &self.key_ref {
                latest = latest.max(Some(self.verify(note.text(), signature)?));
            }
        }
        Ok(latest)
    }

    /// The bytes that this cosigner signs for a checkpoint, for a token or key service that holds
    /// the private key; [`CosignerKey::assemble`] makes the signature line from what it gives back.
    ///
    /// # Errors
    ///
    /// [`CosignError`].
    pub fn message(&self, text: &str, time: PosixTime) -> Result<Vec<u8>, CosignError> {
        message(self.algorithm, self.name(), text, time)
    }

    /// The signature line of a raw signature over [`CosignerKey::message`]. Does not verify it.
    pub fn assemble(&self, time: PosixTime, raw: &[u8]) -> Signature {
        let mut bytes = time.0.to_be_bytes().to_vec();
        bytes.extend_from_slice(raw);
        Signature::new(self.key_ref.clone(), bytes)
    }

    fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.verifier {
            Verifier::Ed25519(key) => Ed25519Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            #[cfg(feature = "ml-dsa")]
            Verifier::MlDsa44(key) => key.accepts(message, signature),
        }
    }
}

fn verifier(algorithm: CosignerAlgorithm, public_key: &[u8]) -> Result<Verifier, ParseKeyError> {
    match algorithm {
        CosignerAlgorithm::Ed25519 => {
            let bytes = public_key.try_into().map_err(|_| ParseKeyError::Length)?;
            let key = VerifyingKey::from_bytes(bytes).map_err(|_| ParseKeyError::WeakKey)?;
            if key.is_weak() {
                return Err(ParseKeyError::WeakKey);
            }
            Ok(Verifier::Ed25519(key))
        }
        #[cfg(feature = "ml-dsa")]
        CosignerAlgorithm::MlDsa44 => ml_dsa44::PublicKey::from_bytes(public_key)
            .map(Verifier::MlDsa44)
            .ok_or(ParseKeyError::Length),
        #[cfg(not(feature = "ml-dsa"))]
        CosignerAlgorithm::MlDsa44 => Err(ParseKeyError::UnknownType {
            found: algorithm.type_byte(),
        }),
    }
}

/// Why a cosignature says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CosignatureError {
    /// The line names the key, but that key did not sign this checkpoint at this time: text, time or
    /// signature were altered, or forged.
    #[error("cosignature by {key} does not fit the checkpoint")]
    BadSignature {
        /// The key.
        key: KeyRef,
    },
    /// There is no message that could have been signed: the text is no checkpoint, or the time is
    /// out of range.
    #[error("nothing was there to be cosigned")]
    Message(#[source] CosignError),
}

impl FromStr for CosignerKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (written, base64) = split_key(text)?;
        let bytes = STANDARD.decode(base64).map_err(|_| ParseKeyError::Base64)?;
        let (&found, public_key) = bytes.split_first().ok_or(ParseKeyError::Length)?;
        let algorithm =
            CosignerAlgorithm::of_type(found).ok_or(ParseKeyError::UnknownType { found })?;
        let key = Self::new(written.name, algorithm, public_key)?;
        if key.key_ref.id == written.id {
            Ok(key)
        } else {
            Err(ParseKeyError::IdMismatch {
                written: written.id,
                computed: key.key_ref.id,
            })
        }
    }
}

impl PartialEq for CosignerKey {
    fn eq(&self, other: &Self) -> bool {
        self.key_ref == other.key_ref
            && self.algorithm == other.algorithm
            && self.public_key == other.public_key
    }
}

impl Eq for CosignerKey {}

impl fmt::Display for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut typed = vec![self.algorithm.type_byte()];
        typed.extend_from_slice(&self.public_key);
        write!(f, "{}+{}", self.key_ref, STANDARD.encode(typed))
    }
}

impl fmt::Debug for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CosignerKey({}, {:?})", self.key_ref, self.algorithm)
    }
}
