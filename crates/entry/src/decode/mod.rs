//! The strict reader of one entry.
//!
//! [`Header::parse`] reads who, where and when, and skims the rest; [`Decoded::parse`] also keeps
//! the bytes and where each member stands in them. Both refuse the same bytes, and neither changes
//! them: an entry is hashed, shown and carried over as it came.
//!
//! # What is refused
//!
//! More than [`ENTRY_BYTES_MAX`] bytes; anything but one JSON object
//! on one line of UTF-8 without white space around it; a name twice in one object (the value of
//! `input` is the client's and is not searched: capture reports doubles there as an anomaly); another
//! version than [`ENTRY_VERSION`](crate::codec::ENTRY_VERSION); an unknown kind; header members
//! missing, of another type or spelled otherwise than the codec spells them; integers above 2^53-1
//! in the header.
//!
//! # What is not checked
//!
//! Signatures and places in a chain (`chain`), whether the twelve fields are there
//! (`completeness`), members this version does not know: they are kept.

mod cursor;
mod error;
mod header;
mod members;
mod name;
mod reader;
mod scan;
mod scanner;
mod shape;
mod text;
mod view;

use serde_json::Value;

pub use crate::kind::Kind;
pub use crate::reclose::{Reclosed, reclose};
pub use error::DecodeError;
pub use header::Header;
pub use reader::Reader;
pub use view::View;

use crate::ids::SealNumber;
use crate::limits::ENTRY_BYTES_MAX;
pub(crate) use members::Members;
pub(crate) use name::{Known, Name};
pub(crate) use scan::Children;
use scan::Scan;
pub(crate) use text::is_plain;

/// One entry that was read strictly, with its bytes.
#[derive(Debug, Clone)]
pub struct Decoded {
    text: String,
    header: Header,
    scan: Scan,
}

impl Decoded {
    /// Reads one entry.
    ///
    /// # Errors
    /// [`DecodeError`], for each thing the module page lists.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let decoded = Self::parse_any_kind(bytes)?;
        decoded.header.known_kind()?;
        Ok(decoded)
    }

    /// Reads one entry, of an unknown kind too.
    ///
    /// # Errors
    /// As [`Decoded::parse`], without [`DecodeError::UnknownKind`].
    pub fn parse_any_kind(bytes: &[u8]) -> Result<Self, DecodeError> {
        let text = text_of(bytes)?;
        let mut scan = Scan::default();
        read(text, &mut scan, &mut Vec::new())?;
        let header = Header::of(text, &scan)?;
        Ok(Self {
            text: text.to_owned(),
            header,
            scan,
        })
    }

    /// The bytes it was read from.
    #[must_use]
    pub const fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Who, where and when.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// A top-level member as it is spelled: raw JSON.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&str> {
        self.scan.find(&self.text, name)
    }

    /// Its members, without its bytes.
    pub(crate) const fn view(&self) -> Members<'_> {
        Members {
            text: self.text.as_str(),
            scan: &self.scan,
        }
    }

    /// The top-level members in order: name and raw JSON.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.scan.members().map(|member| member.pair(&self.text))
    }

    /// Any field by its RFC 6901 pointer; `None` if there is none, or it cannot be represented (a lone
    /// surrogate, nesting past 128).
    ///
    /// Numbers keep their value, not their spelling: use [`Decoded::member`] where spelling matters.
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<Value> {
        self.view().pointer(pointer)
    }

    /// The whole entry as a JSON value, for queries and display; never to be hashed or written back.
    ///
    /// # Errors
    /// [`DecodeError::Json`] if the client's `input` is valid JSON but cannot be represented (a lone
    /// surrogate, nesting past 128).
    pub fn value(&self) -> Result<Value, DecodeError> {
        serde_json::from_str(&self.text).map_err(DecodeError::Json)
    }

    /// Number of the seal, as a `seal` entry says; `None` for any other kind. Not verified.
    #[must_use]
    pub const fn seal(&self) -> Option<SealNumber> {
        self.header.seal
    }

    /// The signed note of a `seal` entry; `None` for any other kind. Not verified.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        self.header.seal?;
        serde_json::from_str(self.member("note")?).ok()
    }
}

/// The bytes of an entry as text, if they can be one.
fn text_of(bytes: &[u8]) -> Result<&str, DecodeError> {
    if bytes.len() > ENTRY_BYTES_MAX {
        return Err(DecodeError::TooLong { bytes: bytes.len() });
    }
    let text = str::from_utf8(bytes).map_err(|error| DecodeError::NotUtf8 {
        offset: error.valid_up_to(),
    })?;
    if text.starts_with('{') && text.ends_with('}') {
        Ok(text)
    } else {
        Err(DecodeError::NotOneLine)
    }
}

/// What stands where in the text of an entry.
fn read(text: &str, scan: &mut Scan, values: &mut Vec<shape::Value>) -> Result<(), DecodeError> {
    match scanner::read(text, scan, values) {
        // The scanner takes no line breaks; here is why it did not.
        Err(_) if text.contains(['\n', '\r']) => Err(DecodeError::NotOneLine),
        read => read,
    }
}
