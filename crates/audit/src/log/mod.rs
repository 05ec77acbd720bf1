//! The judge of a whole log: every leaf, in order.
//!
//! [`LogAudit`] reads nothing itself. Whoever reads a log makes a [`Leaf`] of each leaf's bytes, on as
//! many cores as there are, pushes them in order, and asks for the [`AuditReport`] at the end.
//!
//! # What is checked
//!
//! That the leaves are the ones the checkpoint covers. That each entry of a source stands in a group
//! under a seal; that each chain (one a source and spool) is contiguous and its boots are linked; every
//! entry of it, as in a spool ([`affiant_entry::chain`]). That each boot is sealed by a key that the
//! log gave its source by then, and that keys follow from those the verifier pinned. That the
//! aggregator's own entries are numbered without holes. What it says of others: gaps, forks,
//! quarantined leaves, silence, the roster, context for leaves that are before it; a hole that it declares is a [GAP], one that it does not is
//! [MISSING].
//!
//! # What is not checked
//!
//! Who signed the checkpoint, cosignatures and tiles: see [`trust`](crate::trust) and
//! [`affiant_tlog`]. Time stamps: their tokens are handed out ([`AuditReport::anchors`]). Calls that
//! were never captured, and whether what was captured is true. Facts of context: they are what the sources of
//! facts said.
//!
//! # Memory
//!
//! One group at a time (bounded by [`PENDING_BYTES_MAX`]), what a chain keeps of its calls (16 to
//! 32 bytes a call), and what is listed.
//!
//! [GAP]: IntervalVerdict::Gap
//! [MISSING]: IntervalVerdict::Missing

mod blobs;
mod chain;
mod context;
mod fault;
mod interval;
mod keys;
mod leaf;
mod own;
mod place;
mod report;
mod said;
mod sources;

use std::collections::BTreeMap;

use affiant_entry::chain::Verdict;
use affiant_entry::decode::Kind;
use affiant_entry::limits::GROUP_ENTRIES_MAX;
use affiant_entry::{BootId, SealText, SourceId, SpoolName};
use affiant_tlog::note::Note;
use affiant_tlog::{Checkpoint, CompactTree, Hash, LeafIndex, TreeSize, VerifierKey};

pub use blobs::{BLOBS_MAX, BlobClaims, BlobFound, BlobHash, BlobVerdict, LeafBlobs};
pub use chain::INTERVALS_MAX;
pub use fault::{Fault, Finding};
pub use interval::{Edge, Interval, IntervalVerdict};
pub use leaf::Leaf;
pub use place::Place;
pub use report::{AnchorClaim, AuditReport, Counts, FINDINGS_MAX, Pruned, SourceReport};

use chain::{BootInfo, Chain, Group};
use context::Contexts;
use own::Own;
use report::Findings;
use sources::Sources;

/// Most bytes of leaves that wait for their seal: what no aggregator accepts in one group.
pub const PENDING_BYTES_MAX: usize = 256 << 20;

/// Whom the audit believes, beside the log itself.
#[derive(Debug, Clone, Default)]
pub struct Expectation {
    /// Seal keys that the verifier got elsewhere; a source that has one here must seal with it, or
    /// with one that follows from it.
    pub sources: Vec<VerifierKey>,
    /// Keys that sign rosters.
    pub admins: Vec<VerifierKey>,
    /// The id that the aggregator writes under; `None`: that of the first leaf.
    pub aggregator: Option<SourceId>,
    /// Entries before this leaf are only looked at for their place.
    pub since: Option<LeafIndex>,
}

/// Judges a log, leaf by leaf. See the [module](crate::log).
#[derive(Debug)]
pub struct LogAudit {
    expectation: Expectation,
    tree: CompactTree,
    /// The first leaf that is pushed.
    begins: LeafIndex,
    remembered: Vec<Checkpoint>,
    own: Option<Own>,
    pending: Vec<Leaf>,
    pending_bytes: usize,
    pending_first: LeafIndex,
    overflowed: bool,
    chains: BTreeMap<(SourceId, SpoolName), Chain>,
    /// Which spool a boot belongs to, for seals that cannot be read.
    boots: BTreeMap<(SourceId, BootId), SpoolName>,
    sources: Sources,
    contexts: Contexts,
    findings: Findings,
    counts: Counts,
    /// Leaves of which only the hash was read, and whether not even all hashes were.
    unread: u64,
    gave_up: bool,
}

impl LogAudit {
    /// A judge with these expectations.
    #[must_use]
    pub fn new(expectation: Expectation) -> Self {
        let own = expectation.aggregator.clone().map(Own::new);
        Self {
            sources: Sources::new(&expectation),
            expectation,
            tree: CompactTree::new(),
            begins: LeafIndex(0),
            remembered: Vec::new(),
            own,
            pending: Vec::new(),
            pending_bytes: 0,
            pending_first: LeafIndex(0),
            overflowed: false,
            chains: BTreeMap::new(),
            boots: BTreeMap::new(),
            contexts: Contexts::default(),
            findings: Findings::default(),
            counts: Counts::default(),
            unread: 0,
            gave_up: false,
        }
    }

    /// Gives the judge an older checkpoint of the same log, from a place the log does not write to:
    /// the log must contain it. May be called several times.
    #[must_use]
    pub fn remembering(mut self, older: Checkpoint) -> Self {
        self.remembered.push(older);
        self
    }

    /// Begins behind leaves that are not here, whose tree this is: a `prune` entry must let them go. Who
    /// gives the tree need not be believed: the checkpoint's root is held against it and all that follows.
    ///
    /// What the leaves before said is not known: chains, the aggregator's own and those of sources, may
    /// begin in the middle, and the first group may be cut.
    #[must_use]
    pub fn starting_behind(mut self, tree: CompactTree) -> Self {
        self.begins = LeafIndex(tree.size().0);
        self.tree = tree;
        if let Some(own) = &mut self.own {
            own.begin_anywhere();
        }
        self.check_remembered();
        self
    }

    /// Checkpoints that are remembered of a size before the first leaf that is here: for whoever can give
    /// their roots from stored hashes, to [`LogAudit::recall`].
    pub fn remembered_before(&self) -> impl Iterator<Item = &Checkpoint> {
        let begins = self.begins.0;
        self.remembered
            .iter()
            .filter(move |older| older.size.0 < begins)
    }

    /// Says what root the tree had at a size before the first leaf here; `None` if that cannot be told.
    pub fn recall(&mut self, size: TreeSize, root: Option<Hash>) {
        let of_size = |older: &&Checkpoint| older.size == size;
        let fault = match (root, self.remembered.iter().find(of_size)) {
            (None, _) => Fault::MemoryPruned { size: size.0 },
            (Some(root), Some(older)) if older.root != root => Fault::Rewritten {
                size: size.0,
                what: REMEMBERED.to_owned(),
            },
            (Some(_), _) => return,
        };
        self.findings.add(Finding::new(Place::LOG, fault));
    }

    /// Hashes of seals that must be among the leaves before the first one here: chains link to them.
    #[must_use]
    pub fn links_before(&self) -> Vec<Hash> {
        if self.begins.0 == 0 {
            return Vec::new();
        }
        self.chains.values().filter_map(Chain::link).collect()
    }

    /// Says that a hash of [`LogAudit::links_before`] is not among them.
    pub fn refute_link(&mut self, link: Hash) {
        let linked = self
            .chains
            .values_mut()
            .filter(|chain| chain.link() == Some(link));
        linked.for_each(Chain::refute_link);
    }

    /// The number of leaves so far: the index of the next.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.tree.size()
    }

    /// The root over the leaves so far.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// The worst of what was found so far. What waits for the end, such as silence, is not in it.
    #[must_use]
    pub fn so_far(&self) -> Verdict {
        let chains = self.chains.values().map(Chain::so_far);
        chains
            .max()
            .unwrap_or(Verdict::Ok)
            .max(self.findings.so_far())
    }

    /// Takes the next leaf.
    pub fn push(&mut self, leaf: Leaf) {
        let at = self.tree.append(leaf.hash());
        self.counts.leaves = self.tree.size().0;
        self.check_remembered();
        self.sources.blobs.name(at, leaf.hash(), &leaf.blobs);
        let Some(header) = leaf.header() else {
            self.wait(at, leaf);
            return;
        };
        if at.0 == 0 && self.own.is_none() && header.kind != Kind::Seal {
            self.own = Some(Own::new(header.source.clone()));
        }
        if self
            .own
            .as_ref()
            .is_some_and(|own| *own.id() == header.source)
        {
            self.drop_pending(at);
            self.push_own(at, &leaf);
        } else if header.kind == Kind::Seal {
            self.push_seal(at, &leaf);
        } else {
            self.wait(at, leaf);
        }
    }

    /// Takes the hash of the next leaf, whose bytes are not here or stand behind such a leaf: what they say is
    /// not judged, and that is a finding.
    pub fn pass_over(&mut self, leaf: Hash) {
        self.clear_pending();
        self.tree.append(leaf);
        self.counts.leaves = self.tree.size().0;
        self.unread = self.unread.saturating_add(1);
        self.check_remembered();
    }

    /// Not even the hashes of the leaves that follow are here: nothing ties what is here to the checkpoint.
    pub fn give_up(&mut self) {
        self.clear_pending();
        self.gave_up = true;
    }

    /// The judgement, once all leaves that `checkpoint` covers have been pushed.
    #[must_use]
    pub fn finish(mut self, checkpoint: &Checkpoint) -> AuditReport {
        self.drop_pending(LeafIndex(self.tree.size().0));
        let (expected, found) = (checkpoint.size.0, self.tree.size().0);
        let unread = if self.gave_up {
            expected.saturating_sub(found).saturating_add(self.unread)
        } else {
            self.unread
        };
        if unread > 0 {
            let fault = Fault::Unread { leaves: unread };
            self.findings.add(Finding::new(Place::LOG, fault));
        }
        if self.gave_up {
            self.findings.add(Finding::new(Place::LOG, Fault::Untied));
        } else if expected != found {
            self.findings
                .add(Finding::new(Place::LOG, Fault::Size { expected, found }));
        } else if checkpoint.root != self.tree.root() {
            self.findings.add(Finding::new(Place::LOG, Fault::Root));
        }
        let newer = |older: &&Checkpoint| older.size > checkpoint.size;
        for older in self.remembered.iter().filter(newer) {
            let fault = Fault::RolledBack {
                remembered: older.size.0,
                found: checkpoint.size.0,
                what: REMEMBERED.to_owned(),
            };
            self.findings.add(Finding::new(Place::LOG, fault));
        }
        report::conclude(
            self.own,
            self.chains,
            self.sources,
            self.findings,
            self.counts,
            self.begins,
        )
    }

    // Leaves that wait for their seal.

    fn wait(&mut self, at: LeafIndex, leaf: Leaf) {
        if self.pending.is_empty() {
            self.pending_first = at;
        }
        let bytes = leaf.bytes;
        let full = self.pending.len() >= GROUP_ENTRIES_MAX
            || self.pending_bytes.saturating_add(bytes) > PENDING_BYTES_MAX;
        if full {
            if !self.overflowed {
                self.findings
                    .add(Finding::new(Place::leaf(at), Fault::GroupTooLong));
            }
            self.overflowed = true;
            return;
        }
        self.pending_bytes = self.pending_bytes.saturating_add(bytes);
        self.pending.push(leaf);
    }

    fn drop_pending(&mut self, at: LeafIndex) {
        if !self.pending.is_empty() {
            let entries = at.0.saturating_sub(self.pending_first.0);
            let place = Place::leaf(self.pending_first);
            self.findings
                .add(Finding::new(place, Fault::Unsealed { entries }));
        }
        self.clear_pending();
    }

    fn clear_pending(&mut self) {
        self.pending.clear();
        self.pending_bytes = 0;
        self.overflowed = false;
    }

    // Groups.

    fn push_seal(&mut self, at: LeafIndex, seal: &Leaf) {
        let Some((note, text, place)) = self.read_seal(at, seal) else {
            self.clear_pending();
            return;
        };
        let pending = std::mem::take(&mut self.pending);
        let first = if pending.is_empty() {
            at
        } else {
            self.pending_first
        };
        self.clear_pending();
        for leaf in &pending {
            self.learn_boot(leaf);
        }
        // The first group here may have been cut by pruning: only its place can be judged.
        let whole = u64::try_from(pending.len()) == Ok(text.count.get());
        let cut = self.begins.0 > 0 && first == self.begins && !whole;
        let deep = !cut && self.expectation.since.is_none_or(|since| at >= since);
        let signer = note
            .signatures()
            .first()
            .and_then(|signature| self.sources.keys.find(&text.source, signature.key_ref()))
            .cloned();
        let id = (text.source.clone(), text.spool.clone());
        let chain = self
            .chains
            .entry(id)
            .or_insert_with(|| Chain::new(text.source.clone(), text.spool.clone()));
        let group = Group {
            first,
            at,
            leaves: &pending,
            seal,
            text: &text,
        };
        let judged = chain
            .push(&group, deep, signer)
            .map(|(boot_at, key)| self.sources.judge_key(&text.source, &key, boot_at));
        let unknown = match &judged {
            None => chain.is_key_unknown(),
            Some(fault) => matches!(fault, Some(Fault::KeyUnknown { .. })),
        };
        let deferred =
            unknown && self.begins.0 > 0 && self.sources.defer(&text.source, note, place.clone());
        if let Some(fault) = judged.flatten().filter(|_| !deferred) {
            chain.find(Finding::new(place, fault));
        }
        self.counts.entries = self
            .counts
            .entries
            .saturating_add(u64::try_from(pending.len()).unwrap_or(u64::MAX));
        self.counts.seals = self.counts.seals.saturating_add(1);
        self.sources.heard(&text.source, text.utc_us);
    }

    /// Note, text and place of a seal; one that cannot be read is a finding in the chain its header
    /// names, if there is such a chain.
    fn read_seal(&mut self, at: LeafIndex, seal: &Leaf) -> Option<(Note, SealText, Place)> {
        let entry = seal.entry()?;
        let header = entry.header();
        let read = entry
            .note()
            .and_then(|note| Note::parse(note.as_bytes()).ok())
            .and_then(|note| SealText::parse(note.text()).ok().map(|text| (note, text)))
            .filter(|(_, text)| text.source == header.source && text.boot == header.boot);
        let Some((note, text)) = read else {
            let place = Place::source(&header.source).boot(header.boot).at(at);
            let id = (header.source.clone(), header.boot);
            let finding = Finding::new(place, Fault::SealMalformed);
            let spool = self.boots.get(&id).cloned();
            match spool.and_then(|spool| self.chains.get_mut(&(id.0, spool))) {
                Some(chain) => chain.find(finding),
                None => self.findings.add(finding),
            }
            return None;
        };
        self.boots
            .entry((text.source.clone(), text.boot))
            .or_insert_with(|| text.spool.clone());
        let place = Place::chain(&text.source, &text.spool)
            .boot(text.boot)
            .seal(text.seal)
            .at(at);
        Some((note, text, place))
    }

    fn learn_boot(&mut self, leaf: &Leaf) {
        let Some(entry) = leaf.entry() else { return };
        let Some(info) = BootInfo::of(entry) else {
            return;
        };
        self.counts.boots = self.counts.boots.saturating_add(1);
        if let Some(notes) = &info.rotation {
            self.sources.links.take(notes);
        }
        if let Ok(spool) = SpoolName::new(&info.spool) {
            let header = entry.header();
            self.boots
                .entry((header.source.clone(), header.boot))
                .or_insert(spool);
        }
    }

    // The aggregator's own entries.

    fn push_own(&mut self, at: LeafIndex, leaf: &Leaf) {
        let (Some(own), Some(header)) = (&mut self.own, leaf.header()) else {
            return;
        };
        self.counts.own = self.counts.own.saturating_add(1);
        let place = Place::source(own.id()).boot(header.boot).at(at);
        if let Some(fault) = own.take(header) {
            self.findings.add(Finding::new(place.clone(), fault));
        }
        let said = match leaf.entry() {
            Some(entry) => said::Said::of(entry),
            None => Ok(said::Said::Unknown(header.kind.to_string())),
        };
        match said {
            Ok(said) => self.interpret(at, place, said),
            Err(member) => self
                .findings
                .add(Finding::new(place, Fault::OwnMalformed { member })),
        }
    }

    fn interpret(&mut self, at: LeafIndex, place: Place, said: said::Said) {
        use said::Said;
        match said {
            Said::ChainGap(gap) => {
                let id = (gap.subject.source.clone(), gap.subject.spool.clone());
                self.chains
                    .entry(id)
                    .or_insert_with_key(|(source, spool)| Chain::new(source.clone(), spool.clone()))
                    .declare(gap);
            }
            Said::Fork(fork) => {
                let (source, spool) = (fork.source.clone(), fork.spool.clone());
                let finding = self.sources.judge_fork(at, &fork);
                self.chains
                    .entry((source.clone(), spool.clone()))
                    .or_insert_with(|| Chain::new(source, spool))
                    .find(finding);
            }
            Said::Import => {
                self.counts.imported = self.counts.imported.saturating_add(1);
            }
            Said::Refusal { count } => {
                self.counts.refused = self.counts.refused.saturating_add(count);
            }
            Said::Context(said) => {
                self.counts.contexts = self.counts.contexts.saturating_add(1);
                let stale = u64::from(said.stale().next().is_some());
                self.counts.contexts_stale = self.counts.contexts_stale.saturating_add(stale);
                if let Some(fault) = self.contexts.take(at, &said, self.begins) {
                    self.findings.add(Finding::new(place, fault));
                }
            }
            Said::Unknown(kind) => self
                .findings
                .add(Finding::new(place, Fault::Unsupported { kind })),
            Said::Erase(erase) => {
                let founded = self.sources.blobs.erase(at, erase.blob, erase.leaf);
                if !founded && self.begins.0 == 0 {
                    self.findings
                        .add(Finding::new(place, Fault::EraseUnfounded));
                }
            }
            said @ (Said::Key(_)
            | Said::Prune(_)
            | Said::Roster(_)
            | Said::Quarantine(_)
            | Said::Silent { .. }
            | Said::Heard { .. }
            | Said::Unrostered
            | Said::Anchor(_)
            | Said::Life) => {
                for finding in self.sources.take(at, said) {
                    self.findings.add(finding);
                }
            }
        }
    }

    fn check_remembered(&mut self) {
        let size = self.tree.size();
        let here = |older: &&Checkpoint| older.size == size;
        for older in self.remembered.iter().filter(here) {
            if older.root != self.tree.root() {
                let fault = Fault::Rewritten {
                    size: size.0,
                    what: REMEMBERED.to_owned(),
                };
                self.findings.add(Finding::new(Place::LOG, fault));
            }
        }
    }
}

/// Whose memory an older checkpoint is.
const REMEMBERED: &str = "the checkpoint you verified before";
