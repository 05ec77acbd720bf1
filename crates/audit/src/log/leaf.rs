//! One leaf, hashed and read. Independent of all others, so that many cores may read leaves at once.

use affiant_entry::chain::ChainVerifier;
use affiant_entry::decode::Decoded;
use affiant_tlog::{Hash, leaf_hash};

use super::blobs;

/// A leaf's hash, and its entry if the bytes are one.
#[derive(Debug)]
pub struct Leaf {
    pub(super) hash: Hash,
    pub(super) body: Body,
    /// Blobs that it names; almost always none.
    pub(super) blobs: Vec<[u8; 32]>,
}

#[derive(Debug)]
pub(super) enum Body {
    Entry(Box<Decoded>),
    Unreadable(Vec<u8>),
}

impl Leaf {
    /// Hashes and reads the bytes of one leaf. Never fails: bytes that are no entry are a leaf too.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let body = match Decoded::parse_any_kind(bytes) {
            Ok(entry) => Body::Entry(Box::new(entry)),
            Err(_) => Body::Unreadable(bytes.to_vec()),
        };
        let blobs = match &body {
            Body::Entry(entry) => blobs::named_by(entry),
            Body::Unreadable(_) => Vec::new(),
        };
        Self {
            hash: leaf_hash(bytes),
            body,
            blobs,
        }
    }

    /// RFC 6962 leaf hash.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Entry(entry) => entry.bytes(),
            Body::Unreadable(bytes) => bytes,
        }
    }

    pub(super) fn push_into(&self, verifier: &mut ChainVerifier) {
        match &self.body {
            Body::Entry(entry) => verifier.push_read(entry, self.hash),
            Body::Unreadable(bytes) => verifier.push(bytes),
        }
    }

    pub(super) fn entry(&self) -> Option<&Decoded> {
        match &self.body {
            Body::Entry(entry) => Some(entry),
            Body::Unreadable(_) => None,
        }
    }
}
