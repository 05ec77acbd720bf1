//! A log as it lies on disk, in memory. Shared with the tests of the command line and the example.

use std::collections::BTreeMap;
use std::convert::Infallible;

use affiant_audit::TrustFile;
use affiant_audit::files::Files;
use affiant_tlog::bundle::BundleWriter;
use affiant_tlog::cosignature::{CosignerSigner, PosixTime};
use affiant_tlog::leaf_hash;
use affiant_tlog::note::{KeyName, Note};
use affiant_tlog::tile::TreeWriter;

use crate::world::{LOG, key, vkey};

/// A log as it lies on disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stored(pub(crate) BTreeMap<String, Vec<u8>>);

impl Files for Stored {
    type Error = Infallible;

    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.0.get(path).cloned())
    }
}

impl Stored {
    /// Leaves, published at these sizes and at the end.
    pub(crate) fn of(leaves: &[Vec<u8>], published: &[usize]) -> Self {
        let mut stored = Self::default();
        let (mut tree, mut bundles) = (TreeWriter::new(), BundleWriter::new());
        for (index, leaf) in leaves.iter().enumerate() {
            tree.append(leaf_hash(leaf));
            bundles.append(leaf).unwrap();
            if published.contains(&(index + 1)) || index + 1 == leaves.len() {
                stored.publish(&mut tree, &mut bundles);
            }
        }
        stored
            .0
            .insert("checkpoint".into(), note(leaves).to_bytes());
        stored
    }

    fn publish(&mut self, tree: &mut TreeWriter, bundles: &mut BundleWriter) {
        for tile in tree.drain() {
            self.0.insert(tile.id().path(), tile.to_bytes());
        }
        for (id, bytes) in bundles.drain() {
            self.0.insert(id.path(), bytes);
        }
    }
}

/// When the witness saw what [`note`] gives, seconds since 1970.
pub(crate) const COSIGNED_S: u64 = 1_795_330_441;

/// The checkpoint over these leaves, signed by the log and one witness.
pub(crate) fn note(leaves: &[Vec<u8>]) -> Note {
    note_at(leaves, COSIGNED_S)
}

/// The same, cosigned at another time.
pub(crate) fn note_at(leaves: &[Vec<u8>], cosigned_s: u64) -> Note {
    let checkpoint = crate::world::checkpoint(leaves);
    let mut note = checkpoint.sign(&key(LOG, 200)).unwrap();
    let cosignature = witness()
        .cosign(note.text(), PosixTime(cosigned_s))
        .unwrap();
    note.attach(cosignature).unwrap();
    note
}

pub(crate) fn witness() -> CosignerSigner {
    CosignerSigner::ed25519(KeyName::new("witness.example/w").unwrap(), &[99; 32])
}

pub(crate) fn trust() -> TrustFile {
    let text = format!(
        "log {}\nwitness w {}\nquorum w\n",
        vkey(LOG, 200),
        witness().key()
    );
    TrustFile::parse(text.as_bytes()).unwrap()
}
