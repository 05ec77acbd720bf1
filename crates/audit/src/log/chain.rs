//! One chain of one source, as the log holds it.
//!
//! Two readings run side by side. *Continuity* looks at seals alone: numbers, links, boots; it never
//! stops, and cuts the chain into runs. A *run* goes to the judge that also judges spools
//! ([`ChainVerifier`]), which looks at every entry. A run ends where continuity breaks, and where the
//! key changes: the log's `key` entries, not the chain, say which key was good when.

use std::collections::BTreeSet;

use affiant_entry::chain::{
    ChainReport, ChainVerifier, Counts, Coverage, FINDINGS_MAX, Fault as ChainFault, Start, Tail,
    Verdict,
};
use affiant_entry::decode::{Decoded, Kind};
use affiant_entry::{BootId, SealNumber, SealText, Seq, SourceId, SpoolName, Trust};
use affiant_tlog::{Hash, LeafIndex, VerifierKey};
use serde::Deserialize;

use super::fault::{Fault, Finding};
use super::interval::{Edge, Interval, IntervalVerdict};
use super::leaf::Leaf;
use super::place::Place;
use super::said::ChainGap;

/// Most stretches of one chain that are listed; the rest are counted.
pub const INTERVALS_MAX: usize = 1_000;
/// Most breaks of one chain that are matched with what the aggregator declared.
const BREAKS_MAX: usize = 10_000;

/// A group as the log holds it: the leaves before a seal, and the seal.
pub(super) struct Group<'a> {
    pub(super) first: LeafIndex,
    pub(super) at: LeafIndex,
    pub(super) leaves: &'a [Leaf],
    pub(super) seal: &'a Leaf,
    pub(super) text: &'a SealText,
}

/// The state of one chain.
#[derive(Debug)]
pub(super) struct Chain {
    source: SourceId,
    spool: SpoolName,
    last: Option<Last>,
    boots: BTreeSet<BootId>,
    /// Where the boot that is being read began, and its key.
    boot_at: LeafIndex,
    boot_key: Option<VerifierKey>,
    run: Option<Run>,
    gaps: Vec<ChainGap>,
    breaks: Vec<Break>,
    intervals: Vec<Interval>,
    intervals_total: u64,
    findings: Vec<Finding>,
    findings_total: u64,
    worst: Verdict,
    /// Leaves that are no entry: what the aggregator says of them comes later.
    unreadable: Vec<(BootId, Seq, Hash)>,
    tally: Tally,
    /// The seal before the first one here, in a log whose beginning is not here; and whether it is known
    /// not to be among what was pruned.
    link: Option<Hash>,
    link_refuted: bool,
}

/// What the beginning of a log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// Its first leaf.
    Here,
    /// A later leaf: what came before was pruned as the log says.
    Pruned,
    /// A later leaf, and nothing in the log lets the earlier ones go.
    Missing,
}

/// What a chain adds up to.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    pub(super) coverage: Coverage,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    boot: BootId,
    seal: SealNumber,
    next: Seq,
    hash: Hash,
    utc_us: i64,
    stopped: bool,
}

#[derive(Debug)]
struct Run {
    verifier: ChainVerifier,
    key: Option<VerifierKey>,
    from: Edge,
    to: Edge,
}

/// A place where continuity broke; whether it was declared is known at the end.
#[derive(Debug)]
struct Break {
    place: Place,
    boot: BootId,
    seal: SealNumber,
    kind: BreakKind,
    /// Its place among the intervals.
    interval: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
enum BreakKind {
    Missing {
        seals: Option<u64>,
        entries: Option<u64>,
    },
    Unlinked,
    Start,
}

/// What a boot entry ties together.
#[derive(Deserialize)]
pub(super) struct BootInfo {
    pub(super) spool: String,
    key: String,
    #[serde(default)]
    pub(super) rotation: Option<String>,
}

impl BootInfo {
    pub(super) fn of(entry: &Decoded) -> Option<Self> {
        if entry.header().kind != Kind::Boot {
            return None;
        }
        serde_json::from_str(entry.member("boot_info")?).ok()
    }
}

impl Chain {
    pub(super) fn new(source: SourceId, spool: SpoolName) -> Self {
        Self {
            source,
            spool,
            last: None,
            boots: BTreeSet::new(),
            boot_at: LeafIndex(0),
            boot_key: None,
            run: None,
            gaps: Vec::new(),
            breaks: Vec::new(),
            intervals: Vec::new(),
            intervals_total: 0,
            findings: Vec::new(),
            findings_total: 0,
            worst: Verdict::Ok,
            unreadable: Vec::new(),
            tally: Tally::default(),
            link: None,
            link_refuted: false,
        }
    }

    pub(super) const fn source(&self) -> &SourceId {
        &self.source
    }

    pub(super) fn place(&self) -> Place {
        Place::chain(&self.source, &self.spool)
    }

    /// The aggregator declares a gap in this chain.
    pub(super) fn declare(&mut self, gap: ChainGap) {
        if self.gaps.len() < BREAKS_MAX {
            self.gaps.push(gap);
        }
    }

    /// Takes a group. `deep` says whether its entries are judged, or only its seal's place.
    ///
    /// `find_key` gives the key of the seal's signature, as far as the log knows one. Gives the leaf
    /// where the boot began and the key that its boot names, for a judgement of the key.
    pub(super) fn push(
        &mut self,
        group: &Group<'_>,
        deep: bool,
        known_key: Option<VerifierKey>,
    ) -> Option<(LeafIndex, VerifierKey)> {
        let text = group.text;
        let place = self.place().boot(text.boot).seal(text.seal).at(group.at);
        if !self.continues(group, place) {
            return None;
        }
        let enters = self.last.is_none_or(|last| last.boot != text.boot);
        if enters {
            self.boots.insert(text.boot);
            self.boot_at = group.first;
            self.boot_key = None;
        }
        if let Some(boot) = group.leaves.first().and_then(Leaf::entry)
            && let Some(info) = BootInfo::of(boot)
        {
            self.boot_key = info.key.parse().ok();
        } else if enters {
            self.boot_key = known_key;
        }
        self.feed(group, deep);
        let last = group.leaves.last().and_then(Leaf::header);
        self.last = Some(Last {
            boot: text.boot,
            seal: text.seal,
            next: text.next_seq(),
            hash: group.seal.hash(),
            utc_us: text.utc_us,
            stopped: last.is_some_and(|header| header.kind == Kind::Stop),
        });
        self.boot_key.clone().map(|key| (self.boot_at, key))
    }

    /// Judges a seal's place. `false`: it has none, and must not be read on.
    fn continues(&mut self, group: &Group<'_>, place: Place) -> bool {
        let text = group.text;
        let Some(last) = self.last else {
            if text.previous.is_some() || text.seal.0 != 0 || text.first.0 != 0 {
                self.link = text.previous;
                self.break_at(place, text, BreakKind::Start);
            }
            return true;
        };
        let linked = text.previous == Some(last.hash);
        if text.boot == last.boot {
            let next = last.seal.0.saturating_add(1);
            // A source that skips numbers of its own is judged with its entries.
            if text.seal.0 == next && linked {
                return true;
            }
            let missing = text.seal.0.checked_sub(next).filter(|n| *n > 0);
            let Some(seals) = missing else {
                let expected = next;
                self.find(Finding::new(place, Fault::Repeated { expected }));
                return false;
            };
            let entries = text.first.0.checked_sub(last.next.0);
            let kind = BreakKind::Missing {
                seals: Some(seals),
                entries,
            };
            self.break_at(place, text, kind);
            return true;
        }
        if self.boots.contains(&text.boot) {
            self.find(Finding::new(place, Fault::BootReturned));
            return false;
        }
        if text.seal.0 != 0 || text.first.0 != 0 {
            // The boot's own first seals are missing, and perhaps the last ones of the boot before.
            let kind = BreakKind::Missing {
                seals: Some(text.seal.0),
                entries: Some(text.first.0),
            };
            self.break_at(place, text, kind);
        } else if text.previous.is_none() {
            self.break_at(place, text, BreakKind::Unlinked);
        } else if !linked {
            let kind = BreakKind::Missing {
                seals: None,
                entries: None,
            };
            self.break_at(place, text, kind);
        }
        true
    }

    fn break_at(&mut self, place: Place, text: &SealText, kind: BreakKind) {
        self.end_run();
        let verdict = IntervalVerdict::Missing(None);
        let interval = self.list(Interval {
            verdict,
            entries: None,
            from: None,
            to: None,
        });
        if self.breaks.len() < BREAKS_MAX {
            self.breaks.push(Break {
                place,
                boot: text.boot,
                seal: text.seal,
                kind,
                interval,
            });
        } else {
            self.find(Finding::new(place, kind.fault(false)));
        }
    }

    fn feed(&mut self, group: &Group<'_>, deep: bool) {
        if !deep {
            return;
        }
        let text = group.text;
        let key = self.boot_key.clone();
        if self.run.as_ref().is_some_and(|run| run.key != key) {
            self.end_run();
        }
        let edge = |leaf: LeafIndex, seq: Seq| Edge {
            leaf: leaf.0,
            boot: text.boot,
            seal: text.seal,
            seq,
            utc_us: text.utc_us,
        };
        let to = edge(group.at, Seq(text.next_seq().0.saturating_sub(1)));
        let run = self.run.get_or_insert_with(|| Run {
            verifier: ChainVerifier::new(Trust::new(key.clone()), None).starting(Start::Anywhere),
            key,
            from: edge(group.first, text.first),
            to,
        });
        for (leaf, seq) in group.leaves.iter().zip(text.first.0..) {
            if leaf.header().is_none() && self.unreadable.len() < FINDINGS_MAX {
                self.unreadable.push((text.boot, Seq(seq), leaf.hash()));
            }
            leaf.push_into(&mut run.verifier);
        }
        group.seal.push_into(&mut run.verifier);
        run.to = to;
    }

    fn end_run(&mut self) {
        let Some(run) = self.run.take() else {
            return;
        };
        let report = run.verifier.finish(Tail::Clean);
        self.tally.add(&report);
        let worst_before = std::mem::replace(&mut self.worst, Verdict::Ok);
        let listed = report.findings.len();
        let blind = report
            .findings
            .iter()
            .any(|finding| matches!(finding.fault, ChainFault::Unsupported { .. }));
        for mut finding in report.findings {
            if blind {
                excuse(&mut finding.fault);
            }
            // Whether a run begins where the one before ended is continuity's question, and which key
            // was good is the key book's.
            let asked_elsewhere = matches!(
                finding.fault,
                ChainFault::StartMissing { .. } | ChainFault::Untrusted { .. }
            );
            if !asked_elsewhere {
                let place = self.place().within(&finding.place);
                let fault = Fault::Chain(Box::new(finding.fault));
                self.find(Finding::new(place, fault));
            }
        }
        let more = report
            .findings_total
            .saturating_sub(u64::try_from(listed).unwrap_or(u64::MAX));
        if more > 0 {
            let worst = report.verdict;
            self.find(Finding::new(self.place(), Fault::More { more, worst }));
        }
        let verdict = match self.worst {
            Verdict::No | Verdict::Untrusted => IntervalVerdict::Faulty,
            Verdict::Incomplete | Verdict::Ok if report.counts.gaps > 0 => {
                dropped(&self.findings, report.counts.entries_lost)
            }
            Verdict::Incomplete | Verdict::Ok => IntervalVerdict::Complete,
        };
        self.worst = self.worst.max(worst_before);
        let entries = if let IntervalVerdict::Dropped(n) = verdict {
            n
        } else {
            Some(report.counts.entries)
        };
        self.list(Interval {
            verdict,
            entries,
            from: Some(run.from),
            to: Some(run.to),
        });
    }

    fn list(&mut self, interval: Interval) -> Option<usize> {
        if interval.verdict == IntervalVerdict::Complete
            && let Some(before) = self.intervals.last_mut()
            && before.verdict == IntervalVerdict::Complete
        {
            // A key changed, and nothing else.
            before.to = interval.to;
            before.entries = sum(before.entries, interval.entries);
            return None;
        }
        self.intervals_total = self.intervals_total.saturating_add(1);
        let at = self.intervals.len();
        (at < INTERVALS_MAX).then(|| {
            self.intervals.push(interval);
            at
        })
    }

    pub(super) fn find(&mut self, finding: Finding) {
        self.worst = self.worst.max(finding.verdict);
        self.findings_total = self.findings_total.saturating_add(1);
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// The worst of what was found so far.
    pub(super) fn so_far(&self) -> Verdict {
        let broken = if self.breaks.is_empty() {
            Verdict::Ok
        } else {
            Verdict::No
        };
        self.worst.max(broken)
    }

    /// The seal that its first one here links to, if it does not begin here.
    pub(super) const fn link(&self) -> Option<Hash> {
        self.link
    }

    /// That seal is not among the leaves that were pruned.
    pub(super) const fn refute_link(&mut self) {
        self.link_refuted = true;
    }

    /// Whether nobody has said yet which key seals its boot.
    pub(super) const fn is_key_unknown(&self) -> bool {
        self.boot_key.is_none()
    }

    /// When its last seal was made, and whether its last boot ended in order.
    pub(super) fn end(&self) -> Option<(i64, bool)> {
        self.last.map(|last| (last.utc_us, last.stopped))
    }

    /// The judgement. `set_aside` knows the leaves of which the aggregator says that they are no entry.
    pub(super) fn finish(
        mut self,
        set_aside: impl Fn(&Hash) -> bool,
        beginning: Beginning,
    ) -> Finished {
        self.end_run();
        for each in std::mem::take(&mut self.breaks) {
            let excused = matches!(each.kind, BreakKind::Start)
                && beginning != Beginning::Here
                && self.link.is_some();
            if excused {
                self.begin_later(each, beginning);
                continue;
            }
            let declared = self.gaps.iter().any(|gap| each.is_declared_by(gap));
            if let Some(interval) = each.interval.and_then(|at| self.intervals.get_mut(at)) {
                interval.verdict = each.kind.verdict(declared);
                interval.entries = interval.verdict.entries();
            }
            self.find(Finding::new(each.place, each.kind.fault(declared)));
        }
        self.unreadable.retain(|(_, _, hash)| set_aside(hash));
        if !self.unreadable.is_empty() {
            self.soften_quarantined();
        }
        Finished {
            source: self.source,
            spool: self.spool,
            intervals: self.intervals,
            intervals_total: self.intervals_total,
            findings: self.findings,
            findings_total: self.findings_total,
            worst: self.worst,
            stopped: self.last.is_some_and(|last| last.stopped),
            last_utc_us: self.last.map(|last| last.utc_us),
            tally: self.tally,
        }
    }

    /// The chain begins before the first leaf that is here.
    fn begin_later(&mut self, at: Break, beginning: Beginning) {
        let (verdict, fault) = match (self.link_refuted, beginning) {
            (true, _) => (IntervalVerdict::Faulty, Some(Fault::StartForged)),
            (false, Beginning::Pruned) => (IntervalVerdict::Pruned, None),
            (false, _) => (IntervalVerdict::Missing(None), Some(Fault::StartAbsent)),
        };
        if let Some(interval) = at.interval.and_then(|at| self.intervals.get_mut(at)) {
            interval.verdict = verdict;
        }
        if let Some(fault) = fault {
            self.find(Finding::new(at.place, fault));
        }
    }

    /// What is no entry and was set aside is the source's own doing, and open: not an alteration.
    fn soften_quarantined(&mut self) {
        let mut all = true;
        for finding in &mut self.findings {
            if let Fault::Chain(fault) = &finding.fault
                && let ChainFault::NotAnEntry { reason } = fault.as_ref()
                && self.unreadable.iter().any(|(boot, seq, _)| {
                    finding.place.boot == Some(*boot) && finding.place.seq == Some(*seq)
                })
            {
                let reason = reason.clone();
                *finding = Finding::new(finding.place.clone(), Fault::Quarantined { reason });
            }
            if let Fault::Chain(fault) = &mut finding.fault {
                excuse(fault);
                finding.verdict = finding.fault.verdict();
            }
            all &= finding.verdict != Verdict::No;
        }
        let listed = u64::try_from(self.findings.len()).unwrap_or(u64::MAX);
        if all && listed == self.findings_total {
            self.worst = self
                .findings
                .iter()
                .map(|finding| finding.verdict)
                .max()
                .unwrap_or(Verdict::Ok);
        }
    }
}

/// A chain that was read to its end.
pub(super) struct Finished {
    pub(super) source: SourceId,
    pub(super) spool: SpoolName,
    pub(super) intervals: Vec<Interval>,
    pub(super) intervals_total: u64,
    pub(super) findings: Vec<Finding>,
    pub(super) findings_total: u64,
    pub(super) worst: Verdict,
    pub(super) stopped: bool,
    pub(super) last_utc_us: Option<i64>,
    pub(super) tally: Tally,
}

impl Break {
    fn is_declared_by(&self, gap: &ChainGap) -> bool {
        gap.subject.boot.is_none_or(|boot| boot == self.boot)
            && gap
                .got_seal
                .is_none_or(|got| got.boot == self.boot && got.seal == self.seal)
    }
}

impl BreakKind {
    const fn fault(self, declared: bool) -> Fault {
        match self {
            Self::Missing { seals, entries } => Fault::SealsMissing {
                seals,
                entries,
                declared,
            },
            Self::Unlinked => Fault::Unlinked { declared },
            Self::Start => Fault::StartMissing { declared },
        }
    }

    const fn verdict(self, declared: bool) -> IntervalVerdict {
        match self {
            Self::Missing { entries, .. } if declared => IntervalVerdict::Gap(entries),
            Self::Missing { entries, .. } => IntervalVerdict::Missing(entries),
            Self::Start if declared => IntervalVerdict::Gap(None),
            Self::Start => IntervalVerdict::Missing(None),
            Self::Unlinked => IntervalVerdict::Discontinuous,
        }
    }
}

impl Tally {
    fn add(&mut self, report: &ChainReport) {
        let (sum, more) = (&mut self.counts, &report.counts);
        for (to, from) in [
            (&mut sum.entries, more.entries),
            (&mut sum.seals, more.seals),
            (&mut sum.boots, more.boots),
            (&mut sum.calls_begun, more.calls_begun),
            (&mut sum.calls_ended, more.calls_ended),
            (&mut sum.calls_open, more.calls_open),
            (&mut sum.calls_outcome_unknown, more.calls_outcome_unknown),
            (&mut sum.gaps, more.gaps),
            (&mut sum.entries_lost, more.entries_lost),
            (&mut sum.anomalies, more.anomalies),
        ] {
            *to = to.saturating_add(from);
        }
        self.coverage.merge(&report.coverage);
    }
}

/// A run in which the source declared gaps: lost entries, or nothing lost.
fn dropped(findings: &[Finding], lost: u64) -> IntervalVerdict {
    let gaps = findings.iter().filter_map(|finding| {
        if let Fault::Chain(fault) = &finding.fault
            && let ChainFault::Gap { entries_lost, .. } = fault.as_ref()
        {
            Some(*entries_lost)
        } else {
            None
        }
    });
    let mut seen = false;
    let mut known = true;
    for each in gaps {
        seen = true;
        known &= each.is_some();
    }
    match (seen, known) {
        (false, _) => IntervalVerdict::Complete,
        (true, true) => IntervalVerdict::Dropped(Some(lost)),
        (true, false) => IntervalVerdict::Dropped(None),
    }
}

/// Where an entry could not be read, an end without a beginning is no surprise.
fn excuse(fault: &mut ChainFault) {
    if let ChainFault::EndWithoutBegin { gap_before, .. } = fault {
        *gap_before = true;
    }
}

fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    Some(a?.saturating_add(b?))
}
