//! Receipts that do not prove what they should: nothing is released, and it is loud.

use super::*;

fn stops_at(lie: Fault) {
    let double = Double::start();
    let dir = enrolled(&double);
    let trail = Trail::open(&options(dir.path())).unwrap();
    record(&trail, 0..20);
    trail.close("shutdown", None, None);
    assert_eq!(ship_all(dir.path()).0, Ended::Done);
    let before = frames(dir.path(), "crm").1;
    let remembered = fs_err::read_to_string(dir.path().join("ship/checkpoint")).unwrap();

    let trail = Trail::open(&options(dir.path())).unwrap();
    record(&trail, 20..40);
    trail.close("shutdown", None, None);
    double.world().faults.push_back(lie);
    let (ended, stats) = ship_all(dir.path());
    assert!(matches!(ended, Ended::Refused(_)), "{lie:?}: {ended:?}");
    let counter = if lie == Fault::SaysRolledBack {
        &stats.rollbacks
    } else {
        &stats.receipts_refused
    };
    assert!(counter.load(std::sync::atomic::Ordering::Relaxed) > 0);
    assert_eq!(frames(dir.path(), "crm").1, before, "{lie:?}");
    let still = fs_err::read_to_string(dir.path().join("ship/checkpoint")).unwrap();
    assert_eq!(still, remembered, "{lie:?}");
    let kept = fs_err::read_dir(dir.path().join("ship")).unwrap();
    let kept = kept.map(|file| file.unwrap().path());
    let evidence: Vec<_> = kept
        .filter(|path| path.to_string_lossy().contains("evidence-"))
        .collect();
    let contradicts = matches!(lie, Fault::Fork | Fault::RolledBack | Fault::SaysRolledBack);
    assert_eq!(evidence.len(), usize::from(contradicts), "{lie:?}");
    for path in evidence {
        let text = fs_err::read_to_string(path).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["remembered"], remembered);
    }

    // Once the log proves what it should, everything is there once.
    assert_eq!(ship_all(dir.path()).0, Ended::Done);
    let (payloads, acknowledged, next) = frames(dir.path(), "crm");
    assert_eq!(acknowledged, next);
    assert!(double.world().bytes.ends_with(&payloads));
}

#[test]
fn a_proof_that_does_not_hold_releases_nothing() {
    stops_at(Fault::BadProof);
}

#[test]
fn a_checkpoint_of_another_key_releases_nothing() {
    stops_at(Fault::WrongKey);
}

#[test]
fn a_log_with_another_past_releases_nothing_and_is_kept_as_evidence() {
    stops_at(Fault::Fork);
}

#[test]
fn a_log_that_was_rolled_back_releases_nothing_and_is_kept_as_evidence() {
    stops_at(Fault::RolledBack);
}

#[test]
fn a_log_that_says_it_was_rolled_back_gets_nothing_and_is_kept_as_evidence() {
    stops_at(Fault::SaysRolledBack);
}
