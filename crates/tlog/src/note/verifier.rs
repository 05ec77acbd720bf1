//! The public half of a note key.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{PUBLIC_KEY_LENGTH, Signature as Ed25519Signature, VerifyingKey};

use super::key_ref::{ED25519_TYPE, KeyId, KeyName, KeyRef, ParseKeyError, split_key};

/// A public Ed25519 key with its name: what a verifier pins.
///
/// `Display` and `FromStr` use the verifier key format `name+id+base64(0x01 │ public key)`; each key
/// has one spelling. Small-order public keys do not exist as this type.
///
/// ```
/// use affiant_tlog::VerifierKey;
///
/// let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
/// let key: VerifierKey = text.parse()?;
/// assert_eq!(key.name().as_str(), "PeterNeumann");
/// assert_eq!(key.key_id().to_string(), "c74f20a3");
/// assert_eq!(key.to_string(), text);
/// # Ok::<(), affiant_tlog::note::ParseKeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    key_ref: KeyRef,
    key: VerifyingKey,
}

impl VerifierKey {
    /// Names a public key (RFC 8032 encoding).
    ///
    /// # Errors
    ///
    /// [`ParseKeyError::WeakKey`] where the bytes are no point of the curve, or one of small order.
    pub fn new(name: KeyName, public_key: &[u8; PUBLIC_KEY_LENGTH]) -> Result<Self, ParseKeyError> {
        let key = VerifyingKey::from_bytes(public_key).map_err(|_| ParseKeyError::WeakKey)?;
        if key.is_weak() {
            return Err(ParseKeyError::WeakKey);
        }
        Ok(Self::of(name, key))
    }

    /// Names a key that is known to be good.
    pub(super) fn of(name: KeyName, key: VerifyingKey) -> Self {
        let id = KeyId::of_ed25519(&name, key.as_bytes());
        Self {
            key_ref: KeyRef { name, id },
            key,
        }
    }

    /// The key's name.
    pub const fn name(&self) -> &KeyName {
        &self.key_ref.name
    }

    /// The key's id, which follows from name and public key.
    pub const fn key_id(&self) -> KeyId {
        self.key_ref.id
    }

    /// Name and id, as signatures carry them.
    pub const fn key_ref(&self) -> &KeyRef {
        &self.key_ref
    }

    /// The public key in RFC 8032 encoding.
    pub fn public_key(&self) -> [u8; PUBLIC_KEY_LENGTH] {
        self.key.to_bytes()
    }

    /// Whether these bytes are this key's signature over the text, by RFC 8032 strict verification.
    ///
    /// For who makes signatures elsewhere and wants to know that they fit before they are used. To
    /// judge a note, use [`verify`](super::verify): it looks at all lines.
    pub fn accepts(&self, text: &str, signature: &[u8]) -> bool {
        Ed25519Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(text.as_bytes(), &signature).is_ok())
    }
}

impl FromStr for VerifierKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (written, base64) = split_key(text)?;
        let bytes = STANDARD.decode(base64).map_err(|_| ParseKeyError::Base64)?;
        let public_key = match bytes.split_first() {
            Some((&ED25519_TYPE, public_key)) => public_key,
            Some((&found, _)) => return Err(ParseKeyError::UnknownType { found }),
            None => return Err(ParseKeyError::Length),
        };
        let public_key = public_key.try_into().map_err(|_| ParseKeyError::Length)?;
        let key = Self::new(written.name, public_key)?;
        if key.key_id() == written.id {
            Ok(key)
        } else {
            Err(ParseKeyError::IdMismatch {
                written: written.id,
                computed: key.key_id(),
            })
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut typed = vec![ED25519_TYPE];
        typed.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}", self.key_ref, STANDARD.encode(typed))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}
