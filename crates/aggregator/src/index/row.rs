//! What the index holds of the leaves.

use affiant_entry::link::{ChainCursor, CheckedGroup};
use affiant_entry::{Decoded, SealNumber, SealPlace, Seq, SourceId, SpoolName};
use affiant_tlog::{Hash, LeafIndex};
use serde::{Deserialize, Serialize};

/// Leaves that were appended together and mean one thing.
#[derive(Debug)]
pub(crate) enum Row {
    /// The entries of a group and its seal.
    Group(Box<GroupRow>),
    /// One entry of our own.
    Own(OwnRow),
}

/// A group in the log.
#[derive(Debug)]
pub(crate) struct GroupRow {
    pub(crate) source: SourceId,
    pub(crate) spool: SpoolName,
    pub(crate) place: SealPlace,
    pub(crate) hash: Hash,
    pub(crate) first: LeafIndex,
    /// Entries, without the seal.
    pub(crate) count: u64,
    pub(crate) first_seq: Seq,
    pub(crate) cursor: ChainCursor,
    /// When the seal was made, microseconds since the Unix epoch.
    pub(crate) sealed_utc_us: i64,
}

/// An entry of our own in the log.
#[derive(Debug)]
pub(crate) struct OwnRow {
    pub(crate) index: LeafIndex,
    pub(crate) leaf: Hash,
    pub(crate) says: Option<Subject>,
}

/// What an entry of our own changes in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Silent(SourceId),
    Heard(SourceId),
    Unrostered(SourceId),
    Roster(u64),
    Enrolled(SourceId),
    Revoked(SourceId),
    /// With the blob id of its evidence.
    Fork(SourceId, SpoolName, String),
    Gap(SourceId, SpoolName, Option<u64>),
    Quarantine(SourceId, SpoolName),
}

/// Where one seal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SealRow {
    pub(crate) first: LeafIndex,
    pub(crate) seal_index: LeafIndex,
    pub(crate) first_seq: Seq,
    pub(crate) hash: Hash,
}

/// Where one chain stands, and what the log holds of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChainRow {
    pub(crate) cursor: ChainCursor,
    /// Entries in the log.
    pub(crate) entries: u64,
    /// Seals in the log.
    pub(crate) seals: u64,
    /// `chain.gap` entries of ours.
    pub(crate) gaps: u64,
    /// Entries they say are lost, where that is known.
    pub(crate) entries_lost: u64,
    /// `fork` entries of ours.
    pub(crate) forks: u64,
    /// `quarantine` entries of ours.
    pub(crate) quarantined: u64,
    /// When its newest seal was made, microseconds since the Unix epoch.
    pub(crate) sealed_utc_us: i64,
}

impl Row {
    /// Index of the first leaf.
    pub(crate) fn first(&self) -> LeafIndex {
        match self {
            Self::Group(group) => group.first,
            Self::Own(own) => own.index,
        }
    }

    /// Index behind the last leaf.
    pub(crate) fn end(&self) -> LeafIndex {
        match self {
            Self::Group(group) => LeafIndex(group.seal_index().0.saturating_add(1)),
            Self::Own(own) => LeafIndex(own.index.0.saturating_add(1)),
        }
    }

    /// Hash of the last leaf.
    pub(crate) fn last_leaf(&self) -> Hash {
        match self {
            Self::Group(group) => group.hash,
            Self::Own(own) => own.leaf,
        }
    }
}

impl GroupRow {
    pub(crate) fn of(group: &CheckedGroup, first: LeafIndex, cursor: ChainCursor) -> Self {
        Self {
            source: group.text.source.clone(),
            spool: group.text.spool.clone(),
            place: group.place(),
            hash: group.seal_hash,
            first,
            count: group.text.count.get(),
            first_seq: group.text.first,
            cursor,
            sealed_utc_us: group.text.utc_us,
        }
    }

    pub(crate) fn seal_index(&self) -> LeafIndex {
        LeafIndex(self.first.0.saturating_add(self.count))
    }
}

impl ChainRow {
    pub(crate) fn new(source: SourceId, spool: SpoolName) -> Self {
        Self {
            cursor: ChainCursor::new(source, spool),
            entries: 0,
            seals: 0,
            gaps: 0,
            entries_lost: 0,
            forks: 0,
            quarantined: 0,
            sealed_utc_us: 0,
        }
    }

    pub(crate) fn apply(&mut self, group: &GroupRow) {
        self.cursor = group.cursor.clone();
        self.entries = self.entries.saturating_add(group.count);
        self.seals = self.seals.saturating_add(1);
        self.sealed_utc_us = group.sealed_utc_us;
    }
}

impl OwnRow {
    /// Reads an entry of our own.
    pub(crate) fn read(entry: &Decoded, index: LeafIndex) -> Self {
        Self {
            index,
            leaf: affiant_tlog::leaf_hash(entry.bytes()),
            says: Subject::read(entry),
        }
    }
}

impl Subject {
    fn read(entry: &Decoded) -> Option<Self> {
        let text = |pointer: &str| {
            let value = entry.pointer(pointer)?;
            value.as_str().map(str::to_owned)
        };
        let source = |pointer: &str| SourceId::new(&text(pointer)?).ok();
        let spool = |pointer: &str| SpoolName::new(&text(pointer)?).ok();
        let number = |pointer: &str| entry.pointer(pointer)?.as_u64();
        Some(match entry.header().kind.as_str() {
            "source.silent" => Self::Silent(source("/silent/subject")?),
            "source.heard" => Self::Heard(source("/heard/subject")?),
            "source.unrostered" => Self::Unrostered(source("/unrostered/subject")?),
            "roster" => Self::Roster(number("/roster/serial")?),
            "key" => match text("/key/action")?.as_str() {
                "enrol" => Self::Enrolled(source("/key/subject")?),
                "revoke" => Self::Revoked(source("/key/subject")?),
                _ => return None,
            },
            "fork" => Self::Fork(
                source("/fork/source")?,
                spool("/fork/spool")?,
                text("/fork/evidence")?,
            ),
            "chain.gap" => Self::Gap(
                source("/gap/subject/source")?,
                spool("/gap/subject/spool")?,
                number("/gap/entries_lost"),
            ),
            "quarantine" => {
                Self::Quarantine(source("/quarantine/source")?, spool("/quarantine/spool")?)
            }
            _ => return None,
        })
    }
}

impl SealRow {
    /// 8 bytes first, 8 seal index, 8 first seq, 32 hash; big-endian.
    pub(crate) fn to_bytes(self) -> [u8; SEAL_ROW_BYTES] {
        let mut out = [0; SEAL_ROW_BYTES];
        let parts: [&[u8]; 4] = [
            &self.first.0.to_be_bytes(),
            &self.seal_index.0.to_be_bytes(),
            &self.first_seq.0.to_be_bytes(),
            self.hash.as_bytes(),
        ];
        for (to, from) in out.iter_mut().zip(parts.concat()) {
            *to = from;
        }
        out
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            let part = bytes.get(at..at + 8)?;
            Some(u64::from_be_bytes(part.try_into().ok()?))
        };
        Some(Self {
            first: LeafIndex(number(0)?),
            seal_index: LeafIndex(number(8)?),
            first_seq: Seq(number(16)?),
            hash: Hash::try_from(bytes.get(24..)?).ok()?,
        })
    }
}

/// Key of one chain's row: source and spool, which hold no zero byte.
pub(crate) fn chain_key(source: &SourceId, spool: &SpoolName) -> Vec<u8> {
    let mut key = source.as_str().as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(spool.as_str().as_bytes());
    key
}

/// Key of one seal's row.
pub(crate) fn seal_key(source: &SourceId, spool: &SpoolName, place: SealPlace) -> Vec<u8> {
    let mut key = chain_key(source, spool);
    key.push(0);
    key.extend_from_slice(place.boot.to_string().as_bytes());
    let SealNumber(seal) = place.seal;
    key.extend_from_slice(&seal.to_be_bytes());
    key
}

const SEAL_ROW_BYTES: usize = 56;
