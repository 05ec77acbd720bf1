//! Values that must not leave the process, and what may be said of them.
//!
//! [`Unredacted`] holds what a client sent. It has no `Serialize`, and its `Debug` prints a size:
//! writing it anywhere does not compile.
//!
//! ```compile_fail
//! fn needs_serialize<T: serde::Serialize>(_: T) {}
//! needs_serialize(affiant_entry::Unredacted::new(b"secret".to_vec()));
//! ```
//!
//! ```compile_fail
//! println!("{}", affiant_entry::Unredacted::new(b"secret".to_vec()));
//! ```

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes as a peer sent them, before redaction. Not serialisable, not printable, wiped on drop.
#[derive(Clone)]
pub struct Unredacted(Zeroizing<Vec<u8>>);

impl Unredacted {
    /// Takes the bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Lets the redactor (and a commitment) look at the bytes. The only other caller is a policy
    /// decision in memory; the house rules check that.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Unredacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unredacted({} bytes)", self.0.len())
    }
}

/// A keyed commitment `hmac-sha256:<key id>:<64 hex digits>`: it proves what a value was to whoever
/// holds the key and the value, and tells nobody else anything, not even for guessable values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Commitment(String);

impl Commitment {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The HMAC-SHA256 key of a source's commitments and token hashes. `Debug` shows its id only.
#[derive(Clone)]
pub struct CommitKey {
    id: String,
    mac: Hmac<Sha256>,
}

impl CommitKey {
    /// A key from 32 secret bytes; `id` is a short public name such as `k1`.
    #[must_use]
    pub fn new(id: &str, secret: &[u8; 32]) -> Self {
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        Self {
            id: id.to_owned(),
            mac,
        }
    }

    /// The public name of the key.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Commits to a whole value under a label that keeps uses apart (`token`, `input`, …).
    #[must_use]
    pub fn commit(&self, label: &'static str, value: &[u8]) -> Commitment {
        let mut run = self.begin(label);
        run.update(value);
        run.finish()
    }

    /// Starts a commitment that is fed piece by piece.
    #[must_use]
    pub fn begin(&self, label: &'static str) -> CommitRun {
        let mut mac = self.mac.clone();
        mac.update(label.as_bytes());
        mac.update(&[0]);
        CommitRun {
            id: self.id.clone(),
            mac,
        }
    }
}

impl fmt::Debug for CommitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommitKey({})", self.id)
    }
}

/// A commitment in the making.
#[derive(Clone)]
pub struct CommitRun {
    id: String,
    mac: Hmac<Sha256>,
}

impl CommitRun {
    /// Feeds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.mac.update(bytes);
    }

    /// The commitment to all bytes fed.
    #[must_use]
    pub fn finish(self) -> Commitment {
        let digest = self.mac.finalize().into_bytes();
        Commitment(format!("hmac-sha256:{}:{}", self.id, hex::encode(digest)))
    }
}

impl fmt::Debug for CommitRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommitRun({})", self.id)
    }
}
