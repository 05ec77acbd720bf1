//! Vectors of what travels: batches, receipts and rosters.

use affiant_entry::batch::{AcceptedGap, BatchError, BatchHeader, BatchReader, BatchWriter};
use affiant_entry::receipt::{
    Credits, ParseReceiptError, Receipt, ReceiptError, ReceiptGroup, SentSeal,
};
use affiant_entry::roster::{Roster, RosterError, RosterSource};
use affiant_entry::{BootId, SealNumber, SealPlace, SourceId, SpoolName};
use affiant_tlog::checkpoint::Origin;
use affiant_tlog::note::{KeyName, Note, SignerKey, VerifierKey};
use affiant_tlog::{
    Checkpoint, CompactTree, ConsistencyProof, Hash, LeafIndex, TreeSize, consistency_proof,
    inclusion_proof, leaf_hash,
};

use crate::vectors::{Files, committed, read_cases};
use crate::world::{NOW_US, SOURCE, SPOOL, World, is_seal, vkey};

#[test]
fn batch_vectors_are_as_committed() {
    committed("batch", &batch_files());
}

#[test]
fn receipt_vectors_are_as_committed() {
    committed("receipt", &receipt_files());
}

#[test]
fn roster_vectors_are_as_committed() {
    committed("roster", &roster_files());
}

#[test]
fn batch_vectors_hold() {
    for (case, members) in read_cases("batch") {
        let batch = hex::decode(members["batch"].replace('\n', "")).unwrap();
        assert_eq!(members["expect"], batch_expectation(&batch), "{case}");
    }
}

#[test]
fn receipt_vectors_hold() {
    for (case, members) in read_cases("receipt") {
        let remembered = members
            .get("remembered")
            .map(|text| Checkpoint::parse(text).unwrap());
        let seals: Vec<SentSeal> = members["seals"].split_whitespace().map(sent).collect();
        let found = receipt_expectation(
            members["receipt"].trim_end().as_bytes(),
            &members["log-key"].parse().unwrap(),
            remembered.as_ref(),
            &seals,
        );
        assert_eq!(members["expect"], found, "{case}");
    }
}

#[test]
fn roster_vectors_hold() {
    for (case, members) in read_cases("roster") {
        let admin = members["admin"].parse().unwrap();
        let found = roster_expectation(&members["roster"], &admin);
        assert_eq!(members["expect"], found, "{case}");
    }
}

// Batches.

fn batch_expectation(batch: &[u8]) -> String {
    let read = || {
        let mut reader = BatchReader::new(batch)?;
        let groups = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
        Ok((groups, reader.ahead().len()))
    };
    match read() {
        Ok((groups, ahead)) => {
            let group = |group: &affiant_entry::batch::Group<'_>| {
                let (entries, blobs) = (group.entries.len(), group.blobs.len());
                format!(
                    " entries={entries},blobs={blobs},seal={}",
                    leaf_hash(group.seal)
                )
            };
            let groups: String = groups.iter().map(group).collect();
            format!("read ahead={ahead}{groups}")
        }
        Err(error) => format!("refuse {}", batch_reason(&error)),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest are one")]
fn batch_reason(error: &BatchError) -> &'static str {
    match error {
        BatchError::Magic => "first-line",
        BatchError::NoHeader => "no-header",
        BatchError::Header(_) => "header",
        BatchError::Truncated => "truncated",
        BatchError::Frame { .. } => "frame",
        BatchError::Entry { .. } => "entry-length",
        BatchError::EmptyGroup => "empty-group",
        BatchError::BlobInside => "blob-inside",
        BatchError::Unsealed => "unsealed",
        _ => "too-large",
    }
}

fn header() -> BatchHeader {
    BatchHeader {
        source: SourceId::new(SOURCE).unwrap(),
        spool: SpoolName::new(SPOOL).unwrap(),
        sent_utc_us: NOW_US,
        old: TreeSize(5),
        newest: Some(place(3)),
        pending_entries: 6,
        gap: None,
    }
}

fn place(seal: u64) -> SealPlace {
    SealPlace {
        boot: BootId::from_parts(NOW_US, 1),
        seal: SealNumber(seal),
    }
}

fn framed(frames: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = affiant_entry::batch::BATCH_MAGIC.to_vec();
    for (kind, payload) in frames {
        bytes.push(*kind);
        bytes.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(payload);
    }
    bytes
}

fn batch_files() -> Files {
    let world = World::lived();
    let mut writer = BatchWriter::new(&header());
    writer.blob(br#"{"long":"input"}"#).unwrap();
    let mut entries: Vec<&[u8]> = Vec::new();
    for item in world.items.iter().take(5) {
        if is_seal(item) {
            writer.group(entries.drain(..), item).unwrap();
        } else {
            entries.push(item);
        }
    }
    writer.blob(b"of a later batch").unwrap();
    let whole = writer.finish();
    let hello = BatchWriter::new(&BatchHeader {
        newest: None,
        old: TreeSize(0),
        pending_entries: 0,
        ..header()
    });
    let gap = BatchWriter::new(&BatchHeader {
        gap: Some(AcceptedGap::new("spool was lost")),
        ..header()
    });
    let json = header().to_json();
    let text = String::from_utf8(json.clone()).unwrap();
    let newer = text.replace("\"v\":1", "\"v\":2");
    let unknown = text.replace("\"v\":1", "\"v\":1,\"later\":{}");
    let (entry, seal) = (world.items[0].as_slice(), world.items[1].as_slice());
    let mut cut = whole.clone();
    cut.truncate(whole.len() - 1);
    let cases = [
        (
            "two-groups",
            "Two groups; a blob before the first, another for a later batch.",
            whole,
        ),
        ("hello", "No group: the sender lives.", hello.finish()),
        (
            "gap-accepted",
            "The sender does not have what is expected.",
            gap.finish(),
        ),
        (
            "unknown-member",
            "A header with a member that this version does not know.",
            framed(&[(0, unknown.as_bytes())]),
        ),
        ("refuse-cut", "The last byte is missing.", cut),
        (
            "refuse-first-line",
            "Another version.",
            b"affiant.dev/batch/v2\n".to_vec(),
        ),
        (
            "refuse-no-header",
            "A group without a header.",
            framed(&[(1, entry), (2, seal)]),
        ),
        (
            "refuse-header-version",
            "A newer header.",
            framed(&[(0, newer.as_bytes())]),
        ),
        (
            "refuse-second-header",
            "Two headers.",
            framed(&[(0, &json), (0, &json)]),
        ),
        (
            "refuse-kind",
            "A frame of a kind that does not exist.",
            framed(&[(0, &json), (9, b"")]),
        ),
        (
            "refuse-empty-group",
            "A seal without entries.",
            framed(&[(0, &json), (2, seal)]),
        ),
        (
            "refuse-unsealed",
            "Entries without a seal.",
            framed(&[(0, &json), (1, entry)]),
        ),
        (
            "refuse-blob-inside",
            "A blob between entry and seal.",
            framed(&[(0, &json), (1, entry), (3, b"b"), (2, seal)]),
        ),
        (
            "refuse-empty-entry",
            "An entry without bytes.",
            framed(&[(0, &json), (1, b""), (2, seal)]),
        ),
    ];
    let case = |(name, about, bytes): (&str, &str, Vec<u8>)| {
        let lines: Vec<String> = bytes.chunks(60).map(hex::encode).collect();
        let text = format!(
            "about: {about}\nexpect: {}\n--- batch\n{}\n",
            batch_expectation(&bytes),
            lines.join("\n")
        );
        (format!("{name}.txt"), text)
    };
    cases.into_iter().map(case).collect()
}

// Receipts.

const LOG: &str = "log.example/affiant/eu";

fn log_key(seed: u8) -> SignerKey {
    SignerKey::from_seed(KeyName::new(LOG).unwrap(), &[seed; 32])
}

/// `<boot>/<seal>/<leaf hash>`
fn sent(text: &str) -> SentSeal {
    let parts: Vec<&str> = text.split('/').collect();
    let seal = SealNumber(parts[1].parse().unwrap());
    (
        BootId::parse(parts[0]).unwrap(),
        seal,
        parts[2].parse().unwrap(),
    )
}

fn receipt_expectation(
    receipt: &[u8],
    key: &VerifierKey,
    remembered: Option<&Checkpoint>,
    seals: &[SentSeal],
) -> String {
    let receipt = match Receipt::parse(receipt) {
        Ok(receipt) => receipt,
        Err(ParseReceiptError::Version { .. }) => return "refuse version".to_owned(),
        Err(_) => return "refuse malformed".to_owned(),
    };
    match receipt.verify(key, remembered, seals) {
        Ok(checkpoint) => format!("ok {}", checkpoint.size),
        Err(error) => format!("refuse {}", receipt_reason(&error)),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest are one")]
fn receipt_reason(error: &ReceiptError) -> &'static str {
    match error {
        ReceiptError::Note(_) | ReceiptError::Checkpoint(_) => "checkpoint",
        ReceiptError::Log { .. } => "log",
        ReceiptError::RolledBack { .. } => "rolled-back",
        ReceiptError::Consistency(_) => "consistency",
        ReceiptError::NotCovered { .. } => "not-covered",
        ReceiptError::NotSent { .. } => "not-sent",
        ReceiptError::Inclusion { .. } => "inclusion",
        _ => "range",
    }
}

fn leaves(n: u8) -> Vec<Hash> {
    (0..n).map(|i| leaf_hash(&[i])).collect()
}

fn checkpoint(leaves: &[Hash]) -> Checkpoint {
    let tree: CompactTree = leaves.iter().copied().collect();
    Checkpoint::new(Origin::new(LOG).unwrap(), tree.size(), tree.root())
}

/// Twelve leaves, of which the sender remembers five; seals at 4 and 9.
fn receipt() -> Receipt {
    let leaves = leaves(12);
    let group = |(seal, index): (u64, u64)| ReceiptGroup {
        place: place(seal),
        first_index: LeafIndex(index - 3),
        seal_index: LeafIndex(index),
        proof: inclusion_proof(&leaves, LeafIndex(index)).unwrap(),
        duplicate: seal == 0,
    };
    Receipt {
        log: LOG.to_owned(),
        checkpoint: checkpoint(&leaves).sign(&log_key(3)).unwrap().to_string(),
        consistency: consistency_proof(&leaves, TreeSize(5)).unwrap(),
        groups: [(0, 4), (1, 9)].map(group).to_vec(),
        credits: Credits {
            bytes: 8_388_608,
            batches: 8,
        },
    }
}

fn receipt_files() -> Files {
    let mut files = Files::new();
    let mut add = |name: &str, about: &str, receipt: &[u8], remembered: Option<&[Hash]>| {
        let leaves = leaves(12);
        let seal = |seal: u64, at: usize| format!("{}/{seal}/{}", place(seal).boot, leaves[at]);
        let seals = format!("{} {}", seal(0, 4), seal(1, 9));
        let sent: Vec<SentSeal> = seals.split_whitespace().map(sent).collect();
        let key = log_key(3).verifier_key().clone();
        let old = remembered.map(checkpoint);
        let expect = receipt_expectation(receipt, &key, old.as_ref(), &sent);
        let old = old.map_or_else(String::new, |old| format!("--- remembered\n{old}"));
        let text = format!(
            "about: {about}\nexpect: {expect}\nlog-key: {key}\nseals: {seals}\n{old}--- receipt\n{}\n",
            String::from_utf8_lossy(receipt)
        );
        files.insert(format!("{name}.txt"), text);
    };
    let five = leaves(5);
    let good = receipt();
    add(
        "good",
        "Two groups; the first was there before.",
        &good.to_json(),
        Some(&five),
    );
    let first = Receipt {
        consistency: ConsistencyProof::default(),
        ..good.clone()
    };
    add(
        "first",
        "The sender remembers nothing.",
        &first.to_json(),
        None,
    );
    let text = String::from_utf8(good.to_json()).unwrap();
    let newer = text.replacen("\"v\":1", "\"v\":2", 1);
    add(
        "refuse-version",
        "A newer receipt.",
        newer.as_bytes(),
        Some(&five),
    );
    let mut other = leaves(5);
    other[1] = leaf_hash(b"other");
    add(
        "refuse-fork",
        "The log does not continue the one remembered: evidence.",
        &good.to_json(),
        Some(&other),
    );
    add(
        "refuse-rollback",
        "The log was larger before: evidence.",
        &good.to_json(),
        Some(&leaves(13)),
    );
    let mut change = |name: &str, about: &str, change: &dyn Fn(&mut Receipt)| {
        let mut changed = receipt();
        change(&mut changed);
        add(name, about, &changed.to_json(), Some(&five));
    };
    change(
        "refuse-not-covered",
        "A seal that was sent is not answered.",
        &|r| drop(r.groups.pop()),
    );
    change("refuse-not-sent", "A seal is answered twice.", &|r| {
        let again = r.groups[0].clone();
        r.groups.push(again);
    });
    change(
        "refuse-inclusion",
        "A seal is not where the receipt says.",
        &|r| {
            r.groups[1].seal_index = LeafIndex(8);
        },
    );
    change("refuse-proof", "A hash of a proof was changed.", &|r| {
        r.groups[1].proof.0[0] = leaf_hash(b"other");
    });
    change("refuse-range", "A group begins behind its seal.", &|r| {
        r.groups[1].first_index = LeafIndex(9);
    });
    change("refuse-log", "The receipt speaks of another log.", &|r| {
        r.log = "other.example/log".to_owned();
    });
    change("refuse-key", "Another key signed the checkpoint.", &|r| {
        r.checkpoint = checkpoint(&leaves(12))
            .sign(&log_key(4))
            .unwrap()
            .to_string();
    });
    change("refuse-size", "The checkpoint was changed.", &|r| {
        r.checkpoint = r.checkpoint.replacen("\n12\n", "\n13\n", 1);
    });
    files
}

// Rosters.

fn admin(seed: u8) -> SignerKey {
    SignerKey::from_seed(KeyName::new("admin").unwrap(), &[seed; 32])
}

fn roster_expectation(note: &str, admin: &VerifierKey) -> String {
    match Roster::verify(note, std::slice::from_ref(admin)) {
        Ok(roster) => format!(
            "ok serial={} sources={}",
            roster.serial,
            roster.sources().len()
        ),
        Err(RosterError::Note(_)) => "refuse note".to_owned(),
        Err(RosterError::Text(_)) => "refuse text".to_owned(),
        Err(RosterError::Signers) => "refuse signers".to_owned(),
        Err(_) => "refuse signature".to_owned(),
    }
}

fn roster_files() -> Files {
    let source = |id: &str, seed: u8| {
        let key = SignerKey::from_seed(KeyName::new(id).unwrap(), &[seed; 32]);
        RosterSource {
            source: SourceId::new(id).unwrap(),
            key: key.verifier_key().clone(),
            heartbeat_s: 60,
        }
    };
    let sources = vec![source(SOURCE, 1), source("gw-8", 2)];
    assert_eq!(sources[0].key, vkey(1));
    let roster = Roster::new(3, NOW_US, sources).unwrap();
    let text = roster.to_text();
    let signed = |text: &str, seed: u8| Note::sign(text, &admin(seed)).unwrap().to_string();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let unsorted = [lines[0], lines[1], lines[2], lines[4], lines[3]].concat();
    let mut both = Note::sign(&text, &admin(6)).unwrap();
    both.add_signature(&SignerKey::from_seed(
        KeyName::new("other").unwrap(),
        &[7; 32],
    ))
    .unwrap();
    let empty = Roster::new(0, NOW_US, Vec::new()).unwrap();
    let cases = [
        ("two-sources", "Two sources are expected.", signed(&text, 6)),
        ("empty", "None is.", signed(&empty.to_text(), 6)),
        ("refuse-signature", "Another key signed.", signed(&text, 7)),
        (
            "refuse-changed",
            "A heartbeat was changed.",
            signed(&text, 6).replacen(" 60\n", " 61\n", 1),
        ),
        ("refuse-signers", "Two keys signed.", both.to_string()),
        (
            "refuse-unsorted",
            "Sources out of order.",
            signed(&unsorted, 6),
        ),
        (
            "refuse-twice",
            "A source stands twice.",
            signed(&[&text, lines[4]].concat(), 6),
        ),
        (
            "refuse-key-name",
            "A key is not named after its source.",
            signed(&text.replace("source gw-8", "source gw-9"), 6),
        ),
        (
            "refuse-heartbeat",
            "A heartbeat of no time.",
            signed(&text.replacen(" 60\n", " 0\n", 1), 6),
        ),
        (
            "refuse-number",
            "A number with a leading zero.",
            signed(&text.replace("serial 3", "serial 03"), 6),
        ),
    ];
    let key = admin(6).verifier_key().clone();
    let case = |(name, about, note): (&str, &str, String)| {
        let expect = roster_expectation(&note, &key);
        let text = format!("about: {about}\nexpect: {expect}\nadmin: {key}\n--- roster\n{note}");
        (format!("{name}.txt"), text)
    };
    cases.into_iter().map(case).collect()
}
