//! How a note refers to a key: by name and a short id.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// The type byte of Ed25519 keys and signatures (C2SP signed-note, "Signature types").
pub(super) const ED25519_TYPE: u8 = 0x01;

/// The name of a key, by recommendation a URL without schema such as `log.example/eu-1`.
///
/// Never empty, no Unicode white space, no `+`, no ASCII control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// Takes a name that the format can carry.
    ///
    /// # Errors
    ///
    /// [`KeyNameError`] says which rule the name breaks.
    pub fn new(name: &str) -> Result<Self, KeyNameError> {
        if name.is_empty() {
            return Err(KeyNameError::Empty);
        }
        match name
            .chars()
            .find(|&c| c.is_whitespace() || c == '+' || is_control(c))
        {
            Some(found) => Err(KeyNameError::Character { found }),
            None => Ok(Self(name.to_owned())),
        }
    }

    /// The name as it stands in keys and signature lines.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A control character by the words of the specification: below U+0020.
fn is_control(c: char) -> bool {
    c < ' '
}

/// The short id of a key: tells keys of one name apart, and is no proof of anything.
///
/// `Display` gives the eight lowercase hexadecimal digits of the key formats.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(
    /// The id as the big-endian number that the format stores.
    pub u32,
);

impl KeyId {
    /// The id that signed-note recommends for an Ed25519 public key of this name.
    pub(super) fn of_ed25519(name: &KeyName, public_key: &[u8; 32]) -> Self {
        Self::of(name, ED25519_TYPE, public_key)
    }

    /// The id that signed-note recommends for a public key of this name and signature type.
    pub(crate) fn of(name: &KeyName, signature_type: u8, public_key: &[u8]) -> Self {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(name.as_str())
            .chain_update(b"\n")
            .chain_update([signature_type])
            .chain_update(public_key)
            .finalize()
            .into();
        let [a, b, c, d, ..] = digest;
        Self(u32::from_be_bytes([a, b, c, d]))
    }

    /// Reads eight lowercase hexadecimal digits.
    fn parse(text: &str) -> Option<Self> {
        let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        let well_formed = text.len() == 8 && text.bytes().all(is_digit);
        if !well_formed {
            return None;
        }
        u32::from_str_radix(text, 16).ok().map(Self)
    }
}

/// The name and id of a key: together they pick the key that a signature claims to be by.
///
/// `Display` gives `name+c74f20a3`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyRef {
    /// The key's name.
    pub name: KeyName,
    /// The key's id.
    pub id: KeyId,
}

/// Splits `name+id+base64` into the key it refers to and the base64 part.
pub(crate) fn split_key(text: &str) -> Result<(KeyRef, &str), ParseKeyError> {
    let (name, rest) = text.split_once('+').ok_or(ParseKeyError::Layout)?;
    let (id, base64) = rest.split_once('+').ok_or(ParseKeyError::Layout)?;
    let name = KeyName::new(name).map_err(ParseKeyError::Name)?;
    let id = KeyId::parse(id).ok_or(ParseKeyError::KeyId)?;
    Ok((KeyRef { name, id }, base64))
}

/// Why a text is not a key name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyNameError {
    /// The name has no characters.
    #[error("key name is empty")]
    Empty,
    /// The name has white space, a plus or a control character.
    #[error("key name has the character {found:?}")]
    Character {
        /// The first character that may not stand in a name.
        found: char,
    },
}

/// Why a text is not a verifier or signer key. Says nothing of the key's bytes, so that a damaged
/// signer key does not leak into a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseKeyError {
    /// The parts `name+id+base64`, or the `PRIVATE+KEY+` before a signer key, are not there.
    #[error("key is not of the form name+id+base64")]
    Layout,
    /// The name breaks the rules of [`KeyName`].
    #[error("key name is malformed")]
    Name(#[source] KeyNameError),
    /// The id is not eight lowercase hexadecimal digits.
    #[error("key id is not eight lowercase hexadecimal digits")]
    KeyId,
    /// The last part is not canonical standard base64.
    #[error("key is not canonical base64")]
    Base64,
    /// The type byte is not one that is asked for here: `0x01` for a note key, `0x04` or `0x06` for a
    /// cosigner key. The key may be fine elsewhere.
    #[error("key type {found:#04x} is not supported")]
    UnknownType {
        /// The type byte.
        found: u8,
    },
    /// The key is not as long behind its type byte as its type asks for.
    #[error("key has the wrong length")]
    Length,
    /// The public key is no point of the curve, or one of small order, for which anybody can sign.
    #[error("public key is invalid or weak")]
    WeakKey,
    /// The id is not that of name and key: the text was altered or put together by hand.
    #[error("key id is {written} but name and key give {computed}")]
    IdMismatch {
        /// The id in the text.
        written: KeyId,
        /// The id that name and public key have.
        computed: KeyId,
    },
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = KeyNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl AsRef<str> for KeyName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.name, self.id)
    }
}
