//! The private half of a note key.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{SECRET_KEY_LENGTH, Signer as _, SigningKey};
use zeroize::Zeroizing;

use super::key_ref::{ED25519_TYPE, KeyId, KeyName, KeyRef, ParseKeyError, split_key};
use super::signed::Signature;
use super::verifier::VerifierKey;

/// Before each signer key, so that nobody publishes one by mistake.
const PREFIX: &str = "PRIVATE+KEY+";
/// A type byte and a seed.
const TYPED_SEED_BYTES: usize = 1 + SECRET_KEY_LENGTH;
/// Base64 of 33 bytes: a multiple of three, so without padding.
const ENCODED_SEED_CHARS: usize = 44;

/// A private Ed25519 key with its name.
///
/// Read from and written to the signer key format of `golang.org/x/mod/sumdb/note`,
/// `PRIVATE+KEY+name+id+base64(0x01 │ seed)`. The seed leaves this type only by
/// [`SignerKey::to_secret_text`]: `Debug` and `Display` show name and id. Memory is wiped on drop.
///
/// ```
/// use affiant_tlog::SignerKey;
///
/// let text = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
/// let key: SignerKey = text.parse()?;
/// assert_eq!(key.to_string(), "PeterNeumann+c74f20a3");
/// assert_eq!(
///     key.verifier_key().to_string(),
///     "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
/// );
/// # Ok::<(), affiant_tlog::note::ParseKeyError>(())
/// ```
pub struct SignerKey {
    verifier: VerifierKey,
    key: SigningKey,
}

impl SignerKey {
    /// The key of a seed (RFC 8032 section 5.1.5, "private key").
    ///
    /// The seed must come from a secure random source; the caller wipes its own copy.
    pub fn from_seed(name: KeyName, seed: &[u8; SECRET_KEY_LENGTH]) -> Self {
        let key = SigningKey::from_bytes(seed);
        Self {
            verifier: VerifierKey::of(name, key.verifying_key()),
            key,
        }
    }

    /// The key's name.
    pub const fn name(&self) -> &KeyName {
        self.verifier.name()
    }

    /// The key's id.
    pub const fn key_id(&self) -> KeyId {
        self.verifier.key_id()
    }

    /// Name and id, as signatures carry them.
    pub const fn key_ref(&self) -> &KeyRef {
        self.verifier.key_ref()
    }

    /// The public half, to be given to verifiers.
    pub const fn verifier_key(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The whole signer key as text, **secret**, without a newline: for the key file and nothing else.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        let mut typed = Zeroizing::new([ED25519_TYPE; TYPED_SEED_BYTES]);
        let (_, seed) = typed.split_at_mut(1);
        seed.copy_from_slice(self.key.as_bytes());

        // One allocation of sufficient size: a string that grew would leave pieces behind.
        let prefix = format!("{PREFIX}{}+", self.key_ref());
        let mut text = Zeroizing::new(String::with_capacity(
            prefix.len().saturating_add(ENCODED_SEED_CHARS),
        ));
        text.push_str(&prefix);
        STANDARD.encode_string(typed.as_slice(), &mut text);
        text
    }

    /// Signs a text. RFC 8032 signatures are deterministic: the same text gives the same bytes.
    pub(super) fn signature_of(&self, text: &str) -> Signature {
        let signature = self.key.sign(text.as_bytes());
        Signature::new(self.key_ref().clone(), signature.to_bytes().to_vec())
    }
}

impl FromStr for SignerKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (written, base64) = split_key(text.strip_prefix(PREFIX).ok_or(ParseKeyError::Layout)?)?;
        let bytes = Zeroizing::new(STANDARD.decode(base64).map_err(|_| ParseKeyError::Base64)?);
        let seed = match bytes.split_first() {
            Some((&ED25519_TYPE, seed)) => seed,
            Some((&found, _)) => return Err(ParseKeyError::UnknownType { found }),
            None => return Err(ParseKeyError::Length),
        };
        let seed = seed.try_into().map_err(|_| ParseKeyError::Length)?;
        let key = Self::from_seed(written.name, seed);
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

impl fmt::Display for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key_ref().fmt(f)
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({}, seed withheld)", self.key_ref())
    }
}
