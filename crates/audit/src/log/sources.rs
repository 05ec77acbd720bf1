//! Who is expected, with which key, and when each was last heard.

use std::collections::{BTreeMap, BTreeSet};

use affiant_entry::chain::Fault as ChainFault;
use affiant_entry::roster::{Roster, RosterError};
use affiant_entry::{SealText, SourceId, rfc3339};
use affiant_tlog::note::{Note, verify};
use affiant_tlog::{Hash, LeafIndex, VerifierKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Expectation;
use super::blobs::BlobClaims;
use super::fault::{Fault, Finding};
use super::interval::IntervalVerdict;
use super::keys::{KeyBook, Links};
use super::place::Place;
use super::report::{AnchorClaim, Pruned};
use super::said::{Action, Anchor, Fork, Said};

/// Most keys used, leaves set aside and anchors that are kept; far more than any log has.
const KEPT_MAX: usize = 100_000;

/// Most bytes of notes about the log's own keys that are kept.
const LOG_ROTATIONS_BYTES_MAX: usize = 1 << 20;

/// The sources of a log.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) keys: KeyBook,
    pub(super) links: Links,
    pins: BTreeMap<String, Vec<VerifierKey>>,
    admins: Vec<VerifierKey>,
    used: BTreeMap<SourceId, Vec<(VerifierKey, LeafIndex)>>,
    /// The judgement of a key stays good while nothing is said of keys.
    judged: Option<(u64, SourceId, VerifierKey, LeafIndex)>,
    roster: Option<Roster>,
    roster_seen: bool,
    silent: BTreeSet<SourceId>,
    heard: BTreeMap<SourceId, i64>,
    set_aside: BTreeSet<[u8; 32]>,
    pub(super) anchors: Vec<AnchorClaim>,
    pub(super) blobs: BlobClaims,
    /// Notes by which keys of the log follow each other, one behind the other.
    pub(super) log_rotations: String,
    pub(super) pruned: Option<Pruned>,
    /// Seals whose key may have been given in what was pruned: judged at the end.
    deferred: Vec<Deferred>,
}

/// A seal, and where it stands.
#[derive(Debug)]
struct Deferred {
    source: SourceId,
    note: Note,
    place: Place,
}

impl Sources {
    pub(super) fn new(expectation: &Expectation) -> Self {
        let mut pins: BTreeMap<String, Vec<VerifierKey>> = BTreeMap::new();
        for key in &expectation.sources {
            let name = key.name().as_str().to_owned();
            pins.entry(name).or_default().push(key.clone());
        }
        Self {
            pins,
            admins: expectation.admins.clone(),
            ..Self::default()
        }
    }

    /// Judges the key of a boot, and takes note that it was used.
    pub(super) fn judge_key(
        &mut self,
        source: &SourceId,
        key: &VerifierKey,
        boot_at: LeafIndex,
    ) -> Option<Fault> {
        let generation = self.keys.generation();
        if self
            .judged
            .as_ref()
            .is_some_and(|(g, s, k, at)| (*g, s, k, *at) == (generation, source, key, boot_at))
        {
            return None;
        }
        let used = self.used.entry(source.clone()).or_default();
        if used.iter().all(|(seen, _)| seen != key) && used.len() < KEPT_MAX {
            used.push((key.clone(), boot_at));
        }
        match self.keys.judge(source, key, boot_at) {
            Ok(()) => {
                self.judged = Some((generation, source.clone(), key.clone(), boot_at));
                None
            }
            // A key that the verifier pinned itself needs no word of the log.
            Err(Fault::KeyUnknown { .. })
                if self
                    .pins
                    .get(source.as_str())
                    .is_some_and(|pins| self.links.reach(pins, key)) =>
            {
                None
            }
            Err(fault) => Some(fault),
        }
    }

    /// The key of this seal may have been given before the first leaf here; if it was, it must have been
    /// written down again. `false`: too many of them.
    pub(super) fn defer(&mut self, source: &SourceId, note: Note, place: Place) -> bool {
        let room = self.deferred.len() < KEPT_MAX;
        if room {
            self.deferred.push(Deferred {
                source: source.clone(),
                note,
                place,
            });
        }
        room
    }

    fn judge_deferred(&self, of: &Deferred) -> Option<Fault> {
        let signer = of.note.signatures().first()?.key_ref();
        let pruned = LeafIndex(self.pruned.as_ref().map_or(u64::MAX, |pruned| pruned.leaf));
        let logged = self.keys.given_before(&of.source, signer, pruned);
        let pinned = || {
            let pins = self.pins.get(of.source.as_str())?;
            pins.iter().find(|key| key.key_ref() == signer)
        };
        let Some(key) = logged.or_else(pinned) else {
            let key = signer.to_string();
            return Some(Fault::KeyUnknown { key });
        };
        verify(&of.note, std::slice::from_ref(key))
            .is_err()
            .then(|| Fault::Chain(Box::new(ChainFault::Signature)))
    }

    /// A seal of this source stands in the log.
    pub(super) fn heard(&mut self, source: &SourceId, utc_us: i64) {
        if let Some(last) = self.heard.get_mut(source) {
            *last = (*last).max(utc_us);
        } else {
            self.heard.insert(source.clone(), utc_us);
        }
        self.silent.remove(source);
    }

    /// Takes what the aggregator says of sources.
    pub(super) fn take(&mut self, at: LeafIndex, said: Said) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut find = |fault| found.push(Finding::new(Place::leaf(at), fault));
        match said {
            Said::Key(key) => {
                match (key.action, &key.rotation) {
                    (_, None) => {}
                    (Action::Log, Some(notes)) => {
                        if self.log_rotations.len() < LOG_ROTATIONS_BYTES_MAX {
                            self.log_rotations.push_str(notes);
                        }
                    }
                    (_, Some(notes)) => self.links.take(notes),
                }
                if let Some(fault) = self.keys.take(at, &key) {
                    find(fault);
                }
            }
            Said::Roster(note) => {
                if let Some(fault) = note.and_then(|note| self.take_roster(&note)) {
                    find(fault);
                }
            }
            Said::Quarantine(said) => {
                if self.set_aside.len() < KEPT_MAX {
                    self.set_aside.insert(said.leaf.0);
                }
            }
            Said::Silent { subject } => {
                self.silent.insert(subject);
            }
            Said::Heard { subject } => {
                self.silent.remove(&subject);
            }
            Said::Anchor(anchor) => match claim(at, anchor) {
                Some(claim) if self.anchors.len() < KEPT_MAX => self.anchors.push(claim),
                Some(_) => {}
                None => find(Fault::OwnMalformed { member: "anchor" }),
            },
            Said::Prune(prune) => {
                let found_index = prune.min_index;
                let before = self.pruned.as_ref().map(|pruned| pruned.min_index);
                if let Some(before) = before.filter(|before| *before > found_index) {
                    let found = found_index;
                    find(Fault::PruneBack { before, found });
                } else {
                    self.pruned = Some(Pruned {
                        verdict: IntervalVerdict::Pruned,
                        min_index: found_index,
                        policy: prune.policy,
                        leaf: at.0,
                        leaves: 0,
                    });
                }
            }
            Said::Unrostered
            | Said::Erase(_)
            | Said::Fork(_)
            | Said::ChainGap(_)
            | Said::Refusal { .. }
            | Said::Import
            | Said::Context(_)
            | Said::Life
            | Said::Unknown(_) => {}
        }
        found
    }

    fn take_roster(&mut self, note: &str) -> Option<Fault> {
        self.roster_seen = true;
        let roster = match Roster::verify(note, &self.admins) {
            Ok(roster) => roster,
            Err(RosterError::Signature(_)) if self.admins.is_empty() => {
                let text = Note::parse(note.as_bytes()).ok()?.text().to_owned();
                match Roster::parse_text(&text) {
                    Ok(roster) => roster,
                    Err(_) => return Some(Fault::RosterMalformed),
                }
            }
            Err(RosterError::Signature(_)) => return Some(Fault::RosterUntrusted),
            Err(_) => return Some(Fault::RosterMalformed),
        };
        let before = self.roster.as_ref().map(|roster| roster.serial);
        let found = roster.serial;
        if let Some(before) = before.filter(|before| *before > found) {
            return Some(Fault::RosterOlder { before, found });
        }
        self.roster = Some(roster);
        None
    }

    /// A fork is proven by two notes of one source, one boot and one seal number that differ, both
    /// signed by keys of that source.
    pub(super) fn judge_fork(&self, at: LeafIndex, fork: &Fork) -> Finding {
        let place = Place {
            seal: fork.seal,
            seq: fork.seq,
            ..Place::chain(&fork.source, &fork.spool)
                .boot(fork.boot)
                .at(at)
        };
        let proven = match (
            self.signed(fork, &fork.ours),
            self.signed(fork, &fork.theirs),
        ) {
            (Some(ours), Some(theirs)) => ours != theirs && conflict(&ours, &theirs),
            _ => false,
        };
        let fault = if proven {
            Fault::Fork
        } else {
            Fault::ForkUnproven
        };
        Finding::new(place, fault)
    }

    fn signed(&self, fork: &Fork, note: &str) -> Option<SealText> {
        let note = Note::parse(note.as_bytes()).ok()?;
        let signer = note.signatures().first()?.key_ref();
        let key = self.keys.find(&fork.source, signer)?;
        verify(&note, std::slice::from_ref(key)).ok()?;
        let text = SealText::parse(note.text()).ok()?;
        (text.source == fork.source && text.spool == fork.spool).then_some(text)
    }

    pub(super) fn is_set_aside(&self, leaf: &Hash) -> bool {
        self.set_aside.contains(&leaf.0)
    }

    pub(super) const fn roster(&self) -> Option<&Roster> {
        self.roster.as_ref()
    }

    /// What can be said once all leaves have been read. `stopped` are sources whose every chain ended
    /// in order; `now_us` is the newest time the aggregator gave.
    pub(super) fn conclude(
        &self,
        stopped: &BTreeSet<SourceId>,
        now_us: Option<i64>,
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        for deferred in &self.deferred {
            let fault = self.judge_deferred(deferred);
            found.extend(fault.map(|fault| Finding::new(deferred.place.clone(), fault)));
        }
        for (source, keys) in &self.used {
            found.extend(self.judge_pins(source, keys));
        }
        for source in self.silent.iter().filter(|s| !stopped.contains(s)) {
            found.push(self.silence(source));
        }
        if let Some(roster) = &self.roster {
            found.extend(self.judge_roster(roster, stopped, now_us));
        } else if !self.admins.is_empty() {
            let fault = Fault::RosterMissing;
            found.push(Finding::new(Place::LOG, fault));
        }
        found
    }

    fn judge_pins(&self, source: &SourceId, keys: &[(VerifierKey, LeafIndex)]) -> Vec<Finding> {
        let rostered = self
            .roster
            .as_ref()
            .and_then(|roster| roster.source(source));
        let pinned = self.pins.get(source.as_str()).map(Vec::as_slice);
        let named = [
            ("your trust file", pinned),
            (
                "the roster",
                rostered.map(|line| std::slice::from_ref(&line.key)),
            ),
        ];
        let mut found = Vec::new();
        for (by, pins) in named {
            let Some(pins) = pins else { continue };
            for (key, at) in keys {
                if !self.links.reach(pins, key) {
                    let key = key.key_ref().to_string();
                    let place = Place::source(source).at(*at);
                    found.push(Finding::new(place, Fault::KeyNotPinned { key, by }));
                }
            }
        }
        found
    }

    fn judge_roster(
        &self,
        roster: &Roster,
        stopped: &BTreeSet<SourceId>,
        now_us: Option<i64>,
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        for line in roster.sources() {
            let source = &line.source;
            if self.silent.contains(source) || stopped.contains(source) {
                continue;
            }
            let late = match (self.heard.get(source), now_us) {
                (None, _) => true,
                (Some(last), Some(now)) => {
                    let allowed = i64::try_from(line.heartbeat_s)
                        .unwrap_or(i64::MAX)
                        .saturating_mul(2_000_000);
                    now.saturating_sub(*last) > allowed
                }
                (Some(_), None) => false,
            };
            if late {
                found.push(self.silence(source));
            }
        }
        let strangers = self.heard.keys().filter(|s| roster.source(s).is_none());
        found.extend(strangers.map(|s| Finding::new(Place::source(s), Fault::Unrostered)));
        found
    }

    fn silence(&self, source: &SourceId) -> Finding {
        let last = self.heard.get(source).map(|last| rfc3339(*last));
        Finding::new(Place::source(source), Fault::Silent { last })
    }
}

/// Two texts of one source that cannot both stand in one chain.
fn conflict(ours: &SealText, theirs: &SealText) -> bool {
    let one_place = ours.boot == theirs.boot && ours.seal == theirs.seal;
    let one_parent = ours.previous.is_some() && ours.previous == theirs.previous;
    let overlap = ours.boot == theirs.boot
        && ours.first < theirs.next_seq()
        && theirs.first < ours.next_seq();
    one_place || one_parent || overlap
}

fn claim(at: LeafIndex, anchor: Anchor) -> Option<AnchorClaim> {
    let root = Hash::from_base64(&anchor.root).ok()?;
    let token = STANDARD.decode(&anchor.token).ok()?;
    Some(AnchorClaim {
        leaf: at,
        authority: anchor.authority,
        size: anchor.size,
        root,
        checkpoint: anchor.checkpoint,
        token,
        gen_time: anchor.gen_time,
    })
}
