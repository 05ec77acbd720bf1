//! C2SP tlog-proof: one text file that proves a leaf to whoever is offline.
//!
//! # The bytes
//!
//! ```text
//! c2sp.org/tlog-proof@v1⏎
//! extra YWdlLXYxLjIuMS1k…⏎      base64; the line is not there without extra data
//! index 73894⏎                  of the leaf, counted from 0
//! gSKyXoYZUgZ6jduWYrkD…⏎        inclusion proof, from the leaf's sibling up
//! …⏎
//! ⏎
//! example.com/fancylog⏎         the checkpoint with its signatures, verbatim
//! …
//! ```
//!
//! # What verification promises
//!
//! [`TlogProof::verify`] says that the log of the policy signed a tree which has this leaf hash at
//! this index, and that the policy's quorum of witnesses cosigned that very checkpoint. Not checked:
//! what the leaf says, the extra data (nobody signs it), and how old the cosignatures are.
//!
//! Specification: <https://c2sp.org/tlog-proof>, version 1.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::parse_decimal;
use crate::hash::{Hash, ParseHashError};
use crate::note::{MAX_NOTE_BYTES, Note, ParseNoteError};
use crate::policy::{CheckPolicyError, Policy, PolicyReport};
use crate::proof::{InclusionError, InclusionProof, verify_inclusion};
use crate::tree::LeafIndex;

/// The first line.
const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// The most extra data, in bytes: room for the largest entry of a log with its seal, in base64 and
/// JSON.
pub const EXTRA_BYTES_MAX: usize = 512 * 1024;

/// The largest proof that is read, in bytes.
pub const PROOF_BYTES_MAX: usize = 704 * 1024 + MAX_NOTE_BYTES;

/// The most hashes of an inclusion proof.
const HASHES_MAX: usize = 64;

/// A well-formed proof file. Nothing in it is to be believed before [`TlogProof::verify`]; the extra
/// data not even then.
///
/// `Display` gives the file; [`TlogProof::parse`] reads it, and each proof has one spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Data for the application, which nobody signs; at most [`EXTRA_BYTES_MAX`]. Empty: no line.
    pub extra: Vec<u8>,
    /// Which leaf.
    pub index: LeafIndex,
    /// That it is in the tree of the checkpoint.
    pub proof: InclusionProof,
    /// The checkpoint with its signatures and cosignatures.
    pub checkpoint: Note,
}

impl TlogProof {
    /// Reads a proof file. Never panics, whatever the bytes.
    ///
    /// Does not verify anything.
    ///
    /// # Errors
    ///
    /// [`ParseProofError`] where the bytes break a rule or a limit of the format.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseProofError> {
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(ParseProofError::TooLarge {
                found_bytes: bytes.len(),
            });
        }
        let text = str::from_utf8(bytes).map_err(|_| ParseProofError::Layout)?;
        let (head, note) = text.split_once("\n\n").ok_or(ParseProofError::Layout)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(ParseProofError::Layout);
        }
        let extra = match lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            Some(extra) => {
                lines.next();
                parse_extra(extra)?
            }
            None => Vec::new(),
        };
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(parse_decimal)
            .map(LeafIndex)
            .ok_or(ParseProofError::Index)?;
        let mut hashes = Vec::new();
        for line in lines {
            if hashes.len() >= HASHES_MAX {
                return Err(ParseProofError::TooManyHashes);
            }
            hashes.push(Hash::from_base64(line).map_err(ParseProofError::Hash)?);
        }
        Ok(Self {
            extra,
            index,
            proof: InclusionProof(hashes),
            checkpoint: Note::parse(note.as_bytes()).map_err(ParseProofError::Note)?,
        })
    }

    /// Verifies that the leaf hash, which the caller computed from a leaf it has, is in a log as the
    /// policy asks for. Gives the checkpoint, and who cosigned it when.
    ///
    /// # Errors
    ///
    /// [`VerifyProofError`].
    pub fn verify(&self, leaf: &Hash, policy: &Policy) -> Result<PolicyReport, VerifyProofError> {
        let report = policy
            .check(&self.checkpoint)
            .map_err(VerifyProofError::Checkpoint)?;
        if !report.quorum_met() {
            return Err(VerifyProofError::Quorum {
                cosigned: report.cosigned().len(),
            });
        }
        let checkpoint = report.checkpoint();
        verify_inclusion(
            self.index,
            checkpoint.size,
            leaf,
            &self.proof,
            &checkpoint.root,
        )
        .map_err(VerifyProofError::Inclusion)?;
        Ok(report)
    }

    /// The file as its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

fn parse_extra(base64: &str) -> Result<Vec<u8>, ParseProofError> {
    STANDARD
        .decode(base64)
        .ok()
        .filter(|extra| !extra.is_empty() && extra.len() <= EXTRA_BYTES_MAX)
        .ok_or(ParseProofError::Extra)
}

/// Why bytes are not a proof file. Whoever wrote or carried them is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseProofError {
    /// Larger than [`PROOF_BYTES_MAX`].
    #[error("proof has {found_bytes} bytes, more than {PROOF_BYTES_MAX}")]
    TooLarge {
        /// The size in bytes.
        found_bytes: usize,
    },
    /// Not UTF-8, another first line, or without the empty line before the checkpoint.
    #[error("proof does not begin with {FIRST_LINE} or has no checkpoint")]
    Layout,
    /// The extra data is empty, above [`EXTRA_BYTES_MAX`] or not canonical base64.
    #[error("extra data is not canonical base64 of 1 to {EXTRA_BYTES_MAX} bytes")]
    Extra,
    /// There is no line `index` with a decimal of one spelling.
    #[error("index is not a decimal")]
    Index,
    /// A line of the inclusion proof is no hash in base64.
    #[error("hash of the proof is malformed")]
    Hash(#[source] ParseHashError),
    /// More hashes than any tree has levels.
    #[error("proof has more than {HASHES_MAX} hashes")]
    TooManyHashes,
    /// What follows the empty line is no note.
    #[error("checkpoint is not a signed note")]
    Note(#[source] ParseNoteError),
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyProofError {
    /// The checkpoint is not one of a log in the policy, or a signature is bad.
    #[error("checkpoint is not to be believed")]
    Checkpoint(#[source] CheckPolicyError),
    /// The log signed, but too few of the policy's witnesses did: it may show others another tree.
    #[error("quorum of witnesses is not met, {cosigned} cosigned")]
    Quorum {
        /// How many witnesses of the policy cosigned.
        cosigned: usize,
    },
    /// The leaf is not in that tree at that index.
    #[error("leaf is not in the log")]
    Inclusion(#[source] InclusionError),
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if !self.extra.is_empty() {
            writeln!(f, "extra {}", STANDARD.encode(&self.extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.proof.0 {
            writeln!(f, "{}", hash.to_base64())?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}
