//! Where each group belongs, under the lock of its chain.

use std::sync::Arc;

use affiant_entry::batch::{BatchHeader, BatchWriter};
use affiant_entry::link::{ChainCursor, CheckedGroup, ForkKind, GapKind, Placement};
use affiant_entry::record::Body;
use affiant_entry::record::{
    ChainGap, ChainGapReason, ChainRef, Fork, KeyAction, KeyChange, LeafRef, Quarantine,
};
use affiant_entry::{Decoded, Fact, SealPlace};
use affiant_tlog::Hash;

use super::{DUPLICATE_WAIT, OVERTAKEN_WAIT, Offered, OfferedGroup, keep_blobs};
use crate::blobs::Blobs;
use crate::chains::{Chain, HeadError};
use crate::core::Core;
use crate::index::{GroupRow, IndexError, SealRow, Subject};
use crate::ledger::{LedgerError, Part, Submission};
use crate::own;
use crate::problem::Problem;

/// What became of a batch: under way, and in the order of its groups.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) submission: Option<Submission>,
    pub(super) groups: Vec<PlacedGroup>,
    /// Leaves of the submission.
    pub(super) appended_entries: u64,
}

/// What one group is.
#[derive(Debug)]
pub(super) struct PlacedGroup {
    pub(super) place: SealPlace,
    pub(super) entries: u64,
    pub(super) at: GroupAt,
}

/// Where one group is.
#[derive(Debug)]
pub(super) enum GroupAt {
    /// At an offset in the submission; so many entries before its seal.
    New { offset: u64, count: u64 },
    /// It was there before.
    Known(SealRow),
    /// It is under way in another batch, with this hash.
    UnderWay(Hash),
}

/// What a group is, as far as the head and the index tell.
enum Verdict {
    Next,
    AfterGap(ChainGapReason, Option<SealPlace>),
    Known(SealRow),
    UnderWay,
    Fork { ours: Option<SealRow> },
    Gap(Option<SealPlace>),
    Refused(Problem),
}

/// Places the groups on the chain's head and submits those that are new; waits a moment for batches
/// that this one overtook.
pub(super) async fn place_and_submit(
    core: &Arc<Core>,
    chain: &Arc<Chain>,
    header: &BatchHeader,
    offered: Offered,
) -> Result<Placed, Problem> {
    let name = (header.source.clone(), header.spool.clone());
    let mut patience = Some(tokio::time::Instant::now() + OVERTAKEN_WAIT);
    let (mut head, cursor, verdicts) = loop {
        let moved = chain.moved.notified();
        tokio::pin!(moved);
        moved.as_mut().enable();
        let head = chain
            .head(&name, &core.ledger)
            .await
            .map_err(|error| head_unknown(&error))?;
        let mut cursor = head.cursor().ok_or_else(unknown)?;
        let verdicts =
            judge(core, header, &offered, &mut cursor).map_err(|error| index_failed(&error))?;
        // Most likely it overtook those before it, on another stream.
        let gap = verdicts.iter().any(|v| matches!(v, Verdict::Gap(_)));
        match patience {
            Some(until) if gap => {
                drop(head);
                if tokio::time::timeout_at(until, moved).await.is_err() {
                    patience = None;
                }
            }
            Some(_) | None => break (head, cursor, verdicts),
        }
    };
    if let Some(problem) = refuse(core, header, &offered, &verdicts).await? {
        return Err(problem);
    }
    keep_rotations(core, header, &offered).await?;
    let counts = core.metrics.source(&header.source);
    let Offered { groups, ahead, .. } = offered;
    let mut plan = Plan::default();
    plan.blobs.extend(ahead);
    for (group, verdict) in groups.into_iter().zip(verdicts) {
        plan.add(header, group, &verdict);
    }
    keep_blobs(&core.blobs, std::mem::take(&mut plan.blobs)).await?;
    let (gaps, quarantined) = (plan.before.len(), plan.quarantined);
    let placed = plan.submit(core, head.epoch().ok_or_else(unknown)?)?;
    if placed.submission.is_some() {
        head.move_to(cursor);
        counts.gaps(u64::try_from(gaps).unwrap_or(u64::MAX));
        counts.quarantined(quarantined);
    }
    drop(head);
    chain.moved.notify_waiters();
    Ok(placed)
}

/// The keys that boots of this batch lead to are good for the batches behind it.
async fn keep_rotations(
    core: &Arc<Core>,
    header: &BatchHeader,
    offered: &Offered,
) -> Result<(), Problem> {
    for notes in offered
        .groups
        .iter()
        .filter_map(|g| g.new_rotations.as_ref())
    {
        let _one_at_a_time = core.enrolling.lock().await;
        core.sources
            .add_rotations(&header.source, notes)
            .map_err(|error| {
                tracing::error!(%error, "rotation of a source's key cannot be kept");
                Problem::log_unavailable("the rotation of the key cannot be stored")
            })?;
    }
    Ok(())
}

fn judge(
    core: &Core,
    header: &BatchHeader,
    offered: &Offered,
    cursor: &mut ChainCursor,
) -> Result<Vec<Verdict>, IndexError> {
    let mut verdicts = Vec::with_capacity(offered.groups.len());
    for group in &offered.groups {
        let verdict = verdict(core, header, &group.checked, cursor)?;
        if matches!(verdict, Verdict::Next | Verdict::AfterGap(..)) {
            cursor.advance(&group.checked);
        }
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

fn verdict(
    core: &Core,
    header: &BatchHeader,
    group: &CheckedGroup,
    cursor: &ChainCursor,
) -> Result<Verdict, IndexError> {
    let known = |place| {
        core.ledger
            .index()
            .seal(&header.source, &header.spool, place)
    };
    let same_or_fork = |row: SealRow| {
        if row.hash == group.seal_hash {
            Verdict::Known(row)
        } else {
            Verdict::Fork { ours: Some(row) }
        }
    };
    Ok(match cursor.place(group) {
        Placement::Next => Verdict::Next,
        Placement::Duplicate | Placement::Earlier => match known(group.place())? {
            Some(row) => same_or_fork(row),
            // A hole in the log stays one: what belongs there comes too late.
            None if is_behind(core, header, group)? => Verdict::Gap(cursor.expected()),
            None => Verdict::UnderWay,
        },
        Placement::Fork(kind) => Verdict::Fork {
            ours: fork_of(group, kind, cursor).map_or(Ok(None), known)?,
        },
        Placement::Gap { expected, kind } => match known(group.place())? {
            Some(row) => same_or_fork(row),
            None => match before(group).map_or(Ok(None), known)? {
                // It goes on with a boot that another one followed.
                Some(row) if expected.is_some_and(|e| e.boot != group.text.boot) => {
                    Verdict::Fork { ours: Some(row) }
                }
                Some(_) | None if header.gap.is_some() => Verdict::AfterGap(reason(kind), expected),
                Some(_) | None => Verdict::Gap(expected),
            },
        },
        Placement::Bad(error) => Verdict::Refused(Problem::bad_seal(error.to_string())),
        Placement::OtherChain => {
            Verdict::Refused(Problem::wrong_source("a seal is of another chain"))
        }
    })
}

/// Whether the log itself, and not only what is under way, has the chain beyond this group.
fn is_behind(core: &Core, header: &BatchHeader, group: &CheckedGroup) -> Result<bool, IndexError> {
    let chain = core.ledger.index().chain(&header.source, &header.spool)?;
    let last = chain.and_then(|chain| chain.cursor.position().map(|position| position.place));
    Ok(last.is_some_and(|last| last.boot == group.text.boot && last.seal > group.text.seal))
}

/// The seal of ours that an offered one contradicts.
fn fork_of(group: &CheckedGroup, kind: ForkKind, cursor: &ChainCursor) -> Option<SealPlace> {
    match kind {
        ForkKind::SameSeal => Some(group.place()),
        ForkKind::BootOfOther | ForkKind::BootOfEarlier => {
            // Our seal behind the one that the boot links to is what contradicts it.
            cursor.position().map(|position| position.place)
        }
        ForkKind::OtherPrevious | _ => cursor.position().map(|position| position.place),
    }
}

/// The seal before a group in its boot.
fn before(group: &CheckedGroup) -> Option<SealPlace> {
    let mut place = group.place();
    place.seal.0 = place.seal.0.checked_sub(1)?;
    Some(place)
}

const fn reason(kind: GapKind) -> ChainGapReason {
    match kind {
        GapKind::BootNotLinked => ChainGapReason::BootNotLinked,
        GapKind::ChainRestarted => ChainGapReason::ChainRestarted,
        GapKind::StartMissing => ChainGapReason::StartMissing,
        GapKind::MissingSeals | _ => ChainGapReason::MissingSeals,
    }
}

/// The first group that cannot be taken decides; nothing of the batch is.
async fn refuse(
    core: &Arc<Core>,
    header: &BatchHeader,
    offered: &Offered,
    verdicts: &[Verdict],
) -> Result<Option<Problem>, Problem> {
    for (group, verdict) in offered.groups.iter().zip(verdicts) {
        match verdict {
            Verdict::Refused(problem) => return Ok(Some(problem.clone())),
            Verdict::Gap(expected) => {
                core.metrics.source(&header.source).gap_refused();
                return Ok(Some(Problem::gap(&group.checked.place(), *expected)));
            }
            Verdict::Fork { ours } => {
                return fork(core, header, group, *ours).await.map(Some);
            }
            Verdict::Next | Verdict::AfterGap(..) | Verdict::Known(_) | Verdict::UnderWay => {}
        }
    }
    Ok(None)
}

/// Keeps the offered group as evidence and says so in the log, once for each offer.
async fn fork(
    core: &Arc<Core>,
    header: &BatchHeader,
    group: &OfferedGroup,
    ours: Option<SealRow>,
) -> Result<Problem, Problem> {
    let place = group.checked.place();
    let evidence = evidence(header, group)?;
    let id = Blobs::id(&evidence);
    let problem = Problem::fork(&place, &id);
    let (source, spool) = (header.source.clone(), header.spool.clone());
    if core.says(&Subject::Fork(source, spool, id.clone())) {
        return Ok(problem);
    }
    let ours = match ours {
        Some(row) => note_at(core, row).await?,
        None => String::new(),
    };
    keep_blobs(&core.blobs, vec![evidence]).await?;
    tracing::error!(source = %header.source, spool = %header.spool, %place, "source signed two chains");
    core.metrics.source(&header.source).forked();
    let body = Body::Fork(Box::new(Fork {
        source: header.source.clone(),
        spool: header.spool.clone(),
        boot: place.boot,
        seal: Some(place.seal),
        seq: Some(group.checked.text.first),
        ours,
        theirs: group.checked.note.clone(),
        evidence: id,
    }));
    let recorded = async {
        core.ledger.record_durably(vec![body]).await?;
        // So that the same offer finds it said.
        core.ledger.caught_up().await
    };
    recorded.await.map_err(|error| not_taken(&error))?;
    Ok(problem)
}

/// A batch of the offered group alone.
fn evidence(header: &BatchHeader, group: &OfferedGroup) -> Result<Vec<u8>, Problem> {
    // Only what names the chain: the same offer made twice is the same evidence.
    let header = BatchHeader {
        source: header.source.clone(),
        spool: header.spool.clone(),
        sent_utc_us: group.checked.text.utc_us,
        old: affiant_tlog::TreeSize(0),
        newest: None,
        pending_entries: 0,
        gap: None,
    };
    let bug = |_| Problem::malformed("the group does not fit a batch");
    let (seal, entries) = group
        .leaves
        .split_last()
        .ok_or_else(|| Problem::malformed("the group is empty"))?;
    let mut writer = BatchWriter::new(&header);
    writer
        .group(entries.iter().map(Vec::as_slice), seal)
        .map_err(bug)?;
    Ok(writer.finish())
}

/// The note of a seal in the log.
async fn note_at(core: &Arc<Core>, row: SealRow) -> Result<String, Problem> {
    let reader = core.ledger.log().reader();
    let size = core.ledger.head().checkpoint.size;
    let leaf = super::blocking(move || reader.leaf(row.seal_index, size)).await?;
    let leaf = leaf.map_err(|error| {
        tracing::error!(%error, "log cannot be read");
        Problem::log_unavailable("the log cannot be read")
    })?;
    let entry = Decoded::parse(&leaf).ok();
    Ok(entry.and_then(|entry| entry.note()).unwrap_or_default())
}

/// What is to be submitted for a batch.
#[derive(Default)]
struct Plan {
    parts: Vec<Part>,
    leaves: u64,
    entries: u64,
    blobs: Vec<Vec<u8>>,
    groups: Vec<PlacedGroup>,
    /// Offsets move by one if our own chain begins a boot within the submission: so what we say of a
    /// group stands behind all groups, and what must stand before is a submission of its own.
    behind: Vec<affiant_entry::Record>,
    before: Vec<affiant_entry::Record>,
    quarantined: u64,
}

impl Plan {
    fn add(&mut self, header: &BatchHeader, group: OfferedGroup, verdict: &Verdict) {
        let place = group.checked.place();
        let entries = group.checked.text.count.get();
        let at = match verdict {
            Verdict::Known(row) => GroupAt::Known(*row),
            Verdict::UnderWay => GroupAt::UnderWay(group.checked.seal_hash),
            Verdict::AfterGap(reason, expected) => {
                self.before
                    .push(gap_record(header, &group, *reason, *expected));
                self.append(header, group)
            }
            Verdict::Next | Verdict::Fork { .. } | Verdict::Gap(_) | Verdict::Refused(_) => {
                self.append(header, group)
            }
        };
        self.groups.push(PlacedGroup { place, entries, at });
    }

    fn append(&mut self, header: &BatchHeader, group: OfferedGroup) -> GroupAt {
        let OfferedGroup {
            checked,
            leaves,
            blobs,
            new_rotations,
        } = group;
        let count = checked.text.count.get();
        let at = GroupAt::New {
            offset: self.leaves,
            count,
        };
        self.leaves = self.leaves.saturating_add(count).saturating_add(1);
        self.entries = self.entries.saturating_add(count);
        self.blobs.extend(blobs);
        if new_rotations.is_some() {
            self.behind.push(key_record(&checked, new_rotations));
        }
        self.behind.extend(quarantine_records(header, &checked));
        let problems = u64::try_from(checked.problems().count()).unwrap_or(u64::MAX);
        self.quarantined = self.quarantined.saturating_add(problems);
        let mut cursor = ChainCursor::new(header.source.clone(), header.spool.clone());
        cursor.advance(&checked);
        let row = GroupRow::of(&checked, affiant_tlog::LeafIndex(0), cursor);
        self.parts.push(Part::Group(leaves, Box::new(row)));
        at
    }

    fn submit(mut self, core: &Core, epoch: u64) -> Result<Placed, Problem> {
        let taken = |error: LedgerError| not_taken(&error);
        let submission = if self.parts.is_empty() {
            None
        } else {
            if !self.before.is_empty() {
                // In the log before its group: submissions of an epoch are sequenced in their order.
                core.ledger
                    .submit(epoch, vec![Part::Own(self.before)])
                    .map_err(taken)?;
            }
            if !self.behind.is_empty() {
                self.parts.push(Part::Own(self.behind));
            }
            Some(core.ledger.submit(epoch, self.parts).map_err(taken)?)
        };
        Ok(Placed {
            submission,
            groups: self.groups,
            appended_entries: self.entries,
        })
    }
}

fn gap_record(
    header: &BatchHeader,
    group: &OfferedGroup,
    reason: ChainGapReason,
    expected: Option<SealPlace>,
) -> affiant_entry::Record {
    let said = header.gap.as_ref().map(|gap| gap.reason.clone());
    own::record(Body::ChainGap(Box::new(ChainGap {
        reason,
        said: said.map_or_else(|| Fact::absent("sender gave no reason"), Fact::Known),
        subject: ChainRef {
            source: header.source.clone(),
            spool: header.spool.clone(),
            boot: group.checked.text.boot,
        },
        expected_seal: expected.map_or_else(
            || Fact::absent("nothing of the chain was here"),
            Fact::Known,
        ),
        got_seal: group.checked.place(),
        entries_lost: Fact::absent("seals do not say how far the chain went"),
    })))
}

/// A boot that is sealed with another key than those before says so itself; the log says it too, so
/// that the key's validity has an index.
fn key_record(group: &CheckedGroup, rotation: Option<String>) -> affiant_entry::Record {
    own::record(Body::Key(Box::new(KeyChange {
        action: KeyAction::Rotate,
        subject: group.text.source.to_string(),
        vkey: group.key.to_string(),
        // Longer ones stand in the boot entry alone.
        rotation: rotation.filter(|notes| notes.len() <= ROTATION_INLINE_BYTES),
        certificate: None,
        reason: None,
    })))
}

fn quarantine_records(header: &BatchHeader, group: &CheckedGroup) -> Vec<affiant_entry::Record> {
    let problems = group.problems().take(QUARANTINE_MAX);
    problems
        .map(|(_, entry, problem)| {
            own::record(Body::Quarantine(Box::new(Quarantine {
                source: header.source.clone(),
                spool: header.spool.clone(),
                boot: group.text.boot,
                seal: group.text.seal,
                leaf: LeafRef(entry.leaf),
                seq: Some(entry.seq),
                problem: problem.code().into(),
            })))
        })
        .collect()
}

/// Waits until a group that is under way in another batch is in the index.
pub(super) async fn known_later(
    core: &Core,
    header: &BatchHeader,
    place: SealPlace,
    hash: Hash,
) -> Result<SealRow, Problem> {
    let mut applied = core.ledger.applied();
    let search = async {
        loop {
            applied.borrow_and_update();
            let row = core
                .ledger
                .index()
                .seal(&header.source, &header.spool, place)
                .map_err(|error| index_failed(&error))?;
            match row {
                Some(row) if row.hash == hash => return Ok(row),
                Some(_) => {
                    return Err(Problem::log_unavailable(
                        "another batch was faster; send again",
                    ));
                }
                None => {
                    if applied.changed().await.is_err() {
                        return Err(unknown());
                    }
                }
            }
        }
    };
    match tokio::time::timeout(DUPLICATE_WAIT, search).await {
        Ok(found) => found,
        Err(_) => Err(unknown()),
    }
}

pub(super) fn not_taken(error: &LedgerError) -> Problem {
    tracing::warn!(%error, "log took no leaves");
    Problem::log_unavailable(error.to_string())
}

fn head_unknown(error: &HeadError) -> Problem {
    tracing::error!(%error, "head of a chain is not known");
    Problem::log_unavailable("the head of the chain is not known yet")
}

fn index_failed(error: &IndexError) -> Problem {
    tracing::error!(%error, "index cannot be read");
    Problem::log_unavailable("the index cannot be read")
}

fn unknown() -> Problem {
    Problem::log_unavailable("what was sent before is not settled yet")
}

/// Most entries of one group that are quarantined one by one.
const QUARANTINE_MAX: usize = 256;
/// Half an entry.
const ROTATION_INLINE_BYTES: usize = 30_000;
