//! The judge itself.

mod boots;
mod closing;
mod effects;
mod entries;
mod seals;

use affiant_tlog::note::VerifierKey;
use affiant_tlog::{Hash, leaf_hash};

use super::calls::Calls;
use super::finding::{Fault, Finding, Place};
use super::group::Group;
use super::head::RememberedHead;
use super::report::{Counts, Coverage, FINDINGS_MAX, LastSeal, bump};
use super::summary::Summary;
use crate::decode::{Kind, Reader};
use crate::ids::{BootId, SourceId, SpoolName};
use crate::limits::clip;
use crate::rotation::Trust;

/// Whether the beginning of the chain must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// The first entry must be the first boot of the chain.
    #[default]
    Genesis,
    /// Earlier entries may have been released (shipped and pruned): their absence makes the verdict
    /// incomplete, not no.
    Anywhere,
}

/// How the storage ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tail {
    /// Behind a whole entry.
    #[default]
    Clean,
    /// Within an entry: a crash tore it. No finding: it was never acknowledged.
    Torn {
        /// Bytes of the torn piece.
        bytes: u64,
    },
}

/// Judges one spool's chain, entry by entry. See the [module](crate::chain).
#[derive(Debug)]
pub struct ChainVerifier {
    reader: Reader,
    trust: Trust,
    expected: Option<RememberedHead>,
    start: Start,
    source: Option<SourceId>,
    spool: Option<SpoolName>,
    life: Option<Life>,
    lives: u64,
    group: Group,
    /// The last seal, and whether the next one must link to it: not at a start that is missing.
    last: Option<LastSeal>,
    link: Link,
    start_missing: bool,
    /// A seal that somebody else is proven to have, and whether this chain holds it.
    proven: Option<Hash>,
    proven_seen: bool,
    /// Whether the seal where the remembered one belongs is that one; `None` before one stands there.
    head_seen: Option<bool>,
    calls: Calls,
    gap_seen: bool,
    /// A gap whose end has not been read: where it began, what was said, its `since`.
    gap_open: Option<(Place, Fault, String)>,
    /// Number of the last sealed boot, of the last one with a `stop`, and whether the last one has
    /// done more than recover.
    sealed_life: u64,
    stopped_life: u64,
    beyond_recovery: bool,
    keys: Vec<(VerifierKey, BootId)>,
    counts: Counts,
    coverage: Coverage,
    first_utc_us: Option<i64>,
    last_utc_us: Option<i64>,
    findings: Vec<Finding>,
    findings_total: u64,
    verdict: super::Verdict,
}

/// The boot that is being read.
#[derive(Debug, Clone)]
struct Life {
    boot: BootId,
    number: u64,
    next_seq: Option<u64>,
    next_seal: Option<u64>,
    key: Option<VerifierKey>,
}

/// What the next seal must name as the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    To(Option<Hash>),
    Unknown,
}

impl ChainVerifier {
    /// A judge that believes these keys. `expected` is the seal that the key holder remembers: without
    /// it, entries cut from the end go unnoticed.
    #[must_use]
    pub fn new(trust: Trust, expected: Option<RememberedHead>) -> Self {
        Self {
            reader: Reader::new(),
            trust,
            expected,
            start: Start::Genesis,
            source: None,
            spool: None,
            life: None,
            lives: 0,
            group: Group::default(),
            last: None,
            link: Link::To(None),
            start_missing: false,
            proven: None,
            proven_seen: false,
            head_seen: None,
            calls: Calls::default(),
            gap_seen: false,
            gap_open: None,
            sealed_life: 0,
            stopped_life: 0,
            beyond_recovery: false,
            keys: Vec::new(),
            counts: Counts::default(),
            coverage: Coverage::default(),
            first_utc_us: None,
            last_utc_us: None,
            findings: Vec::new(),
            findings_total: 0,
            verdict: super::Verdict::Ok,
        }
    }

    /// Says whether the chain may begin somewhere else than at its first boot.
    #[must_use]
    pub const fn starting(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Says that a log is proven to have the seal with this leaf hash. Seals name the one before them by
    /// its hash, so if this chain holds that seal, or begins right behind it, a beginning that is missing
    /// was released and not lost: [`ChainReport::released`](super::ChainReport::released).
    #[must_use]
    pub const fn released_behind(mut self, seal: Hash) -> Self {
        self.proven = Some(seal);
        self
    }

    /// Takes the next entry, seals among them, in the order of the spool.
    pub fn push(&mut self, bytes: &[u8]) {
        match self.reader.read(bytes) {
            Ok(entry) => {
                let entry = Summary::of(entry, leaf_hash(bytes));
                self.push_read(&entry);
            }
            Err(error) => self.push_unreadable(bytes, &error),
        }
    }

    /// [`ChainVerifier::push`] for an entry that was read and hashed before, perhaps on another core.
    pub fn push_read(&mut self, entry: &Summary) {
        if entry.header().kind != Kind::Seal {
            self.push_entry(entry);
        } else if let Some(seal) = entry.entry() {
            self.push_seal(seal, entry.leaf());
        }
    }

    /// Is told that the storage lost or altered bytes here, in the storage's words.
    pub fn damage(&mut self, what: &str) {
        let place = self
            .life
            .as_ref()
            .map_or(Place::Chain, |life| Place::Boot { boot: life.boot });
        self.find(
            place,
            Fault::Damaged {
                what: clip(what, 400),
            },
        );
    }

    fn note(&mut self, place: Place, result: Result<(), Fault>) {
        if let Err(fault) = result {
            self.find(place, fault);
        }
    }

    fn find(&mut self, place: Place, fault: Fault) {
        let verdict = fault.verdict();
        self.verdict = self.verdict.max(verdict);
        bump(&mut self.findings_total);
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding {
                place,
                verdict,
                fault,
            });
        }
    }
}
