//! What can be wrong with a log.

use std::fmt;

use affiant_entry::chain::Verdict;
use affiant_tlog::LeafIndex;
use serde::{Serialize, Serializer};

use super::place::Place;

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// What it makes of the log.
    pub verdict: Verdict,
    /// What.
    pub fault: Fault,
}

impl Finding {
    /// A fault at a place, with the verdict it leads to.
    #[must_use]
    pub const fn new(place: Place, fault: Fault) -> Self {
        Self {
            verdict: fault.verdict(),
            place,
            fault,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.fault)
    }
}

/// Everything that can be wrong with a log, beyond its hashes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The checkpoint covers another number of leaves than are here.
    #[error("checkpoint covers {expected} leaves, but {found} are here")]
    Size {
        /// What the checkpoint says.
        expected: u64,
        /// Leaves that are here.
        found: u64,
    },
    /// The leaves are not the ones the checkpoint covers.
    #[error("leaves are not the ones the checkpoint covers: root differs")]
    Root,
    /// A remembered or anchored checkpoint covers other leaves than are here: the log was rewritten.
    #[error("log was rewritten: its first {size} leaves are not those of {what}")]
    Rewritten {
        /// Size of the older checkpoint.
        size: u64,
        /// Whose memory it is.
        what: String,
    },
    /// A remembered checkpoint covers more leaves than this one: the log was rolled back.
    #[error("log was rolled back: {what} has {remembered} leaves, this checkpoint {found}")]
    RolledBack {
        /// Size remembered.
        remembered: u64,
        /// Size of the checkpoint at hand.
        found: u64,
        /// Whose memory it is.
        what: String,
    },
    /// Leaves that belong to a source, but stand under no seal.
    #[error("{entries} leaves are under no seal")]
    Unsealed {
        /// How many.
        entries: u64,
    },
    /// More leaves before a seal than one may cover.
    #[error("more leaves before a seal than one may cover")]
    GroupTooLong,
    /// A seal that belongs to no chain, as it cannot be read.
    #[error("seal is malformed")]
    SealMalformed,
    /// The aggregator's own entries are not numbered 0, 1, 2, ….
    #[error("entry {found} of the aggregator stands where entry {expected} belongs")]
    OwnSeq {
        /// The number that should have come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// A boot of the aggregator without its `boot` entry, or with a second one.
    #[error("boot of the aggregator does not begin with its one boot entry")]
    OwnBoot,
    /// The aggregator's own statement cannot be read.
    #[error("`{member}` of the aggregator's entry is malformed")]
    OwnMalformed {
        /// Which member.
        member: &'static str,
    },
    /// A kind that this version does not know.
    #[error("cannot be read by this version: unknown kind `{kind}`")]
    Unsupported {
        /// The kind.
        kind: String,
    },
    /// A source signed two histories; both notes are here.
    #[error("source signed two seals of one number: its history forks")]
    Fork,
    /// The aggregator says so, but what it shows does not prove it.
    #[error("aggregator reports a fork, but its two notes do not prove one")]
    ForkUnproven,
    /// Seals that should stand here do not.
    #[error("{}", Missing { seals: *seals, entries: *entries, declared: *declared })]
    SealsMissing {
        /// How many seals; `None` where a boot's last seals are missing, as nobody knows.
        seals: Option<u64>,
        /// How many entries were under them, if that can be told.
        entries: Option<u64>,
        /// Whether the aggregator declared the gap.
        declared: bool,
    },
    /// A boot that names no seal before it, though there is one: the source was set up anew, or its
    /// spool was taken away.
    #[error("boot does not link to what came before{}", Declared(*declared))]
    Unlinked {
        /// Whether the aggregator declared it.
        declared: bool,
    },
    /// A seal that stood in the chain before, or that is older than one that did.
    #[error("seal stands again where seal {expected} belongs: replayed, moved or forked")]
    Repeated {
        /// The number that should have come.
        expected: u64,
    },
    /// A boot that had ended goes on.
    #[error("boot goes on after a later boot began")]
    BootReturned,
    /// The chain begins later than its first boot.
    #[error("beginning of the chain is not here{}", Declared(*declared))]
    StartMissing {
        /// Whether the aggregator declared it.
        declared: bool,
    },
    /// The chain begins later than its first boot, as the log's own beginning is missing.
    #[error("beginning of the chain is not here, as leaves before it are missing")]
    StartAbsent,
    /// A chain links to a seal before the first leaf here, and no pruned leaf has that hash.
    #[error("chain links to a seal that is not among the pruned leaves")]
    StartForged,
    /// Leaves that are missing in the middle, and those behind them: what they say was not judged.
    #[error("{leaves} leaves were not judged: the first of them are missing")]
    Unread {
        /// How many.
        leaves: u64,
    },
    /// Hashes are missing as well, so that nothing ties what is here to the checkpoint.
    #[error(
        "hashes are missing: whether the leaves here are those of the checkpoint cannot be told"
    )]
    Untied,
    /// Leaves that are not here, and no `prune` entry says that they may go: MISSING.
    #[error("{leaves} leaves are missing, and no policy in the log lets them go")]
    LeavesMissing {
        /// How many.
        leaves: u64,
    },
    /// A `prune` entry that takes an earlier one back.
    #[error("minimum index goes back from {before} to {found}")]
    PruneBack {
        /// The earlier one.
        before: u64,
        /// Its own.
        found: u64,
    },
    /// An `erase` entry for a blob that the leaf it means does not name.
    #[error("says that a blob was erased which no such leaf names")]
    EraseUnfounded,
    /// A context leaf that speaks of leaves at or behind itself.
    #[error("says the context of leaves {first} to {end}, which do not all stand before it")]
    ContextRange {
        /// The first leaf it speaks of.
        first: u64,
        /// The leaf behind the last one.
        end: u64,
    },
    /// A context leaf that refers for its facts to a leaf that has none, or is too far back.
    #[error(
        "refers for its facts to leaf {same_as}, which is no context leaf with facts that it may refer to"
    )]
    ContextUnfounded {
        /// That leaf.
        same_as: u64,
    },
    /// A remembered checkpoint lies in what was pruned, and its hashes are gone.
    #[error(
        "what you remember, {size} leaves, was pruned with its hashes: whether this is the same log cannot be told"
    )]
    MemoryPruned {
        /// Size of the remembered checkpoint.
        size: u64,
    },
    /// Sealed by a key that the log does not give to this source.
    #[error("sealed by {key}, which the log never gave to this source before")]
    KeyUnknown {
        /// The key.
        key: String,
    },
    /// Sealed by a key after it was revoked.
    #[error("sealed by {key}, which was revoked at leaf {at}")]
    KeyRevoked {
        /// The key.
        key: String,
        /// The leaf that revoked it.
        at: LeafIndex,
    },
    /// A boot that came after its key was replaced: it may have been sealed before, or by a thief.
    #[error(
        "boot is sealed by {key}, which was replaced at leaf {at}: when it was sealed cannot be told"
    )]
    KeyReplaced {
        /// The key.
        key: String,
        /// The leaf that replaced it.
        at: LeafIndex,
    },
    /// Sealed by a key that does not follow from the one the verifier pinned, or the roster names.
    #[error("key {key} does not follow from the one that {by} names")]
    KeyNotPinned {
        /// The key.
        key: String,
        /// Who names another.
        by: &'static str,
    },
    /// A rotation whose notes do not lead from the old key to the new one.
    #[error("key {key} replaces another without the older key's signature")]
    RotationUnproven {
        /// The new key.
        key: String,
    },
    /// A key that is not named after the source it is given to.
    #[error("key {key} is not named after source `{subject}`")]
    KeyName {
        /// The key.
        key: String,
        /// The source.
        subject: String,
    },
    /// An entry that is none, set aside by the aggregator and still sealed.
    #[error("entry is malformed, and was set aside by the aggregator: {reason}")]
    Quarantined {
        /// What the reader said.
        reason: String,
    },
    /// A source that should speak has not been heard for too long.
    #[error("source is silent{}", Since(last.as_deref()))]
    Silent {
        /// When it was last heard, RFC 3339; `None` if never.
        last: Option<String>,
    },
    /// A source that nobody expects.
    #[error("source is not in the roster")]
    Unrostered,
    /// The roster cannot be believed.
    #[error("roster is not signed by the admin key you trust")]
    RosterUntrusted,
    /// The roster is no roster.
    #[error("roster is malformed")]
    RosterMalformed,
    /// A roster older than the one before it.
    #[error("roster {found} comes after roster {before}")]
    RosterOlder {
        /// Serial number of the one before.
        before: u64,
        /// Its own.
        found: u64,
    },
    /// The verifier trusts an admin key, but the log has no roster.
    #[error("there is no roster, so that nobody knows which sources to expect")]
    RosterMissing,
    /// What the judge of a source's chain found.
    #[error("{0}")]
    Chain(Box<affiant_entry::chain::Fault>),
    /// More faults of one chain than are listed: the worst of them.
    #[error("{more} more faults in this chain")]
    More {
        /// How many.
        more: u64,
        /// The worst.
        worst: Verdict,
    },
}

impl Fault {
    /// What it makes of a log.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Chain(fault) => fault.verdict(),
            Self::More { worst, .. } => *worst,
            Self::KeyUnknown { .. }
            | Self::KeyRevoked { .. }
            | Self::KeyNotPinned { .. }
            | Self::RotationUnproven { .. }
            | Self::RosterUntrusted => Verdict::Untrusted,
            Self::Unsupported { .. }
            | Self::ForkUnproven
            | Self::StartAbsent
            | Self::LeavesMissing { .. }
            | Self::Unread { .. }
            | Self::Untied
            | Self::MemoryPruned { .. }
            | Self::SealsMissing { declared: true, .. }
            | Self::Unlinked { declared: true }
            | Self::StartMissing { declared: true }
            | Self::KeyReplaced { .. }
            | Self::Quarantined { .. }
            | Self::Silent { .. }
            | Self::Unrostered
            | Self::RosterMissing => Verdict::Incomplete,
            Self::Size { .. }
            | Self::Root
            | Self::Rewritten { .. }
            | Self::RolledBack { .. }
            | Self::Unsealed { .. }
            | Self::GroupTooLong
            | Self::SealMalformed
            | Self::OwnSeq { .. }
            | Self::OwnBoot
            | Self::OwnMalformed { .. }
            | Self::Fork
            | Self::SealsMissing {
                declared: false, ..
            }
            | Self::Unlinked { declared: false }
            | Self::Repeated { .. }
            | Self::BootReturned
            | Self::StartMissing { declared: false }
            | Self::KeyName { .. }
            | Self::StartForged
            | Self::PruneBack { .. }
            | Self::EraseUnfounded
            | Self::ContextRange { .. }
            | Self::ContextUnfounded { .. }
            | Self::RosterMalformed
            | Self::RosterOlder { .. } => Verdict::No,
        }
    }

    /// Its name for machines; never changes. Faults of a chain keep the code they have in a spool.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Size { .. } => "log-size",
            Self::Root => "log-root",
            Self::Rewritten { .. } => "rewritten",
            Self::RolledBack { .. } => "rolled-back",
            Self::Unsealed { .. } => "unsealed",
            Self::GroupTooLong => "group-too-long",
            Self::SealMalformed => "seal-malformed",
            Self::OwnSeq { .. } => "own-seq",
            Self::OwnBoot => "own-boot",
            Self::OwnMalformed { .. } => "own-malformed",
            Self::Unsupported { .. } => "unsupported",
            Self::Fork => "fork",
            Self::ForkUnproven => "fork-unproven",
            Self::SealsMissing { .. } => "seals-missing",
            Self::Unlinked { .. } => "unlinked",
            Self::Repeated { .. } => "repeated",
            Self::BootReturned => "boot-returned",
            Self::StartMissing { .. } => "start-missing",
            Self::StartAbsent => "start-absent",
            Self::StartForged => "start-forged",
            Self::LeavesMissing { .. } => "leaves-missing",
            Self::Unread { .. } => "unread",
            Self::Untied => "untied",
            Self::PruneBack { .. } => "prune-back",
            Self::EraseUnfounded => "erase-unfounded",
            Self::ContextRange { .. } => "context-range",
            Self::ContextUnfounded { .. } => "context-unfounded",
            Self::MemoryPruned { .. } => "memory-pruned",
            Self::KeyUnknown { .. } => "key-unknown",
            Self::KeyRevoked { .. } => "key-revoked",
            Self::KeyReplaced { .. } => "key-replaced",
            Self::KeyNotPinned { .. } => "key-not-pinned",
            Self::RotationUnproven { .. } => "rotation-unproven",
            Self::KeyName { .. } => "key-name",
            Self::Quarantined { .. } => "quarantined",
            Self::Silent { .. } => "silent",
            Self::Unrostered => "unrostered",
            Self::RosterUntrusted => "roster-untrusted",
            Self::RosterMalformed => "roster-malformed",
            Self::RosterOlder { .. } => "roster-older",
            Self::RosterMissing => "roster-missing",
            Self::Chain(fault) => fault.code(),
            Self::More { .. } => "more",
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

struct Missing {
    seals: Option<u64>,
    entries: Option<u64>,
    declared: bool,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seals {
            Some(1) => f.write_str("1 seal is missing")?,
            Some(n) => write!(f, "{n} seals are missing")?,
            None => f.write_str("the last seals of the boot before are missing")?,
        }
        match self.entries {
            Some(1) => f.write_str(" with 1 entry")?,
            Some(n) => write!(f, " with {n} entries")?,
            None => {}
        }
        Declared(self.declared).fmt(f)
    }
}

struct Declared(bool);

impl fmt::Display for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 {
            ", as the aggregator says itself"
        } else {
            ", and the aggregator does not say so"
        })
    }
}

struct Since<'a>(Option<&'a str>);

impl fmt::Display for Since<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(last) => write!(f, " since {last}"),
            None => f.write_str(": it never spoke"),
        }
    }
}
