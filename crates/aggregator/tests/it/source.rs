//! A source: its keys, its chain, and batches of it.

use affiant_entry::batch::{AcceptedGap, BatchHeader, BatchWriter};
use affiant_entry::receipt::{Receipt, SentSeal};
use affiant_entry::record::{Boot, Clock, Heartbeat, Previous};
use affiant_entry::{
    Body, BootId, CallId, Fact, Moment, Record, SealNumber, SealPlace, SealText, Seq, SourceId,
    SpoolName, Stamp, encode, encode_seal,
};
use affiant_tlog::checkpoint::Checkpoint;
use affiant_tlog::note::KeyName;
use affiant_tlog::{Hash, Note, SignerKey, TreeSize, VerifierKey, leaf_hash, root_of};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

/// Group as it lies in a spool.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) place: SealPlace,
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) seal: Vec<u8>,
}

#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) id: SourceId,
    pub(crate) spool: &'static str,
    /// Of the key that seals.
    pub(crate) seed: u8,
    pub(crate) tls_key: String,
    pub(crate) certificate: String,
    pub(crate) csr: String,
    pub(crate) rotations: String,
    boot: BootId,
    next_seq: u64,
    next_seal: u64,
    last: Option<(SealPlace, Hash)>,
    boots: u128,
    at: Moment,
}

impl Source {
    pub(crate) fn new(id: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let csr = CertificateParams::default()
            .serialize_request(&key)
            .unwrap();
        Self {
            id: SourceId::new(id).unwrap(),
            spool: "main",
            seed: u8::try_from(id.len()).unwrap(),
            tls_key: key.serialize_pem(),
            certificate: String::new(),
            csr: csr.pem().unwrap(),
            rotations: String::new(),
            boot: BootId::from_parts(0, 0),
            next_seq: 0,
            next_seal: 0,
            last: None,
            boots: 0,
            at: Moment {
                utc_us: 1_795_330_441_000_000,
                mono_us: 0,
            },
        }
    }

    pub(crate) fn signer(&self) -> SignerKey {
        SignerKey::from_seed(KeyName::new(self.id.as_str()).unwrap(), &[self.seed; 32])
    }

    pub(crate) fn enrolment(&self, token: &str) -> serde_json::Value {
        json!({
            "v": 1,
            "token": token,
            "source": self.id,
            "csr": self.csr,
            "vkey": self.signer().verifier_key().to_string(),
            "rotations": self.rotations,
        })
    }

    /// A copy that goes its own way from here: what a restored backup, or a thief, has.
    pub(crate) fn twin(&self) -> Self {
        let mut twin = self.clone();
        twin.boots += 1000;
        twin
    }

    /// Forgets what it sealed: the spool is gone, the key is not.
    pub(crate) fn forget(&mut self) {
        self.last = None;
        self.boots += 1000;
    }

    /// Begins a boot; its first group.
    pub(crate) fn boot(&mut self) -> Group {
        self.begin();
        let body = self.boot_body();
        let entry = self.entry(body);
        self.seal(vec![entry])
    }

    /// Begins a boot whose first group has these bytes as its last entry.
    pub(crate) fn boot_with(&mut self, last: Vec<u8>) -> Group {
        self.begin();
        let body = self.boot_body();
        let entry = self.entry(body);
        self.next_seq += 1;
        self.seal(vec![entry, last])
    }

    /// A group of so many entries.
    pub(crate) fn group(&mut self, entries: usize) -> Group {
        let beat = |calls: u64| {
            Body::Heartbeat(Heartbeat {
                uptime_us: 1,
                calls,
                calls_open: 0,
                spool_bytes: 0,
                clock: clock(),
            })
        };
        let calls = 0..u64::try_from(entries).unwrap();
        let entries = calls.map(|n| self.entry(beat(n))).collect();
        self.seal(entries)
    }

    /// A group of these, each with the call that it belongs to.
    pub(crate) fn group_of(&mut self, bodies: Vec<(Option<CallId>, Body)>) -> Group {
        let entries = bodies.into_iter();
        let entries = entries
            .map(|(call, body)| self.entry_of(call, body))
            .collect();
        self.seal(entries)
    }

    fn begin(&mut self) {
        self.boots += 1;
        self.boot = BootId::from_parts(self.at.utc_us, self.boots);
        self.next_seq = 0;
        self.next_seal = 0;
    }

    fn boot_body(&self) -> Body {
        Body::Boot(Box::new(Boot {
            reason: "start".into(),
            version: "0".to_owned(),
            spool: self.spool.to_owned(),
            key: self.signer().verifier_key().to_string(),
            rotation: (!self.rotations.is_empty()).then(|| self.rotations.clone()),
            previous: self.last.map_or_else(
                || Fact::absent("first boot of the chain"),
                |(place, hash)| {
                    Fact::Known(Previous {
                        boot: place.boot,
                        seal: place.seal,
                        hash: format!("sha256:{hash}"),
                    })
                },
            ),
            host: Fact::absent("test"),
            pid: 1,
            config: Fact::absent("test"),
            clock: clock(),
            recovered: None,
        }))
    }

    fn entry(&mut self, body: Body) -> Vec<u8> {
        self.entry_of(None, body)
    }

    fn entry_of(&mut self, call: Option<CallId>, body: Body) -> Vec<u8> {
        self.at.utc_us += 1_000;
        self.at.mono_us += 1_000;
        let stamp = Stamp {
            source: &self.id,
            boot: self.boot,
            seq: Seq(self.next_seq),
        };
        self.next_seq += 1;
        let record = Record {
            at: self.at,
            call,
            body,
        };
        encode(stamp, &record).unwrap().into_vec()
    }

    /// Seals entries that were numbered last.
    fn seal(&mut self, entries: Vec<Vec<u8>>) -> Group {
        let place = SealPlace {
            boot: self.boot,
            seal: SealNumber(self.next_seal),
        };
        self.next_seal += 1;
        let count = u64::try_from(entries.len()).unwrap();
        let hashes: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let text = SealText {
            source: self.id.clone(),
            spool: SpoolName::new(self.spool).unwrap(),
            boot: place.boot,
            seal: place.seal,
            first: Seq(self.next_seq - count),
            count: count.try_into().unwrap(),
            root: root_of(&hashes),
            previous: self.last.map(|(_, hash)| hash),
            utc_us: self.at.utc_us,
        };
        let note = Note::sign(&text.to_text(), &self.signer()).unwrap();
        let seal = encode_seal(&self.id, place.boot, place.seal, &note.to_string()).unwrap();
        let seal = seal.into_vec();
        self.last = Some((place, leaf_hash(&seal)));
        Group {
            place,
            entries,
            seal,
        }
    }

    pub(crate) fn header(&self) -> BatchHeader {
        BatchHeader {
            source: self.id.clone(),
            spool: SpoolName::new(self.spool).unwrap(),
            sent_utc_us: self.at.utc_us,
            old: TreeSize(0),
            newest: self.last.map(|(place, _)| place),
            pending_entries: 0,
            gap: None,
        }
    }

    pub(crate) fn batch(&self, groups: &[Group]) -> Vec<u8> {
        batch(&self.header(), groups)
    }

    /// A batch that owns up to what is missing before it.
    pub(crate) fn batch_after_gap(&self, groups: &[Group]) -> Vec<u8> {
        let mut header = self.header();
        header.gap = Some(AcceptedGap::new("released"));
        batch(&header, groups)
    }
}

pub(crate) fn batch(header: &BatchHeader, groups: &[Group]) -> Vec<u8> {
    let mut writer = BatchWriter::new(header);
    for group in groups {
        writer
            .group(group.entries.iter().map(Vec::as_slice), &group.seal)
            .unwrap();
    }
    writer.finish()
}

/// Verifies a receipt as a sender does.
pub(crate) fn verified(
    reply: &crate::wire::Reply,
    key: &VerifierKey,
    remembered: Option<&Checkpoint>,
    groups: &[Group],
) -> (Receipt, Checkpoint) {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let receipt = Receipt::parse(&reply.body).unwrap();
    let seals: Vec<SentSeal> = groups
        .iter()
        .map(|group| (group.place.boot, group.place.seal, leaf_hash(&group.seal)))
        .collect();
    let checkpoint = receipt.verify(key, remembered, &seals).unwrap();
    (receipt, checkpoint)
}

fn clock() -> Clock {
    Clock {
        synchronised: Fact::absent("test"),
        error_us_max: Fact::absent("test"),
    }
}
