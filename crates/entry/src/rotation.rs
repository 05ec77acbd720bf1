//! Key rotation: how trust in one key of a source reaches the next.
//!
//! ```text
//! affiant.dev/key-rotation/v1⏎                   ┐
//! source gw-7⏎                                   │ text of a C2SP signed note
//! old gw-7+1c2f0f55+AQ…⏎                         │ verifier keys, both named after the source
//! new gw-7+9a0b3c4d+AQ…⏎                         │
//! time 2026-11-22T06:54:01.123456Z⏎              ┘
//! ⏎
//! — gw-7 HC8PVQ…=⏎                                 signature of the old key
//! — gw-7 mgs8TQ…=⏎                                 signature of the new key
//! ```
//!
//! Both keys sign: the old one says who its successor is, the new one that it wants to be it. Trust
//! therefore reaches along a note in either direction: who pins the new key can read what the old one
//! sealed.
//!
//! Not promised: a thief of the old key can sign a note to a key of their own. Notes say nothing of
//! the time at which a key stopped being good; that needs a log outside the source.
//!
//! Several notes are kept as one text, one behind the other, oldest first; each begins with the first
//! line above. Specification: `docs/spec/seal.md`.

use affiant_tlog::note::{
    Note, ParseNoteError, SignError, SignerKey, VerifierKey, VerifyError, verify,
};

use crate::ids::SourceId;
use crate::moment::{parse_rfc3339, rfc3339};
use crate::note_text::{Lines, NoteTextError, read};

/// First line of every rotation note.
pub const ROTATION_TEXT_V1: &str = "affiant.dev/key-rotation/v1";

/// Most keys a [`Trust`] holds: one rotation a day for more than ten years.
pub const TRUSTED_KEYS_MAX: usize = 4096;

/// One change of a source's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The source.
    pub source: SourceId,
    /// The key before.
    pub old: VerifierKey,
    /// The key after.
    pub new: VerifierKey,
    /// When: wall clock, microseconds since the Unix epoch.
    pub utc_us: i64,
}

/// A rotation note cannot be made or believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// The bytes are no signed note.
    #[error("rotation is not a signed note")]
    Note(#[source] ParseNoteError),
    /// The text is not that of a rotation.
    #[error("text is not that of a rotation")]
    Text(#[source] NoteTextError),
    /// Old and new key are the same.
    #[error("old and new key are the same")]
    SameKey,
    /// A key is not named after the source.
    #[error("key `{found}` is not named after the source `{expected}`")]
    KeyName {
        /// The source.
        expected: String,
        /// The key's name.
        found: String,
    },
    /// A signature does not hold.
    #[error("rotation is not signed as it should be")]
    Signature(#[source] VerifyError),
    /// Only one of the two keys signed, or a third did too.
    #[error("rotation does not have exactly the signatures of its old and its new key")]
    Signers,
    /// The note cannot be signed: a bug.
    #[error("rotation cannot be signed")]
    Sign(#[source] SignError),
}

impl Rotation {
    /// Signs the rotation with both keys and gives the note.
    ///
    /// # Errors
    /// [`RotationError::SameKey`], [`RotationError::KeyName`]; [`RotationError::Signers`] if the signers
    /// are not the keys it names.
    pub fn sign(&self, old: &SignerKey, new: &SignerKey) -> Result<String, RotationError> {
        check_keys([&self.old, &self.new], self.source.as_str())?;
        if old.verifier_key() != &self.old || new.verifier_key() != &self.new {
            return Err(RotationError::Signers);
        }
        let mut note = Note::sign(&self.to_text(), old).map_err(RotationError::Sign)?;
        note.add_signature(new).map_err(RotationError::Sign)?;
        Ok(note.to_string())
    }

    /// Reads one note and verifies both signatures with the keys it names. Does not say that either
    /// key is trusted: see [`Trust`].
    ///
    /// # Errors
    /// [`RotationError`].
    pub fn parse(note: &str) -> Result<Self, RotationError> {
        let note = Note::parse(note.as_bytes()).map_err(RotationError::Note)?;
        let rotation = Self::parse_text(note.text()).map_err(RotationError::Text)?;
        signed_by_both(
            &note,
            [&rotation.old, &rotation.new],
            rotation.source.as_str(),
        )?;
        Ok(rotation)
    }

    /// The text that is signed.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Self {
            source,
            old,
            new,
            utc_us,
        } = self;
        format!(
            "{ROTATION_TEXT_V1}\nsource {source}\nold {old}\nnew {new}\ntime {}\n",
            rfc3339(*utc_us)
        )
    }

    /// Reads a text in its one spelling.
    ///
    /// # Errors
    /// [`NoteTextError`] for anything that [`Rotation::to_text`] does not write.
    pub fn parse_text(text: &str) -> Result<Self, NoteTextError> {
        let mut lines = Lines::new(text);
        lines.exact(ROTATION_TEXT_V1)?;
        let rotation = Self {
            source: read("source", lines.value("source")?, |t| SourceId::new(t).ok())?,
            old: read("old", lines.value("old")?, |t| t.parse().ok())?,
            new: read("new", lines.value("new")?, |t| t.parse().ok())?,
            utc_us: read("time", lines.value("time")?, parse_rfc3339)?,
        };
        lines.end()?;
        if rotation.to_text() == text {
            Ok(rotation)
        } else {
            Err(NoteTextError::NotCanonical)
        }
    }
}

/// Whether these are two keys, both of this name.
fn check_keys(keys: [&VerifierKey; 2], name: &str) -> Result<(), RotationError> {
    let [old, new] = keys;
    if old == new {
        return Err(RotationError::SameKey);
    }
    match keys.into_iter().find(|key| key.name().as_str() != name) {
        None => Ok(()),
        Some(other) => Err(RotationError::KeyName {
            expected: name.to_owned(),
            found: other.name().as_str().to_owned(),
        }),
    }
}

/// Whether these are two keys of this name, and signed the note both, and nobody else.
pub(crate) fn signed_by_both(
    note: &Note,
    keys: [&VerifierKey; 2],
    name: &str,
) -> Result<(), RotationError> {
    check_keys(keys, name)?;
    let known = keys.map(Clone::clone);
    let verified = verify(note, &known).map_err(RotationError::Signature)?;
    let both = keys
        .into_iter()
        .all(|key| verified.is_signed_by(key.key_ref()));
    if both && note.signatures().len() == known.len() {
        Ok(())
    } else {
        Err(RotationError::Signers)
    }
}

/// Cuts a text of several notes into notes.
pub(crate) fn split_notes(text: &str) -> impl Iterator<Item = &str> {
    let first_line = format!("{ROTATION_TEXT_V1}\n");
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let begins = format!("\n{first_line}");
        let cut = rest
            .find(&begins)
            .map_or(rest.len(), |at| at.saturating_add(1));
        let (note, behind) = rest.split_at_checked(cut).unwrap_or((rest, ""));
        rest = behind;
        Some(note)
    })
}

/// The keys a verifier believes: those it was given, and those linked to them by rotation notes.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    keys: Vec<VerifierKey>,
    links: Vec<Rotation>,
}

impl Trust {
    /// Trusts these keys and no other.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = VerifierKey>) -> Self {
        let mut trust = Self::default();
        for key in keys {
            trust.add(key);
        }
        trust
    }

    /// Follows rotation notes, one behind the other in one text. A note that does not verify, or that
    /// links to no trusted key, changes nothing.
    #[must_use]
    pub fn with_rotations(mut self, notes: &str) -> Self {
        for note in split_notes(notes) {
            if let Ok(rotation) = Rotation::parse(note) {
                self.link(rotation);
            }
        }
        self
    }

    /// Follows one verified rotation, now or once one of its keys becomes trusted.
    pub fn link(&mut self, rotation: Rotation) {
        if self.links.len() < TRUSTED_KEYS_MAX && !self.links.contains(&rotation) {
            self.links.push(rotation);
        }
        while let Some(key) = self.next_linked() {
            self.add(key);
        }
    }

    /// Whether the key is trusted.
    #[must_use]
    pub fn trusts(&self, key: &VerifierKey) -> bool {
        self.keys.contains(key)
    }

    /// The trusted keys.
    #[must_use]
    pub fn keys(&self) -> &[VerifierKey] {
        &self.keys
    }

    fn add(&mut self, key: VerifierKey) {
        if self.keys.len() < TRUSTED_KEYS_MAX && !self.trusts(&key) {
            self.keys.push(key);
        }
    }

    fn next_linked(&self) -> Option<VerifierKey> {
        if self.keys.len() >= TRUSTED_KEYS_MAX {
            return None;
        }
        self.links.iter().find_map(
            |link| match (self.trusts(&link.old), self.trusts(&link.new)) {
                (true, false) => Some(link.new.clone()),
                (false, true) => Some(link.old.clone()),
                (true, true) | (false, false) => None,
            },
        )
    }
}
