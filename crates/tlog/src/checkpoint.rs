//! C2SP tlog-checkpoint 1.0.0: what a log says its tree is.
//!
//! # The bytes
//!
//! ```text
//! example.com/behind-the-sofa⏎                        origin: which log
//! 20852163⏎                                           size: leaves in the tree
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=⏎       root of the tree of that size, base64
//! ```
//!
//! That is the text of a signed note ([`note`]). Each checkpoint has one spelling.
//! Extension lines, which the specification does not recommend because nobody audits them, are
//! refused by [`Checkpoint::parse`] and [`Checkpoint::open`]; only what handles other people's logs
//! reads them, by [`Checkpoint::parse_extended`].
//!
//! Not checked here: that the root is the root of any tree, and that the log said nothing else
//! about the same size. [`verify_consistency`](crate::verify_consistency) and witnesses do that.
//!
//! ```
//! use affiant_tlog::{Checkpoint, SignerKey, CompactTree, leaf_hash, checkpoint::Origin, note::KeyName};
//!
//! let key = SignerKey::from_seed(KeyName::new("log.example/eu-1")?, &[7; 32]);
//! let tree: CompactTree = [leaf_hash(b"first")].into_iter().collect();
//! let checkpoint = Checkpoint::new(Origin::of(key.name())?, tree.size(), tree.root());
//!
//! let note = checkpoint.sign(&key)?;
//! assert_eq!(Checkpoint::open(&note, key.verifier_key())?, checkpoint);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Specification: <https://c2sp.org/tlog-checkpoint>.

use std::fmt;
use std::str::FromStr;

use crate::hash::{Hash, ParseHashError};
use crate::note::{self, KeyName, Note, SignError, SignerKey, VerifierKey, VerifyError};
use crate::tree::TreeSize;

/// The longest origin, in bytes: what the message of an ML-DSA-44 cosignature can carry.
pub const ORIGIN_BYTES_MAX: usize = 255;

/// The largest tree size that is read: what `golang.org/x/mod/sumdb/tlog` can hold.
pub const TREE_SIZE_MAX: TreeSize = TreeSize(i64::MAX.unsigned_abs());

/// Which log speaks: by recommendation a URL without schema such as `log.example/eu-1`, and equal to
/// the name of the log's key.
///
/// 1 to [`ORIGIN_BYTES_MAX`] bytes, no ASCII control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String);

impl Origin {
    /// Takes an origin that a checkpoint can carry.
    ///
    /// # Errors
    ///
    /// [`OriginError`] says which rule it breaks.
    pub fn new(origin: &str) -> Result<Self, OriginError> {
        if origin.is_empty() {
            return Err(OriginError::Empty);
        }
        if origin.len() > ORIGIN_BYTES_MAX {
            return Err(OriginError::TooLong {
                found_bytes: origin.len(),
            });
        }
        if origin.bytes().any(|byte| byte < b' ') {
            return Err(OriginError::ControlCharacter);
        }
        Ok(Self(origin.to_owned()))
    }

    /// The origin of the log that signs with a key of this name, as the specification asks for.
    ///
    /// # Errors
    ///
    /// [`OriginError::TooLong`]; a key name breaks no other rule.
    pub fn of(name: &KeyName) -> Result<Self, OriginError> {
        Self::new(name.as_str())
    }

    /// The origin as it stands in checkpoints.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A log's statement: my tree has this size and this root.
///
/// `Display` gives the note text, with its last newline; [`Checkpoint::parse`] reads it. A value of
/// this type is a claim, not a fact, until a signature by the log is verified: [`Checkpoint::open`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// How many leaves its tree has.
    pub size: TreeSize,
    /// The root of that tree (RFC 6962 section 2.1).
    pub root: Hash,
}

impl Checkpoint {
    /// A checkpoint of these three parts.
    pub const fn new(origin: Origin, size: TreeSize, root: Hash) -> Self {
        Self { origin, size, root }
    }

    /// Reads a note text of exactly three lines.
    ///
    /// # Errors
    ///
    /// [`ParseCheckpointError`], among them [`ParseCheckpointError::Extension`] for more lines.
    pub fn parse(text: &str) -> Result<Self, ParseCheckpointError> {
        let (checkpoint, extensions) = Self::parse_extended(text)?;
        if extensions.is_empty() {
            Ok(checkpoint)
        } else {
            Err(ParseCheckpointError::Extension)
        }
    }

    /// Reads a note text of three lines or more: the checkpoint, and the extension lines with their
    /// newlines (empty where there are none), which mean nothing here.
    ///
    /// # Errors
    ///
    /// [`ParseCheckpointError`] says which line breaks a rule.
    pub fn parse_extended(text: &str) -> Result<(Self, &str), ParseCheckpointError> {
        let (origin, rest) = take_line(text)?;
        let (size, rest) = take_line(rest)?;
        let (root, extensions) = take_line(rest)?;
        let origin = Origin::new(origin).map_err(ParseCheckpointError::Origin)?;
        let size = parse_decimal(size)
            .filter(|&size| size <= TREE_SIZE_MAX.0)
            .map(TreeSize)
            .ok_or(ParseCheckpointError::Size)?;
        let root = Hash::from_base64(root).map_err(ParseCheckpointError::Root)?;
        if !extensions.is_empty() && !well_formed_lines(extensions) {
            return Err(ParseCheckpointError::Line);
        }
        Ok((Self { origin, size, root }, extensions))
    }

    /// Verifies a note by the log's key and reads its checkpoint. The origin must be the key's name.
    ///
    /// Does not ask for cosignatures: a policy does.
    ///
    /// # Errors
    ///
    /// [`OpenCheckpointError`].
    pub fn open(note: &Note, log: &VerifierKey) -> Result<Self, OpenCheckpointError> {
        let verified =
            note::verify(note, std::slice::from_ref(log)).map_err(OpenCheckpointError::Note)?;
        let checkpoint = Self::parse(verified.text()).map_err(OpenCheckpointError::Checkpoint)?;
        if checkpoint.origin.as_str() == log.name().as_str() {
            Ok(checkpoint)
        } else {
            Err(OpenCheckpointError::Origin {
                expected: log.name().clone(),
                found: checkpoint.origin,
            })
        }
    }

    /// The checkpoint as a note signed by the log's key.
    ///
    /// Whoever signs two checkpoints between which there is no consistency proof has forked the log.
    /// Does not check that the key's name is the origin.
    ///
    /// # Errors
    ///
    /// [`SignError`] where the format cannot carry the text; that of a checkpoint always fits.
    pub fn sign(&self, log: &SignerKey) -> Result<Note, SignError> {
        Note::sign(&self.to_string(), log)
    }
}

/// The text up to the first newline, and what follows it.
fn take_line(text: &str) -> Result<(&str, &str), ParseCheckpointError> {
    text.split_once('\n').ok_or(ParseCheckpointError::Line)
}

/// Whether these are lines that are not empty and end in a newline each.
fn well_formed_lines(text: &str) -> bool {
    text.strip_suffix('\n').is_some_and(|lines| {
        lines
            .split('\n')
            .all(|line| !line.is_empty() && line.bytes().all(|byte| byte >= b' '))
    })
}

/// Reads a decimal without sign, leading zeros or anything else: each number has one spelling.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    if !canonical || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Why a text is not an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// It has no characters.
    #[error("origin is empty")]
    Empty,
    /// It has more than [`ORIGIN_BYTES_MAX`] bytes.
    #[error("origin has {found_bytes} bytes, more than {ORIGIN_BYTES_MAX}")]
    TooLong {
        /// The length in bytes.
        found_bytes: usize,
    },
    /// It has an ASCII control character.
    #[error("origin has a control character")]
    ControlCharacter,
}

/// Why a note text is not a checkpoint. Whoever wrote it is at fault; retrying does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseCheckpointError {
    /// There are fewer than three lines, a line does not end, or an extension line is empty.
    #[error("checkpoint is not lines of origin, size and root")]
    Line,
    /// The first line is no origin.
    #[error("origin is malformed")]
    Origin(#[source] OriginError),
    /// The second line is no decimal of one spelling, or above [`TREE_SIZE_MAX`].
    #[error("tree size is not a decimal up to {TREE_SIZE_MAX}")]
    Size,
    /// The third line is no hash in base64.
    #[error("root is malformed")]
    Root(#[source] ParseHashError),
    /// There are lines behind the root.
    #[error("checkpoint has extension lines")]
    Extension,
}

/// Why a note is not a checkpoint to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenCheckpointError {
    /// The note is not signed by the log's key.
    #[error("checkpoint is not signed by the log")]
    Note(#[source] VerifyError),
    /// The log signed something else with this key.
    #[error("signed text is not a checkpoint")]
    Checkpoint(#[source] ParseCheckpointError),
    /// The log speaks for another origin than its key is named after.
    #[error("checkpoint is of {found}, but the key is of {expected}")]
    Origin {
        /// The name of the log's key.
        expected: KeyName,
        /// The origin in the checkpoint.
        found: Origin,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(origin: &str) -> Result<Self, Self::Err> {
        Self::new(origin)
    }
}

impl AsRef<str> for Origin {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.origin)?;
        writeln!(f, "{}", self.size)?;
        writeln!(f, "{}", self.root.to_base64())
    }
}

impl FromStr for Checkpoint {
    type Err = ParseCheckpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}
