//! One leaf, hashed and read. Independent of all others, so that many cores may read leaves at once.

use affiant_entry::chain::{ChainVerifier, Summary};
use affiant_entry::decode::{Decoded, Header, Reader};
use affiant_tlog::{Hash, leaf_hash};

use super::blobs;

/// A leaf's hash, and what a judge needs of its entry, if the bytes are one.
#[derive(Debug)]
pub struct Leaf {
    body: Body,
    /// Its length.
    pub(super) bytes: usize,
    /// Blobs that it names; almost always none.
    pub(super) blobs: Vec<[u8; 32]>,
}

#[derive(Debug)]
enum Body {
    Entry(Summary),
    Unreadable(Hash, Vec<u8>),
}

impl Leaf {
    /// Hashes and reads the bytes of one leaf. Never fails: bytes that are no entry are a leaf too. The reader
    /// may be any.
    #[must_use]
    pub fn read(reader: &mut Reader, bytes: &[u8]) -> Self {
        let hash = leaf_hash(bytes);
        let (body, blobs) = match reader.read(bytes) {
            Ok(entry) => {
                let blobs = blobs::named_by(&entry);
                (Body::Entry(Summary::of(entry, hash)), blobs)
            }
            Err(_) => (Body::Unreadable(hash, bytes.to_vec()), Vec::new()),
        };
        Self {
            body,
            bytes: bytes.len(),
            blobs,
        }
    }

    /// RFC 6962 leaf hash.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        match &self.body {
            Body::Entry(entry) => entry.leaf(),
            Body::Unreadable(hash, _) => *hash,
        }
    }

    pub(super) fn push_into(&self, verifier: &mut ChainVerifier) {
        match &self.body {
            Body::Entry(entry) => verifier.push_read(entry),
            Body::Unreadable(_, bytes) => verifier.push(bytes),
        }
    }

    /// Who, where and when; `None` if it is no entry.
    pub(super) fn header(&self) -> Option<&Header> {
        match &self.body {
            Body::Entry(entry) => Some(entry.header()),
            Body::Unreadable(..) => None,
        }
    }

    /// The entry, but for the ends and beginnings of calls.
    pub(super) fn entry(&self) -> Option<&Decoded> {
        match &self.body {
            Body::Entry(entry) => entry.entry(),
            Body::Unreadable(..) => None,
        }
    }
}
