//! What a submitter can count on.

use std::sync::Arc;
use std::time::Duration;

use affiant_log::store::MemStore;
use affiant_log::{Log, SequenceError};
use affiant_tlog::LeafIndex;
use proptest::prelude::*;

use crate::support::{audit, leaves, mem_reader, open_mem, open_mem_with, options};

#[test]
fn an_empty_log_is_published() {
    let store = MemStore::new();
    let log = open_mem(&store).unwrap();
    assert_eq!(log.head().checkpoint.size.0, 0);
    assert!(audit(&mem_reader(&store), 1).is_empty());
}

#[test]
fn submissions_are_contiguous_and_in_order() {
    let store = MemStore::new();
    let log = open_mem(&store).unwrap();
    let pending: Vec<_> = (0..50).map(|n| log.submit(leaves(n, n))).collect();
    let mut expected = 0;
    for (n, pending) in pending.into_iter().enumerate() {
        let appended = pending.wait().unwrap();
        assert_eq!(appended.first, LeafIndex(expected));
        expected += u64::try_from(n).unwrap();
        assert!(appended.head.checkpoint.size.0 >= expected);
    }
    log.close();
    let expected: Vec<_> = (0..50).flat_map(|n| leaves(n, n)).collect();
    assert_eq!(audit(&mem_reader(&store), 1), expected);
}

#[test]
fn many_submitters_get_what_they_submitted() {
    let store = MemStore::new();
    let mut options = options(1);
    options.interval = Duration::from_millis(2);
    let log = open_mem_with(&store, options).unwrap();
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let log = log.clone();
            std::thread::spawn(move || {
                for n in 0..20 {
                    let leaves = leaves(thread * 100 + n, 7);
                    let appended = log.submit(leaves.clone()).wait().unwrap();
                    let first = appended.first;
                    let range = first..LeafIndex(first.0 + 7);
                    let size = appended.head.checkpoint.size;
                    assert_eq!(log.reader().leaves(range, size).unwrap(), leaves);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(audit(&mem_reader(&store), 1).len(), 8 * 20 * 7);
}

#[test]
fn a_submission_can_be_awaited() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let log = open_mem(&MemStore::new()).unwrap();
    let mut heads = log.subscribe();
    let appended = runtime.unwrap().block_on(async {
        let appended = log.submit(leaves(0, 3)).await;
        heads.changed().await.unwrap();
        appended
    });
    assert_eq!(appended.unwrap().head, log.head());
    assert_eq!(heads.borrow().checkpoint.size.0, 3);
}

#[test]
fn the_longest_leaf_fits_and_a_longer_is_refused() {
    let store = MemStore::new();
    let log = open_mem(&store).unwrap();
    let refused = log.submit(vec![vec![0; 3], vec![0; 65_536]]).wait();
    assert!(matches!(
        refused,
        Err(SequenceError::LeafTooLong {
            index: 1,
            bytes: 65_536
        })
    ));
    log.submit(vec![vec![7; 65_535], Vec::new()])
        .wait()
        .unwrap();
    assert_eq!(audit(&mem_reader(&store), 1), [vec![7; 65_535], Vec::new()]);
}

#[test]
fn what_is_too_much_to_wait_is_refused() {
    let mut options = options(1);
    options.queued_bytes_max = 10_000;
    options.interval = Duration::from_secs(3600);
    let log = open_mem_with(&MemStore::new(), options).unwrap();
    log.submit(leaves(0, 1)).wait().unwrap();
    let first = log.submit(vec![vec![0; 9_000]]);
    let second = log.submit(vec![vec![0; 9_000]]).wait();
    assert!(matches!(
        second,
        Err(SequenceError::Full {
            queued_bytes: 9_000
        })
    ));
    log.flush();
    first.wait().unwrap();
}

#[test]
fn closing_sequences_what_waits() {
    let mut options = options(1);
    options.interval = Duration::from_secs(3600);
    let store = MemStore::new();
    let log = open_mem_with(&store, options).unwrap();
    log.submit(leaves(0, 1)).wait().unwrap();
    let pending = log.submit(leaves(1, 5));
    log.close();
    assert_eq!(pending.wait().unwrap().first, LeafIndex(1));
    assert!(matches!(
        log.submit(leaves(2, 1)).wait(),
        Err(SequenceError::Closed)
    ));
    assert_eq!(audit(&mem_reader(&store), 1).len(), 6);
}

#[test]
fn a_log_is_send_and_sync() {
    fn check<T: Send + Sync>(_: &T) {}
    check(&Arc::new(open_mem(&MemStore::new()).unwrap()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Rounds of any sizes give the tree that a naive one gives, and only the objects of its layout.
    #[test]
    fn any_rounds_give_the_tree_of_their_leaves(counts in prop::collection::vec(0_usize..600, 1..12)) {
        let store = MemStore::new();
        let log = open_mem(&store).unwrap();
        let mut expected = Vec::new();
        for (batch, &count) in counts.iter().enumerate() {
            let leaves = leaves(batch, count);
            log.submit(leaves.clone()).wait().unwrap();
            expected.extend(leaves);
            if batch % 3 == 2 {
                reopen(&log, &store);
            }
        }
        log.close();
        prop_assert_eq!(audit(&mem_reader(&store), 1), expected.clone());
        let size = affiant_tlog::TreeSize(u64::try_from(expected.len()).unwrap());
        // Of a full tile or bundle no partial one is left behind.
        for path in store.paths() {
            if let Some((full, _)) = path.split_once(".p/") {
                prop_assert!(!store.paths().contains(&full.to_owned()), "{} at {}", path, size);
            }
        }
    }
}

/// Another start finds what the first one left.
fn reopen(log: &Log, store: &MemStore) {
    let copy = store.snapshot();
    let again = open_mem(&copy).unwrap();
    assert_eq!(again.head(), log.head());
}
