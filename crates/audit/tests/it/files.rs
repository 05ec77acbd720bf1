//! A stored log, file by file: what a growing log leaves behind passes, and any changed byte is found.

use affiant_audit::Verdict;
use affiant_audit::files::{FilesCheck, FilesReport, Leftovers, Read};
use affiant_audit::log::{AuditReport, Expectation};
use affiant_entry::decode::Reader;
use affiant_tlog::note::Note;
use affiant_tlog::policy::PolicyReport;
use affiant_tlog::{Checkpoint, LeafIndex};

use crate::stored::{Stored, trust};
use crate::world::World;

/// What a verifier does with a stored log.
pub(crate) fn verify(
    stored: &Stored,
) -> Result<(FilesReport, AuditReport, Leftovers), &'static str> {
    let report = verify_checkpoint(stored)?;
    Ok(check(stored, report.checkpoint()))
}

pub(crate) fn verify_checkpoint(stored: &Stored) -> Result<PolicyReport, &'static str> {
    let bytes = stored.0.get("checkpoint").ok_or("no checkpoint")?;
    let note = Note::parse(bytes).map_err(|_| "checkpoint is no note")?;
    let policy = trust().policy;
    let report = policy
        .check(&note)
        .map_err(|_| "checkpoint is not to be believed")?;
    if !report.quorum_met() {
        return Err("quorum is not met");
    }
    Ok(report)
}

fn check(stored: &Stored, checkpoint: &Checkpoint) -> (FilesReport, AuditReport, Leftovers) {
    check_with(stored, checkpoint, Expectation::default())
}

pub(crate) fn check_with(
    stored: &Stored,
    checkpoint: &Checkpoint,
    expectation: Expectation,
) -> (FilesReport, AuditReport, Leftovers) {
    let mut check = FilesCheck::new(checkpoint.clone(), expectation, Vec::new());
    let mut reader = Reader::new();
    for id in check.bundles() {
        let Ok(read) = Read::of(stored, id, &mut reader);
        let Ok(()) = check.push(read, stored);
    }
    let Ok((mut files, audit)) = check.finish(stored);
    let mut leftovers = Leftovers::default();
    for path in stored.0.keys() {
        let Ok(()) = leftovers.look(path, checkpoint.size, stored, &mut files);
    }
    (files, audit, leftovers)
}

fn holds(stored: &Stored) -> bool {
    verify(stored)
        .is_ok_and(|(files, audit, _)| files.verdict == Verdict::Ok && audit.verdict == Verdict::Ok)
}

/// More than one full bundle, with tiles on two levels.
pub(crate) fn long() -> World {
    let (mut world, mut a, mut b) = World::lived();
    world.append(&a.boot());
    while world.leaves.len() < 560 {
        world.append(&a.work());
        world.append(&b.work());
    }
    world
}

#[test]
fn a_stored_log_holds_and_so_does_what_it_leaves_behind() {
    let world = long();
    let stored = Stored::of(&world.leaves, &[5, 100, 255, 256, 300, 511]);
    let (files, audit, leftovers) = verify(&stored).unwrap();
    assert_eq!(files.findings, []);
    assert_eq!((files.verdict, audit.verdict), (Verdict::Ok, Verdict::Ok));
    assert_eq!((files.bundles, files.tiles), (3, 4));
    assert_eq!(
        (leftovers.narrower, leftovers.strangers),
        (11, 0),
        "{leftovers:?}"
    );
}

#[test]
fn a_log_that_grew_since_its_checkpoint_holds() {
    let world = long();
    let mut stored = Stored::of(&world.leaves, &[300]);
    // Partial files of the older tree are gone.
    stored.0.retain(|path, _| !path.contains("/001.p/"));
    let checkpoint = crate::world::checkpoint(&world.leaves[..300]);
    let (files, ..) = check(&stored, &checkpoint);
    assert_eq!(files.findings, []);
    let (.., leftovers) = check(&Stored::of(&world.leaves, &[300]), &checkpoint);
    assert_eq!((leftovers.wider, leftovers.behind), (3, 2), "{leftovers:?}");
}

#[test]
fn every_file_that_is_gone_is_missed() {
    let stored = Stored::of(&long().leaves, &[]);
    for path in stored.0.keys() {
        let mut other = stored.clone();
        other.0.remove(path);
        assert!(!holds(&other), "{path}");
    }
}

#[test]
fn files_cannot_change_places() {
    let stored = Stored::of(&long().leaves, &[]);
    for (a, b) in [
        ("tile/entries/000", "tile/entries/001"),
        ("tile/0/000", "tile/0/001"),
    ] {
        let mut other = stored.clone();
        let (x, y) = (stored.0[a].clone(), stored.0[b].clone());
        other.0.insert(a.to_owned(), y);
        other.0.insert(b.to_owned(), x);
        assert!(!holds(&other), "{a}");
    }
    // Bundles and tiles at once: the leaves are another history.
    let mut leaves = long().leaves;
    let tail = leaves.split_off(256);
    leaves = tail.into_iter().chain(leaves).collect();
    let mut other = Stored::of(&leaves, &[]);
    other
        .0
        .insert("checkpoint".into(), stored.0["checkpoint"].clone());
    assert!(!holds(&other));
}

#[test]
fn bytes_behind_a_file_and_files_cut_short_are_found() {
    let stored = Stored::of(&long().leaves, &[300]);
    for (path, bytes) in &stored.0 {
        let longer = [bytes.as_slice(), b"\0"].concat();
        let shorter = bytes[..bytes.len() - 1].to_vec();
        for bytes in [longer, shorter, Vec::new()] {
            let mut other = stored.clone();
            other.0.insert(path.clone(), bytes);
            assert!(!holds(&other), "{path}");
        }
    }
}

/// A generator of its own: the same mutants each time, on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// 20,000 random changes of one byte over every stored file: bundles, tiles of all levels, what an
/// older tree left behind, and the checkpoint with its signature and cosignature. Most of them in a
/// short log, which is judged quickly, the rest in one with full files and two levels.
#[test]
fn every_changed_byte_is_found() {
    let world = long();
    let short = Stored::of(&world.leaves[..18], &[8, 13]);
    let long = Stored::of(&world.leaves[..279], &[20, 256, 270]);
    assert!(holds(&short) && holds(&long));
    let seeds = [0x5eed_0faf_f1a7, 0xface_d00d, 0xc0ff_ee15, 0x0dd_ba11];
    let missed: Vec<_> = std::thread::scope(|scope| {
        let jobs = seeds.map(|seed| {
            let (short, long) = (&short, &long);
            scope.spawn(move || {
                let mut random = Random(seed);
                let mut missed = change_bytes(short, 4_750, &mut random);
                missed.extend(change_bytes(long, 250, &mut random));
                missed
            })
        });
        jobs.into_iter()
            .flat_map(|job| job.join().unwrap())
            .collect()
    });
    assert!(missed.is_empty(), "{} missed: {missed:?}", missed.len());
}

/// Changes one byte, looks whether that is found, and puts it back.
fn change_bytes(stored: &Stored, rounds: usize, random: &mut Random) -> Vec<(String, usize, u8)> {
    let sizes: Vec<_> = stored
        .0
        .iter()
        .map(|(path, bytes)| (path.clone(), bytes.len()))
        .collect();
    let total: usize = sizes.iter().map(|(_, bytes)| bytes).sum();
    let mut missed = Vec::new();
    let mut mutant = stored.clone();
    for round in 0..rounds {
        // Small files on every other round, else each file by its share of the bytes.
        let (path, at) = if round % 2 == 0 {
            let (path, bytes) = &sizes[random.below(sizes.len())];
            (path, random.below(*bytes))
        } else {
            let mut at = random.below(total);
            let mut files = sizes.iter();
            loop {
                let (path, bytes) = files.next().unwrap();
                if at < *bytes {
                    break (path, at);
                }
                at -= bytes;
            }
        };
        let change = u8::try_from(1 + random.below(255)).unwrap();
        mutant.0.get_mut(path).unwrap()[at] ^= change;
        if hashes_hold(&mutant) {
            missed.push((path.clone(), at, change));
        }
        mutant.0.get_mut(path).unwrap()[at] ^= change;
    }
    missed
}

/// Files, places and checkpoint alone, without what the entries say: each change is found by these.
fn hashes_hold(stored: &Stored) -> bool {
    let Ok(policy) = verify_checkpoint(stored) else {
        return false;
    };
    let expectation = Expectation {
        since: Some(LeafIndex(u64::MAX)),
        ..Expectation::default()
    };
    let (files, audit, _) = check_with(stored, policy.checkpoint(), expectation);
    files.verdict == Verdict::Ok && audit.verdict == Verdict::Ok
}
