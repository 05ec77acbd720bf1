//! A log with context is judged as any other, and what is changed in it is found.

use affiant_audit::Verdict;
use affiant_audit::log::{AuditReport, Expectation, Leaf, LogAudit};
use affiant_enrich::config::Origin;
use affiant_entry::decode::Reader;
use affiant_entry::record::ContextKind;
use affiant_tlog::checkpoint::{Checkpoint, Origin as LogName};
use affiant_tlog::{CompactTree, leaf_hash};

use super::said::{contexts, file, ready, says, send, session, settled, source, whole_call, world};

fn judge(leaves: &[Vec<u8>]) -> AuditReport {
    let tree: CompactTree = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    let name = LogName::new("log.example/test").unwrap();
    let checkpoint = Checkpoint::new(name, tree.size(), tree.root());
    let mut audit = LogAudit::new(Expectation::default());
    for leaf in leaves {
        audit.push(Leaf::read(&mut Reader::default(), leaf));
    }
    audit.finish(&checkpoint)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_with_context_verifies_and_its_mutants_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let assets = file(dir.path(), "assets.csv", "name,owner\ncrm,red\n");
    let one = source(
        "assets",
        ContextKind::Asset,
        Origin::Csv(assets),
        &[("owner", "owner")],
    );
    let (world, mut gw, mut client) = world(&[one]).await;
    ready(&world, &["assets"]).await;
    let crm = affiant_entry::record::Subject::Server("crm".to_owned());
    for bodies in [whole_call(), vec![session("crm", "ada")]] {
        let group = gw.group_of(bodies);
        send(&mut client, &gw, std::slice::from_ref(&group)).await;
        says(
            &world,
            &group.entries[0],
            &crm,
            &[("assets", "owner", "red")],
        )
        .await;
    }
    let leaves = settled(&world).await;
    let report = judge(&leaves);
    let found = |report: &AuditReport| -> Vec<&'static str> {
        report
            .findings
            .iter()
            .map(|finding| finding.fault.code())
            .collect()
    };
    assert_eq!(report.verdict, Verdict::Ok, "{:?}", found(&report));
    assert_eq!(
        (report.counts.contexts, report.counts.contexts_stale),
        (2, 0)
    );
    let all = contexts(&leaves);
    let (plain, same) = (all[0].0, all[1].0);
    let mutant = |at: usize, from: String, to: &str| {
        let mut leaves = leaves.clone();
        let text = String::from_utf8(leaves[at].clone()).unwrap();
        let changed = text.replacen(&from, to, 1);
        assert_ne!(changed, text);
        leaves[at] = changed.into_bytes();
        let report = judge(&leaves);
        assert_eq!(report.verdict, Verdict::No, "{to}");
        found(&report)
    };
    let end = format!("\"end\":{}", all[0].1.end);
    assert_eq!(
        mutant(plain, end, "\"end\":999"),
        ["context-range", "context-unfounded"]
    );
    let refers = format!("\"same_as\":{}", plain);
    assert_eq!(mutant(same, refers, "\"same_as\":1"), ["context-unfounded"]);
    let fact = "\"facts\":[".to_owned();
    assert_eq!(
        mutant(plain, fact, "\"facts\":[1,"),
        ["own-malformed", "context-unfounded"]
    );
    // Under the checkpoint that was signed, every change is found.
    let mut changed = leaves.clone();
    let text = String::from_utf8(changed[plain].clone()).unwrap();
    changed[plain] = text.replace("\"red\"", "\"pink\"").into_bytes();
    let mut audit = LogAudit::new(Expectation::default());
    for leaf in &changed {
        audit.push(Leaf::read(&mut Reader::default(), leaf));
    }
    let size = leaves.len();
    let signed = world.checkpoint();
    assert_eq!(signed.size.0, u64::try_from(size).unwrap());
    assert_eq!(found(&audit.finish(&signed)), ["log-root"]);
}
