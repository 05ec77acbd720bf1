//! A checkpoint against a policy.

use super::model::{LogKey, Policy, PolicyName};
use crate::checkpoint::{Checkpoint, Origin, ParseCheckpointError};
use crate::cosignature::{CosignatureError, PosixTime};
use crate::note::{self, KeyRef, Note, VerifyError};

/// A witness of the policy whose cosignature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// Its name in the policy.
    pub name: PolicyName,
    /// Its key.
    pub key: KeyRef,
    /// When it says that it cosigned.
    pub time: PosixTime,
}

/// A checkpoint that a log of the policy signed, and the witnesses who agree.
///
/// Only [`Policy::check`] makes one. Whether the quorum is met is for the caller to ask:
/// [`PolicyReport::quorum_met`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyReport {
    checkpoint: Checkpoint,
    log: KeyRef,
    cosigned: Vec<Cosigned>,
    quorum_met: bool,
}

impl PolicyReport {
    /// What the log signed.
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The key of the log that signed, of several the first in the policy.
    pub const fn log(&self) -> &KeyRef {
        &self.log
    }

    /// The witnesses of the policy that cosigned, in the order of the policy.
    pub fn cosigned(&self) -> &[Cosigned] {
        &self.cosigned
    }

    /// Whether they are enough.
    pub const fn quorum_met(&self) -> bool {
        self.quorum_met
    }
}

impl Policy {
    /// Verifies a checkpoint: the signature of a log whose key is named after the checkpoint's
    /// origin, and the cosignatures of all known witnesses. Lines by unknown keys are ignored.
    ///
    /// A quorum that is not met is not an error here, so that a verifier can say what there is.
    ///
    /// # Errors
    ///
    /// [`CheckPolicyError`], also where a line names a known key and is not a good signature by it.
    pub fn check(&self, note: &Note) -> Result<PolicyReport, CheckPolicyError> {
        let checkpoint = Checkpoint::parse(note.text()).map_err(CheckPolicyError::Checkpoint)?;
        let log = self.signing_log(note, &checkpoint.origin)?;
        let mut cosigned = Vec::new();
        let mut signed = vec![false; self.witnesses.len()];
        for (witness, has_signed) in self.witnesses.iter().zip(&mut signed) {
            let time = witness
                .key
                .verify_in(note)
                .map_err(CheckPolicyError::Cosignature)?;
            if let Some(time) = time {
                *has_signed = true;
                cosigned.push(Cosigned {
                    name: witness.name.clone(),
                    key: witness.key.key_ref().clone(),
                    time,
                });
            }
        }
        let quorum_met = self.is_met(|number| signed.get(number).copied().unwrap_or(false));
        Ok(PolicyReport {
            checkpoint,
            log,
            cosigned,
            quorum_met,
        })
    }

    /// The first key of the policy that signed as the log of this origin; none of them signed badly.
    fn signing_log(&self, note: &Note, origin: &Origin) -> Result<KeyRef, CheckPolicyError> {
        let mut known = self
            .logs
            .iter()
            .map(|log| &log.key)
            .filter(|key| key.name().as_str() == origin.as_str())
            .peekable();
        if known.peek().is_none() {
            return Err(CheckPolicyError::UnknownLog {
                origin: origin.clone(),
            });
        }
        let mut signed_by = None;
        for key in known {
            let has_signed = match key {
                LogKey::Ed25519(key) => match note::verify(note, std::slice::from_ref(key)) {
                    Ok(_) => true,
                    Err(VerifyError::UnknownKey { .. }) => false,
                    Err(error) => return Err(CheckPolicyError::Signature(error)),
                },
                LogKey::MlDsa44(key) => key
                    .verify_in(note)
                    .map_err(CheckPolicyError::Cosignature)?
                    .is_some(),
            };
            if has_signed && signed_by.is_none() {
                signed_by = Some(key.key_ref().clone());
            }
        }
        signed_by.ok_or_else(|| {
            let found = note.signatures().iter().map(|s| s.key_ref().clone());
            CheckPolicyError::Signature(VerifyError::UnknownKey {
                found: found.collect(),
            })
        })
    }
}

/// Why a note is no checkpoint by the policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckPolicyError {
    /// The note is of something else.
    #[error("note is not of a checkpoint")]
    Checkpoint(#[source] ParseCheckpointError),
    /// No log of the policy has this origin. The checkpoint may be fine.
    #[error("log {origin} is not in the policy")]
    UnknownLog {
        /// The origin in the checkpoint.
        origin: Origin,
    },
    /// No key of the log signed it, or a line claims so and does not fit.
    #[error("checkpoint is not signed by the log")]
    Signature(#[source] VerifyError),
    /// A line names a known witness, or the log's ML-DSA-44 key, and is not a good signature.
    #[error("cosignature is bad")]
    Cosignature(#[source] CosignatureError),
}
