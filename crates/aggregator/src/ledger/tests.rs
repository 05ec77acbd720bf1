use std::collections::BTreeMap;
use std::sync::Arc;

use affiant_entry::record::{Body, Refusal};
use affiant_entry::{Decoded, Fact, SourceId};
use affiant_log::store::{Fault, MemStore};
use affiant_log::{Log, LogOptions, LogReader};
use affiant_tlog::note::KeyName;
use affiant_tlog::{LeafIndex, SignerKey};

use super::Ledger;
use crate::index::{FollowSource, Follower, Index};
use crate::own::OwnChain;

const NAME: &str = "log.example/test";

fn ledger(store: &MemStore, dir: &std::path::Path) -> Ledger {
    let signer = SignerKey::from_seed(KeyName::new(NAME).unwrap(), &[1; 32]);
    let mut options = LogOptions::new("unused", "unused", Arc::new(signer));
    options.interval = std::time::Duration::ZERO;
    options.round_bytes = 1;
    let reader = LogReader::new(Arc::new(store.clone()));
    let log = Log::open_store(Arc::new(store.clone()), reader, options).unwrap();
    let own = SourceId::new("aggregator").unwrap();
    let index = Arc::new(Index::open(&dir.join("index.redb")).unwrap());
    let source = FollowSource {
        log: log.clone(),
        own: own.clone(),
        trust: Box::new(|_| None),
    };
    let follower = Follower::start(Arc::clone(&index), source).unwrap();
    let own = OwnChain::new(own, NAME.to_owned(), String::new(), None);
    Ledger::new(log, index, follower, own)
}

fn body(count: u64) -> Body {
    Body::Refusal(Refusal {
        subject: Fact::absent("test"),
        code: "test".into(),
        count,
        detail: None,
    })
}

/// Whichever round fails, and whatever waits behind it: each boot of ours is numbered without a hole.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_round_leaves_no_hole_in_our_own_chain() {
    let mut failures = 0;
    for operation in 0..40 {
        let dir = tempfile::tempdir().unwrap();
        let store = MemStore::new();
        let ledger = ledger(&store, dir.path());
        store.fail_at(store.operations().len() + operation, Fault::Before);
        for count in 0..6 {
            ledger.record(vec![body(count)]);
        }
        let mut last = ledger.record_durably(vec![body(99)]).await;
        if last.is_err() {
            failures += 1;
            last = ledger.record_durably(vec![body(99)]).await;
        }
        last.unwrap();
        let closing = ledger.clone();
        tokio::task::spawn_blocking(move || closing.close())
            .await
            .unwrap();
        let size = ledger.head().checkpoint.size;
        let leaves = LogReader::new(Arc::new(store.snapshot()))
            .leaves(LeafIndex(0)..LeafIndex(size.0), size)
            .unwrap();
        let mut next = BTreeMap::new();
        for leaf in leaves {
            let entry = Decoded::parse(&leaf).unwrap();
            let header = entry.header();
            let seq = next.entry(header.boot.to_string()).or_insert(0);
            assert_eq!(
                header.seq.map(|at| at.0),
                Some(*seq),
                "operation {operation}"
            );
            *seq += 1;
        }
    }
    assert!(failures > 0);
}
