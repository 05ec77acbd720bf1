//! What the judge found.

use affiant_tlog::Hash;
use serde::{Serialize, Serializer};

use super::finding::{Finding, Verdict};
use crate::completeness::{Completeness, FIELDS, Field, State};
use crate::ids::{BootId, SealNumber, SourceId, SpoolName};

/// Most findings listed one by one; the rest are counted.
pub const FINDINGS_MAX: usize = 100;

/// The judgement over one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainReport {
    /// The worst of all findings.
    pub verdict: Verdict,
    /// Whose chain; `None` if no entry could be read.
    pub source: Option<SourceId>,
    /// In which spool; `None` if no boot entry or seal could be read.
    pub spool: Option<SpoolName>,
    /// How much there is.
    pub counts: Counts,
    /// Earliest time of a sealed entry, microseconds since the Unix epoch.
    pub first_utc_us: Option<i64>,
    /// Latest time of a sealed entry, microseconds since the Unix epoch.
    pub last_utc_us: Option<i64>,
    /// The twelve fields over all sealed `call.end` entries.
    pub coverage: Coverage,
    /// Keys that sealed, in the order of their first boot.
    pub keys: Vec<KeyUse>,
    /// Whether the seal that the key holder remembers is there.
    pub head: HeadCheck,
    /// Whether its beginning is not here, and a log is proven to have it: no fault.
    pub released: bool,
    /// The last seal.
    pub last: Option<LastSeal>,
    /// The first [`FINDINGS_MAX`] findings.
    pub findings: Vec<Finding>,
    /// The number of all findings.
    pub findings_total: u64,
}

/// How much a chain holds. Only what stands under a seal counts, but for `unsealed` and `torn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Entries, without seals.
    pub entries: u64,
    /// Seals.
    pub seals: u64,
    /// Boots.
    pub boots: u64,
    /// `call.begin` entries.
    pub calls_begun: u64,
    /// `call.end` entries.
    pub calls_ended: u64,
    /// Calls begun and not ended.
    pub calls_open: u64,
    /// `call.end` entries whose reason is `outcome-unknown`.
    pub calls_outcome_unknown: u64,
    /// `gap` entries.
    pub gaps: u64,
    /// Entries lost, as far as `gap` entries know.
    pub entries_lost: u64,
    /// `anomaly` entries.
    pub anomalies: u64,
    /// Entries under no seal: no evidence.
    pub unsealed_entries: u64,
    /// Bytes of an entry that a crash tore at the end.
    pub torn_bytes: u64,
}

/// The twelve fields over many calls.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Coverage {
    /// `call.end` entries looked at.
    pub calls: u64,
    /// Those with none of the twelve missing.
    pub complete: u64,
    fields: [FieldCoverage; FIELDS],
}

/// One field over many calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct FieldCoverage {
    /// Calls that have it.
    pub present: u64,
    /// Calls that say why not.
    pub absent: u64,
    /// Calls that say nothing.
    pub missing: u64,
}

/// A key that sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyUse {
    /// The verifier key.
    pub key: String,
    /// Whether it is trusted, or linked to a trusted key by rotation notes.
    pub trusted: bool,
    /// The first boot it sealed.
    pub first_boot: BootId,
}

/// Which of the twelve fields one call has: a bit each, the first field's lowest.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallFields {
    present: u16,
    absent: u16,
}

impl CallFields {
    pub(super) fn of(call: &Completeness<'_>) -> Self {
        let (mut present, mut absent) = (0, 0);
        for (at, (_, state)) in call.fields().enumerate() {
            match state {
                State::Present => present |= 1 << at,
                State::Absent(_) => absent |= 1 << at,
                State::Missing => {}
            }
        }
        Self { present, absent }
    }

    /// The fields that are missing, in order.
    pub(super) fn missing(self) -> impl Iterator<Item = Field> {
        let here = self.present | self.absent;
        let fields = Field::ALL.into_iter().enumerate();
        fields.filter_map(move |(at, field)| (here & (1 << at) == 0).then_some(field))
    }
}

/// What became of the remembered head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadCheck {
    /// None was given: entries cut from the end go unnoticed.
    NotGiven,
    /// The chain contains it.
    Found,
    /// The chain does not contain it.
    NotFound,
}

/// The last seal of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastSeal {
    /// Its boot.
    pub boot: BootId,
    /// Its number.
    pub seal: SealNumber,
    /// Leaf hash of its entry; 64 hexadecimal digits in JSON.
    #[serde(serialize_with = "hex_hash")]
    pub hash: Hash,
    /// When it was signed, microseconds since the Unix epoch; `None` if its note cannot be read.
    pub utc_us: Option<i64>,
}

fn hex_hash<S: Serializer>(hash: &Hash, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(hash)
}

impl Coverage {
    /// One field.
    #[must_use]
    pub fn field(&self, field: Field) -> FieldCoverage {
        self.fields()
            .find(|(each, _)| *each == field)
            .map(|(_, tally)| tally)
            .unwrap_or_default()
    }

    /// All twelve fields, in order.
    pub fn fields(&self) -> impl Iterator<Item = (Field, FieldCoverage)> {
        Field::ALL.into_iter().zip(self.fields)
    }

    /// Counts one call.
    pub fn add(&mut self, call: &Completeness<'_>) {
        self.count(CallFields::of(call));
    }

    pub(super) fn count(&mut self, call: CallFields) {
        bump(&mut self.calls);
        if call.missing().next().is_none() {
            bump(&mut self.complete);
        }
        for (at, tally) in self.fields.iter_mut().enumerate() {
            let bit = 1 << at;
            if call.present & bit != 0 {
                bump(&mut tally.present);
            } else if call.absent & bit != 0 {
                bump(&mut tally.absent);
            } else {
                bump(&mut tally.missing);
            }
        }
    }

    /// Adds the calls of another tally.
    pub fn merge(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.complete = self.complete.saturating_add(other.complete);
        for (tally, more) in self.fields.iter_mut().zip(&other.fields) {
            tally.present = tally.present.saturating_add(more.present);
            tally.absent = tally.absent.saturating_add(more.absent);
            tally.missing = tally.missing.saturating_add(more.missing);
        }
    }
}

/// Counts one more.
pub(super) const fn bump(n: &mut u64) {
    *n = n.saturating_add(1);
}
