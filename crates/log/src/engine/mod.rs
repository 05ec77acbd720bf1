//! The log's tree in memory and in storage: one round, and recovery, through the same steps.
//!
//! ```text
//! stage    all new tiles and bundles of the round, under a name made of epoch and root
//! swap     the head record, if nobody else did              <- the round is decided here
//! settle   put the staged objects in their places           <- recovery begins here
//! sign     the checkpoint of the head
//! ```
//!
//! Nothing here is retried. After any error the [`Engine`] is dropped and loaded from storage again;
//! no fact about the log survives in memory.

mod load;
mod round;

use std::sync::Arc;

use affiant_tlog::bundle::BundleWriter;
use affiant_tlog::checkpoint::Origin;
use affiant_tlog::cosignature::{CosignerSigner, PosixTime};
use affiant_tlog::tile::{BundleId, TILE_LEVEL_MAX, TileId, TreeWriter};
use affiant_tlog::{Checkpoint, Hash, LeafIndex, Note, TreeSize, VerifierKey};

use crate::clock::Clock;
use crate::head::{HeadRecord, Tree};
use crate::signer::{CheckpointSigner, SignerError, sign_note};
use crate::store::{Object, Store, StoreError};

/// What an engine is loaded with; outlives all engines of a log.
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) origin: Origin,
    /// The log's key first, then those that sign as well.
    pub(crate) signers: Vec<Arc<dyn CheckpointSigner>>,
    /// From when on all but the first sign no more.
    pub(crate) co_signers_until_ms: Option<u64>,
    /// Signs in the form of a cosignature.
    pub(crate) own_cosigner: Option<Arc<CosignerSigner>>,
    /// Keys that signed this log before.
    pub(crate) earlier_keys: Vec<VerifierKey>,
}

impl Parts {
    /// The key that signs the next head.
    fn key(&self) -> Option<&VerifierKey> {
        self.signers.first().map(|signer| signer.verifier_key())
    }

    /// `name+id` of the key that signs.
    fn key_text(&self) -> String {
        self.key()
            .map_or_else(String::new, |key| key.key_ref().to_string())
    }

    /// The checkpoint of a head of this time, with all lines that are due: the same gives the same bytes.
    pub(crate) fn sign(&self, checkpoint: &Checkpoint, time_ms: u64) -> Result<Note, SignerError> {
        let over = self
            .co_signers_until_ms
            .is_some_and(|until| time_ms >= until);
        let signing = if over { 1 } else { self.signers.len() };
        let signers = self.signers.get(..signing).unwrap_or(&self.signers);
        let text = checkpoint.to_string();
        let mut note = sign_note(&text, signers)?;
        if let Some(own) = &self.own_cosigner {
            let line = own.cosign(&text, PosixTime(time_ms / 1000));
            let line = line.map_err(|error| SignerError::new(&error))?;
            note.attach(line)
                .map_err(|error| SignerError::new(&error))?;
        }
        Ok(note)
    }

    /// All keys under which the log may have been signed.
    pub(crate) fn known_keys(&self) -> Vec<VerifierKey> {
        let current = self.signers.iter().map(|signer| signer.verifier_key());
        current.chain(&self.earlier_keys).cloned().collect()
    }
}

/// The right edge of the log, as the head in storage says it is.
pub(crate) struct Engine {
    parts: Arc<Parts>,
    record: HeadRecord,
    edge: Edge,
}

/// What a log goes on from.
struct Edge {
    tree: TreeWriter,
    bundles: BundleWriter,
}

/// A leaf with its hash, which the submitter's thread computed.
pub(crate) struct HashedLeaf {
    pub(crate) hash: Hash,
    pub(crate) bytes: Vec<u8>,
}

/// Which tree a round tried to make the log's: enough to find out later whether it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) epoch: u64,
    pub(crate) tree: Tree,
    pub(crate) first: LeafIndex,
}

impl Engine {
    /// The head in storage.
    pub(crate) fn record(&self) -> &HeadRecord {
        &self.record
    }

    /// The signed checkpoint of the head. The same head gives the same bytes.
    pub(crate) fn sign(&self) -> Result<Note, SignerError> {
        let checkpoint = self.record.checkpoint();
        self.parts.sign(&checkpoint, self.record.time_ms)
    }
}

impl Edge {
    fn append(&mut self, leaf: &HashedLeaf) -> bool {
        let pushed = self.bundles.append(&leaf.bytes);
        self.tree.append(leaf.hash);
        pushed.is_ok()
    }

    /// The objects that are new or have grown: bundles first, so that a tile is never there before
    /// the entries it commits to.
    fn drain(&mut self) -> Vec<Object> {
        let bundles = self.bundles.drain().into_iter();
        let bundles = bundles.map(|(id, bytes)| Object {
            path: id.path(),
            bytes,
        });
        let tiles = self.tree.drain().into_iter().map(|tile| Object {
            path: tile.id().path(),
            bytes: tile.to_bytes(),
        });
        bundles.chain(tiles).collect()
    }

    fn tree(&self) -> Tree {
        Tree {
            size: self.tree.size(),
            root: self.tree.root(),
        }
    }
}

/// Puts the objects of the newest round in their places and tidies up behind it. The head names the
/// round, so whatever happens here, doing it again ends it.
///
/// Called by every round and by every load: a crash during a round ends in code that runs every time.
fn settle(store: &dyn Store, record: &HeadRecord, objects: &[Object]) -> Result<(), StoreError> {
    let name = record.stage_name();
    store.promote(&name, objects)?;
    // Staging this round made the promotions of all rounds before durable, and their stages needless.
    // Anything else that was staged was never decided.
    for other in store.staged_names()? {
        if other != name {
            store.unstage(&other)?;
        }
    }
    Ok(())
}

/// Paths of full tiles and bundles of a tree that were partial in an older one.
pub(crate) fn completed(old: TreeSize, new: TreeSize) -> Vec<String> {
    let mut paths = Vec::new();
    let bundle = BundleId::in_tree(old.0 >> 8, old);
    let grown = bundle.and_then(|id| BundleId::in_tree(id.index(), new));
    paths.extend(grown.filter(|id| id.is_full()).map(BundleId::path));
    for level in 0..=TILE_LEVEL_MAX {
        let hashes = old.0.checked_shr(u32::from(level) * 8).unwrap_or(0);
        if hashes == 0 {
            break;
        }
        let tile = TileId::in_tree(level, hashes >> 8, old);
        let grown = tile.and_then(|id| TileId::in_tree(level, id.index(), new));
        paths.extend(grown.filter(|id| id.is_full()).map(TileId::path));
    }
    paths
}
