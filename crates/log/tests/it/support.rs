//! A log whose truth is known, and the one check of all tests.

use std::sync::Arc;
use std::time::Duration;

use affiant_log::store::{MemStore, ReadObjects};
use affiant_log::{Log, LogOptions, LogReader, OpenLogError};
use affiant_tlog::note::KeyName;
use affiant_tlog::tile::{bundles_between, tiles_between};
use affiant_tlog::{
    Checkpoint, CompactTree, LeafIndex, Note, SignerKey, TreeSize, leaf_hash, verify_consistency,
    verify_inclusion,
};

pub(crate) const NAME: &str = "log.example/test";

pub(crate) fn key(seed: u8) -> SignerKey {
    SignerKey::from_seed(KeyName::new(NAME).unwrap(), &[seed; 32])
}

pub(crate) fn options(seed: u8) -> LogOptions {
    let mut options = LogOptions::new("unused", "unused", Arc::new(key(seed)));
    options.interval = Duration::ZERO;
    options
}

pub(crate) fn open_mem(store: &MemStore) -> Result<Log, OpenLogError> {
    open_mem_with(store, options(1))
}

pub(crate) fn open_mem_with(store: &MemStore, options: LogOptions) -> Result<Log, OpenLogError> {
    Log::open_store(Arc::new(store.clone()), mem_reader(store), options)
}

pub(crate) fn mem_reader(store: &MemStore) -> LogReader {
    LogReader::new(Arc::new(store.clone()))
}

/// `count` leaves that occur nowhere else, of various lengths.
pub(crate) fn leaves(batch: usize, count: usize) -> Vec<Vec<u8>> {
    let leaf = |n: usize| {
        let mut leaf = format!("batch {batch} leaf {n} ").into_bytes();
        leaf.resize(leaf.len() + n % 7, b'.');
        leaf
    };
    (0..count).map(leaf).collect()
}

/// Checks everything a reader from outside can check, and gives all leaves.
///
/// The published checkpoint is signed by the key; all tiles and bundles of its tree are there, whole
/// and what a naive tree gives; proofs verify.
pub(crate) fn audit(reader: &LogReader, seed: u8) -> Vec<Vec<u8>> {
    let note = reader.checkpoint().unwrap().expect("a checkpoint");
    let note = Note::parse(&note).unwrap();
    let checkpoint = Checkpoint::open(&note, key(seed).verifier_key()).unwrap();
    let size = checkpoint.size;
    let all = reader
        .leaves(LeafIndex(0)..LeafIndex(size.0), size)
        .unwrap();
    let hashes: Vec<_> = all.iter().map(|leaf| leaf_hash(leaf)).collect();
    let tree: CompactTree = hashes.iter().copied().collect();
    assert_eq!(tree.root(), checkpoint.root);
    let mut writer = affiant_tlog::tile::TreeWriter::new();
    for hash in &hashes {
        writer.append(*hash);
    }
    for tile in writer.drain() {
        let stored = reader.get(&tile.id().path()).unwrap();
        assert_eq!(stored, Some(tile.to_bytes()), "{}", tile.id());
    }
    for id in bundles_between(TreeSize(0), size) {
        assert!(reader.get(&id.path()).unwrap().is_some(), "{id}");
    }
    assert_eq!(
        tiles_between(TreeSize(0), size).count() > 0,
        size.0 > 0,
        "tiles are where leaves are"
    );
    for index in [0, size.0 / 2, size.0.saturating_sub(1)] {
        if index < size.0 {
            let index = LeafIndex(index);
            let proof = reader.inclusion(index, size).unwrap();
            let leaf = hashes[usize::try_from(index.0).unwrap()];
            verify_inclusion(index, size, &leaf, &proof, &checkpoint.root).unwrap();
            let old = TreeSize(index.0);
            let proof = reader.consistency(old, size).unwrap();
            let old_root = affiant_tlog::root_of(&hashes[..usize::try_from(old.0).unwrap()]);
            verify_consistency(old, size, &proof, &old_root, &checkpoint.root).unwrap();
        }
    }
    all
}

/// What was acknowledged, and must be found again.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) acknowledged: Vec<(LeafIndex, Vec<Vec<u8>>)>,
    /// Submissions of which nobody knows.
    pub(crate) unknown: Vec<Vec<Vec<u8>>>,
}

impl Ledger {
    /// Every acknowledged submission is where it was said to be; no leaf is there twice; nothing is
    /// there that was not submitted; unknown ones are there as a whole or not at all.
    pub(crate) fn check(&self, all: &[Vec<u8>]) {
        let mut expected = 0;
        for (first, leaves) in &self.acknowledged {
            let first = usize::try_from(first.0).unwrap();
            assert_eq!(all.get(first..first + leaves.len()), Some(&leaves[..]));
            expected += leaves.len();
        }
        for leaves in &self.unknown {
            let found = leaves.iter().filter(|leaf| all.contains(leaf)).count();
            assert!(found == 0 || found == leaves.len(), "torn submission");
            expected += found;
        }
        assert_eq!(all.len(), expected, "leaves nobody submitted, or twice");
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len(), "a leaf twice");
    }
}
