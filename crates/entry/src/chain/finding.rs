//! What can be wrong with a chain.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::completeness::Field;
use crate::ids::{BootId, CallId, SealNumber, Seq};

/// What a chain is worth; a later one is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that was checked holds.
    Ok,
    /// What is there holds, but something is not there, or could not be told.
    Incomplete,
    /// It is sealed by a key that nothing links to a trusted one.
    Untrusted,
    /// It was altered, cut or forged, or its source broke its own rules.
    No,
}

/// Where something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The chain as a whole.
    Chain,
    /// A boot.
    Boot {
        /// Which.
        boot: BootId,
    },
    /// An entry.
    Entry {
        /// Its boot.
        boot: BootId,
        /// Its number as the chain counts.
        seq: Seq,
    },
    /// A seal.
    Seal {
        /// Its boot.
        boot: BootId,
        /// Its number.
        seal: SealNumber,
    },
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// What it makes of the chain.
    pub verdict: Verdict,
    /// What.
    pub fault: Fault,
}

/// Everything that can be wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Bytes that are no entry.
    #[error("not an entry: {reason}")]
    NotAnEntry {
        /// What the reader said.
        reason: String,
    },
    /// An entry of a version or kind this program does not know.
    #[error("cannot be read by this version: {reason}")]
    Unsupported {
        /// What the reader said.
        reason: String,
    },
    /// An entry of a kind that only an aggregator writes, in its own name.
    #[error("entry is of kind `{kind}`, which no source writes")]
    ForeignKind {
        /// The kind.
        kind: &'static str,
    },
    /// The storage lost or altered bytes.
    #[error("storage is damaged: {what}")]
    Damaged {
        /// What the storage said.
        what: String,
    },
    /// An entry of another source.
    #[error("source is `{found}` in a chain of `{expected}`")]
    Source {
        /// The chain's source.
        expected: String,
        /// The entry's source.
        found: String,
    },
    /// A boot or seal of another spool.
    #[error("spool is `{found}` in a chain of `{expected}`")]
    Spool {
        /// The chain's spool.
        expected: String,
        /// The spool named.
        found: String,
    },
    /// The chain does not begin with a first boot.
    #[error("beginning of the chain is not here")]
    StartMissing {
        /// Whether the verifier was told to expect that.
        expected: bool,
    },
    /// A boot without its `boot` entry.
    #[error("boot does not begin with a boot entry")]
    BootMissing,
    /// A `boot` entry inside a boot.
    #[error("second boot entry in one boot")]
    BootTwice,
    /// A `boot` entry whose own members cannot be read.
    #[error("`{member}` of the boot entry is malformed")]
    BootMalformed {
        /// Which member.
        member: &'static str,
    },
    /// A `boot` entry that does not name the seal before it.
    #[error("boot does not link to the seal before it")]
    BootLink,
    /// A rotation note that does not verify.
    #[error("rotation note does not hold: {reason}")]
    Rotation {
        /// Why.
        reason: String,
    },
    /// Entries of one boot are not numbered 0, 1, 2, …: one was deleted, added, doubled or moved.
    #[error("entry {found} stands where entry {expected} belongs")]
    Seq {
        /// The number that should have come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// Entries that no seal covers, with more of the chain behind them.
    #[error("{entries} entries inside the chain are under no seal")]
    UnsealedInside {
        /// How many.
        entries: u64,
    },
    /// More entries without a seal than a seal may cover.
    #[error("more entries without a seal than one may cover")]
    GroupTooLong,
    /// A seal entry that is not what a sealer writes.
    #[error("seal is malformed: {reason}")]
    SealMalformed {
        /// Why.
        reason: String,
    },
    /// Seals of one boot are not numbered 0, 1, 2, …: one was deleted, doubled or moved.
    #[error("seal {found} stands where seal {expected} belongs")]
    SealNumber {
        /// The number that should have come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// A seal that begins at another entry than the one behind the seal before.
    #[error(
        "seal begins at entry {found}, but entry {expected} is the first behind the seal before"
    )]
    SealFirst {
        /// The first entry behind the seal before.
        expected: u64,
        /// What the seal says.
        found: u64,
    },
    /// A seal over another number of entries than stand before it.
    #[error("seal covers {found} entries, but {expected} are here")]
    SealCount {
        /// Entries that are here.
        expected: u64,
        /// What the seal says.
        found: u64,
    },
    /// The entries are not the ones that were sealed.
    #[error("entries are not the ones that were sealed: root differs")]
    Root,
    /// A seal that does not name the one before it.
    #[error("seal does not link to the seal before it")]
    SealLink,
    /// A signature that its key did not make over this text.
    #[error("signature of the seal does not fit its text")]
    Signature,
    /// A seal signed by another key than the one its boot declares.
    #[error("seal is signed by {found}, not by the key its boot names")]
    OtherKey {
        /// Name and id of the key that the signature names.
        found: String,
    },
    /// A boot sealed by a key that nothing links to a trusted one.
    #[error("key {key} is not trusted")]
    Untrusted {
        /// The key, as verifier key if it is known, else its name and id.
        key: String,
    },
    /// A second `call.end` of one call.
    #[error("call {call} ends twice")]
    EndedTwice {
        /// The call.
        call: CallId,
    },
    /// A second `call.begin` of one call.
    #[error("call {call} begins twice")]
    BegunTwice {
        /// The call.
        call: CallId,
    },
    /// A `call.end` without its `call.begin`.
    #[error("call {call} ends without a beginning")]
    EndWithoutBegin {
        /// The call.
        call: CallId,
        /// Whether a gap was declared before, in which the beginning may have been lost.
        gap_before: bool,
    },
    /// A call that neither ended nor was closed by recovery.
    #[error("call {call} never ended")]
    NeverEnded {
        /// The call.
        call: CallId,
    },
    /// A `call.end` without all twelve fields.
    #[error("call {call} lacks {}", Fields(fields))]
    FieldsMissing {
        /// The call.
        call: CallId,
        /// The fields that are missing.
        fields: Vec<Field>,
    },
    /// The source says that evidence was lost.
    #[error("gap declared: {reason}{}", Lost(*entries_lost))]
    Gap {
        /// Why, in its words.
        reason: String,
        /// Entries lost, if known.
        entries_lost: Option<u64>,
    },
    /// The key holder remembers a seal that is not here: the end was cut off.
    #[error(
        "chain was cut: the key holder remembers seal {seal} of boot {boot}, which is not here"
    )]
    Truncated {
        /// The boot remembered.
        boot: BootId,
        /// The seal remembered.
        seal: u64,
    },
    /// The key holder remembers a seal, and there is none at all.
    #[error(
        "chain was emptied: the key holder remembers seal {seal} of boot {boot}, but there is none"
    )]
    Emptied {
        /// The boot remembered.
        boot: BootId,
        /// The seal remembered.
        seal: u64,
    },
    /// Another seal stands where the remembered one belongs.
    #[error("seal is not the one the key holder remembers")]
    HeadDiffers,
    /// What is remembered belongs to another source or spool.
    #[error("the seal remembered is of source `{source_id}`, spool `{spool}`, not of this chain")]
    HeadOfOther {
        /// The source remembered.
        source_id: String,
        /// The spool remembered.
        spool: String,
    },
    /// The remembered seal is not signed by a trusted key, so that it says nothing.
    #[error("the seal remembered is not signed by a trusted key")]
    HeadUntrusted,
    /// No seal at all, and nothing remembered: there is nothing to judge.
    #[error("nothing here is sealed")]
    Nothing,
}

impl Fault {
    /// What it makes of a chain.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Untrusted { .. } | Self::HeadUntrusted => Verdict::Untrusted,
            Self::Unsupported { .. }
            | Self::StartMissing { expected: true }
            | Self::EndWithoutBegin {
                gap_before: true, ..
            }
            | Self::NeverEnded { .. }
            | Self::FieldsMissing { .. }
            | Self::Gap { .. }
            | Self::Nothing => Verdict::Incomplete,
            Self::NotAnEntry { .. }
            | Self::ForeignKind { .. }
            | Self::Damaged { .. }
            | Self::Source { .. }
            | Self::Spool { .. }
            | Self::StartMissing { expected: false }
            | Self::BootMissing
            | Self::BootTwice
            | Self::BootMalformed { .. }
            | Self::BootLink
            | Self::Rotation { .. }
            | Self::Seq { .. }
            | Self::UnsealedInside { .. }
            | Self::GroupTooLong
            | Self::SealMalformed { .. }
            | Self::SealNumber { .. }
            | Self::SealFirst { .. }
            | Self::SealCount { .. }
            | Self::Root
            | Self::SealLink
            | Self::Signature
            | Self::OtherKey { .. }
            | Self::EndedTwice { .. }
            | Self::BegunTwice { .. }
            | Self::EndWithoutBegin {
                gap_before: false, ..
            }
            | Self::Truncated { .. }
            | Self::Emptied { .. }
            | Self::HeadDiffers
            | Self::HeadOfOther { .. } => Verdict::No,
        }
    }

    /// Its name for machines; never changes.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAnEntry { .. } => "not-an-entry",
            Self::Unsupported { .. } => "unsupported",
            Self::ForeignKind { .. } => "foreign-kind",
            Self::Damaged { .. } => "damaged",
            Self::Source { .. } => "source",
            Self::Spool { .. } => "spool",
            Self::StartMissing { .. } => "start-missing",
            Self::BootMissing => "boot-missing",
            Self::BootTwice => "boot-twice",
            Self::BootMalformed { .. } => "boot-malformed",
            Self::BootLink => "boot-link",
            Self::Rotation { .. } => "rotation",
            Self::Seq { .. } => "seq",
            Self::UnsealedInside { .. } => "unsealed-inside",
            Self::GroupTooLong => "group-too-long",
            Self::SealMalformed { .. } => "seal-malformed",
            Self::SealNumber { .. } => "seal-number",
            Self::SealFirst { .. } => "seal-first",
            Self::SealCount { .. } => "seal-count",
            Self::Root => "root",
            Self::SealLink => "seal-link",
            Self::Signature => "signature",
            Self::OtherKey { .. } => "other-key",
            Self::Untrusted { .. } => "untrusted",
            Self::EndedTwice { .. } => "ended-twice",
            Self::BegunTwice { .. } => "begun-twice",
            Self::EndWithoutBegin { .. } => "end-without-begin",
            Self::NeverEnded { .. } => "never-ended",
            Self::FieldsMissing { .. } => "fields-missing",
            Self::Gap { .. } => "gap",
            Self::Truncated { .. } => "truncated",
            Self::Emptied { .. } => "emptied",
            Self::HeadDiffers => "head-differs",
            Self::HeadOfOther { .. } => "head-of-other",
            Self::HeadUntrusted => "head-untrusted",
            Self::Nothing => "nothing",
        }
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = s.serialize_map(Some(2))?;
        map.serialize_entry("code", self.code())?;
        map.serialize_entry("text", &self.to_string())?;
        map.end()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Incomplete => "incomplete",
            Self::Untrusted => "untrusted",
            Self::No => "no",
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain => f.write_str("chain"),
            Self::Boot { boot } => write!(f, "boot {boot}"),
            Self::Entry { boot, seq } => write!(f, "boot {boot}, entry {}", seq.0),
            Self::Seal { boot, seal } => write!(f, "boot {boot}, seal {}", seal.0),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.fault)
    }
}

/// Fields in a sentence.
struct Fields<'a>(&'a [Field]);

impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, field) in self.0.iter().enumerate() {
            write!(f, "{}{field}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// A loss in a sentence.
struct Lost(Option<u64>);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(1) => f.write_str(", 1 entry lost"),
            Some(n) => write!(f, ", {n} entries lost"),
            None => f.write_str(", number of entries lost unknown"),
        }
    }
}
