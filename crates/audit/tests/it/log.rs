//! What the judge says, beyond yes and no.

use affiant_audit::Verdict;
use affiant_audit::log::{AuditReport, Leaf, LogAudit};
use affiant_entry::decode::Reader;
use affiant_tlog::LeafIndex;

use super::world::{World, checkpoint, codes, verdicts};

/// Pushes all leaves into a prepared judge.
pub(crate) fn run(mut audit: LogAudit, leaves: &[Vec<u8>]) -> AuditReport {
    let mut reader = Reader::new();
    for leaf in leaves {
        audit.push(Leaf::read(&mut reader, leaf));
    }
    audit.finish(&checkpoint(leaves))
}

#[test]
fn an_empty_log_says_nothing_and_is_ok() {
    let report = run(
        LogAudit::new(affiant_audit::log::Expectation::default()),
        &[],
    );
    assert_eq!(report.verdict, Verdict::Ok);
    assert!(report.sources.is_empty() && report.aggregator.is_none());
}

#[test]
fn entries_before_the_beginning_are_looked_at_for_their_place_only() {
    let (mut world, mut a, _) = World::lived();
    let since = u64::try_from(world.leaves.len()).unwrap();
    world.append(&a.boot());
    world.append(&a.work());
    world.expectation.since = Some(LeafIndex(since));
    let report = world.judge();
    assert_eq!(report.verdict, Verdict::Ok, "{:?}", codes(&report));
    assert_eq!(verdicts(&report), ["gw-7: COMPLETE", "gw-8: "]);
    assert_eq!(report.sources[0].counts.entries, 5);
}

#[test]
fn time_stamps_are_handed_out_as_they_stand() {
    let mut world = World::lived().0;
    world.anchor("note", 10, "AAEC", "2026-11-22T07:54:01Z");
    let report = world.judge();
    assert_eq!(report.verdict, Verdict::Ok);
    let [anchor] = report.anchors.as_slice() else {
        panic!("{:?}", report.anchors)
    };
    assert_eq!((anchor.size, anchor.token.as_slice()), (10, &[0, 1, 2][..]));
    assert_eq!(anchor.root, checkpoint(&world.leaves[..10]).root);
    world.anchor("note", 10, "no base64", "2026-11-22T07:54:01Z");
    assert_eq!(codes(&world.judge()), ["own-malformed"]);
}

#[test]
fn a_report_is_json() {
    let (world, ..) = World::lived();
    let json = serde_json::to_value(world.judge()).unwrap();
    assert_eq!(json["verdict"], "ok");
    assert_eq!(json["sources"][0]["intervals"][0]["verdict"], "COMPLETE");
    assert_eq!(json["sources"][0]["intervals"][0]["from"]["seq"], 0);
    assert_eq!(json["counts"]["leaves"], world.leaves.len());
}
