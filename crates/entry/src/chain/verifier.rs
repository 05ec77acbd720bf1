//! The judge itself.

use affiant_tlog::note::{Note, VerifierKey, VerifyError, verify};
use affiant_tlog::{Hash, leaf_hash};

use super::calls::{Calls, OpenCall};
use super::finding::{Fault, Finding, Place};
use super::group::{Effect, Group, Said};
use super::head::RememberedHead;
use super::reading::{BootInfo, Previous, effect_of, read_seal, spell};
use super::report::{
    ChainReport, Counts, Coverage, FINDINGS_MAX, HeadCheck, KeyUse, LastSeal, bump,
};
use crate::decode::{DecodeError, Decoded, Header, Kind};
use crate::ids::{BootId, SealNumber, Seq, SourceId, SpoolName};
use crate::limits::{GROUP_ENTRIES_MAX, clip};
use crate::rotation::{Rotation, Trust, split_notes};
use crate::seal::SealText;

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

    /// Takes the next entry, seals among them, in the order of the spool.
    pub fn push(&mut self, bytes: &[u8]) {
        match Decoded::parse_any_kind(bytes) {
            Ok(entry) if entry.header().kind == Kind::Seal => self.push_seal(&entry),
            Ok(entry) => self.push_entry(&entry),
            Err(error) => self.push_unreadable(bytes, &error),
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

    /// The judgement, once all entries have been pushed.
    #[must_use]
    pub fn finish(mut self, tail: Tail) -> ChainReport {
        self.counts.unsealed_entries = self
            .counts
            .unsealed_entries
            .saturating_add(self.group.count());
        if let Tail::Torn { bytes } = tail {
            self.counts.torn_bytes = bytes;
        }
        self.judge_open_calls();
        self.judge_open_gap();
        let keys = self.judge_keys();
        if self.counts.seals == 0 && self.expected.is_none() {
            self.find(Place::Chain, Fault::Nothing);
        }
        let head = self.judge_head();
        ChainReport {
            verdict: self.verdict,
            source: self.source,
            spool: self.spool,
            counts: self.counts,
            first_utc_us: self.first_utc_us,
            last_utc_us: self.last_utc_us,
            coverage: self.coverage,
            keys,
            head,
            last: self.last,
            findings: self.findings,
            findings_total: self.findings_total,
        }
    }

    // Entries.

    fn push_unreadable(&mut self, bytes: &[u8], error: &DecodeError) {
        let seq = self
            .life
            .as_ref()
            .and_then(|life| life.next_seq)
            .unwrap_or(0);
        let place = self.life.as_ref().map_or(Place::Chain, |l| Place::Entry {
            boot: l.boot,
            seq: Seq(seq),
        });
        let reason = spell(error);
        let newer = matches!(error, DecodeError::Version { .. });
        self.find(
            place,
            if newer {
                Fault::Unsupported { reason }
            } else {
                Fault::NotAnEntry { reason }
            },
        );
        self.add_leaf(
            bytes,
            Said {
                seq: Seq(seq),
                utc_us: None,
                effect: Effect::Other,
            },
        );
        if let Some(life) = &mut self.life {
            life.next_seq = life.next_seq.map(|next| next.saturating_add(1));
        }
    }

    fn push_entry(&mut self, entry: &Decoded) {
        let header = entry.header();
        self.check_source(header);
        let begins = self
            .life
            .as_ref()
            .is_none_or(|life| life.boot != header.boot);
        if begins {
            self.enter_boot(entry);
        }
        let seq = header.seq.unwrap_or(Seq(0));
        let place = Place::Entry {
            boot: header.boot,
            seq,
        };
        if header.kind == Kind::Boot && !begins {
            self.find(place, Fault::BootTwice);
        }
        if let Kind::Unknown(kind) = &header.kind {
            let reason = format!("unknown kind `{}`", clip(kind, 80));
            self.find(place, Fault::Unsupported { reason });
        }
        let expected = self.life.as_ref().and_then(|life| life.next_seq);
        if let Some(expected) = expected.filter(|expected| *expected != seq.0) {
            self.find(
                place,
                Fault::Seq {
                    expected,
                    found: seq.0,
                },
            );
        }
        if let Some(life) = &mut self.life {
            life.next_seq = Some(seq.0.saturating_add(1));
        }
        let effect = effect_of(entry, &mut self.group.coverage);
        self.add_leaf(
            entry.bytes(),
            Said {
                seq,
                utc_us: header.at.map(|at| at.utc_us),
                effect,
            },
        );
    }

    fn add_leaf(&mut self, bytes: &[u8], said: Said) {
        if self.group.said.len() >= GROUP_ENTRIES_MAX {
            let place = self
                .life
                .as_ref()
                .map_or(Place::Chain, |life| Place::Entry {
                    boot: life.boot,
                    seq: said.seq,
                });
            self.find(place, Fault::GroupTooLong);
            self.drop_group();
        }
        self.group.add(leaf_hash(bytes), said);
    }

    fn check_source(&mut self, header: &Header) {
        let expected = self.source.get_or_insert_with(|| header.source.clone());
        if *expected != header.source {
            let (expected, found) = (expected.to_string(), header.source.to_string());
            self.find(
                Place::Boot { boot: header.boot },
                Fault::Source { expected, found },
            );
        }
    }

    fn check_spool(&mut self, place: Place, found: &SpoolName) {
        let expected = self.spool.get_or_insert_with(|| found.clone());
        if expected != found {
            let (expected, found) = (expected.to_string(), found.to_string());
            self.find(place, Fault::Spool { expected, found });
        }
    }

    // Boots.

    fn enter_boot(&mut self, entry: &Decoded) {
        let header = entry.header();
        let place = Place::Boot { boot: header.boot };
        if self.group.count() > 0 {
            let entries = self.group.count();
            self.find(place, Fault::UnsealedInside { entries });
            self.drop_group();
        }
        bump(&mut self.lives);
        let at_start = self.life.is_none() && self.last.is_none();
        let mut life = Life {
            boot: header.boot,
            number: self.lives,
            next_seq: None,
            next_seal: None,
            key: None,
        };
        if header.kind == Kind::Boot {
            (life.next_seq, life.next_seal) = (Some(0), Some(0));
            life.key = self.read_boot(entry, at_start);
        } else if at_start {
            self.miss_start();
        } else {
            self.find(place, Fault::BootMissing);
        }
        self.life = Some(life);
    }

    /// Judges a `boot` entry; gives the key its boot is sealed with.
    fn read_boot(&mut self, entry: &Decoded, at_start: bool) -> Option<VerifierKey> {
        let place = Place::Boot {
            boot: entry.header().boot,
        };
        let Some(info) = BootInfo::of(entry) else {
            self.find(
                place,
                Fault::BootMalformed {
                    member: "boot_info",
                },
            );
            return None;
        };
        match (SpoolName::new(&info.spool), info.previous()) {
            (Err(_), _) => self.find(place, Fault::BootMalformed { member: "spool" }),
            (Ok(_), None) => self.find(place, Fault::BootMalformed { member: "previous" }),
            (Ok(spool), Some(previous)) => {
                self.check_spool(place, &spool);
                self.check_boot_link(place, previous.as_ref(), at_start);
            }
        }
        for note in info.rotation.iter().flat_map(|notes| split_notes(notes)) {
            match Rotation::parse(note) {
                Ok(rotation) => self.trust.link(rotation),
                Err(error) => self.find(
                    place,
                    Fault::Rotation {
                        reason: spell(&error),
                    },
                ),
            }
        }
        let key: Option<VerifierKey> = info.key.parse().ok();
        let key = key.filter(|key| key.name().as_str() == entry.header().source.as_str());
        if key.is_none() {
            self.find(place, Fault::BootMalformed { member: "key" });
        }
        key
    }

    fn check_boot_link(&mut self, place: Place, previous: Option<&Previous>, at_start: bool) {
        let linked = match (previous, &self.last) {
            (None, None) => true,
            (Some(_), None) if at_start => {
                self.miss_start();
                return;
            }
            // Behind a start that is missing, or a first boot without one seal.
            (Some(_), None) => self.link == Link::Unknown,
            (None, Some(_)) => false,
            (Some(named), Some(last)) => {
                named.boot == last.boot
                    && named.seal == last.seal
                    && named.hash == format!("sha256:{}", last.hash)
            }
        };
        if !linked {
            self.find(place, Fault::BootLink);
        }
    }

    fn miss_start(&mut self) {
        self.start_missing = true;
        self.link = Link::Unknown;
        self.find(
            Place::Chain,
            Fault::StartMissing {
                expected: self.start == Start::Anywhere,
            },
        );
    }

    // Seals.

    fn push_seal(&mut self, entry: &Decoded) {
        let header = entry.header();
        self.check_source(header);
        if self
            .life
            .as_ref()
            .is_none_or(|life| life.boot != header.boot)
        {
            self.enter_boot(entry);
        }
        let seal = header.seal.unwrap_or(SealNumber(0));
        let place = Place::Seal {
            boot: header.boot,
            seal,
        };
        let expected = self.life.as_ref().and_then(|life| life.next_seal);
        if let Some(expected) = expected.filter(|expected| *expected != seal.0) {
            self.find(
                place,
                Fault::SealNumber {
                    expected,
                    found: seal.0,
                },
            );
        }
        let utc_us = match read_seal(entry) {
            Ok((note, text)) => {
                self.check_seal(place, &note, &text);
                Some(text.utc_us)
            }
            Err(reason) => {
                self.find(place, Fault::SealMalformed { reason });
                None
            }
        };
        let hash = leaf_hash(entry.bytes());
        self.check_remembered(place, header.boot, seal, hash);
        if let Some(life) = &mut self.life {
            life.next_seal = Some(seal.0.saturating_add(1));
        }
        self.last = Some(LastSeal {
            boot: header.boot,
            seal,
            hash,
            utc_us,
        });
        self.link = Link::To(Some(hash));
        bump(&mut self.counts.seals);
        self.apply_group();
    }

    fn check_seal(&mut self, place: Place, note: &Note, text: &SealText) {
        self.check_spool(place, &text.spool);
        if let Some(expected) = self.group.first.filter(|first| *first != text.first.0) {
            self.find(
                place,
                Fault::SealFirst {
                    expected,
                    found: text.first.0,
                },
            );
        }
        let (expected, found) = (self.group.count(), text.count.get());
        if expected != found {
            self.find(place, Fault::SealCount { expected, found });
        } else if self.group.tree.root() != text.root {
            self.find(place, Fault::Root);
        }
        if let Link::To(previous) = self.link
            && previous != text.previous
        {
            self.find(place, Fault::SealLink);
        }
        self.check_signature(place, note, text);
    }

    fn check_signature(&mut self, place: Place, note: &Note, text: &SealText) {
        let declared = self.life.as_ref().and_then(|life| life.key.clone());
        let known = declared
            .clone()
            .map_or_else(|| self.trust.keys().to_vec(), |key| vec![key]);
        match verify(note, &known) {
            Ok(verified) => {
                let signer = known
                    .iter()
                    .find(|key| verified.is_signed_by(key.key_ref()));
                if let Some(key) =
                    signer.filter(|key| self.keys.iter().all(|(seen, _)| seen != *key))
                {
                    self.keys.push((key.clone(), text.boot));
                }
            }
            Err(VerifyError::UnknownKey { found }) => {
                let found = found.first().map(ToString::to_string).unwrap_or_default();
                let fault = match declared {
                    Some(_) => Fault::OtherKey { found },
                    None => Fault::Untrusted { key: found },
                };
                self.find(place, fault);
            }
            Err(VerifyError::BadSignature { .. } | VerifyError::AmbiguousKey { .. }) => {
                self.find(place, Fault::Signature);
            }
        }
    }

    fn check_remembered(&mut self, place: Place, boot: BootId, seal: SealNumber, hash: Hash) {
        let Some(head) = self
            .expected
            .as_ref()
            .filter(|head| head.boot == boot && head.seal == seal)
        else {
            return;
        };
        let same = head.hash == hash;
        self.head_seen = Some(same || self.head_seen == Some(true));
        if !same {
            self.find(place, Fault::HeadDiffers);
        }
    }

    // What sealed entries say.

    fn apply_group(&mut self) {
        let group = std::mem::take(&mut self.group);
        self.counts.entries = self.counts.entries.saturating_add(group.count());
        self.coverage.merge(&group.coverage);
        let Some((boot, life)) = self.life.as_ref().map(|life| (life.boot, life.number)) else {
            return;
        };
        for said in group.said {
            if let Some(utc_us) = said.utc_us {
                self.first_utc_us =
                    Some(self.first_utc_us.map_or(utc_us, |first| first.min(utc_us)));
                self.last_utc_us = Some(self.last_utc_us.map_or(utc_us, |last| last.max(utc_us)));
            }
            self.apply(
                Place::Entry {
                    boot,
                    seq: said.seq,
                },
                life,
                boot,
                said,
            );
        }
    }

    fn apply(&mut self, place: Place, life: u64, boot: BootId, said: Said) {
        if self.sealed_life != life {
            self.sealed_life = life;
            self.beyond_recovery = false;
        }
        match said.effect {
            Effect::Boot => bump(&mut self.counts.boots),
            Effect::Begin(call) => {
                self.beyond_recovery = true;
                bump(&mut self.counts.calls_begun);
                let open = OpenCall {
                    boot,
                    seq: said.seq,
                    life,
                };
                let begun = self.calls.begin(call, open);
                self.note(place, begun);
            }
            Effect::End {
                call,
                reclosed,
                outcome_unknown,
                missing,
            } => {
                self.beyond_recovery |= !reclosed;
                bump(&mut self.counts.calls_ended);
                if outcome_unknown {
                    bump(&mut self.counts.calls_outcome_unknown);
                }
                let judge = if self.start_missing {
                    None
                } else {
                    Some(self.gap_seen)
                };
                let ended = self.calls.end(call, judge);
                self.note(place, ended);
                if !missing.is_empty() {
                    self.find(
                        place,
                        Fault::FieldsMissing {
                            call,
                            fields: missing,
                        },
                    );
                }
            }
            Effect::Stop => {
                self.beyond_recovery = true;
                self.stopped_life = life;
            }
            Effect::GapBegins { fault, since } => {
                bump(&mut self.counts.gaps);
                self.gap_seen = true;
                self.judge_open_gap();
                self.gap_open = Some((place, fault, since));
            }
            Effect::HarmlessGap { since } => {
                bump(&mut self.counts.gaps);
                self.end_gap(since.as_deref());
            }
            Effect::Gap { fault, since } => {
                bump(&mut self.counts.gaps);
                self.gap_seen = true;
                self.end_gap(since.as_deref());
                if let Fault::Gap {
                    entries_lost: Some(lost),
                    ..
                } = &fault
                {
                    self.counts.entries_lost = self.counts.entries_lost.saturating_add(*lost);
                }
                self.find(place, fault);
            }
            Effect::Anomaly => {
                self.beyond_recovery = true;
                bump(&mut self.counts.anomalies);
            }
            Effect::Other => self.beyond_recovery = true,
        }
    }

    /// What the end of a gap says takes the place of what its beginning could not know.
    fn end_gap(&mut self, since: Option<&str>) {
        self.gap_open
            .take_if(|(_, _, begun)| Some(begun.as_str()) == since);
    }

    /// A gap that never ended: how much was lost in it stays unknown.
    fn judge_open_gap(&mut self) {
        if let Some((place, fault, _)) = self.gap_open.take() {
            self.find(place, fault);
        }
    }

    fn drop_group(&mut self) {
        let group = std::mem::take(&mut self.group);
        self.counts.unsealed_entries = self.counts.unsealed_entries.saturating_add(group.count());
    }

    // The end.

    /// Open calls are no finding at the tail of a chain that lives or has just crashed. They are one in
    /// a boot that stopped in order, and where a later boot has done more than recover.
    fn judge_open_calls(&mut self) {
        self.counts.calls_open = self.calls.open_count();
        let (sealed, stopped, recovered) =
            (self.sealed_life, self.stopped_life, self.beyond_recovery);
        let overdue: Vec<_> = self
            .calls
            .open()
            .filter(|(_, open)| open.life <= stopped || (open.life < sealed && recovered))
            .collect();
        for (call, open) in overdue {
            self.find(
                Place::Entry {
                    boot: open.boot,
                    seq: open.seq,
                },
                Fault::NeverEnded { call },
            );
        }
    }

    fn judge_keys(&mut self) -> Vec<KeyUse> {
        let keys = std::mem::take(&mut self.keys);
        let uses = keys.into_iter().map(|(key, first_boot)| {
            let trusted = self.trust.trusts(&key);
            let key = key.to_string();
            if !trusted {
                self.find(
                    Place::Boot { boot: first_boot },
                    Fault::Untrusted { key: key.clone() },
                );
            }
            KeyUse {
                key,
                trusted,
                first_boot,
            }
        });
        uses.collect()
    }

    fn judge_head(&mut self) -> HeadCheck {
        let Some(head) = self.expected.take() else {
            return HeadCheck::NotGiven;
        };
        if !head.is_signed_by(&self.trust) {
            self.find(Place::Chain, Fault::HeadUntrusted);
        }
        match self.head_seen {
            Some(true) => return HeadCheck::Found,
            Some(false) => return HeadCheck::NotFound,
            None => {}
        }
        let other = self
            .source
            .as_ref()
            .is_some_and(|source| *source != head.source)
            || self
                .spool
                .as_ref()
                .is_some_and(|spool| *spool != head.spool);
        let (boot, seal) = (head.boot, head.seal.0);
        let fault = if other {
            Fault::HeadOfOther {
                source_id: head.source.to_string(),
                spool: head.spool.to_string(),
            }
        } else if self.counts.seals == 0 {
            Fault::Emptied { boot, seal }
        } else {
            Fault::Truncated { boot, seal }
        };
        self.find(Place::Chain, fault);
        HeadCheck::NotFound
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
