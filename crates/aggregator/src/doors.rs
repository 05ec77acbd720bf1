//! Where foreign records go: into our own chain, blobs first.

use std::ops::Range;
use std::sync::Arc;

use affiant_entry::CommitKey;
use affiant_log::SequenceError;
use affiant_policy::redact::{Redactor, RuleSet};
use zeroize::Zeroizing;

use crate::blobs::Blobs;
use crate::clock;
use crate::files::{self, FileError};
use crate::foreign::{Foreign, Imported, Importer, Sink, SinkError};
use crate::ledger::{Ledger, LedgerError, Part};
use crate::state::StateDir;

/// The ledger and the blobs, as foreign records see them.
#[derive(Debug)]
pub(crate) struct OwnChainSink {
    ledger: Ledger,
    blobs: Blobs,
}

/// What the routes for foreign records work with.
pub(crate) fn foreign(
    dir: &StateDir,
    ledger: &Ledger,
    blobs: &Blobs,
) -> Result<Arc<Foreign<OwnChainSink>>, FileError> {
    let key = commit_key(dir)?;
    let redactor = Arc::new(Redactor::new(RuleSet::builtin(), key.clone()));
    Ok(Arc::new(Foreign {
        importer: Importer::new(redactor, key),
        sink: OwnChainSink {
            ledger: ledger.clone(),
            blobs: blobs.clone(),
        },
        now: clock::now,
    }))
}

impl Sink for OwnChainSink {
    async fn append(&self, imported: Vec<Imported>) -> Result<Range<u64>, SinkError> {
        let mut blobs = Vec::new();
        let mut records = Vec::with_capacity(imported.len());
        for one in imported {
            blobs.extend(one.blobs.into_iter().map(|blob| blob.bytes));
            records.push(one.record);
        }
        let count = u64::try_from(records.len()).unwrap_or(u64::MAX);
        let store = self.blobs.clone();
        let kept = tokio::task::spawn_blocking(move || store.keep(&blobs)).await;
        if !matches!(kept, Ok(Ok(()))) {
            tracing::error!("blobs of imported records cannot be kept");
            return Err(SinkError::Unavailable);
        }
        let submitted = self.ledger.submit(vec![Part::Own(records)]);
        let submission = submitted.map_err(|_| SinkError::Unavailable)?;
        let leaves = submission.leaves();
        let appended = submission.settled().await.map_err(|error| unsure(&error))?;
        // A boot entry of our own may stand before them.
        let end = appended.first.0.saturating_add(leaves);
        Ok(end.saturating_sub(count)..end)
    }
}

const fn unsure(error: &LedgerError) -> SinkError {
    match error {
        LedgerError::Log(SequenceError::Unknown(_) | SequenceError::Unpublished)
        | LedgerError::Behind => SinkError::Unknown,
        LedgerError::Log(_) | LedgerError::Encode(_) => SinkError::Unavailable,
    }
}

/// The key of commitments in imported entries; made once.
fn commit_key(dir: &StateDir) -> Result<CommitKey, FileError> {
    let path = dir.keys().join("commit.key");
    let text = match files::read_secret(&path)? {
        Some(text) => text,
        None => {
            let secret = Zeroizing::new(crate::entropy::bytes::<32>());
            let text = Zeroizing::new(format!("k1:{}\n", hex::encode(secret.as_slice())));
            files::write_whole(&path, text.as_bytes(), 0o600)?;
            text
        }
    };
    let wrong = || FileError::content(&path, "commitment key (`k1:` and 64 hex digits)");
    let (id, secret) = text.trim().split_once(':').ok_or_else(wrong)?;
    let mut bytes = Zeroizing::new([0_u8; 32]);
    hex::decode_to_slice(secret, bytes.as_mut_slice()).map_err(|_| wrong())?;
    Ok(CommitKey::new(id, &bytes))
}
