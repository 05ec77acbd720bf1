//! Reading many entries, one behind the other.

use super::scan::Scan;
use super::shape::{Shapes, Value};
use super::{DecodeError, Header, Members, View};

/// Reads entries one after another: as strictly as [`Decoded::parse`](super::Decoded::parse), and faster the
/// more they are alike. What it reads depends on nothing but the bytes.
///
/// It remembers what the last few kinds of entries looked like (at most sixteen, of 64 KiB each).
#[derive(Debug, Default)]
pub struct Reader {
    scan: Scan,
    shapes: Shapes,
    values: Vec<Value>,
}

impl Reader {
    /// A reader that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads one entry, of an unknown kind too. What it gives is good until the next one is read.
    ///
    /// # Errors
    /// As [`Decoded::parse_any_kind`](super::Decoded::parse_any_kind).
    pub fn read<'r>(&'r mut self, bytes: &'r [u8]) -> Result<View<'r>, DecodeError> {
        let text = super::text_of(bytes)?;
        if !self.shapes.read(text, &mut self.scan) {
            super::read(text, &mut self.scan, &mut self.values)?;
            self.shapes.learn(text, &self.scan, &self.values);
        }
        let header = Header::of(text, &self.scan)?;
        let members = Members {
            text,
            scan: &self.scan,
        };
        Ok(View { header, members })
    }
}
