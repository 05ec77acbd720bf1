//! What an audit came to.

use std::collections::{BTreeMap, BTreeSet};

use affiant_entry::chain::{Coverage, Verdict};
use affiant_entry::{SourceId, SpoolName};
use affiant_tlog::{Hash, LeafIndex};
use serde::Serialize;

use super::blobs::BlobClaims;
use super::chain::{Beginning, Chain, Finished};
use super::fault::{Fault, Finding};
use super::interval::{Interval, IntervalVerdict};
use super::own::Own;
use super::place::Place;
use super::sources::Sources;

/// Most findings of the log itself that are listed; the rest are counted.
pub const FINDINGS_MAX: usize = 200;

/// The judgement over one log.
#[derive(Debug, Clone, Serialize)]
pub struct AuditReport {
    /// The worst of all findings.
    pub verdict: Verdict,
    /// How much there is.
    pub counts: Counts,
    /// The aggregator's id, as its first leaf says; `None` for a log without one.
    pub aggregator: Option<SourceId>,
    /// Serial number of the newest roster.
    pub roster: Option<u64>,
    /// The chains, by source and spool.
    pub sources: Vec<SourceReport>,
    /// Findings that belong to no chain, the first [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// The number of all of them.
    pub findings_total: u64,
    /// What is not here any more, as far as the log says that it may go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pruned: Option<Pruned>,
    /// Time stamps that the log holds, for whoever can check their tokens.
    #[serde(skip)]
    pub anchors: Vec<AnchorClaim>,
    /// The notes by which the log's own keys follow each other, as its `key` entries hold them.
    #[serde(skip)]
    pub log_rotations: String,
    /// Blobs that leaves name, for whoever can look for them.
    #[serde(skip)]
    pub blobs: BlobClaims,
}

/// The newest `prune` entry of a log, and what is not here of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// The word for it.
    pub verdict: IntervalVerdict,
    /// Leaves before this one may go.
    pub min_index: u64,
    /// The policy that lets them go.
    pub policy: String,
    /// The leaf that says so.
    pub leaf: u64,
    /// Leaves that are not here.
    pub leaves: u64,
}

/// How much a log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Leaves.
    pub leaves: u64,
    /// Entries of sources, under seals.
    pub entries: u64,
    /// Seals.
    pub seals: u64,
    /// Boots of sources.
    pub boots: u64,
    /// Entries of the aggregator itself.
    pub own: u64,
    /// Calls that came through another door, under no seal.
    pub imported: u64,
    /// Batches that the aggregator says it refused.
    pub refused: u64,
    /// Context leaves.
    pub contexts: u64,
    /// Those of them for which a source of facts was stale.
    pub contexts_stale: u64,
}

/// One chain.
#[derive(Debug, Clone, Serialize)]
pub struct SourceReport {
    /// The source.
    pub source: SourceId,
    /// The spool.
    pub spool: SpoolName,
    /// The worst of its findings.
    pub verdict: Verdict,
    /// Whether its last boot ended in order.
    pub stopped: bool,
    /// Time of its last seal, microseconds since the Unix epoch.
    pub last_utc_us: Option<i64>,
    /// What each stretch is worth, in order.
    pub intervals: Vec<Interval>,
    /// The number of all stretches.
    pub intervals_total: u64,
    /// What its entries add up to.
    pub counts: affiant_entry::chain::Counts,
    /// The twelve fields over all its calls.
    pub coverage: Coverage,
    /// Its findings, as many as a chain lists.
    pub findings: Vec<Finding>,
    /// The number of all of them.
    pub findings_total: u64,
}

/// A time stamp in the log: what it claims, unverified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorClaim {
    /// Where it stands.
    pub leaf: LeafIndex,
    /// Name of the authority, as the aggregator calls it.
    pub authority: String,
    /// Size of the checkpoint that was stamped.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// Its note: the bytes that were stamped.
    pub checkpoint: String,
    /// RFC 3161 token, DER.
    pub token: Vec<u8>,
    /// The time it says, RFC 3339.
    pub gen_time: Option<String>,
}

/// Findings of the log itself.
#[derive(Debug)]
pub(super) struct Findings {
    listed: Vec<Finding>,
    total: u64,
    worst: Verdict,
}

impl Default for Findings {
    fn default() -> Self {
        Self {
            listed: Vec::new(),
            total: 0,
            worst: Verdict::Ok,
        }
    }
}

impl Findings {
    pub(super) const fn so_far(&self) -> Verdict {
        self.worst
    }

    pub(super) fn add(&mut self, finding: Finding) {
        self.worst = self.worst.max(finding.verdict);
        self.total = self.total.saturating_add(1);
        if self.listed.len() < FINDINGS_MAX {
            self.listed.push(finding);
        }
    }
}

/// Brings everything together.
pub(super) fn conclude(
    own: Option<Own>,
    chains: BTreeMap<(SourceId, SpoolName), Chain>,
    sources: Sources,
    mut findings: Findings,
    counts: Counts,
    begins: LeafIndex,
) -> AuditReport {
    let pruned = sources.pruned.as_ref().map(|pruned| Pruned {
        leaves: begins.0.min(pruned.min_index),
        ..pruned.clone()
    });
    let may_go = pruned.as_ref().map_or(0, |pruned| pruned.min_index);
    let beginning = if begins.0 == 0 {
        Beginning::Here
    } else if begins.0 <= may_go {
        Beginning::Pruned
    } else {
        let leaves = begins.0.saturating_sub(may_go);
        findings.add(Finding::new(Place::LOG, Fault::LeavesMissing { leaves }));
        Beginning::Missing
    };
    let stopped = stopped(&chains);
    let now_us = own.as_ref().and_then(|own| own.last_utc_us);
    let roster = sources.roster().map(|roster| roster.serial);
    let mut reports: Vec<_> = chains
        .into_values()
        .map(|chain| SourceReport::of(chain.finish(|leaf| sources.is_set_aside(leaf), beginning)))
        .collect();
    for finding in sources.conclude(&stopped, now_us) {
        if let Some(source) = &finding.place.source {
            mark(&mut reports, source, &finding.fault);
        }
        findings.add(finding);
    }
    let worst = reports
        .iter()
        .map(|report| report.verdict)
        .max()
        .unwrap_or(Verdict::Ok);
    AuditReport {
        verdict: findings.worst.max(worst),
        counts,
        aggregator: own.map(|own| own.id().clone()),
        roster,
        sources: reports,
        findings: findings.listed,
        findings_total: findings.total,
        pruned,
        anchors: sources.anchors,
        log_rotations: sources.log_rotations,
        blobs: sources.blobs,
    }
}

/// Sources whose every chain ended in order.
fn stopped(chains: &BTreeMap<(SourceId, SpoolName), Chain>) -> BTreeSet<SourceId> {
    let mut stopped = BTreeSet::new();
    let mut living = BTreeSet::new();
    for chain in chains.values() {
        match chain.end() {
            Some((_, true)) => stopped.insert(chain.source().clone()),
            Some((_, false)) => living.insert(chain.source().clone()),
            None => false,
        };
    }
    stopped.retain(|source| !living.contains(source));
    stopped
}

/// What is said of a source stands among the stretches of its chains.
fn mark(reports: &mut [SourceReport], source: &SourceId, fault: &Fault) {
    let silent = matches!(fault, Fault::Silent { .. });
    let verdict = if silent {
        IntervalVerdict::Silent
    } else if matches!(fault, Fault::Unrostered) {
        IntervalVerdict::Unrostered
    } else {
        IntervalVerdict::Faulty
    };
    let of_source = reports.iter_mut().filter(|each| each.source == *source);
    for report in of_source {
        report.verdict = report.verdict.max(fault.verdict());
        if silent && !report.stopped {
            report.intervals.push(Interval {
                verdict,
                entries: None,
                from: None,
                to: None,
            });
        } else if !silent {
            report.downgrade(verdict);
        }
    }
}

impl SourceReport {
    fn of(chain: Finished) -> Self {
        Self {
            source: chain.source,
            spool: chain.spool,
            verdict: chain.worst,
            stopped: chain.stopped,
            last_utc_us: chain.last_utc_us,
            intervals: chain.intervals,
            intervals_total: chain.intervals_total,
            counts: chain.tally.counts,
            coverage: chain.tally.coverage,
            findings: chain.findings,
            findings_total: chain.findings_total,
        }
    }

    /// What was complete is worth less.
    fn downgrade(&mut self, verdict: IntervalVerdict) {
        let complete = self
            .intervals
            .iter_mut()
            .filter(|interval| interval.verdict == IntervalVerdict::Complete);
        for interval in complete {
            interval.verdict = verdict;
        }
    }

    /// Whether every stretch of it is complete.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.intervals
            .iter()
            .all(|interval| interval.verdict == IntervalVerdict::Complete)
    }
}
