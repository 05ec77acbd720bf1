//! Proofs of single entries: what passes, and what does not.

use affiant_audit::proof::{KeyTrust, Leaf, ProofReport, build};
use affiant_audit::{ProofFile, TrustFile, Verdict};
use affiant_entry::Decoded;
use affiant_tlog::tlog_proof::TlogProof;
use affiant_tlog::{Hash, InclusionProof, LeafIndex, inclusion_proof, leaf_hash};

use super::files::long;
use super::stored::{note, trust};
use super::world::{LOG, World, is_seal, vkey};

fn leaf(world: &World, index: usize) -> Leaf {
    let hashes: Vec<Hash> = world.leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    let at = LeafIndex(u64::try_from(index).unwrap());
    Leaf {
        bytes: world.leaves[index].clone(),
        index: at,
        proof: inclusion_proof(&hashes, at).unwrap(),
    }
}

/// The proof of an entry of a source, with everything that belongs to it.
pub(crate) fn prove(world: &World, index: usize) -> ProofFile {
    let seal = (index..).find(|at| is_seal(&world.leaves[*at])).unwrap();
    let first = (0..index)
        .rev()
        .find(|at| {
            is_seal(&world.leaves[*at]) || text(world, *at).contains(r#""source":"aggregator""#)
        })
        .unwrap()
        + 1;
    let hashes: Vec<Hash> = world.leaves[first..seal]
        .iter()
        .map(|leaf| leaf_hash(leaf))
        .collect();
    let place = LeafIndex(u64::try_from(index - first).unwrap());
    let group = inclusion_proof(&hashes, place).unwrap();
    let source = Decoded::parse(&world.leaves[index])
        .unwrap()
        .header()
        .source
        .clone();
    let subject = format!(r#""subject":"{source}""#);
    let key = (0..seal)
        .find(|at| text(world, *at).contains(&subject))
        .unwrap();
    build(
        note(&world.leaves),
        &leaf(world, index),
        Some((&leaf(world, seal), &group)),
        Some(&leaf(world, key)),
    )
    .unwrap()
}

fn text(world: &World, index: usize) -> String {
    String::from_utf8_lossy(&world.leaves[index]).into_owned()
}

fn read(bytes: &[u8], trust: &TrustFile) -> ProofReport {
    ProofFile::parse(bytes).unwrap().verify(trust)
}

fn codes(report: &ProofReport) -> Vec<&'static str> {
    report
        .findings
        .iter()
        .map(|each| each.fault.code())
        .collect()
}

/// The same proof with another entry in it.
pub(crate) fn forged(honest: &[u8]) -> Vec<u8> {
    let mut proof = TlogProof::parse(honest).unwrap();
    let mut extra: serde_json::Value = serde_json::from_slice(&proof.extra).unwrap();
    extra["entry"] = extra["entry"]
        .as_str()
        .unwrap()
        .replace("Ada", "Bob")
        .into();
    proof.extra = serde_json::to_vec(&extra).unwrap();
    proof.to_bytes()
}

/// An entry in the middle of a group.
pub(crate) const ENTRY: usize = 8;

#[test]
fn every_entry_can_be_proven() {
    let (world, ..) = World::lived();
    let mut proven = 0;
    for index in 0..world.leaves.len() {
        if is_seal(&world.leaves[index]) || text(&world, index).contains(r#""source":"aggregator""#)
        {
            continue;
        }
        let report = read(&prove(&world, index).to_bytes(), &trust());
        assert_eq!((report.verdict, codes(&report)), (Verdict::Ok, vec![]));
        assert_eq!(report.key_trust, KeyTrust::Logged);
        proven += 1;
    }
    assert_eq!(proven, 16);
}

#[test]
fn entries_of_the_aggregator_need_no_seal() {
    let (world, ..) = World::lived();
    let proof = build(note(&world.leaves), &leaf(&world, 1), None, None).unwrap();
    let report = read(&proof.to_bytes(), &trust());
    assert_eq!(report.verdict, Verdict::Ok, "{:?}", codes(&report));
    assert_eq!(report.key_trust, KeyTrust::NoSeal);
}

#[test]
fn a_pinned_key_needs_no_word_of_the_log() {
    let world = long();
    let mut trust = trust();
    trust.sources = vec![vkey("gw-7", 1)];
    let index = (ENTRY..)
        .find(|at| text(&world, *at).contains(r#""source":"gw-7""#))
        .unwrap();
    let report = read(&prove(&world, index).to_bytes(), &trust);
    assert_eq!(
        (report.verdict, report.key_trust),
        (Verdict::Ok, KeyTrust::Pinned)
    );
    trust.sources = vec![vkey("gw-7", 5)];
    let report = read(&prove(&world, index).to_bytes(), &trust);
    assert_eq!(
        (report.verdict, codes(&report)),
        (Verdict::Untrusted, vec!["key-not-pinned"])
    );
}

#[test]
fn another_log_is_not_trusted() {
    let (world, ..) = World::lived();
    let proof = prove(&world, ENTRY).to_bytes();
    let other = TrustFile::of_log(vkey(LOG, 201));
    let report = read(&proof, &other);
    assert_eq!(
        (report.verdict, codes(&report)),
        (Verdict::Untrusted, vec!["log-untrusted"])
    );
    let other = TrustFile::of_log(vkey("other.example/log", 200));
    assert_eq!(read(&proof, &other).verdict, Verdict::Untrusted);
}

#[test]
fn only_the_verifiers_own_policy_counts() {
    let (world, ..) = World::lived();
    let checkpoint = super::world::checkpoint(&world.leaves);
    let alone = checkpoint.sign(&super::world::key(LOG, 200)).unwrap();
    let mut proof = TlogProof::parse(&prove(&world, ENTRY).to_bytes()).unwrap();
    proof.checkpoint = alone;
    let report = read(&proof.to_bytes(), &trust());
    assert_eq!(
        (report.verdict, codes(&report)),
        (Verdict::Incomplete, vec!["quorum"])
    );
    // A witness of the log's own making is nobody to the verifier.
    let mut trusting = TrustFile::of_log(vkey(LOG, 200));
    assert_eq!(read(&proof.to_bytes(), &trusting).verdict, Verdict::Ok);
    trusting.policy = trust().policy;
    assert_eq!(
        read(&proof.to_bytes(), &trusting).verdict,
        Verdict::Incomplete
    );
}

#[test]
fn a_proof_for_one_leaf_is_none_for_another() {
    let (world, ..) = World::lived();
    let honest = TlogProof::parse(&prove(&world, ENTRY).to_bytes()).unwrap();
    for index in [0, 7, 9, 1 << 40] {
        let mut other = honest.clone();
        other.index = LeafIndex(index);
        let report = read(&other.to_bytes(), &trust());
        assert_eq!(report.verdict, Verdict::No, "{index}");
        assert!(codes(&report).contains(&"not-in-log"));
    }
    for change in [-1_i8, 1] {
        let mut other = honest.clone();
        if change < 0 {
            other.proof.0.pop();
        } else {
            other.proof.0.push(other.proof.0[0]);
        }
        assert_eq!(read(&other.to_bytes(), &trust()).verdict, Verdict::No);
    }
    let mut other = honest;
    other.proof = InclusionProof(Vec::new());
    assert_eq!(read(&other.to_bytes(), &trust()).verdict, Verdict::No);
}

#[test]
fn the_data_beside_the_proof_is_not_believed() {
    let (world, ..) = World::lived();
    let honest = TlogProof::parse(&prove(&world, ENTRY).to_bytes()).unwrap();
    let extra: serde_json::Value = serde_json::from_slice(&honest.extra).unwrap();
    let forge = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut extra = extra.clone();
        change(&mut extra);
        let mut proof = honest.clone();
        proof.extra = serde_json::to_vec(&extra).unwrap();
        let report = read(&proof.to_bytes(), &trust());
        (report.verdict, codes(&report))
    };
    let no = |codes: &[&'static str]| (Verdict::No, codes.to_vec());
    let other = |text: &serde_json::Value| text.as_str().unwrap().replace("Ada", "Bob");
    assert_eq!(
        forge(&|e| e["entry"] = other(&e["entry"]).into()),
        no(&["not-in-log", "seal"])
    );
    assert_eq!(
        forge(&|e| {
            e.as_object_mut().unwrap().remove("seal");
        }),
        no(&["no-seal"])
    );
    assert_eq!(
        forge(&|e| {
            e.as_object_mut().unwrap().remove("key");
        }),
        (Verdict::Untrusted, vec!["key-unknown"])
    );
    assert_eq!(
        forge(&|e| e["seal"]["index"] = 9.into()),
        no(&["not-in-log", "seal"])
    );
    assert_eq!(
        forge(&|e| e["key"]["index"] = 1.into()),
        no(&["not-in-log"])
    );
    assert_eq!(
        forge(&|e| e["seal"]["group"] = serde_json::json!([])),
        no(&["seal"])
    );
    // The log's word on another source's key.
    let swapped = leaf(&world, 3);
    let honest_key = leaf(&world, 2);
    assert!(text(&world, 2).contains("gw-7") && text(&world, 3).contains("gw-8"));
    for key in [swapped, honest_key] {
        let right = key.index == LeafIndex(2);
        let seal_at = (ENTRY..).find(|at| is_seal(&world.leaves[*at])).unwrap();
        let is_gw7 = text(&world, ENTRY).contains(r#""source":"gw-7""#);
        let hashes: Vec<Hash> = world.leaves[ENTRY..seal_at]
            .iter()
            .map(|l| leaf_hash(l))
            .collect();
        let group = inclusion_proof(&hashes, LeafIndex(0)).unwrap();
        let proof = build(
            note(&world.leaves),
            &leaf(&world, ENTRY),
            Some((&leaf(&world, seal_at), &group)),
            Some(&key),
        )
        .unwrap();
        let report = proof.verify(&trust());
        assert_eq!(
            report.verdict == Verdict::Ok,
            right == is_gw7,
            "{:?}",
            codes(&report)
        );
    }
}

#[test]
fn a_seal_of_another_group_covers_nothing() {
    let (world, ..) = World::lived();
    let seals: Vec<usize> = (0..world.leaves.len())
        .filter(|at| is_seal(&world.leaves[*at]))
        .collect();
    let hashes: Vec<Hash> = vec![leaf_hash(&world.leaves[ENTRY])];
    let group = inclusion_proof(&hashes, LeafIndex(0)).unwrap();
    for seal in seals.into_iter().filter(|at| *at > ENTRY).skip(1) {
        let proof = build(
            note(&world.leaves),
            &leaf(&world, ENTRY),
            Some((&leaf(&world, seal), &group)),
            Some(&leaf(&world, 2)),
        )
        .unwrap();
        assert!(codes(&proof.verify(&trust())).contains(&"seal"));
    }
}

#[test]
fn other_files_are_no_proofs() {
    for bytes in [
        &b""[..],
        b"{}",
        b"c2sp.org/tlog-proof@v1\nindex 0\n\nx\n",
        &[0xff; 100],
    ] {
        assert!(ProofFile::parse(bytes).is_err());
    }
    let (world, ..) = World::lived();
    let mut proof = TlogProof::parse(&prove(&world, ENTRY).to_bytes()).unwrap();
    proof.extra.clear();
    assert!(
        ProofFile::parse(&proof.to_bytes())
            .unwrap_err()
            .to_string()
            .contains("no entry")
    );
    proof.extra = br#"{"v":2}"#.to_vec();
    assert!(
        ProofFile::parse(&proof.to_bytes())
            .unwrap_err()
            .to_string()
            .contains("version 2")
    );
    proof.extra = br#"{"v":1,"entry":"x","more":1}"#.to_vec();
    assert!(ProofFile::parse(&proof.to_bytes()).is_err());
}

#[test]
fn every_changed_byte_of_a_proof_is_found() {
    let (world, ..) = World::lived();
    let honest = prove(&world, ENTRY).to_bytes();
    let mut missed = Vec::new();
    for at in 0..honest.len() {
        for change in [0x01, 0x20, 0x80] {
            let mut bytes = honest.clone();
            bytes[at] ^= change;
            let found = ProofFile::parse(&bytes)
                .map_or(true, |proof| proof.verify(&trust()).verdict != Verdict::Ok);
            if !found {
                missed.push((at, change));
            }
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn a_proof_is_small() {
    let world = long();
    let index = world.leaves.len() / 2;
    let index = (index..).find(|at| !is_seal(&world.leaves[*at])).unwrap();
    let proof = TlogProof::parse(&prove(&world, index).to_bytes()).unwrap();
    let bare = TlogProof {
        extra: Vec::new(),
        ..proof.clone()
    };
    assert!(bare.to_bytes().len() < 2048);
    assert!(proof.to_bytes().len() < 8192, "{}", proof.to_bytes().len());
}
