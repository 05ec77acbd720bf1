//! Reading a spool, with or without a live writer.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::damage::{Damage, Tail};
use crate::error::ReadError;
use crate::frame::FrameKind;
use crate::ordinal::{Ordinal, Position, SpoolId};
use crate::storage::Storage;

/// A frame as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameRef {
    /// Its number.
    pub ordinal: Ordinal,
    /// What it holds.
    pub kind: FrameKind,
    /// Where it begins.
    pub position: Position,
    /// Whether it is the last of its group.
    pub group_end: bool,
    /// The payload, as appended.
    pub payload: Vec<u8>,
}

/// What a reader meets, in the order of the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A frame.
    Frame(FrameRef),
    /// Something that is wrong at this place.
    Damage(Damage),
}

/// Reads a spool in order. Takes no lock and changes nothing.
pub struct Reader {
    _storage: Arc<dyn Storage>,
}

impl Reader {
    /// Opens a spool at its first frame.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, ReadError> {
        Err(unsupported(dir.as_ref()))
    }

    /// Opens a spool so that every irregularity is reported.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn open_strict(dir: impl AsRef<Path>) -> Result<Self, ReadError> {
        Err(unsupported(dir.as_ref()))
    }

    /// Opens a spool at the first frame whose ordinal is at least `from`.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn open_from(dir: impl AsRef<Path>, _from: Ordinal) -> Result<Self, ReadError> {
        Err(unsupported(dir.as_ref()))
    }

    /// The next item, or `None` at the end of what is there.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn next_item(&mut self) -> Result<Option<Item>, ReadError> {
        Ok(None)
    }

    /// The groups (and damage) completed since the last call.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn poll_new(&mut self) -> Result<Vec<Item>, ReadError> {
        Ok(Vec::new())
    }

    /// How the spool ends, once [`Reader::next_item`] returned `None`.
    #[must_use]
    pub fn tail(&self) -> Option<Tail> {
        None
    }

    /// The first ordinal the cursor file does not acknowledge.
    #[must_use]
    pub fn acknowledged_end(&self) -> Ordinal {
        Ordinal::FIRST
    }

    /// The spool's id, if any segment or the cursor names it.
    #[must_use]
    pub fn id(&self) -> Option<SpoolId> {
        None
    }
}

fn unsupported(dir: &Path) -> ReadError {
    let _ = dir;
    ReadError::Storage {
        source: io::ErrorKind::Unsupported.into(),
    }
}
