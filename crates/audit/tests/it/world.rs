//! A log in a struct: sources with fixed keys, an aggregator that writes what a test tells it to.

use affiant_audit::log::{AuditReport, Expectation, Finding, Leaf, LogAudit};
use affiant_entry::decode::Reader;
use affiant_entry::record::{
    Anchor, Boot, ChainGap, ChainGapReason, ChainRef, Erase, Fork, Gap, Heartbeat, KeyAction,
    KeyChange, LeafRef, Previous, Prune, Quarantine, RosterLeaf, Silence, Stop,
};
use affiant_entry::roster::{Roster, RosterSource};
use affiant_entry::{
    Body, BootId, CallId, Decoded, Fact, Moment, Record, Rotation, SealPlace, SealText, Seq,
    SourceId, SpoolName, Stamp, encode,
};
use affiant_tlog::checkpoint::Origin;
use affiant_tlog::note::{KeyName, Note, SignerKey, VerifierKey};
use affiant_tlog::{Checkpoint, CompactTree, Hash, leaf_hash};

#[path = "../../../entry/tests/it/calls.rs"]
mod calls;

use calls::{call, clock, ending};

/// 2026-11-22T06:54:01.123456Z
pub(crate) const NOW_US: i64 = 1_795_330_441_123_456;
pub(crate) const LOG: &str = "localhost/affiant/3f9c2a1b";
pub(crate) const AGGREGATOR: &str = "aggregator";

pub(crate) fn key(name: &str, seed: u8) -> SignerKey {
    SignerKey::from_seed(KeyName::new(name).unwrap(), &[seed; 32])
}

pub(crate) fn vkey(name: &str, seed: u8) -> VerifierKey {
    key(name, seed).verifier_key().clone()
}

pub(crate) fn id(source: &str) -> SourceId {
    SourceId::new(source).unwrap()
}

/// One group as a source sealed it.
#[derive(Debug, Clone)]
pub(crate) struct Sealed {
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) seal: Vec<u8>,
    pub(crate) note: String,
}

impl Sealed {
    pub(crate) fn text(&self) -> SealText {
        SealText::parse(Note::parse(self.note.as_bytes()).unwrap().text()).unwrap()
    }

    pub(crate) fn leaves(&self) -> Vec<Vec<u8>> {
        self.entries
            .iter()
            .cloned()
            .chain([self.seal.clone()])
            .collect()
    }
}

/// A source with one chain.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) name: &'static str,
    pub(crate) spool: &'static str,
    pub(crate) seed: u8,
    pub(crate) at: Moment,
    boot: Option<BootId>,
    next: Option<(u64, u64)>,
    previous: Option<(Hash, Previous)>,
    made: u128,
}

impl Source {
    pub(crate) fn new(name: &'static str, seed: u8) -> Self {
        Self {
            name,
            spool: "main",
            seed,
            at: Moment {
                utc_us: NOW_US,
                mono_us: 1_000,
            },
            boot: None,
            next: None,
            previous: None,
            made: u128::from(seed) << 32,
        }
    }

    pub(crate) fn signer(&self) -> SignerKey {
        key(self.name, self.seed)
    }

    pub(crate) fn record(&mut self, body: Body) -> Record {
        self.at.utc_us += 10;
        self.at.mono_us += 10;
        Record {
            at: self.at,
            call: None,
            body,
        }
    }

    /// A boot, as the first group of a life.
    pub(crate) fn boot(&mut self) -> Sealed {
        self.boot_with(None)
    }

    pub(crate) fn boot_with(&mut self, rotation: Option<String>) -> Sealed {
        let previous = self.previous.clone().map(|p| p.1);
        let boot = Boot {
            reason: "start".into(),
            version: "0.1.0".to_owned(),
            spool: self.spool.to_owned(),
            key: self.signer().verifier_key().to_string(),
            rotation,
            previous: Fact::from_option(previous, "first boot of this chain"),
            host: Fact::Known("host-1".to_owned()),
            pid: 4711,
            config: Fact::absent("no configuration file"),
            clock: clock(),
            recovered: None,
        };
        let record = self.record(Body::Boot(Box::new(boot)));
        self.made += 1;
        self.boot = Some(BootId::from_parts(self.at.utc_us, self.made));
        self.next = Some((0, 0));
        self.group(vec![record])
    }

    /// As if nothing had been before.
    pub(crate) fn forget(&mut self) {
        self.previous = None;
    }

    /// Two whole calls in one group.
    pub(crate) fn work(&mut self) -> Sealed {
        let (begin_a, end_a) = self.pair();
        let (begin_b, end_b) = self.pair();
        self.group(vec![begin_a, begin_b, end_b, end_a])
    }

    pub(crate) fn pair(&mut self) -> (Record, Record) {
        self.made += 1;
        let call_id = CallId::from_parts(self.at.utc_us, self.made);
        let json = r#"{"q":"Ada","n":1.50}"#;
        let mut begin = self.record(Body::CallBegin(Box::new(call(json))));
        let mut end = self.record(Body::CallEnd(Box::new(call(json)), Box::new(ending())));
        begin.call = Some(call_id);
        end.call = Some(call_id);
        (begin, end)
    }

    pub(crate) fn beat(&mut self) -> Sealed {
        let beat = self.record(Body::Heartbeat(Heartbeat {
            uptime_us: 60_000_000,
            calls: 2,
            calls_open: 0,
            spool_bytes: 4096,
            clock: clock(),
        }));
        self.group(vec![beat])
    }

    pub(crate) fn lost(&mut self, entries: u64) -> Sealed {
        let gap = self.record(Body::Gap(Gap {
            reason: "spool-full".into(),
            entries_lost: Fact::Known(entries),
            calls: Fact::Known(entries / 2),
            since: Fact::Known("2026-11-22T06:54:01.123456Z".to_owned()),
            until: Fact::Known("2026-11-22T06:54:02.123456Z".to_owned()),
            position: None,
        }));
        self.group(vec![gap])
    }

    pub(crate) fn stop(&mut self) -> Sealed {
        let stop = self.record(Body::Stop(Stop {
            reason: "eof".into(),
            signal: None,
            exit_code: Some(0),
            calls: 2,
            uptime_us: 60_000_000,
        }));
        self.group(vec![stop])
    }

    /// Seals a group at the end of the chain.
    #[expect(clippy::needless_pass_by_value, reason = "reads better at the caller")]
    pub(crate) fn group(&mut self, records: Vec<Record>) -> Sealed {
        let boot = self.boot.unwrap();
        let (seq, seal) = self.next.unwrap();
        let source = id(self.name);
        let entries: Vec<Vec<u8>> = records
            .iter()
            .zip(seq..)
            .map(|(record, seq)| {
                let stamp = Stamp {
                    source: &source,
                    boot,
                    seq: Seq(seq),
                };
                encode(stamp, record).unwrap().into_vec()
            })
            .collect();
        self.at.utc_us += 1_000;
        self.at.mono_us += 1_000;
        self.seal(entries, seal)
    }

    /// Seals bytes, whatever they are.
    pub(crate) fn seal(&mut self, entries: Vec<Vec<u8>>, seal: u64) -> Sealed {
        let (seq, _) = self.next.unwrap();
        let boot = self.boot.unwrap();
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let count = u64::try_from(entries.len()).unwrap();
        let text = SealText {
            source: id(self.name),
            spool: SpoolName::new(self.spool).unwrap(),
            boot,
            seal: affiant_entry::SealNumber(seal),
            first: Seq(seq),
            count: count.try_into().unwrap(),
            root: leaves.into_iter().collect::<CompactTree>().root(),
            previous: self.previous.as_ref().map(|p| p.0),
            utc_us: self.at.utc_us,
        };
        let note = Note::sign(&text.to_text(), &self.signer())
            .unwrap()
            .to_string();
        let seal_entry = affiant_entry::encode_seal(&text.source, boot, text.seal, &note)
            .unwrap()
            .into_vec();
        let hash = leaf_hash(&seal_entry);
        self.previous = Some((
            hash,
            Previous {
                boot,
                seal: text.seal,
                hash: format!("sha256:{hash}"),
            },
        ));
        self.next = Some((seq + count, seal + 1));
        Sealed {
            entries,
            seal: seal_entry,
            note,
        }
    }

    /// Where the next entry and seal belong.
    pub(crate) fn next(&self) -> (u64, u64) {
        self.next.unwrap()
    }

    /// Pretends that the chain stands elsewhere.
    pub(crate) fn skip(&mut self, entries: u64, seals: u64) {
        let (seq, seal) = self.next.unwrap();
        self.next = Some((seq + entries, seal + seals));
    }

    /// A new key, and the notes that lead to it.
    pub(crate) fn rotate(&mut self, seed: u8) -> String {
        let old = self.signer();
        self.seed = seed;
        let new = self.signer();
        let rotation = Rotation {
            source: id(self.name),
            old: old.verifier_key().clone(),
            new: new.verifier_key().clone(),
            utc_us: self.at.utc_us,
        };
        rotation.sign(&old, &new).unwrap()
    }

    pub(crate) fn chain(&self) -> ChainRef {
        ChainRef {
            source: id(self.name),
            spool: SpoolName::new(self.spool).unwrap(),
            boot: self.boot.unwrap(),
        }
    }
}

/// A log, and the aggregator that writes it.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) leaves: Vec<Vec<u8>>,
    pub(crate) expectation: Expectation,
    pub(crate) at: Moment,
    boot: BootId,
    seq: u64,
    boots: u128,
}

impl World {
    /// An aggregator that has just begun, with gw-7 enrolled.
    pub(crate) fn new() -> Self {
        let mut world = Self {
            leaves: Vec::new(),
            expectation: Expectation::default(),
            at: Moment {
                utc_us: NOW_US,
                mono_us: 1,
            },
            boot: BootId::from_parts(0, 0),
            seq: 0,
            boots: 0,
        };
        world.restart();
        world.key(KeyAction::Log, LOG, &vkey(LOG, 200), None);
        world.enrol("gw-7", 1);
        world
    }

    /// A log with two sources, one of which stopped in order.
    pub(crate) fn lived() -> (Self, Source, Source) {
        let mut world = Self::new();
        world.enrol("gw-8", 2);
        let (mut a, mut b) = (Source::new("gw-7", 1), Source::new("gw-8", 2));
        world.append(&a.boot());
        world.append(&b.boot());
        world.append(&a.work());
        world.append(&b.work());
        world.append(&a.work());
        world.append(&a.stop());
        world.append(&b.beat());
        (world, a, b)
    }

    /// The aggregator ends and begins again.
    pub(crate) fn restart(&mut self) {
        self.boots += 1;
        self.boot = BootId::from_parts(self.at.utc_us, self.boots);
        self.seq = 0;
        let boot = Boot {
            reason: "start".into(),
            version: "0.1.0".to_owned(),
            spool: "log".to_owned(),
            key: vkey(LOG, 200).to_string(),
            rotation: None,
            previous: Fact::absent("the checkpoint signs this chain"),
            host: Fact::Known("host-0".to_owned()),
            pid: 1,
            config: Fact::absent("no configuration file"),
            clock: clock(),
            recovered: None,
        };
        self.say(Body::Boot(Box::new(boot)));
    }

    /// The aggregator writes an entry of its own.
    pub(crate) fn say(&mut self, body: Body) -> usize {
        self.at.utc_us += 1_000;
        self.at.mono_us += 1_000;
        let record = Record {
            at: self.at,
            call: None,
            body,
        };
        let source = id(AGGREGATOR);
        let stamp = Stamp {
            source: &source,
            boot: self.boot,
            seq: Seq(self.seq),
        };
        self.seq += 1;
        self.leaves.push(encode(stamp, &record).unwrap().into_vec());
        self.leaves.len() - 1
    }

    pub(crate) fn key(
        &mut self,
        action: KeyAction,
        subject: &str,
        key: &VerifierKey,
        rotation: Option<String>,
    ) {
        self.say(Body::Key(Box::new(KeyChange {
            action,
            subject: subject.to_owned(),
            vkey: key.to_string(),
            rotation,
            certificate: None,
            reason: None,
        })));
    }

    pub(crate) fn enrol(&mut self, source: &str, seed: u8) {
        self.key(KeyAction::Enrol, source, &vkey(source, seed), None);
    }

    pub(crate) fn append(&mut self, group: &Sealed) {
        self.at.utc_us = self.at.utc_us.max(group.text().utc_us);
        self.leaves.extend(group.leaves());
    }

    pub(crate) fn roster(&mut self, serial: u64, admin: u8, sources: &[(&str, u8, u64)]) {
        let sources = sources
            .iter()
            .map(|(name, seed, heartbeat_s)| RosterSource {
                source: id(name),
                key: vkey(name, *seed),
                heartbeat_s: *heartbeat_s,
            })
            .collect();
        let roster = Roster::new(serial, self.at.utc_us, sources).unwrap();
        let note = roster.sign(&key("admin", admin)).unwrap();
        self.say(Body::Roster(Box::new(RosterLeaf {
            serial,
            digest: "sha256:".to_owned() + &"0".repeat(64),
            note: Fact::Known(note),
        })));
    }

    pub(crate) fn silent(&mut self, source: &str) {
        self.say(Body::SourceSilent(silence(source)));
    }

    pub(crate) fn heard(&mut self, source: &str) {
        self.say(Body::SourceHeard(silence(source)));
    }

    pub(crate) fn chain_gap(&mut self, reason: ChainGapReason, subject: ChainRef, got_seal: u64) {
        let got_seal = SealPlace {
            boot: subject.boot,
            seal: affiant_entry::SealNumber(got_seal),
        };
        self.say(Body::ChainGap(Box::new(ChainGap {
            reason,
            said: Fact::absent("the sender said nothing"),
            subject,
            expected_seal: Fact::absent("not known"),
            got_seal,
            entries_lost: Fact::absent("not known"),
        })));
    }

    pub(crate) fn quarantine(&mut self, chain: &ChainRef, seal: u64, leaf: &[u8]) {
        self.say(Body::Quarantine(Box::new(Quarantine {
            source: chain.source.clone(),
            spool: chain.spool.clone(),
            boot: chain.boot,
            seal: affiant_entry::SealNumber(seal),
            leaf: LeafRef(leaf_hash(leaf)),
            seq: None,
            problem: "malformed".into(),
        })));
    }

    pub(crate) fn fork(&mut self, ours: &Sealed, theirs: &Sealed) {
        let text = theirs.text();
        self.say(Body::Fork(Box::new(Fork {
            source: text.source,
            spool: text.spool,
            boot: text.boot,
            seal: Some(text.seal),
            seq: None,
            ours: ours.note.clone(),
            theirs: theirs.note.clone(),
            evidence: "sha256:".to_owned() + &"0".repeat(64),
        })));
    }

    /// An authority stamped this note over the first `size` leaves.
    pub(crate) fn anchor(&mut self, note: &str, size: usize, token: &str, gen_time: &str) {
        let stamped = checkpoint(&self.leaves[..size]);
        self.say(Body::CheckpointAnchor(Box::new(Anchor {
            authority: "tsa.example".to_owned(),
            size: stamped.size.0,
            root: stamped.root.to_base64(),
            checkpoint: note.to_owned(),
            token: token.to_owned(),
            gen_time: gen_time.to_owned(),
        })));
    }

    /// A fork whose evidence is this blob; nobody else names it. Gives the leaf.
    pub(crate) fn fork_evidence(&mut self, blob: &str) -> usize {
        let (ours, theirs) = {
            let mut a = Source::new("gw-7", 1);
            a.boot();
            let mut b = a.clone();
            b.at.utc_us += 5;
            (a.work(), b.work())
        };
        let text = theirs.text();
        self.say(Body::Fork(Box::new(Fork {
            source: text.source,
            spool: text.spool,
            boot: text.boot,
            seal: Some(text.seal),
            seq: None,
            ours: ours.note,
            theirs: theirs.note,
            evidence: blob.to_owned(),
        })))
    }

    /// Leaves before this index may go.
    pub(crate) fn prune(&mut self, min_index: u64) {
        self.say(Body::Prune(Prune {
            min_index,
            policy: "retention-2026".to_owned(),
            reason: "older than 400 days".to_owned(),
        }));
    }

    /// The blob that this leaf names was destroyed.
    pub(crate) fn erase(&mut self, leaf: &[u8], blob: &str) {
        self.say(Body::Erase(Erase {
            leaf: LeafRef(leaf_hash(leaf)),
            blob: blob.to_owned(),
            reason: "request 4711".to_owned(),
        }));
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        checkpoint(&self.leaves)
    }

    /// Judges what is there, under a checkpoint that covers it.
    pub(crate) fn judge(&self) -> AuditReport {
        judge(&self.leaves, &self.expectation)
    }
}

pub(crate) fn checkpoint(leaves: &[Vec<u8>]) -> Checkpoint {
    let tree: CompactTree = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    Checkpoint::new(Origin::new(LOG).unwrap(), tree.size(), tree.root())
}

pub(crate) fn judge(leaves: &[Vec<u8>], expectation: &Expectation) -> AuditReport {
    audit(leaves, expectation).finish(&checkpoint(leaves))
}

pub(crate) fn audit(leaves: &[Vec<u8>], expectation: &Expectation) -> LogAudit {
    let mut reader = Reader::new();
    let mut audit = LogAudit::new(expectation.clone());
    for leaf in leaves {
        audit.push(Leaf::read(&mut reader, leaf));
    }
    audit
}

pub(crate) fn findings(report: &AuditReport) -> Vec<&Finding> {
    let chains = report.sources.iter().flat_map(|chain| &chain.findings);
    report.findings.iter().chain(chains).collect()
}

pub(crate) fn codes(report: &AuditReport) -> Vec<&'static str> {
    findings(report)
        .iter()
        .map(|finding| finding.fault.code())
        .collect()
}

/// The words of each chain's stretches, one string a chain: `gw-7: COMPLETE`.
pub(crate) fn verdicts(report: &AuditReport) -> Vec<String> {
    let words = |chain: &affiant_audit::log::SourceReport| {
        let words: Vec<String> = chain
            .intervals
            .iter()
            .map(|each| match each.verdict.entries() {
                Some(n) => format!("{} {n}", each.verdict.word()),
                None => each.verdict.word().to_owned(),
            })
            .collect();
        format!("{}: {}", chain.source, words.join(", "))
    };
    report.sources.iter().map(words).collect()
}

pub(crate) fn is_seal(bytes: &[u8]) -> bool {
    Decoded::parse(bytes).is_ok_and(|entry| entry.seal().is_some())
}

fn silence(source: &str) -> Silence {
    Silence {
        subject: id(source),
        last_heard: Fact::absent("never"),
        expected_every_s: 60,
    }
}
