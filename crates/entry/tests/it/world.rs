//! A source in a struct: fixed keys, a clock that only moves when told, a spool that is a `Vec`.

use affiant_entry::chain::{ChainReport, ChainVerifier, RememberedHead, Start, Tail};
use affiant_entry::record::{Anomaly, Boot, Gap, Heartbeat, Previous, Stop};
use affiant_entry::{
    Body, BootId, CallId, Decoded, Fact, Kind, Moment, Record, SealText, Sealer, SourceId, Trust,
};
use affiant_tlog::note::{KeyName, Note, SignerKey, VerifierKey};
use affiant_tlog::{Hash, leaf_hash};

pub(crate) use crate::calls::{call, clock, commit_key, ending, input};

pub(crate) const SOURCE: &str = "gw-7";
pub(crate) const SPOOL: &str = "main";
/// 2026-11-22T06:54:01.123456Z
pub(crate) const NOW_US: i64 = 1_795_330_441_123_456;

pub(crate) fn key(seed: u8) -> SignerKey {
    SignerKey::from_seed(KeyName::new(SOURCE).unwrap(), &[seed; 32])
}

pub(crate) fn trust(seeds: &[u8]) -> Trust {
    Trust::new(seeds.iter().map(|seed| key(*seed).verifier_key().clone()))
}

/// What a spool holds, and the hands that wrote it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) signer: SignerKey,
    pub(crate) spool: &'static str,
    /// The entries, seals among them, in order.
    pub(crate) items: Vec<Vec<u8>>,
    /// The note of the newest seal.
    pub(crate) note: Option<String>,
    pub(crate) at: Moment,
    sealer: Option<Sealer>,
    made: u128,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::in_spool(SPOOL)
    }

    pub(crate) fn in_spool(spool: &'static str) -> Self {
        let at = Moment {
            utc_us: NOW_US,
            mono_us: 1_000,
        };
        Self {
            signer: key(1),
            spool,
            items: Vec::new(),
            note: None,
            at,
            sealer: None,
            made: 0,
        }
    }

    /// One short life: a boot, two calls, a stop.
    pub(crate) fn lived() -> Self {
        let mut world = Self::new();
        world.boot("start", None);
        world.work();
        world.stop();
        world
    }

    /// Two calls over three groups.
    pub(crate) fn work(&mut self) {
        let (begin_a, end_a) = self.call_pair();
        let (begin_b, end_b) = self.call_pair();
        self.group(vec![begin_a, begin_b]);
        self.group(vec![end_b]);
        let beat = self.heartbeat();
        self.group(vec![end_a, beat]);
    }

    pub(crate) fn previous(&self) -> Option<(Hash, Previous)> {
        let seal = self.items.iter().rev().find(|bytes| is_seal(bytes))?;
        let decoded = Decoded::parse(seal).unwrap();
        let hash = leaf_hash(seal);
        let previous = Previous {
            boot: decoded.header().boot,
            seal: decoded.seal().unwrap(),
            hash: format!("sha256:{hash}"),
        };
        Some((hash, previous))
    }

    pub(crate) fn boot_record(&mut self, reason: &'static str, rotation: Option<String>) -> Record {
        let previous = self.previous();
        let boot = Boot {
            reason: reason.into(),
            version: "0.1.0".to_owned(),
            spool: self.spool.to_owned(),
            key: self.signer.verifier_key().to_string(),
            rotation,
            previous: Fact::from_option(previous.map(|p| p.1), "first boot of this chain"),
            host: Fact::Known("host-1".to_owned()),
            pid: 4711,
            config: Fact::absent("no configuration file"),
            clock: clock(),
            recovered: None,
        };
        self.record(Body::Boot(Box::new(boot)))
    }

    pub(crate) fn boot(&mut self, reason: &'static str, rotation: Option<String>) {
        self.boot_with(reason, rotation, Vec::new());
    }

    /// A boot whose first group holds more than the boot entry.
    pub(crate) fn boot_with(
        &mut self,
        reason: &'static str,
        rotation: Option<String>,
        more: Vec<Record>,
    ) {
        let mut records = vec![self.boot_record(reason, rotation)];
        records.extend(more);
        self.made += 1;
        let boot = BootId::from_parts(self.at.utc_us, self.made);
        let previous = self.previous().map(|p| p.0);
        self.sealer =
            Some(Sealer::new(SourceId::new(SOURCE).unwrap(), self.spool, boot, previous).unwrap());
        self.group(records);
    }

    #[expect(clippy::needless_pass_by_value, reason = "reads better at the caller")]
    pub(crate) fn group(&mut self, records: Vec<Record>) {
        let sealer = self.sealer.as_mut().unwrap();
        let prepared = sealer.prepare(&records, self.at, &self.signer).unwrap();
        self.items.extend(
            prepared
                .entries
                .iter()
                .map(|entry| entry.as_slice().to_vec()),
        );
        self.items.push(prepared.seal.as_slice().to_vec());
        self.note = Some(prepared.note.clone());
        sealer.advance(&prepared).unwrap();
        self.at.utc_us += 1_000;
        self.at.mono_us += 1_000;
    }

    /// Appends the entries of a group, but dies before its seal.
    #[expect(clippy::needless_pass_by_value, reason = "reads better at the caller")]
    pub(crate) fn torn_group(&mut self, records: Vec<Record>) {
        let sealer = self.sealer.as_mut().unwrap();
        let prepared = sealer.prepare(&records, self.at, &self.signer).unwrap();
        self.items.extend(
            prepared
                .entries
                .iter()
                .map(|entry| entry.as_slice().to_vec()),
        );
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

    pub(crate) fn new_call(&mut self) -> CallId {
        self.made += 1;
        CallId::from_parts(self.at.utc_us, self.made)
    }

    pub(crate) fn call_pair(&mut self) -> (Record, Record) {
        let call = self.new_call();
        (self.begin(call), self.end(call))
    }

    pub(crate) fn begin(&mut self, id: CallId) -> Record {
        let mut record = self.record(Body::CallBegin(Box::new(call(r#"{"q":"Ada","n":1.50}"#))));
        record.call = Some(id);
        record
    }

    pub(crate) fn end(&mut self, id: CallId) -> Record {
        let mut record = self.record(Body::CallEnd(
            Box::new(call(r#"{"q":"Ada","n":1.50}"#)),
            Box::new(ending()),
        ));
        record.call = Some(id);
        record
    }

    pub(crate) fn heartbeat(&mut self) -> Record {
        self.record(Body::Heartbeat(Heartbeat {
            uptime_us: 60_000_000,
            calls: 2,
            calls_open: 0,
            spool_bytes: 4096,
            clock: clock(),
        }))
    }

    pub(crate) fn gap(&mut self, reason: &'static str, lost: Fact<u64>) -> Record {
        self.record(Body::Gap(Gap {
            reason: reason.into(),
            entries_lost: lost,
            calls: Fact::absent("not known"),
            since: Fact::absent("not known"),
            until: Fact::absent("not known"),
            position: None,
        }))
    }

    pub(crate) fn gap_since(
        &mut self,
        reason: &'static str,
        since: &str,
        [entries_lost, calls]: [Fact<u64>; 2],
        until: Fact<String>,
    ) -> Record {
        self.record(Body::Gap(Gap {
            reason: reason.into(),
            entries_lost,
            calls,
            since: Fact::Known(since.to_owned()),
            until,
            position: None,
        }))
    }

    pub(crate) fn anomaly(&mut self) -> Record {
        self.record(Body::Anomaly(Anomaly {
            code: "duplicate-key".into(),
            server: "crm".to_owned(),
            session: Fact::absent("not known"),
            direction: Fact::absent("not known"),
            facts: [].into(),
        }))
    }

    pub(crate) fn stop(&mut self) {
        let stop = self.record(Body::Stop(Stop {
            reason: "eof".into(),
            signal: None,
            exit_code: Some(0),
            calls: 2,
            uptime_us: 60_000_000,
        }));
        self.group(vec![stop]);
    }

    pub(crate) fn head(&self) -> Option<RememberedHead> {
        self.note
            .as_deref()
            .map(|note| RememberedHead::parse(note).unwrap())
    }

    /// Judges the spool as its key holder would: with the key, and the newest seal remembered.
    pub(crate) fn judge(&self) -> ChainReport {
        judge(&self.items, &trust(&[1]), self.head())
    }
}

pub(crate) fn judge(items: &[Vec<u8>], trust: &Trust, head: Option<RememberedHead>) -> ChainReport {
    judge_from(items, trust, head, Start::Genesis)
}

pub(crate) fn judge_from(
    items: &[Vec<u8>],
    trust: &Trust,
    head: Option<RememberedHead>,
    start: Start,
) -> ChainReport {
    let mut verifier = ChainVerifier::new(trust.clone(), head).starting(start);
    items.iter().for_each(|bytes| verifier.push(bytes));
    verifier.finish(Tail::Clean)
}

pub(crate) fn is_seal(bytes: &[u8]) -> bool {
    Decoded::parse(bytes).is_ok_and(|entry| entry.header().kind == Kind::Seal)
}

/// Indexes of the seals.
pub(crate) fn seals(items: &[Vec<u8>]) -> Vec<usize> {
    items
        .iter()
        .enumerate()
        .filter(|(_, bytes)| is_seal(bytes))
        .map(|(index, _)| index)
        .collect()
}

pub(crate) fn codes(report: &ChainReport) -> Vec<&'static str> {
    report
        .findings
        .iter()
        .map(|finding| finding.fault.code())
        .collect()
}

/// The text of a seal entry.
pub(crate) fn text_of(seal: &[u8]) -> SealText {
    let note = Decoded::parse(seal).unwrap().note().unwrap();
    SealText::parse(Note::parse(note.as_bytes()).unwrap().text()).unwrap()
}

/// Signs a seal text anew and gives the seal entry: what a forger with a key can do.
pub(crate) fn reseal(text: &SealText, signer: &SignerKey) -> Vec<u8> {
    let note = Note::sign(&text.to_text(), signer).unwrap().to_string();
    affiant_entry::encode_seal(&text.source, text.boot, text.seal, &note)
        .unwrap()
        .into_vec()
}

pub(crate) fn vkey(seed: u8) -> VerifierKey {
    key(seed).verifier_key().clone()
}
