//! What can be wrong with the bytes of an entry.

use crate::codec::ENTRY_VERSION;
use crate::limits::ENTRY_BYTES_MAX;

/// Bytes are not an entry this version reads. Whoever wrote or altered them is at fault, or, for
/// [`DecodeError::Version`] and [`DecodeError::UnknownKind`], this reader is too old.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Longer than a leaf may be.
    #[error("entry of {bytes} bytes is longer than {ENTRY_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("entry is not utf-8 at byte {offset}")]
    NotUtf8 {
        /// The first byte that is not.
        offset: usize,
    },
    /// Not one object on one line: white space, a byte order mark or other bytes around it, or a
    /// line break inside.
    #[error("entry is not one object on one line")]
    NotOneLine,
    /// Not JSON.
    #[error("entry is not json")]
    Json(#[source] serde_json::Error),
    /// A name stands twice in one object.
    #[error("entry has the member `{member}` twice")]
    Duplicate {
        /// The name, clipped.
        member: String,
    },
    /// Another version of the format.
    #[error("entry has version {found}, this reader supports {ENTRY_VERSION}")]
    Version {
        /// The version found.
        found: u64,
    },
    /// A kind this version does not know.
    #[error("entry is of unknown kind `{kind}`")]
    UnknownKind {
        /// The kind, clipped.
        kind: String,
    },
    /// A header member is not there.
    #[error("entry has no member `{member}`")]
    Missing {
        /// Which.
        member: &'static str,
    },
    /// A header member cannot be what it should be.
    #[error("member `{member}` is malformed")]
    Malformed {
        /// Which.
        member: &'static str,
    },
    /// A header member that entries of this kind do not have.
    #[error("entry of this kind has no `{member}`, but this one does")]
    Unexpected {
        /// Which.
        member: &'static str,
    },
}
