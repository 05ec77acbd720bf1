//! A spool whose beginning was released behind receipts: PRUNED, as far as a proof was kept; and what
//! becomes of somebody who deletes what was never shipped, and moves the cursor.

use std::path::PathBuf;

use affiant_agent::keys::HeadFile;
use affiant_spool::{Frame, Options, Ordinal, Spool};
use affiant_tlog::checkpoint::Origin;
use affiant_tlog::tlog_proof::TlogProof;
use affiant_tlog::{Checkpoint, LeafIndex, TreeSize, inclusion_proof, leaf_hash, root_of};
use fs_err as fs;

use crate::log_attacks::verify;
use crate::sandbox::{Ran, Sandbox};
use crate::world::{LOG, Sealed, Source, key, vkey};

const GROUPS: usize = 60;

/// A source's data directory, and the groups it sealed.
struct Edge {
    sandbox: Sandbox,
    groups: Vec<Sealed>,
}

impl Edge {
    /// The cursor is behind `acknowledged` groups, segments before group `kept` are gone.
    fn new(acknowledged: usize, kept: usize) -> Self {
        let sandbox = Sandbox::new();
        let mut source = Source::new("gw-7", 1);
        let mut groups = vec![source.boot()];
        groups.extend((1..GROUPS).map(|_| source.work()));
        groups.push(source.stop());
        let dir = sandbox.data();
        for folder in ["keys/heads", "spools", "ship/released"] {
            fs::create_dir_all(dir.join(folder)).unwrap();
        }
        let key = vkey("gw-7", 1);
        fs::write(dir.join("keys/source.vkey"), format!("{key}\n")).unwrap();
        let mut options = Options::default();
        options.segment_bytes = 16 * 1024;
        options.prealloc_first_bytes = 8 * 1024;
        options.prealloc_step_bytes = 8 * 1024;
        options.prealloc_low_bytes = 1024;
        options.reserve_bytes = 8 * 1024;
        let (mut spool, _) = Spool::open(dir.join("spools/main"), options).unwrap();
        for group in &groups {
            let mut frames: Vec<_> = group.entries.iter().map(|e| Frame::entry(e)).collect();
            frames.push(Frame::seal(&group.seal));
            spool.append_group(&frames).unwrap();
        }
        let last = |n: usize| {
            let frames: usize = groups[..n].iter().map(|g| g.entries.len() + 1).sum();
            Ordinal::new(u64::try_from(frames - 1).unwrap())
        };
        spool.acknowledge_through(last(acknowledged)).unwrap();
        assert!(spool.release_through(last(kept)).unwrap().segments > 0);
        spool.close().unwrap();
        let mut head = HeadFile::open(&dir.join("keys/heads/main")).unwrap();
        head.remember(&groups.last().unwrap().note).unwrap();
        Self { sandbox, groups }
    }

    /// Keeps the proof that a log of this key has the seal of group `n`.
    fn prove(&self, n: usize, seed: u8) {
        let leaves: Vec<_> = self.groups[..=n]
            .iter()
            .flat_map(Sealed::leaves)
            .map(|leaf| leaf_hash(&leaf))
            .collect();
        let index = LeafIndex(u64::try_from(leaves.len() - 1).unwrap());
        let size = TreeSize::of(&leaves);
        let checkpoint = Checkpoint::new(Origin::new(LOG).unwrap(), size, root_of(&leaves));
        let proof = TlogProof {
            extra: leaf_hash(&self.groups[n].seal).0.to_vec(),
            index,
            proof: inclusion_proof(&leaves, index).unwrap(),
            checkpoint: checkpoint.sign(&key(LOG, seed)).unwrap(),
        };
        fs::write(self.proof(), proof.to_bytes()).unwrap();
        let enrolment = format!(
            r#"{{"v":1,"source":"gw-7","ingest":"https://127.0.0.1:1","log":{{"name":"{LOG}","vkey":"{}"}},"renew_at":"2026-11-22T06:54:01.123456Z","not_after":"2026-11-22T06:54:01.123456Z"}}"#,
            vkey(LOG, seed)
        );
        fs::write(self.sandbox.data().join("ship/enrolment.json"), enrolment).unwrap();
    }

    fn proof(&self) -> PathBuf {
        self.sandbox.data().join("ship/released/main.proof")
    }

    fn verify(&self) -> Ran {
        verify(&self.sandbox, &self.sandbox.data(), &[])
    }

    /// With the key of the source and of this log kept elsewhere.
    fn verify_pinning(&self, seed: u8) -> Ran {
        let keys = format!("{}\n{}\n", vkey("gw-7", 1), vkey(LOG, seed));
        let trust = self.sandbox.write("keys.txt", &keys);
        verify(
            &self.sandbox,
            &self.sandbox.data(),
            &["--trust", trust.to_str().unwrap()],
        )
    }
}

#[test]
fn what_was_released_behind_a_receipt_is_pruned_and_no_fault() {
    let edge = Edge::new(40, 39);
    edge.prove(39, 200);
    let ran = edge.verify();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stdout.contains("PRUNED before that: released"),
        "{ran:?}"
    );
    assert!(
        ran.stdout
            .contains("a log with the key that this directory names"),
        "{ran:?}"
    );
    let ran = edge.verify_pinning(200);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stdout
            .contains("verify the log to see that it has it still"),
        "{ran:?}"
    );
    let json = edge.sandbox.verdict();
    assert_eq!(json["spools"][0]["released"]["verdict"], "PRUNED");
    assert_eq!(json["spools"][0]["released"]["log"], LOG);
}

/// One spool of it, or a copy of the spool alone: then the proof is not beside it.
#[test]
fn a_spool_apart_from_its_proof_is_incomplete() {
    let edge = Edge::new(40, 39);
    edge.prove(39, 200);
    let spool = edge.sandbox.data().join("spools/main");
    assert_eq!(verify(&edge.sandbox, &spool, &[]).code, 0);
    fs::remove_file(edge.proof()).unwrap();
    let ran = edge.verify();
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.stdout.contains("beginning of the chain is not here"),
        "{ran:?}"
    );
}

/// Groups 10 to 39 were never shipped; their segments are deleted and the cursor is moved over them.
#[test]
fn unshipped_segments_that_were_deleted_are_missed_though_the_cursor_covers_them() {
    let edge = Edge::new(40, 39);
    edge.prove(10, 200);
    let ran = edge.verify();
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.stdout.contains("more is missing than was released"),
        "{ran:?}"
    );
    assert!(!ran.stdout.contains("PRUNED"), "{ran:?}");
}

#[test]
fn a_proof_that_was_altered_proves_nothing() {
    let edge = Edge::new(40, 39);
    edge.prove(39, 200);
    let good = fs::read(edge.proof()).unwrap();
    let step = good.len() / 40;
    for at in (30..good.len()).step_by(step) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(edge.proof(), bad).unwrap();
        let ran = edge.verify();
        assert_eq!(ran.code, 3, "byte {at}: {ran:?}");
    }
}

/// Whoever can write all of the directory can pin a log of his own in it; not in a trust file kept elsewhere.
#[test]
fn a_proof_by_a_log_of_somebodys_own_is_refused_by_a_pinned_key() {
    let edge = Edge::new(40, 39);
    edge.prove(39, 66);
    assert_eq!(edge.verify().code, 0);
    let ran = edge.verify_pinning(200);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.contains("does not hold"), "{ran:?}");
}

/// A hole behind what was released is a hole.
#[test]
fn a_segment_that_is_missing_behind_the_cursor_is_damage() {
    let edge = Edge::new(40, 39);
    edge.prove(39, 200);
    let spool = edge.sandbox.data().join("spools/main");
    let mut segments: Vec<_> = fs::read_dir(spool)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "aff"))
        .collect();
    segments.sort();
    fs::remove_file(&segments[segments.len() - 2]).unwrap();
    let ran = edge.verify();
    assert_eq!(ran.code, 1, "{ran:?}");
}
