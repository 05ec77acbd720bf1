//! The blobs of an aggregator's data directory, for its archive.

use std::io::ErrorKind;
use std::path::PathBuf;

use affiant_archive::BlobSource;
use affiant_audit::log::LeafBlobs;
use fs_err as fs;

/// `DIR/blobs/HEX`.
#[derive(Debug)]
pub(crate) struct DirBlobs(pub(crate) PathBuf);

impl BlobSource for DirBlobs {
    fn named_by(&self, leaf: &[u8]) -> Vec<[u8; 32]> {
        LeafBlobs::of(leaf).named
    }

    fn erased_by(&self, leaf: &[u8]) -> Vec<[u8; 32]> {
        LeafBlobs::of(leaf).erased
    }

    fn read(&self, blob: &[u8; 32]) -> std::io::Result<Option<Vec<u8>>> {
        match fs::read(self.0.join(hex::encode(blob))) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
