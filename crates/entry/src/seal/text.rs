//! The text of a seal, to and from its one spelling.

use std::fmt::Write as _;
use std::num::NonZeroU64;

use affiant_tlog::Hash;

use crate::ids::{BootId, SealNumber, Seq, SourceId, SpoolName};
use crate::limits::INTEGER_MAX;
use crate::moment::{parse_rfc3339, rfc3339};
use crate::note_text::{Lines, NoteTextError, read};

/// First line of every seal: no other text a source key signs begins with it.
pub const SEAL_TEXT_V1: &str = "affiant.dev/seal/v1";

/// What a seal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealText {
    /// The source; also the name of the key that signs.
    pub source: SourceId,
    /// The spool that holds the chain.
    pub spool: SpoolName,
    /// The boot its entries belong to.
    pub boot: BootId,
    /// Number of the seal within the boot.
    pub seal: SealNumber,
    /// Sequence number of the first entry it covers.
    pub first: Seq,
    /// Number of entries it covers.
    pub count: NonZeroU64,
    /// RFC 6962 root over the leaf hashes of the entries, in order.
    pub root: Hash,
    /// RFC 6962 leaf hash of the seal entry before; `None` only in a chain's first seal.
    pub previous: Option<Hash>,
    /// When it was signed: wall clock, microseconds since the Unix epoch.
    pub utc_us: i64,
}

impl SealText {
    /// The text, each line ended by a newline: what is signed.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(320);
        let previous = self
            .previous
            .map_or_else(|| "none".to_owned(), |hash| hash.to_base64());
        let Self {
            source,
            spool,
            boot,
            seal,
            first,
            count,
            root,
            ..
        } = self;
        let _infallible = write!(
            text,
            "{SEAL_TEXT_V1}\nsource {source}\nspool {spool}\nboot {boot}\nseal {}\nfirst {}\ncount {count}\n\
             root {}\nprevious {previous}\ntime {}\n",
            seal.0,
            first.0,
            root.to_base64(),
            rfc3339(self.utc_us),
        );
        text
    }

    /// Reads a text in its one spelling: `SealText::parse(t)?.to_text() == t`.
    ///
    /// Does not check a signature, nor whether the numbers fit any chain.
    ///
    /// # Errors
    /// [`NoteTextError`] for anything that [`SealText::to_text`] does not write.
    pub fn parse(text: &str) -> Result<Self, NoteTextError> {
        let mut lines = Lines::new(text);
        lines.exact(SEAL_TEXT_V1)?;
        let seal = Self {
            source: read("source", lines.value("source")?, |t| SourceId::new(t).ok())?,
            spool: read("spool", lines.value("spool")?, |t| SpoolName::new(t).ok())?,
            boot: read("boot", lines.value("boot")?, |t| BootId::parse(t).ok())?,
            seal: read("seal", lines.value("seal")?, number).map(SealNumber)?,
            first: read("first", lines.value("first")?, number).map(Seq)?,
            count: read("count", lines.value("count")?, |t| {
                number(t).and_then(NonZeroU64::new)
            })?,
            root: read("root", lines.value("root")?, |t| Hash::from_base64(t).ok())?,
            previous: read("previous", lines.value("previous")?, previous)?,
            utc_us: read("time", lines.value("time")?, parse_rfc3339)?,
        };
        lines.end()?;
        if seal.to_text() == text {
            Ok(seal)
        } else {
            Err(NoteTextError::NotCanonical)
        }
    }

    /// The sequence number behind the last entry it covers.
    #[must_use]
    pub const fn next_seq(&self) -> Seq {
        Seq(self.first.0.saturating_add(self.count.get()))
    }
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|n| *n <= INTEGER_MAX)
}

fn previous(text: &str) -> Option<Option<Hash>> {
    if text == "none" {
        Some(None)
    } else {
        Hash::from_base64(text).ok().map(Some)
    }
}
