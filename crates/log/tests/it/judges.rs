//! Tools by other hands read the log as it lies on disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use affiant_log::{Log, LogOptions};
use tlog_tiles::{
    Checkpoint, Error, Tile, TileHashReader, TileReader, check_record, check_tree, prove_record,
    prove_tree, record_hash, tree_hash,
};

use crate::support::{key, leaves};

/// Reads the files of a log; `tlog_tiles` puts the tile height into its paths, tlog-tiles does not.
struct Files(PathBuf);

impl TileReader for Files {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let read = |tile: &Tile| {
            let path = tile.path().replacen("tile/8/", "tile/", 1);
            Ok(fs_err::read(self.0.join(path)).unwrap())
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

fn checkpoint(log: &Path) -> Checkpoint {
    let note = fs_err::read(log.join("checkpoint")).unwrap();
    let note = signed_note::Note::from_bytes(&note).unwrap();
    let vkey = key(1).verifier_key().to_string();
    let verifier = signed_note::StandardVerifier::new(&vkey).unwrap();
    let known = signed_note::VerifierList::new(vec![Box::new(verifier)]);
    let (verified, _) = note.verify(&known).unwrap();
    assert_eq!(verified.len(), 1);
    Checkpoint::from_bytes(note.text()).unwrap()
}

#[test]
fn tlog_tiles_and_signed_note_accept_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("log");
    let mut options = LogOptions::new(&root, dir.path().join("state"), Arc::new(key(1)));
    options.interval = Duration::ZERO;
    let log = Log::open(options).unwrap();
    let mut all = Vec::new();
    let mut earlier = Vec::new();
    for (batch, count) in [1, 254, 1, 300, 70_000, 17].into_iter().enumerate() {
        let leaves = leaves(batch, count);
        log.submit(leaves.clone()).wait().unwrap();
        all.extend(leaves);
        let checkpoint = checkpoint(&root);
        assert_eq!(checkpoint.origin(), "log.example/test");
        assert_eq!(checkpoint.size(), u64::try_from(all.len()).unwrap());
        earlier.push(checkpoint);
    }
    let newest = checkpoint(&root);
    let (size, hash) = (newest.size(), *newest.hash());
    let files = Files(root);
    let reader = TileHashReader::new(size, hash, &files);
    assert_eq!(tree_hash(size, &reader).unwrap(), hash);
    for index in [0, 1, 255, 256, 69_999, size - 1] {
        let proof = prove_record(size, index, &reader).unwrap();
        let leaf = record_hash(&all[usize::try_from(index).unwrap()]);
        check_record(&proof, size, hash, index, leaf).unwrap();
    }
    for old in &earlier {
        let proof = prove_tree(size, old.size(), &reader).unwrap();
        check_tree(&proof, size, hash, old.size(), *old.hash()).unwrap();
    }
}
