//! Whether a receipt may be believed.

use affiant_tlog::checkpoint::OpenCheckpointError;
use affiant_tlog::note::{Note, ParseNoteError, VerifierKey};
use affiant_tlog::{
    Checkpoint, ConsistencyError, ConsistencyProof, Hash, InclusionError, verify_consistency,
    verify_inclusion,
};

use super::Receipt;
use crate::ids::{BootId, SealNumber, SealPlace};

/// A seal that was sent: its boot, its number, and the RFC 6962 leaf hash of its entry.
pub type SentSeal = (BootId, SealNumber, Hash);

/// A receipt does not prove what it should. The aggregator, or whoever stands between, is at fault;
/// nothing is released, and the batch is sent again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The checkpoint is not a signed note.
    #[error("checkpoint of the receipt is not a signed note")]
    Note(#[source] ParseNoteError),
    /// The log's key did not sign it, or the text is not that of a checkpoint of this log.
    #[error("checkpoint of the receipt is not the log's")]
    Checkpoint(#[source] OpenCheckpointError),
    /// The receipt speaks of another log than the checkpoint.
    #[error("receipt is by log `{found}` instead of `{expected}`")]
    Log {
        /// Origin of the log that was enrolled with.
        expected: String,
        /// The log named.
        found: String,
    },
    /// The log is smaller than the one remembered: it was rolled back, or is another one.
    #[error("log has {found} leaves, fewer than the {remembered} it had before")]
    RolledBack {
        /// Leaves remembered.
        remembered: u64,
        /// Leaves now.
        found: u64,
    },
    /// The log does not begin with the one remembered: it was forked, or the proof is wrong.
    #[error("log does not continue the one that is remembered")]
    Consistency(#[source] ConsistencyError),
    /// A seal that was sent is not in the receipt.
    #[error("receipt does not cover {place}")]
    NotCovered {
        /// Which.
        place: SealPlace,
    },
    /// The receipt covers a seal that was not sent, or one of them twice.
    #[error("receipt covers {place}, which was not sent, or covers it twice")]
    NotSent {
        /// Which.
        place: SealPlace,
    },
    /// A seal that was sent is not where the receipt says.
    #[error("{place} is not in the log where the receipt says")]
    Inclusion {
        /// Which.
        place: SealPlace,
        /// Why.
        #[source]
        cause: InclusionError,
    },
    /// A group would begin behind its seal.
    #[error("{place} begins behind its end")]
    Range {
        /// Which.
        place: SealPlace,
    },
}

impl ReceiptError {
    /// Whether it is evidence against the log: a signed checkpoint that contradicts another one. A
    /// sender keeps both notes and raises the alarm.
    #[must_use]
    pub const fn is_evidence(&self) -> bool {
        matches!(self, Self::RolledBack { .. } | Self::Consistency(_))
    }
}

impl Receipt {
    /// Verifies all of it, for the seals of the batch that it answers, and gives the log's checkpoint:
    /// what to remember from now on, if it is larger than what is remembered.
    ///
    /// `remembered` is the checkpoint whose size stood in the header of *that* batch as `old`; with
    /// several batches under way it need not be the newest. `None` if that was 0.
    ///
    /// # Errors
    /// [`ReceiptError`]. [`ReceiptError::RolledBack`] and [`ReceiptError::Consistency`] are not for
    /// retrying: they are what a forked log looks like.
    pub fn verify(
        &self,
        log_key: &VerifierKey,
        remembered: Option<&Checkpoint>,
        seals: &[SentSeal],
    ) -> Result<Checkpoint, ReceiptError> {
        let note = Note::parse(self.checkpoint.as_bytes()).map_err(ReceiptError::Note)?;
        let checkpoint = Checkpoint::open(&note, log_key).map_err(ReceiptError::Checkpoint)?;
        if self.log != checkpoint.origin.as_str() {
            return Err(ReceiptError::Log {
                expected: checkpoint.origin.as_str().to_owned(),
                found: self.log.clone(),
            });
        }
        self.verify_growth(remembered, &checkpoint)?;
        self.verify_groups(&checkpoint, seals)?;
        Ok(checkpoint)
    }

    fn verify_growth(
        &self,
        remembered: Option<&Checkpoint>,
        checkpoint: &Checkpoint,
    ) -> Result<(), ReceiptError> {
        let Some(old) = remembered else {
            let expected = ConsistencyProof::default();
            let found = self.consistency.0.len();
            return if self.consistency == expected {
                Ok(())
            } else {
                Err(ReceiptError::Consistency(ConsistencyError::Length {
                    expected: 0,
                    found,
                }))
            };
        };
        if old.origin != checkpoint.origin {
            return Err(ReceiptError::Log {
                expected: old.origin.as_str().to_owned(),
                found: checkpoint.origin.as_str().to_owned(),
            });
        }
        if checkpoint.size < old.size {
            return Err(ReceiptError::RolledBack {
                remembered: old.size.0,
                found: checkpoint.size.0,
            });
        }
        verify_consistency(
            old.size,
            checkpoint.size,
            &self.consistency,
            &old.root,
            &checkpoint.root,
        )
        .map_err(ReceiptError::Consistency)
    }

    /// Every seal sent is answered once, and nothing else is.
    fn verify_groups(
        &self,
        checkpoint: &Checkpoint,
        seals: &[SentSeal],
    ) -> Result<(), ReceiptError> {
        let mut open: Vec<&SentSeal> = seals.iter().collect();
        for group in &self.groups {
            let place = group.place;
            // Answers come in the order of the batch: the first open one, in all but odd cases.
            let at = open
                .iter()
                .position(|(boot, seal, _)| (*boot, *seal) == (place.boot, place.seal))
                .ok_or(ReceiptError::NotSent { place })?;
            let (_, _, hash) = open.remove(at);
            verify_inclusion(
                group.seal_index,
                checkpoint.size,
                hash,
                &group.proof,
                &checkpoint.root,
            )
            .map_err(|cause| ReceiptError::Inclusion { place, cause })?;
            if group.first_index >= group.seal_index {
                return Err(ReceiptError::Range { place });
            }
        }
        match open.first() {
            None => Ok(()),
            Some((boot, seal, _)) => Err(ReceiptError::NotCovered {
                place: SealPlace {
                    boot: *boot,
                    seal: *seal,
                },
            }),
        }
    }
}
