//! Logs whose beginning is not here: pruned as the log says, or missing. And blobs that are not here: erased,
//! or missing.

use affiant_audit::Verdict;
use affiant_audit::files::FilesReport;
use affiant_audit::log::{AuditReport, BlobFound, BlobVerdict, Expectation, LogAudit};
use affiant_entry::decode::Reader;

use super::files::{check_with, long, verify_checkpoint};
use super::stored::Stored;
use super::world::{AGGREGATOR, Source, World, codes, id, verdicts, vkey};

/// The long log, whose keys are written down again, and where leaves before `min_index` may go.
fn prunable(min_index: Option<u64>) -> World {
    let mut world = long();
    world.enrol("gw-7", 1);
    world.enrol("gw-8", 2);
    if let Some(min_index) = min_index {
        world.prune(min_index);
    }
    let mut late = Source::new("gw-8", 2);
    late.spool = "late";
    late.at.utc_us += 7;
    world.append(&late.boot());
    world
}

/// Without these files.
fn without(world: &World, gone: &[&str]) -> Stored {
    let mut stored = Stored::of(&world.leaves, &[]);
    for path in gone {
        assert!(stored.0.remove(*path).is_some(), "{path}");
    }
    stored
}

fn judged(stored: &Stored) -> (FilesReport, AuditReport) {
    let report = verify_checkpoint(stored).unwrap();
    let (files, audit, _) = check_with(stored, report.checkpoint(), expectation());
    (files, audit)
}

/// Whose log it is cannot be read from a first leaf that is not here.
fn expectation() -> Expectation {
    Expectation {
        aggregator: Some(id(AGGREGATOR)),
        ..Expectation::default()
    }
}

const BUNDLES: [&str; 2] = ["tile/entries/000", "tile/entries/001"];
const TILES: [&str; 2] = ["tile/0/000", "tile/0/001"];

#[test]
fn what_a_policy_in_the_log_lets_go_is_pruned_and_no_fault() {
    for (gone, bundles, tiles) in [
        (&BUNDLES[..1], 1, 0),
        (&BUNDLES[..], 2, 0),
        (&[BUNDLES[0], BUNDLES[1], TILES[0]][..], 2, 1),
        (&[BUNDLES, TILES].concat()[..], 2, 2),
    ] {
        let (files, audit) = judged(&without(&prunable(Some(512)), gone));
        assert_eq!(files.findings, [], "{gone:?}");
        assert_eq!((files.bundles_absent, files.tiles_pruned), (bundles, tiles));
        assert_eq!(codes(&audit), Vec::<&str>::new(), "{gone:?}");
        assert_eq!(audit.verdict, Verdict::Ok);
        assert_eq!(
            verdicts(&audit),
            [
                "gw-7: PRUNED, COMPLETE",
                "gw-8: COMPLETE",
                "gw-8: PRUNED, COMPLETE"
            ]
        );
        let pruned = audit.pruned.unwrap();
        assert_eq!((pruned.min_index, pruned.leaves), (512, bundles * 256));
        assert_eq!(pruned.policy, "retention-2026");
    }
}

#[test]
fn a_log_that_may_be_pruned_and_was_not_is_complete() {
    let (files, audit) = judged(&without(&prunable(Some(512)), &[]));
    assert_eq!((files.verdict, audit.verdict), (Verdict::Ok, Verdict::Ok));
    assert_eq!(audit.pruned.unwrap().leaves, 0);
}

/// 70: deleted below the minimum index without an entry, or above it.
#[test]
fn what_nothing_lets_go_is_missing() {
    for min_index in [None, Some(0), Some(256), Some(511)] {
        let (_, audit) = judged(&without(&prunable(min_index), &BUNDLES));
        assert_eq!(audit.verdict, Verdict::Incomplete, "{min_index:?}");
        assert!(codes(&audit).contains(&"leaves-missing"), "{min_index:?}");
        assert_eq!(verdicts(&audit)[0], "gw-7: MISSING, COMPLETE");
    }
}

#[test]
fn a_hole_in_the_middle_is_missing_and_the_hashes_still_hold() {
    let (files, audit) = judged(&without(&prunable(Some(512)), &BUNDLES[1..]));
    assert_eq!(
        (files.verdict, audit.verdict),
        (Verdict::Incomplete, Verdict::Incomplete)
    );
    assert_eq!(files.findings.len(), 1);
    assert_eq!(files.findings[0].path, "tile/entries/001");
    assert!(codes(&audit).contains(&"unread"), "{:?}", codes(&audit));
    // With its hashes gone as well, nothing ties the beginning to the checkpoint.
    let (_, audit) = judged(&without(&prunable(Some(512)), &[BUNDLES[1], TILES[1]]));
    assert_eq!(audit.verdict, Verdict::Incomplete);
    assert!(codes(&audit).contains(&"untied"), "{:?}", codes(&audit));
}

#[test]
fn an_altered_hash_below_the_minimum_index_is_found() {
    let world = prunable(Some(512));
    for path in [TILES[0], TILES[1]] {
        for at in [0, 4000, 8191] {
            let mut stored = without(&world, &BUNDLES);
            stored.0.get_mut(path).unwrap()[at] ^= 1;
            let (files, _) = judged(&stored);
            assert_eq!(files.verdict, Verdict::No, "{path} {at}");
        }
    }
    // The hash that stands for a pruned tile: then the tree is another one.
    let mut stored = without(&world, &[BUNDLES, TILES].concat());
    let top = stored
        .0
        .keys()
        .find(|path| path.starts_with("tile/1/"))
        .unwrap()
        .clone();
    stored.0.get_mut(&top).unwrap()[40] ^= 1;
    let (files, audit) = judged(&stored);
    assert!(files.verdict == Verdict::No || audit.verdict == Verdict::No);
    assert!(codes(&audit).contains(&"log-root"), "{:?}", codes(&audit));
}

#[test]
fn a_leaf_behind_what_was_pruned_is_judged_as_ever() {
    let mut world = prunable(Some(512));
    let at = (530..)
        .find(|at| String::from_utf8_lossy(&world.leaves[*at]).contains("Ada"))
        .unwrap();
    let text = String::from_utf8(world.leaves[at].clone()).unwrap();
    world.leaves[at] = text.replace("Ada", "Bob").into_bytes();
    let (_, audit) = judged(&without(&world, &BUNDLES));
    assert_eq!(audit.verdict, Verdict::No);
}

/// A chain whose earlier seals never were in the log cannot hide behind the pruning.
#[test]
fn a_chain_that_links_to_nothing_pruned_is_forged() {
    let mut world = prunable(Some(512));
    let mut source = Source::new("gw-7", 1);
    source.spool = "other";
    source.at.utc_us += 99;
    source.boot();
    world.append(&source.work());
    let (_, audit) = judged(&without(&world, &BUNDLES));
    assert_eq!(audit.verdict, Verdict::No);
    assert!(
        codes(&audit).contains(&"start-forged"),
        "{:?}",
        codes(&audit)
    );
    // Without hashes nobody can tell.
    let (_, audit) = judged(&without(&world, &[BUNDLES, TILES].concat()));
    assert_eq!(audit.verdict, Verdict::Ok);
}

#[test]
fn keys_must_be_written_down_again_before_they_are_pruned() {
    let mut world = long();
    world.prune(512);
    world.enrol("gw-7", 1);
    let (_, audit) = judged(&without(&world, &BUNDLES));
    assert_eq!(audit.verdict, Verdict::Untrusted);
    assert!(
        codes(&audit).contains(&"key-unknown"),
        "{:?}",
        codes(&audit)
    );
    // A verifier who pinned them needs no word of the log.
    world.expectation = expectation();
    world.expectation.sources = vec![vkey("gw-7", 1), vkey("gw-8", 2)];
    let stored = without(&world, &BUNDLES);
    let checkpoint = world.checkpoint();
    let (_, audit, _) = check_with(&stored, &checkpoint, world.expectation.clone());
    assert_eq!(audit.verdict, Verdict::Ok, "{:?}", codes(&audit));
}

#[test]
fn a_forged_seal_behind_a_pruned_boot_is_found() {
    let mut world = prunable(Some(512));
    // The last seal of gw-7, signed by somebody else.
    let at = world
        .leaves
        .iter()
        .rposition(|leaf| {
            let text = String::from_utf8_lossy(leaf);
            text.contains(r#""kind":"seal""#) && text.contains(r#""source":"gw-7""#)
        })
        .unwrap();
    let text = String::from_utf8(world.leaves[at].clone()).unwrap();
    let cut = text.rfind("\\n").unwrap() - 8;
    let other = if text.as_bytes()[cut] == b'A' {
        "B"
    } else {
        "A"
    };
    world.leaves[at] = format!("{}{other}{}", &text[..cut], &text[cut + 1..]).into_bytes();
    let (_, audit) = judged(&without(&world, &BUNDLES));
    assert_eq!(audit.verdict, Verdict::No, "{:?}", codes(&audit));
}

#[test]
fn a_minimum_index_never_goes_back() {
    let mut world = prunable(Some(512));
    world.prune(256);
    assert!(codes(&world.judge()).contains(&"prune-back"));
}

/// A remembered checkpoint below the minimum index is still held against the log, as long as hashes are kept.
#[test]
fn what_a_verifier_remembers_of_pruned_leaves_still_counts() {
    use affiant_audit::files::{FilesCheck, Read};
    let world = prunable(Some(512));
    let mut other = world.leaves.clone();
    other.swap(3, 4);
    let judge = |gone: &[&str], older: &[Vec<u8>]| {
        let stored = without(&world, gone);
        let older = vec![super::world::checkpoint(older)];
        let mut check = FilesCheck::new(world.checkpoint(), expectation(), older);
        let mut reader = Reader::new();
        for id in check.bundles() {
            let Ok(read) = Read::of(&stored, id, &mut reader);
            let Ok(()) = check.push(read, &stored);
        }
        let Ok((_, audit)) = check.finish(&stored);
        audit
    };
    assert_eq!(judge(&BUNDLES, &world.leaves[..300]).verdict, Verdict::Ok);
    assert_eq!(judge(&BUNDLES, &world.leaves[..512]).verdict, Verdict::Ok);
    let audit = judge(&BUNDLES, &other[..300]);
    assert_eq!(codes(&audit), ["rewritten"]);
    let all = [BUNDLES, TILES].concat();
    let audit = judge(&all, &world.leaves[..300]);
    assert_eq!(codes(&audit), ["memory-pruned"]);
    assert_eq!(audit.verdict, Verdict::Incomplete);
}

#[test]
fn blobs_are_intact_erased_missing_or_neither() {
    let blob = format!("sha256:{}", "11".repeat(32));
    let mut world = World::lived().0;
    let at = world.fork_evidence(&blob);
    let leaf = world.leaves[at].clone();
    let hash = [0x11; 32];
    let claims = |world: &World| {
        let audit: LogAudit = super::world::audit(&world.leaves, &world.expectation);
        audit.finish(&world.checkpoint()).blobs
    };
    let judge = |world: &World, found| claims(world).judge(&hash, found);
    assert_eq!(claims(&world).named().count(), 1);
    assert_eq!(judge(&world, BlobFound::Intact), BlobVerdict::Intact);
    assert_eq!(judge(&world, BlobFound::Nothing), BlobVerdict::Missing);
    assert_eq!(judge(&world, BlobFound::Altered), BlobVerdict::Altered);
    world.erase(&leaf, &blob);
    assert_eq!(judge(&world, BlobFound::Nothing), BlobVerdict::Erased);
    assert_eq!(judge(&world, BlobFound::Intact), BlobVerdict::NotErased);
    assert_eq!(BlobVerdict::Erased.verdict(), Verdict::Ok);
    assert_eq!(BlobVerdict::Missing.verdict(), Verdict::Incomplete);
    assert_eq!(BlobVerdict::NotErased.verdict(), Verdict::No);
    assert!(!codes(&world.judge()).contains(&"erase-unfounded"));
    // Of a blob that this leaf does not name.
    world.erase(&leaf, &format!("sha256:{}", "22".repeat(32)));
    assert!(codes(&world.judge()).contains(&"erase-unfounded"));
}
