//! The body of an add-checkpoint request.

use std::fmt;

use crate::checkpoint::{Checkpoint, ParseCheckpointError, TREE_SIZE_MAX, parse_decimal};
use crate::hash::{Hash, ParseHashError};
use crate::note::{MAX_NOTE_BYTES, Note, ParseNoteError};
use crate::proof::ConsistencyProof;
use crate::tree::TreeSize;

/// The most hashes that a request's consistency proof may have.
pub const PROOF_HASHES_MAX: usize = 63;

/// The largest request that is read, in bytes: 63 hashes of 45, the first lines, and a note.
pub const REQUEST_BYTES_MAX: usize = 4_096 + MAX_NOTE_BYTES;

/// A well-formed request to cosign a checkpoint. Nothing in it is verified: [`judge`](super::judge)
/// does that.
///
/// `Display` gives the body; [`AddCheckpoint::parse`] reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    old: TreeSize,
    proof: ConsistencyProof,
    note: Note,
    checkpoint: Checkpoint,
}

impl AddCheckpoint {
    /// Asks to cosign this note, behind the tree of size `old` that the witness is believed to
    /// remember (0 where that is not known).
    ///
    /// # Errors
    ///
    /// [`ParseRequestError::Checkpoint`] where the note is of something else,
    /// [`ParseRequestError::TooManyHashes`].
    pub fn new(
        old: TreeSize,
        proof: ConsistencyProof,
        note: Note,
    ) -> Result<Self, ParseRequestError> {
        if proof.0.len() > PROOF_HASHES_MAX {
            return Err(ParseRequestError::TooManyHashes);
        }
        // Logs of others may have extension lines; they are cosigned as they are, and mean nothing.
        let (checkpoint, _) =
            Checkpoint::parse_extended(note.text()).map_err(ParseRequestError::Checkpoint)?;
        Ok(Self {
            old,
            proof,
            note,
            checkpoint,
        })
    }

    /// Reads the body of a request. Never panics, whatever the bytes; sizes are capped before
    /// anything is decoded.
    ///
    /// Does not verify signatures or proof.
    ///
    /// # Errors
    ///
    /// [`ParseRequestError`]: the answer is 400.
    pub fn parse(body: &[u8]) -> Result<Self, ParseRequestError> {
        if body.len() > REQUEST_BYTES_MAX {
            return Err(ParseRequestError::TooLarge {
                found_bytes: body.len(),
            });
        }
        let text = str::from_utf8(body).map_err(|_| ParseRequestError::Layout)?;
        let (head, note) = text.split_once("\n\n").ok_or(ParseRequestError::Layout)?;
        let mut lines = head.split('\n');
        let old = lines
            .next()
            .and_then(|line| line.strip_prefix("old "))
            .and_then(parse_decimal)
            .filter(|&old| old <= TREE_SIZE_MAX.0)
            .map(TreeSize)
            .ok_or(ParseRequestError::OldSize)?;
        let mut hashes = Vec::new();
        for line in lines {
            if hashes.len() >= PROOF_HASHES_MAX {
                return Err(ParseRequestError::TooManyHashes);
            }
            hashes.push(Hash::from_base64(line).map_err(ParseRequestError::Hash)?);
        }
        let note = Note::parse(note.as_bytes()).map_err(ParseRequestError::Note)?;
        Self::new(old, ConsistencyProof(hashes), note)
    }

    /// The size that the log believes the witness to remember.
    pub const fn old(&self) -> TreeSize {
        self.old
    }

    /// The proof from `old` to the checkpoint, as sent.
    pub const fn proof(&self) -> &ConsistencyProof {
        &self.proof
    }

    /// The note with the checkpoint, as sent.
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// What the note claims. Its origin says which log's keys and memory to judge by.
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The body of the request.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.proof.0 {
            writeln!(f, "{}", hash.to_base64())?;
        }
        write!(f, "\n{}", self.note)
    }
}

/// Why a body is not an add-checkpoint request: status 400. The sender is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseRequestError {
    /// Larger than [`REQUEST_BYTES_MAX`].
    #[error("request has {found_bytes} bytes, more than {REQUEST_BYTES_MAX}")]
    TooLarge {
        /// The size in bytes.
        found_bytes: usize,
    },
    /// Not UTF-8, or without the empty line before the checkpoint.
    #[error("request is not lines, an empty line and a checkpoint")]
    Layout,
    /// The first line is not `old` and a size.
    #[error("first line is not `old` and a tree size")]
    OldSize,
    /// A line of the proof is no hash in base64.
    #[error("hash of the proof is malformed")]
    Hash(#[source] ParseHashError),
    /// More than [`PROOF_HASHES_MAX`] hashes.
    #[error("proof has more than {PROOF_HASHES_MAX} hashes")]
    TooManyHashes,
    /// What follows the empty line is no note.
    #[error("checkpoint is not a signed note")]
    Note(#[source] ParseNoteError),
    /// The note is not of a checkpoint.
    #[error("note is not of a checkpoint")]
    Checkpoint(#[source] ParseCheckpointError),
}
