//! SHA-256 hashes of RFC 6962 section 2.1, with their two spellings.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// Length of a [`Hash`](struct@Hash) in bytes.
pub const HASH_BYTES: usize = 32;

/// Before the bytes of a leaf (RFC 6962 section 2.1), so that a leaf never hashes like a node.
const LEAF_PREFIX: [u8; 1] = [0x00];
/// Before the two children of a node (RFC 6962 section 2.1).
const NODE_PREFIX: [u8; 1] = [0x01];

/// A SHA-256 hash of a leaf, a node or a tree.
///
/// `Display` and `FromStr` use 64 lowercase hexadecimal digits; C2SP texts use standard base64, see
/// [`Hash::to_base64`]. Hashes are public values: comparison is not constant-time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(
    /// The 32 bytes of the hash.
    pub [u8; HASH_BYTES],
);

impl Hash {
    /// The bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }

    /// The hash in standard base64 with padding (RFC 4648 section 4), 44 characters.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Reads what [`Hash::to_base64`] writes; no other spelling of the same bytes is accepted.
    ///
    /// # Errors
    ///
    /// [`ParseHashError::Base64`] for anything that is not canonical padded base64,
    /// [`ParseHashError::Length`] where it decodes to other than 32 bytes.
    pub fn from_base64(text: &str) -> Result<Self, ParseHashError> {
        let bytes = STANDARD.decode(text).map_err(|_| ParseHashError::Base64)?;
        Self::try_from(bytes.as_slice())
    }
}

/// The hash of a leaf's bytes: `SHA-256(0x00 || leaf)` (RFC 6962 section 2.1).
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    digest(&[&LEAF_PREFIX, leaf])
}

/// The hash of a node over its two children: `SHA-256(0x01 || left || right)` (RFC 6962 section 2.1).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    digest(&[&NODE_PREFIX, &left.0, &right.0])
}

/// The root of a tree without leaves: the SHA-256 of no bytes (RFC 6962 section 2.1).
///
/// ```
/// assert_eq!(
///     affiant_tlog::empty_root().to_string(),
///     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
/// );
/// ```
pub fn empty_root() -> Hash {
    digest(&[])
}

fn digest(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

/// Why a text or slice is not a [`Hash`](struct@Hash). The fault is the writer's; asking again does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseHashError {
    /// The text is not standard padded base64, or not its only canonical spelling.
    #[error("hash is not canonical base64")]
    Base64,
    /// The text has a character other than `0`-`9` and `a`-`f`.
    #[error("hash is not lowercase hexadecimal")]
    Hex,
    /// The decoded length is not [`HASH_BYTES`].
    #[error("hash has {found_bytes} bytes instead of {HASH_BYTES}")]
    Length {
        /// The decoded length in bytes.
        found_bytes: usize,
    },
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl From<[u8; HASH_BYTES]> for Hash {
    fn from(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }
}

impl From<Hash> for [u8; HASH_BYTES] {
    fn from(hash: Hash) -> Self {
        hash.0
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Hash {
    type Error = ParseHashError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        <[u8; HASH_BYTES]>::try_from(bytes)
            .map(Self)
            .map_err(|_| ParseHashError::Length {
                found_bytes: bytes.len(),
            })
    }
}

impl FromStr for Hash {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(ParseHashError::Hex);
        }
        let bytes = hex::decode(text).map_err(|_| ParseHashError::Hex)?;
        Self::try_from(bytes.as_slice())
    }
}
