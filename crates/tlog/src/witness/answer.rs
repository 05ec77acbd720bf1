//! What a witness answers.

use std::fmt::Write as _;

use crate::checkpoint::{TREE_SIZE_MAX, parse_decimal};
use crate::cosignature::{CosignatureError, CosignerKey, PosixTime};
use crate::note::{MAX_NOTE_BYTES, MAX_SIGNATURES, Signature, SignatureLineError};
use crate::tree::TreeSize;

/// The content type of an answer with status 409.
pub const CONFLICT_CONTENT_TYPE: &str = "text/x.tlog.size";

/// The body of an answer with status 200: one line for each cosignature.
pub fn write_cosignatures(signatures: &[Signature]) -> String {
    signatures.iter().fold(String::new(), |mut body, line| {
        // Writing to a string does not fail.
        let _ = writeln!(body, "{line}");
        body
    })
}

/// Reads the body of an answer with status 200, and gives the cosignatures by the witness's known
/// keys over the note text that was sent. Lines by other keys are ignored.
///
/// # Errors
///
/// [`AnswerError`]: nothing of such an answer is used.
pub fn read_cosignatures(
    body: &[u8],
    text: &str,
    known: &[CosignerKey],
) -> Result<Vec<(Signature, PosixTime)>, AnswerError> {
    if body.len() > MAX_NOTE_BYTES {
        return Err(AnswerError::Layout);
    }
    let lines = str::from_utf8(body)
        .ok()
        .and_then(|body| body.strip_suffix('\n'))
        .ok_or(AnswerError::Layout)?;
    let mut cosignatures = Vec::new();
    for (line, count) in lines.split('\n').zip(1..) {
        if count > MAX_SIGNATURES {
            return Err(AnswerError::Layout);
        }
        let signature = Signature::parse(line).map_err(AnswerError::Line)?;
        let Some(key) = known.iter().find(|k| k.key_ref() == signature.key_ref()) else {
            continue;
        };
        let time = key
            .verify(text, &signature)
            .map_err(AnswerError::Cosignature)?;
        if time == PosixTime(0) {
            return Err(AnswerError::NoTime);
        }
        cosignatures.push((signature, time));
    }
    if cosignatures.is_empty() {
        return Err(AnswerError::NoKnownKey);
    }
    Ok(cosignatures)
}

/// Reads the body of an answer with status 409: the size that the witness remembers. `None` where it
/// is anything else than a decimal and a newline.
pub fn read_conflict(body: &[u8]) -> Option<TreeSize> {
    let line = str::from_utf8(body).ok()?.strip_suffix('\n')?;
    parse_decimal(line)
        .filter(|&size| size <= TREE_SIZE_MAX.0)
        .map(TreeSize)
}

/// Why a witness's answer is of no use. The witness is at fault, or who stands between.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// Not lines that end in a newline, or far too many.
    #[error("answer is not signature lines")]
    Layout,
    /// A line is no signature.
    #[error("signature line is malformed")]
    Line(#[source] SignatureLineError),
    /// A known key's cosignature is not over this checkpoint.
    #[error("cosignature is not over the checkpoint that was sent")]
    Cosignature(#[source] CosignatureError),
    /// A cosignature does not say when it was made, which a witness must.
    #[error("cosignature has no time")]
    NoTime,
    /// No line is by a known key.
    #[error("answer has no cosignature by a known key")]
    NoKnownKey,
}
