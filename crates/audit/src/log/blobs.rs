//! What leaves keep outside of themselves, by the hash of its content: inputs that were too long, evidence,
//! rosters.
//!
//! The audit reads no blob. It says which ones must be there, and which ones were erased; whoever has them
//! compares ([`BlobClaims::judge`]).

use std::collections::{BTreeMap, BTreeSet};

use affiant_entry::decode::{Kind, Reader, View};
use affiant_entry::{LogKind, chain::Verdict};
use affiant_tlog::{Hash, LeafIndex};

/// Most blobs that are kept apart; what further ones are is counted as not looked at.
pub const BLOBS_MAX: usize = 1_000_000;

/// SHA-256 of a blob's content: its name.
pub type BlobHash = [u8; 32];

/// Which blobs a log names, and which of them it says were erased.
#[derive(Debug, Clone, Default)]
pub struct BlobClaims {
    named: BTreeMap<BlobHash, LeafIndex>,
    naming: BTreeSet<(BlobHash, Hash)>,
    erased: BTreeMap<BlobHash, LeafIndex>,
    /// Named, but more than [`BLOBS_MAX`].
    pub(super) beyond: u64,
}

/// What was found where a blob belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobFound {
    /// Content of that hash.
    Intact,
    /// Other content.
    Altered,
    /// Nothing.
    Nothing,
}

/// What a blob is worth. Only [`BlobVerdict::Intact`] is there; [`BlobVerdict::Erased`] is no fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlobVerdict {
    /// There, and what its name says.
    Intact,
    /// Not there, and the log says that it was destroyed.
    Erased,
    /// Not there, and nobody says why.
    Missing,
    /// There, with other content.
    Altered,
    /// There, though the log says that it was destroyed.
    NotErased,
}

impl BlobVerdict {
    /// What it makes of the log.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Intact | Self::Erased => Verdict::Ok,
            Self::Missing => Verdict::Incomplete,
            Self::Altered | Self::NotErased => Verdict::No,
        }
    }
}

impl BlobClaims {
    /// All blobs that leaves name, with the first leaf that does, by hash.
    pub fn named(&self) -> impl Iterator<Item = (&BlobHash, LeafIndex)> {
        self.named.iter().map(|(blob, leaf)| (blob, *leaf))
    }

    /// Blobs that were named and are not kept apart here: nobody looks at them.
    #[must_use]
    pub const fn beyond(&self) -> u64 {
        self.beyond
    }

    /// What is to be said of a blob, by what was found in its place.
    #[must_use]
    pub fn judge(&self, blob: &BlobHash, found: BlobFound) -> BlobVerdict {
        match (found, self.erased.contains_key(blob)) {
            (BlobFound::Nothing, true) => BlobVerdict::Erased,
            (BlobFound::Nothing, false) => BlobVerdict::Missing,
            (BlobFound::Intact, true) => BlobVerdict::NotErased,
            (BlobFound::Intact, false) => BlobVerdict::Intact,
            (BlobFound::Altered, _) => BlobVerdict::Altered,
        }
    }

    pub(super) fn name(&mut self, at: LeafIndex, leaf: Hash, blobs: &[BlobHash]) {
        for blob in blobs {
            if self.naming.len() >= BLOBS_MAX {
                self.beyond = self.beyond.saturating_add(1);
                continue;
            }
            self.named.entry(*blob).or_insert(at);
            self.naming.insert((*blob, leaf));
        }
    }

    /// The log says that a blob was destroyed. `false`: no leaf of that hash names it.
    pub(super) fn erase(&mut self, at: LeafIndex, blob: BlobHash, leaf: Hash) -> bool {
        self.erased.entry(blob).or_insert(at);
        self.beyond > 0 || self.naming.contains(&(blob, leaf))
    }
}

/// What one leaf says of blobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeafBlobs {
    /// Those it keeps outside of itself.
    pub named: Vec<BlobHash>,
    /// Those it says were destroyed.
    pub erased: Vec<BlobHash>,
}

impl LeafBlobs {
    /// Reads a leaf; one that is no entry says nothing. Whether who says it may say so is for the audit.
    #[must_use]
    pub fn of(leaf: &[u8]) -> Self {
        let mut reader = Reader::new();
        let Ok(entry) = reader.read(leaf) else {
            return Self::default();
        };
        let erases = entry.header().kind == Kind::Log(LogKind::Erase);
        let id = entry.pointer("/erase/blob").filter(|_| erases);
        Self {
            named: named_by(&entry),
            erased: id.and_then(|id| id_of(id.as_str()?)).into_iter().collect(),
        }
    }
}

/// The blobs that an entry names.
pub(super) fn named_by(entry: &View<'_>) -> Vec<BlobHash> {
    let kind = &entry.header().kind;
    let is_call = matches!(kind, Kind::CallBegin | Kind::CallEnd);
    let pointers: &[&str] = if is_call && has_blob(entry) {
        &["/input/blob"]
    } else if let Kind::Log(kind) = kind {
        of_log(entry, *kind)
    } else {
        &[]
    };
    let ids = pointers.iter().filter_map(|pointer| entry.pointer(pointer));
    ids.filter_map(|id| id_of(id.as_str()?)).collect()
}

fn of_log(entry: &View<'_>, kind: LogKind) -> &'static [&'static str] {
    match kind {
        LogKind::CallImport if has_blob(entry) => &["/input/blob", "/import/original"],
        LogKind::CallImport => &["/import/original"],
        LogKind::Fork => &["/fork/evidence"],
        LogKind::Roster if entry.pointer("/roster/note/absent").is_some() => &["/roster/digest"],
        LogKind::Key
        | LogKind::Roster
        | LogKind::ChainGap
        | LogKind::Quarantine
        | LogKind::SourceSilent
        | LogKind::SourceHeard
        | LogKind::SourceUnrostered
        | LogKind::Refusal
        | LogKind::CheckpointAnchor
        | LogKind::Prune
        | LogKind::Erase
        | LogKind::Context
        | LogKind::TrailRead => &[],
    }
}

fn has_blob(entry: &View<'_>) -> bool {
    entry.member("input_form") == Some("\"blob\"")
}

/// `sha256:<hex>`.
pub(super) fn id_of(text: &str) -> Option<BlobHash> {
    let hash: Hash = text.strip_prefix("sha256:")?.parse().ok()?;
    Some(hash.0)
}
