//! The entries of a log, in its order.

use std::path::Path;
use std::rc::Rc;

use affiant_audit::files::Files as _;
use affiant_entry::decode::Decoded;
use affiant_tlog::{Checkpoint, LeafIndex, Note, TreeSize};

use super::merge::Row;
use crate::error::{ExpectedError, chain};
use crate::exit_code::Exit;
use crate::printer::warn;
use crate::prove::Leaves;
use crate::verify::log::{ReadError, Source};

/// A log that is read to its end, and on from there as it grows.
pub(crate) struct LogStream {
    source: Source,
    next: LeafIndex,
    size: TreeSize,
    troubled: bool,
}

impl LogStream {
    /// The log in a directory.
    pub(crate) fn open(dir: &Path) -> Result<Self, ExpectedError> {
        let mut stream = Self {
            source: Source::Dir(dir.to_owned()),
            next: LeafIndex(0),
            size: TreeSize(0),
            troubled: false,
        };
        stream.look()?;
        Ok(stream)
    }

    /// Whether a leaf was met that is no entry.
    pub(crate) const fn is_troubled(&self) -> bool {
        self.troubled
    }

    /// Hands on every entry that is there and was not yet; stops when `take` says so. The label of a
    /// row is its source.
    pub(crate) fn drain(
        &mut self,
        mut take: impl FnMut(Row) -> Result<bool, ExpectedError>,
    ) -> Result<(), ExpectedError> {
        let mut next = self.next;
        let mut leaves = Leaves::new(&self.source, next, self.size);
        if next.0 == 0 {
            leaves = leaves.or_later();
        }
        for leaf in leaves {
            let (index, bytes) = leaf?;
            next = LeafIndex(index.0.saturating_add(1));
            match Decoded::parse_any_kind(&bytes) {
                Ok(entry) => {
                    let spool = Rc::from(entry.header().source.as_str());
                    if !take(Row { spool, entry })? {
                        break;
                    }
                }
                Err(error) => {
                    warn(&format!("leaf {index}: {}", chain(&error)));
                    self.troubled = true;
                }
            }
        }
        self.next = next;
        Ok(())
    }

    /// Looks how far the log has grown. Its checkpoint is read, and not verified: `affiant verify`
    /// does that.
    pub(crate) fn look(&mut self) -> Result<(), ExpectedError> {
        let bytes = self.source.get("checkpoint").map_err(|error| match error {
            ReadError::Storage(error) => ExpectedError::storage(&error),
            ReadError::Unreachable(text) => ExpectedError::new(Exit::Unreachable, text),
        })?;
        let Some(bytes) = bytes else {
            return Ok(());
        };
        let malformed =
            |text: String| ExpectedError::new(Exit::Incomplete, format!("checkpoint: {text}"));
        let note = Note::parse(&bytes).map_err(|error| malformed(chain(&error)))?;
        let checkpoint =
            Checkpoint::parse(note.text()).map_err(|error| malformed(chain(&error)))?;
        self.size = self.size.max(checkpoint.size);
        Ok(())
    }
}
