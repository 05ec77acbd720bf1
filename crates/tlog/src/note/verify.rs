//! Whether a note's text may be believed.

use std::fmt;

use super::key_ref::KeyRef;
use super::signed::{Note, Signature};
use super::verifier::VerifierKey;

/// A text that at least one known key signed. Only [`verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedNote<'note> {
    text: &'note str,
    signatures: Vec<&'note Signature>,
}

impl<'note> VerifiedNote<'note> {
    /// The text with its last newline.
    pub const fn text(&self) -> &'note str {
        self.text
    }

    /// The verified signatures, one for each known key that signed, in the order of the note.
    pub fn signatures(&self) -> &[&'note Signature] {
        &self.signatures
    }

    /// Whether this key is among those that signed. The key must be one that was given to
    /// [`verify`]; of any other, name and id alone are compared.
    pub fn is_signed_by(&self, key: &KeyRef) -> bool {
        self.signatures
            .iter()
            .any(|signature| signature.key_ref() == key)
    }
}

/// Verifies a note against the keys the verifier knows.
///
/// Each signature that names a known key (by name *and* id) must be good; all others are ignored.
/// Does not check what the text says, nor how many known keys must sign: see
/// [`VerifiedNote::is_signed_by`].
///
/// # Errors
///
/// [`VerifyError::UnknownKey`], [`VerifyError::BadSignature`], and [`VerifyError::AmbiguousKey`]
/// where the given keys themselves cannot be told apart.
pub fn verify<'note>(
    note: &'note Note,
    known: &[VerifierKey],
) -> Result<VerifiedNote<'note>, VerifyError> {
    let mut verified: Vec<&Signature> = Vec::new();
    for signature in note.signatures() {
        let Some(key) = known_key(known, signature.key_ref())? else {
            continue;
        };
        if !key.accepts(note.text(), signature.bytes()) {
            return Err(VerifyError::BadSignature {
                key: signature.key_ref().clone(),
            });
        }
        if !verified
            .iter()
            .any(|seen| seen.key_ref() == signature.key_ref())
        {
            verified.push(signature);
        }
    }
    if verified.is_empty() {
        let found = note
            .signatures()
            .iter()
            .map(|s| s.key_ref().clone())
            .collect();
        return Err(VerifyError::UnknownKey { found });
    }
    Ok(VerifiedNote {
        text: note.text(),
        signatures: verified,
    })
}

/// The one known key of this name and id.
fn known_key<'k>(
    known: &'k [VerifierKey],
    wanted: &KeyRef,
) -> Result<Option<&'k VerifierKey>, VerifyError> {
    let mut matching = known.iter().filter(|key| key.key_ref() == wanted);
    let Some(key) = matching.next() else {
        return Ok(None);
    };
    if matching.any(|other| other != key) {
        return Err(VerifyError::AmbiguousKey {
            key: wanted.clone(),
        });
    }
    Ok(Some(key))
}

/// Why a well-formed note is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// No signature is by a key the verifier knows. The note may be fine: the verifier cannot tell
    /// without the right key, and reports an untrusted key rather than tampering.
    #[error("note is signed by no known key, only by {}", List(found))]
    UnknownKey {
        /// The keys that the note's signatures name.
        found: Vec<KeyRef>,
    },
    /// A signature names a known key, but that key did not sign this text: the text or signature
    /// was altered, or forged.
    #[error("signature by {key} does not fit the text")]
    BadSignature {
        /// The known key.
        key: KeyRef,
    },
    /// Two different known keys share name and id: the verifier's own configuration is at fault.
    #[error("two known keys are called {key}")]
    AmbiguousKey {
        /// The name and id they share.
        key: KeyRef,
    },
}

/// Keys in a sentence.
struct List<'a>(&'a [KeyRef]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, key) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{key}")?;
        }
        Ok(())
    }
}
