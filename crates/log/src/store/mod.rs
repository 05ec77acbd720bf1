//! Where a log is kept: the port, the local directory, and a memory that fails on demand.
//!
//! A store has two halves that are trusted differently:
//!
//! - the **head** is linearizable and is believed: it says which tree is the log's;
//! - **objects** (tiles, bundles, staged rounds) are not believed: all of them are checked against the
//!   head, so that a bad store can stop the log but not change it.
//!
//! The port asks for nothing that an object store with conditional puts does not have: create-only
//! puts, reads, and one compare-and-swap. There are no renames, no appends, no locks in it.

pub(crate) mod dir;
mod memory;

use std::io;
use std::sync::Arc;

pub use dir::{DirReader, DirStore, OpenStoreError};
pub use memory::{Fault, MemStore};

/// Bytes under a path, such as `tile/0/000`, relative to the log and with `/` between the parts.
#[derive(Clone, PartialEq, Eq)]
pub struct Object {
    /// Where they belong.
    pub path: String,
    /// What belongs there, for ever.
    pub bytes: Vec<u8>,
}

/// Reads the objects of a log.
pub trait ReadObjects: Send + Sync {
    /// The bytes under a path, `None` where there are none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] where the store could not tell.
    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError>;
}

/// Keeps a log. One writer at a time; a second one loses at [`Store::swap_head`].
///
/// After any error nothing is known of the operation's effect: the caller forgets what it believes
/// and reads again.
pub trait Store: ReadObjects {
    /// The head record, `None` for a log that was never begun. What is returned is durable.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    fn head(&self) -> Result<Option<Vec<u8>>, StoreError>;

    /// Replaces the head record, if it is still `expected`. Durable on return; at no time does a
    /// reader see anything but the old or the new record.
    ///
    /// # Errors
    ///
    /// [`StoreError::HeadMoved`] where the head is another: somebody else writes to this log.
    fn swap_head(&self, expected: Option<&[u8]>, new: &[u8]) -> Result<(), StoreError>;

    /// Keeps the objects of one round under a name, durable on return. Objects staged before under
    /// that name are replaced. Makes all earlier promotions durable as well.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`]; then part of the round may be staged, and no head may name it.
    fn stage(&self, name: &str, objects: &[Object]) -> Result<(), StoreError>;

    /// The objects staged under a name, in order; `None` where nothing is.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`], [`StoreError::Damaged`] where the stage is not whole.
    fn staged(&self, name: &str) -> Result<Option<Vec<Object>>, StoreError>;

    /// The names of all stages, whole or not, in no order.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    fn staged_names(&self) -> Result<Vec<String>, StoreError>;

    /// Puts staged objects where they belong, each whole or not at all. Create-only: an object that
    /// is there already must be the same. The caller passes what [`Store::staged`] gives, or gave it
    /// to [`Store::stage`] in this process.
    ///
    /// Durable only after the next [`Store::stage`] or [`Store::sync`]: until then the stage is kept.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] where other bytes are under a path.
    fn promote(&self, name: &str, objects: &[Object]) -> Result<(), StoreError>;

    /// Makes all promotions durable.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    fn sync(&self) -> Result<(), StoreError>;

    /// Removes a stage. Nothing happens where there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    fn unstage(&self, name: &str) -> Result<(), StoreError>;

    /// Writes an object that changes, such as `checkpoint`. Readers see the old or the new bytes,
    /// never a mix.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    fn publish(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// Removes the partial tiles or bundles `{path}.p/*` of a full one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    fn remove_partials(&self, path: &str) -> Result<(), StoreError>;
}

/// What a store could not do.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk or the network refused; what was asked may or may not have happened.
    #[error("storage failed to {operation} `{path}`")]
    Io {
        /// What was tried: `read`, `stage`, `swap` and so on.
        operation: &'static str,
        /// The path in the log, or of the file.
        path: String,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// Other bytes are where this log's own belong: a second writer, another log, or a head that was
    /// rolled back.
    #[error("`{path}` exists with other content")]
    Conflict {
        /// The path in the log.
        path: String,
    },
    /// The head is not what this process wrote last: somebody else writes to this log.
    #[error("head was moved by another writer")]
    HeadMoved,
    /// A stage cannot be read back as it was written.
    #[error("stage `{name}` is damaged")]
    Damaged {
        /// The stage.
        name: String,
    },
}

impl StoreError {
    pub(crate) fn io(operation: &'static str, path: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            operation,
            path: path.into(),
            source: Arc::new(source),
        }
    }
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Object({}, {} bytes)", self.path, self.bytes.len())
    }
}
