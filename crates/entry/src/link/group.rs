//! One group by itself.

use affiant_tlog::note::{Note, VerifierKey, VerifyError, verify};
use affiant_tlog::{CompactTree, Hash, leaf_hash};

use crate::chain::reading::{BootInfo, Previous, read_seal, spell};
use crate::decode::{DecodeError, Decoded, Header};
use crate::ids::{BootId, CallId, SealPlace, Seq, SourceId};
use crate::kind::Kind;
use crate::rotation::{Rotation, Trust, split_notes};
use crate::seal::SealText;

/// A group whose seal holds: spelled as a sealer spells it, signed by a trusted key, over exactly
/// these entries.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedGroup {
    /// What the seal says.
    pub text: SealText,
    /// The seal's signed note.
    pub note: String,
    /// RFC 6962 leaf hash of the seal entry.
    pub seal_hash: Hash,
    /// The key that signed.
    pub key: VerifierKey,
    /// The `boot` entry, if the group begins a boot.
    pub boot: Option<BootLink>,
    /// What each entry is, in order.
    pub entries: Vec<EntryFacts>,
}

/// How a boot ties into its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BootLink {
    /// The last seal of the boot before, and the leaf hash of its entry; `None` for the first boot.
    pub previous: Option<(SealPlace, Hash)>,
    /// Rotation notes of the boot, verified.
    pub rotations: Vec<Rotation>,
}

/// As much of one entry as an aggregator needs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryFacts {
    /// RFC 6962 leaf hash of its bytes.
    pub leaf: Hash,
    /// The number that belongs at its place.
    pub seq: Seq,
    /// What it is about; `None` if it cannot be read.
    pub kind: Option<Kind>,
    /// The invocation it belongs to.
    pub call: Option<CallId>,
    /// Its wall-clock time, microseconds since the Unix epoch.
    pub utc_us: Option<i64>,
    /// What is wrong with it.
    pub problem: Option<EntryProblem>,
}

/// What can be wrong with an entry under a good seal. The source is at fault, or the reader too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EntryProblem {
    /// Not an entry at all.
    NotAnEntry,
    /// Of another version of the format.
    Version,
    /// Of a kind this version does not know.
    UnknownKind,
    /// Of a kind that only an aggregator writes.
    ForeignKind,
    /// A seal, where none may be.
    SealInside,
    /// A `boot` entry that is not the first of its boot.
    BootInside,
    /// Of another source.
    Source,
    /// Of another boot.
    Boot,
    /// With another number than belongs at its place.
    Seq,
}

impl EntryProblem {
    /// Its name, as it stands in `quarantine` entries; never changes.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotAnEntry => "not-an-entry",
            Self::Version => "version",
            Self::UnknownKind => "unknown-kind",
            Self::ForeignKind => "foreign-kind",
            Self::SealInside => "seal-inside",
            Self::BootInside => "boot-inside",
            Self::Source => "source",
            Self::Boot => "boot",
            Self::Seq => "seq",
        }
    }

    /// Whether a later version may read it: the entry need not be wrong.
    #[must_use]
    pub const fn may_be_newer(self) -> bool {
        matches!(self, Self::Version | Self::UnknownKind)
    }
}

/// A seal that does not hold. Nothing of the group is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSeal {
    /// Not a seal entry as a sealer writes it.
    #[error("seal is malformed: {reason}")]
    Malformed {
        /// Why.
        reason: String,
    },
    /// Over another number of entries.
    #[error("seal covers {sealed} entries, but {found} came with it")]
    Count {
        /// What the seal says.
        sealed: u64,
        /// Entries that came.
        found: u64,
    },
    /// The entries are not the ones that were sealed.
    #[error("entries are not the ones that were sealed: root differs")]
    Root,
    /// The key did not make the signature over this text.
    #[error("signature of the seal does not fit its text")]
    Signature,
    /// Signed by a key that is not trusted.
    #[error("seal is signed by {key}, which is not trusted")]
    Untrusted {
        /// Name and id of the key that the signature names.
        key: String,
    },
    /// Signed by another key than its boot declares.
    #[error("seal is signed by {key}, not by the key its boot names")]
    OtherKey {
        /// Name and id of the key that signed.
        key: String,
    },
    /// A boot that does not begin with a `boot` entry that fits.
    #[error("`{member}` of the boot entry does not fit")]
    Boot {
        /// Which member of `boot_info`, or `kind` where there is no `boot` entry.
        member: &'static str,
    },
    /// The first seal of a boot does not begin at its first entry, or another one does.
    #[error("seal {seal} begins at entry {first}")]
    First {
        /// Number of the seal.
        seal: u64,
        /// The first entry it covers.
        first: u64,
    },
}

impl BadSeal {
    /// Its name for machines; never changes.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "seal-malformed",
            Self::Count { .. } => "seal-count",
            Self::Root => "root",
            Self::Signature => "signature",
            Self::Untrusted { .. } => "untrusted",
            Self::OtherKey { .. } => "other-key",
            Self::Boot { .. } => "boot",
            Self::First { .. } => "seal-first",
        }
    }
}

impl CheckedGroup {
    /// Checks a group by itself. Costs one SHA-256 and one reading for each entry, and one signature.
    ///
    /// # Errors
    /// [`BadSeal`].
    pub fn check<B: AsRef<[u8]>>(
        entries: &[B],
        seal: &[u8],
        trust: &Trust,
    ) -> Result<Self, BadSeal> {
        let (note, text) = parse_seal(seal)?;
        check_first(&text)?;
        let entries_found = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        if entries_found != text.count.get() {
            return Err(BadSeal::Count {
                sealed: text.count.get(),
                found: entries_found,
            });
        }
        // The cheap refusals first: hashing is what costs.
        let boot = match entries.first() {
            Some(first) if text.seal.0 == 0 => Some(read_boot(first.as_ref(), &text)?),
            _ => None,
        };
        let key = check_signature(&note, boot.as_ref(), trust)?;
        let facts: Vec<EntryFacts> = entries
            .iter()
            .zip(text.first.0..)
            .map(|(entry, seq)| EntryFacts::read(entry.as_ref(), &text, Seq(seq)))
            .collect();
        let tree: CompactTree = facts.iter().map(|entry| entry.leaf).collect();
        if tree.root() != text.root {
            return Err(BadSeal::Root);
        }
        Ok(Self {
            note: note.to_string(),
            seal_hash: leaf_hash(seal),
            key,
            boot: boot.map(|boot| boot.link),
            entries: facts,
            text,
        })
    }

    /// Which seal.
    #[must_use]
    pub const fn place(&self) -> SealPlace {
        SealPlace {
            boot: self.text.boot,
            seal: self.text.seal,
        }
    }

    /// Entries that break a rule, with their index in the group.
    pub fn problems(&self) -> impl Iterator<Item = (usize, &EntryFacts, EntryProblem)> {
        self.entries
            .iter()
            .enumerate()
            .filter_map(|(index, entry)| entry.problem.map(|problem| (index, entry, problem)))
    }

    /// The latest time of an entry, microseconds since the Unix epoch.
    #[must_use]
    pub fn last_utc_us(&self) -> Option<i64> {
        self.entries.iter().filter_map(|entry| entry.utc_us).max()
    }
}

impl EntryFacts {
    fn read(bytes: &[u8], text: &SealText, seq: Seq) -> Self {
        let leaf = leaf_hash(bytes);
        let header = match Header::parse_any_kind(bytes) {
            Ok(header) => header,
            Err(error) => {
                let newer = matches!(error, DecodeError::Version { .. });
                return Self {
                    leaf,
                    seq,
                    kind: None,
                    call: None,
                    utc_us: None,
                    problem: Some(if newer {
                        EntryProblem::Version
                    } else {
                        EntryProblem::NotAnEntry
                    }),
                };
            }
        };
        Self {
            leaf,
            seq,
            call: header.call,
            utc_us: header.at.map(|at| at.utc_us),
            problem: problem_of(&header, &text.source, text.boot, seq),
            kind: Some(header.kind),
        }
    }
}

fn problem_of(header: &Header, source: &SourceId, boot: BootId, seq: Seq) -> Option<EntryProblem> {
    match &header.kind {
        Kind::Seal => Some(EntryProblem::SealInside),
        _ if header.source != *source => Some(EntryProblem::Source),
        _ if header.boot != boot => Some(EntryProblem::Boot),
        _ if header.seq != Some(seq) => Some(EntryProblem::Seq),
        Kind::Boot if seq.0 > 0 => Some(EntryProblem::BootInside),
        Kind::Log(_) => Some(EntryProblem::ForeignKind),
        Kind::Unknown(_) => Some(EntryProblem::UnknownKind),
        Kind::CallBegin
        | Kind::CallTask
        | Kind::CallEnd
        | Kind::Boot
        | Kind::Stop
        | Kind::Heartbeat
        | Kind::Gap
        | Kind::Session
        | Kind::Manifest
        | Kind::AuthFailure
        | Kind::Anomaly => None,
    }
}

fn parse_seal(seal: &[u8]) -> Result<(Note, SealText), BadSeal> {
    let malformed = |reason: String| BadSeal::Malformed { reason };
    let entry = Decoded::parse(seal).map_err(|error| malformed(spell(&error)))?;
    if entry.header().kind != Kind::Seal {
        let kind = entry.header().kind.as_str().to_owned();
        return Err(malformed(format!("entry is of kind `{kind}`")));
    }
    read_seal(&entry).map_err(malformed)
}

/// The first seal of a boot covers its first entry, and no other does.
fn check_first(text: &SealText) -> Result<(), BadSeal> {
    if (text.seal.0 == 0) == (text.first.0 == 0) {
        Ok(())
    } else {
        Err(BadSeal::First {
            seal: text.seal.0,
            first: text.first.0,
        })
    }
}

struct Boot {
    link: BootLink,
    key: VerifierKey,
}

/// Reads the `boot` entry that a boot begins with, and holds it against the seal over it.
fn read_boot(entry: &[u8], text: &SealText) -> Result<Boot, BadSeal> {
    let malformed = |member| BadSeal::Boot { member };
    let entry = Decoded::parse(entry).map_err(|_| malformed("kind"))?;
    let header = entry.header();
    if header.kind != Kind::Boot || header.source != text.source || header.boot != text.boot {
        return Err(malformed("kind"));
    }
    let info = BootInfo::of(&entry).ok_or_else(|| malformed("boot_info"))?;
    if info.spool != text.spool.as_str() {
        return Err(malformed("spool"));
    }
    let previous = match info.previous() {
        Some(None) => Some(None),
        Some(Some(named)) => named_seal(&named).map(Some),
        None => None,
    };
    let previous = previous
        .filter(|named| named.map(|(_, hash)| hash) == text.previous)
        .ok_or_else(|| malformed("previous"))?;
    let key: VerifierKey = info.key.parse().map_err(|_| malformed("key"))?;
    if key.name().as_str() != text.source.as_str() {
        return Err(malformed("key"));
    }
    let rotations: Result<Vec<_>, _> = info
        .rotation
        .iter()
        .flat_map(|notes| split_notes(notes))
        .map(Rotation::parse)
        .collect();
    Ok(Boot {
        link: BootLink {
            previous,
            rotations: rotations.map_err(|_| malformed("rotation"))?,
        },
        key,
    })
}

fn named_seal(named: &Previous) -> Option<(SealPlace, Hash)> {
    let hash = named.hash.strip_prefix("sha256:")?.parse().ok()?;
    let place = SealPlace {
        boot: named.boot,
        seal: named.seal,
    };
    Some((place, hash))
}

/// The trusted key that signed: for the first group of a boot the one it declares.
fn check_signature(
    note: &Note,
    boot: Option<&Boot>,
    trust: &Trust,
) -> Result<VerifierKey, BadSeal> {
    let signer = note
        .signatures()
        .first()
        .map(|signature| signature.key_ref().to_string())
        .unwrap_or_default();
    let verified = |keys: &[VerifierKey]| match verify(note, keys) {
        Ok(verified) => keys
            .iter()
            .find(|key| verified.is_signed_by(key.key_ref()))
            .cloned()
            .ok_or(BadSeal::Signature),
        Err(VerifyError::UnknownKey { .. }) => Err(BadSeal::OtherKey {
            key: signer.clone(),
        }),
        Err(VerifyError::BadSignature { .. } | VerifyError::AmbiguousKey { .. }) => {
            Err(BadSeal::Signature)
        }
    };
    let untrusted = || BadSeal::Untrusted {
        key: signer.clone(),
    };
    let Some(boot) = boot else {
        return verified(trust.keys()).map_err(|error| {
            if matches!(error, BadSeal::OtherKey { .. }) {
                untrusted()
            } else {
                error
            }
        });
    };
    let trusted = trust.trusts(&boot.key) || {
        let mut trust = trust.clone();
        for rotation in &boot.link.rotations {
            trust.link(rotation.clone());
        }
        trust.trusts(&boot.key)
    };
    if trusted {
        verified(std::slice::from_ref(&boot.key))
    } else {
        Err(untrusted())
    }
}
