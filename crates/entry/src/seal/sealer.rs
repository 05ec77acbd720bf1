//! The one owner of a chain's head.

use std::num::NonZeroU64;

use affiant_tlog::note::{SignError, SignerKey};
use affiant_tlog::{CompactTree, Hash, leaf_hash};

use crate::codec::{EncodeError, EntryBytes, Stamp, encode, encode_seal};
use crate::fact::Fact;
use crate::ids::{BootId, SealNumber, Seq, SourceId, SpoolName, SpoolNameError};
use crate::kind::LogKind;
use crate::limits::{GROUP_ENTRIES_MAX, INTEGER_MAX};
use crate::moment::Moment;
use crate::record::{Body, Boot, Record};
use crate::seal::SealText;

/// Numbers, encodes and seals the records of one boot of one chain.
///
/// Owned by the one task that appends to the spool. What it prepares, in order and without holes,
/// passes [`ChainVerifier`](crate::chain::ChainVerifier).
#[derive(Debug)]
pub struct Sealer {
    source: SourceId,
    spool: SpoolName,
    boot: BootId,
    head: Head,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    next_seq: u64,
    next_seal: u64,
    previous: Option<Hash>,
}

/// A sealed group, ready to be appended; the chain's head has not moved yet.
#[derive(Debug)]
pub struct Prepared {
    /// The entries, in the order of their records.
    pub entries: Vec<EntryBytes>,
    /// The seal entry, to be written right behind them.
    pub seal: EntryBytes,
    /// The signed note inside the seal entry: once the group is durable, what the key holder
    /// remembers ([`RememberedHead`](crate::chain::RememberedHead)).
    pub note: String,
    at: Head,
    next: Head,
}

/// Records did not become a sealed group. The head has not moved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// No records: a seal covers at least one entry. The caller's bug; idle chains write `heartbeat`.
    #[error("seal would cover no entry")]
    Empty,
    /// More than [`GROUP_ENTRIES_MAX`] records; the caller cuts the group.
    #[error("group of {count} entries is larger than {GROUP_ENTRIES_MAX}")]
    TooMany {
        /// Number of records given.
        count: usize,
    },
    /// A record is longer than an entry may be; the caller moves its input into a blob or withholds
    /// it, and tries again.
    #[error("record {index} makes an entry of {bytes} bytes, which is too long")]
    TooLong {
        /// Which record, counted from 0.
        index: usize,
        /// Length of the entry in bytes.
        bytes: usize,
    },
    /// A record cannot be encoded: a bug.
    #[error("record {index} cannot be encoded")]
    Encode {
        /// Which record, counted from 0.
        index: usize,
        /// Why.
        #[source]
        source: EncodeError,
    },
    /// A `boot` record is missing, misplaced or does not fit the chain: a bug of the caller.
    #[error("record {index}: {fault}")]
    Boot {
        /// Which record, counted from 0.
        index: usize,
        /// What is wrong with it.
        fault: BootFault,
    },
    /// A record of a kind that only an aggregator writes, in its own name and unsealed: a bug of the
    /// caller.
    #[error("record {index} is of kind `{kind}`, which no source writes")]
    ForeignKind {
        /// Which record, counted from 0.
        index: usize,
        /// Its kind.
        kind: &'static str,
    },
    /// The signer's name is not the source id.
    #[error("signer key is called `{found}` instead of `{expected}`")]
    SignerName {
        /// The source id.
        expected: String,
        /// The key's name.
        found: String,
    },
    /// The seal cannot be signed: a bug.
    #[error("seal cannot be signed")]
    Sign(#[source] SignError),
    /// The seal cannot be encoded: a bug.
    #[error("seal cannot be encoded")]
    EncodeSeal(#[source] EncodeError),
    /// Sequence or seal numbers have reached 2^53-1; only a new boot helps.
    #[error("boot has used up its sequence numbers")]
    Exhausted,
    /// The group was prepared from a head that has moved since.
    #[error("group was prepared before the chain moved on")]
    Stale,
}

/// What is wrong with a `boot` record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BootFault {
    /// The first entry of a boot must be its `boot` entry.
    #[error("boot does not begin with a boot entry")]
    NotFirst,
    /// A second `boot` entry in one boot.
    #[error("boot entry is not the first of its boot")]
    Twice,
    /// Its `key` is not the signer's verifier key.
    #[error("boot entry names another key than the one that signs")]
    Key,
    /// Its `previous` is not the seal this chain ends with.
    #[error("boot entry does not link to the last seal")]
    Previous,
    /// Its `spool` is not the chain's.
    #[error("boot entry names another spool")]
    Spool,
}

impl Sealer {
    /// Begins a boot behind the seal entry whose leaf hash is `previous`; `None` begins a chain.
    ///
    /// # Errors
    /// When `spool` is not a [`SpoolName`].
    pub fn new(
        source: SourceId,
        spool: &str,
        boot: BootId,
        previous: Option<Hash>,
    ) -> Result<Self, SpoolNameError> {
        let head = Head {
            next_seq: 0,
            next_seal: 0,
            previous,
        };
        Ok(Self {
            source,
            spool: SpoolName::new(spool)?,
            boot,
            head,
        })
    }

    /// Encodes and seals records as the next group of the chain, without moving the head: on a failed
    /// append call it again, with the same or other records.
    ///
    /// The first record of a boot must be its [`Body::Boot`], which must fit chain and signer.
    ///
    /// # Errors
    /// [`SealError`]; [`SealError::TooLong`] names the record to shorten.
    pub fn prepare<'r>(
        &self,
        records: impl IntoIterator<Item = &'r Record>,
        at: Moment,
        signer: &SignerKey,
    ) -> Result<Prepared, SealError> {
        let records: Vec<&Record> = records.into_iter().collect();
        if signer.name().as_str() != self.source.as_str() {
            let found = signer.name().as_str().to_owned();
            return Err(SealError::SignerName {
                expected: self.source.as_str().to_owned(),
                found,
            });
        }
        if records.len() > GROUP_ENTRIES_MAX {
            return Err(SealError::TooMany {
                count: records.len(),
            });
        }
        self.check_records(&records, signer)?;
        let entries = self.encode_all(&records)?;
        let tree: CompactTree = entries
            .iter()
            .map(|entry| leaf_hash(entry.as_slice()))
            .collect();
        let count = NonZeroU64::new(tree.size().0).ok_or(SealError::Empty)?;
        let text = SealText {
            source: self.source.clone(),
            spool: self.spool.clone(),
            boot: self.boot,
            seal: self.next_seal(),
            first: self.next_seq(),
            count,
            root: tree.root(),
            previous: self.head.previous,
            utc_us: at.utc_us,
        };
        let note = affiant_tlog::Note::sign(&text.to_text(), signer)
            .map_err(SealError::Sign)?
            .to_string();
        let seal = encode_seal(&self.source, self.boot, text.seal, &note)
            .map_err(SealError::EncodeSeal)?;
        let next = Head {
            next_seq: text.next_seq().0,
            next_seal: self.head.next_seal.saturating_add(1),
            previous: Some(leaf_hash(seal.as_slice())),
        };
        if next.next_seq > INTEGER_MAX || next.next_seal > INTEGER_MAX {
            return Err(SealError::Exhausted);
        }
        Ok(Prepared {
            entries,
            seal,
            note,
            at: self.head,
            next,
        })
    }

    /// Moves the head behind a group. Call it once the spool has accepted the group, and not before:
    /// from here on its numbers are never given out again.
    ///
    /// # Errors
    /// [`SealError::Stale`] if the head is no longer where the group was prepared; nothing changes.
    pub fn advance(&mut self, group: &Prepared) -> Result<(), SealError> {
        if group.at != self.head {
            return Err(SealError::Stale);
        }
        self.head = group.next;
        Ok(())
    }

    /// The source.
    #[must_use]
    pub const fn source(&self) -> &SourceId {
        &self.source
    }

    /// The spool.
    #[must_use]
    pub const fn spool(&self) -> &SpoolName {
        &self.spool
    }

    /// The boot.
    #[must_use]
    pub const fn boot(&self) -> BootId {
        self.boot
    }

    /// Sequence number of the next entry.
    #[must_use]
    pub const fn next_seq(&self) -> Seq {
        Seq(self.head.next_seq)
    }

    /// Number of the next seal.
    #[must_use]
    pub const fn next_seal(&self) -> SealNumber {
        SealNumber(self.head.next_seal)
    }

    /// Leaf hash of the last seal entry, of this boot or the one before; `None` before a chain's first.
    #[must_use]
    pub const fn previous(&self) -> Option<Hash> {
        self.head.previous
    }

    fn encode_all(&self, records: &[&Record]) -> Result<Vec<EntryBytes>, SealError> {
        let mut entries = Vec::with_capacity(records.len());
        for ((index, record), seq) in records.iter().enumerate().zip(self.head.next_seq..) {
            let stamp = Stamp {
                source: &self.source,
                boot: self.boot,
                seq: Seq(seq),
            };
            let entry = encode(stamp, record).map_err(|error| match error {
                EncodeError::TooLong { bytes } => SealError::TooLong { index, bytes },
                source @ EncodeError::Json(_) => SealError::Encode { index, source },
            })?;
            entries.push(entry);
        }
        Ok(entries)
    }

    fn check_records(&self, records: &[&Record], signer: &SignerKey) -> Result<(), SealError> {
        let begins = self.head.next_seq == 0;
        for (index, record) in records.iter().enumerate() {
            let must_be_boot = begins && index == 0;
            let boot = if let Body::Boot(boot) = &record.body {
                Some(boot)
            } else {
                None
            };
            let fault = match (boot, must_be_boot) {
                (Some(boot), true) => self.fault_of(boot, signer),
                (Some(_), false) => Some(BootFault::Twice),
                (None, true) => Some(BootFault::NotFirst),
                (None, false) => None,
            };
            if let Some(fault) = fault {
                return Err(SealError::Boot { index, fault });
            }
            let kind = record.body.kind();
            if LogKind::of(kind).is_some() {
                return Err(SealError::ForeignKind { index, kind });
            }
        }
        Ok(())
    }

    fn fault_of(&self, boot: &Boot, signer: &SignerKey) -> Option<BootFault> {
        let linked = match (&boot.previous, self.head.previous) {
            (Fact::Known(link), Some(hash)) => link.hash == format!("sha256:{hash}"),
            (Fact::Absent(_), None) => true,
            (Fact::Known(_), None) | (Fact::Absent(_), Some(_)) => false,
        };
        if !linked {
            Some(BootFault::Previous)
        } else if boot.key != signer.verifier_key().to_string() {
            Some(BootFault::Key)
        } else if boot.spool != self.spool.as_str() {
            Some(BootFault::Spool)
        } else {
            None
        }
    }
}
