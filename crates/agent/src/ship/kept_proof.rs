//! The proof that stays when entries go: that the log has the newest seal they were released behind.
//!
//! A spool's cursor is nobody's word: whoever can write the directory can move it. So before anything is
//! released, a [C2SP tlog-proof](https://c2sp.org/tlog-proof) of the newest acknowledged seal is written
//! to `ship/released/NAME.proof`, with the seal's leaf hash as `extra`. Seals name the seal before them by
//! its hash, so this one stands for all that came before it, as far as the log's key is to be believed.

use std::io;

use affiant_entry::SealPlace;
use affiant_entry::receipt::{Receipt, SentSeal};
use affiant_tlog::note::Note;
use affiant_tlog::tlog_proof::TlogProof;
use fs_err as fs;

use super::released_path;
use crate::keys::write_whole;
use crate::state::DataDir;

/// A proof of one seal, from a receipt that verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeptProof(TlogProof);

impl KeptProof {
    /// The proof of this seal in a receipt that was verified for it.
    pub(super) fn of(receipt: &Receipt, seal: &SentSeal) -> Option<Self> {
        let (boot, number, hash) = seal;
        let is_of = |place: &SealPlace| place.boot == *boot && place.seal == *number;
        let group = receipt.groups.iter().find(|group| is_of(&group.place))?;
        Some(Self(TlogProof {
            extra: hash.0.to_vec(),
            index: group.seal_index,
            proof: group.proof.clone(),
            checkpoint: Note::parse(receipt.checkpoint.as_bytes()).ok()?,
        }))
    }

    /// Makes it durable: what is released afterwards stays proven.
    pub(super) fn keep(&self, dir: &DataDir, spool: &str) -> io::Result<()> {
        let path = released_path(dir, spool);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        write_whole(&path, &self.0.to_string(), 0o644)
    }
}
