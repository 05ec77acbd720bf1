//! The last seal, as its key holder remembers it.

use affiant_tlog::note::{Note, ParseNoteError, verify};
use affiant_tlog::{Hash, leaf_hash};

use crate::codec::encode_seal;
use crate::ids::{BootId, SealNumber, SourceId, SpoolName};
use crate::note_text::NoteTextError;
use crate::rotation::Trust;
use crate::seal::SealText;

/// The end of a chain, kept beside the key and apart from the spool: what tells a spool that was cut
/// or emptied from one that never held more.
///
/// Its text is the last seal's signed note itself. One that is some seals old is as good: the chain
/// must contain it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RememberedHead {
    /// The source.
    pub source: SourceId,
    /// The spool.
    pub spool: SpoolName,
    /// The boot of the seal.
    pub boot: BootId,
    /// The seal's number.
    pub seal: SealNumber,
    /// Leaf hash of the seal entry.
    pub hash: Hash,
    note: String,
}

/// A text is not a remembered head. The file was altered, or is another one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// Not a signed note.
    #[error("remembered seal is not a signed note")]
    Note(#[source] ParseNoteError),
    /// Not the text of a seal.
    #[error("remembered note is not a seal")]
    Text(#[source] NoteTextError),
    /// A seal no entry can hold.
    #[error("remembered seal is too long")]
    TooLong,
}

impl RememberedHead {
    /// Reads the signed note of a seal. Does not verify its signature: [`ChainVerifier`] does.
    ///
    /// # Errors
    /// [`HeadError`] if the text is not that of a seal.
    ///
    /// [`ChainVerifier`]: crate::chain::ChainVerifier
    pub fn parse(note: &str) -> Result<Self, HeadError> {
        let parsed = Note::parse(note.as_bytes()).map_err(HeadError::Note)?;
        let text = SealText::parse(parsed.text()).map_err(HeadError::Text)?;
        let entry = encode_seal(&text.source, text.boot, text.seal, note)
            .map_err(|_| HeadError::TooLong)?;
        Ok(Self {
            source: text.source,
            spool: text.spool,
            boot: text.boot,
            seal: text.seal,
            hash: leaf_hash(entry.as_slice()),
            note: note.to_owned(),
        })
    }

    /// The signed note: what [`RememberedHead::parse`] reads.
    #[must_use]
    pub fn to_text(&self) -> &str {
        &self.note
    }

    pub(super) fn is_signed_by(&self, trust: &Trust) -> bool {
        Note::parse(self.note.as_bytes()).is_ok_and(|note| verify(&note, trust.keys()).is_ok())
    }
}
