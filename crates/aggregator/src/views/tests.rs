use std::sync::Arc;

use affiant_log::store::MemStore;
use affiant_log::{Log, LogOptions, LogReader};
use affiant_tlog::note::KeyName;
use affiant_tlog::{LeafIndex, SignerKey};

use super::driver::Batch;
use super::*;

/// A log with leaves of these lengths, each marked by its index.
async fn log(lengths: &[usize]) -> (Log, LogReader) {
    let name = KeyName::new("log.example/test").unwrap();
    let signer = SignerKey::from_seed(name, &[1; 32]);
    let mut options = LogOptions::new("unused", "unused", Arc::new(signer));
    options.interval = Duration::ZERO;
    let store = MemStore::new();
    let reader = LogReader::new(Arc::new(store.clone()));
    let log = Log::open_store(Arc::new(store), reader.clone(), options).unwrap();
    let leaf = |(index, length): (usize, &usize)| {
        let mut leaf = vec![b'x'; *length];
        leaf[..8].copy_from_slice(&(index as u64).to_le_bytes());
        leaf
    };
    let leaves = lengths.iter().enumerate().map(leaf).collect();
    log.submit(leaves).await.unwrap();
    (log, reader)
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_keep_their_bounds_and_lose_no_leaf() {
    let mut lengths = vec![8; 5_000];
    lengths.extend([60_000; 400]);
    lengths.extend([9; 300]);
    let (log, reader) = log(&lengths).await;
    let size = log.head().checkpoint.size;
    let (mut batch, mut at, mut seen) = (Batch::default(), LeafIndex(0), 0_u64);
    let mut batches = 0;
    while at.0 < size.0 {
        batch.read(&reader, at, size).unwrap();
        let bytes: usize = batch.leaves.iter().map(Vec::len).sum();
        assert!(!batch.leaves.is_empty());
        assert!(batch.leaves.len() <= BATCH_LEAVES_MAX, "{at}");
        assert!(bytes <= BATCH_BYTES_MAX, "{at}: {bytes}");
        for leaf in &batch.leaves {
            assert_eq!(leaf[..8], seen.to_le_bytes());
            seen += 1;
        }
        at = batch.end(at);
        assert_eq!(at.0, seen);
        batches += 1;
    }
    assert_eq!(seen, size.0);
    assert!(batches < 8, "{batches} batches");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_read_again_from_elsewhere_forgets_the_rest() {
    let (log, reader) = log(&[60_000; 400]).await;
    let size = log.head().checkpoint.size;
    let mut batch = Batch::default();
    batch.read(&reader, LeafIndex(0), size).unwrap();
    batch.read(&reader, LeafIndex(7), size).unwrap();
    assert_eq!(batch.leaves[0][..8], 7_u64.to_le_bytes());
}
