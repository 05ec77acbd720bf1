//! Whether a witness cosigns.

use super::request::AddCheckpoint;
use crate::checkpoint::{Checkpoint, Origin};
use crate::cosignature::{CosignError, CosignerSigner, PosixTime};
use crate::hash::{Hash, empty_root};
use crate::note::{self, Signature, VerifierKey, VerifyError};
use crate::proof::{ConsistencyError, verify_consistency};
use crate::tree::TreeSize;

/// A log that a witness is configured for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLog {
    /// The origin in its checkpoints.
    pub origin: Origin,
    /// The keys it may sign with; one of them must have.
    pub keys: Vec<VerifierKey>,
}

/// A checkpoint that a witness may cosign once it has stored [`Accepted::checkpoint`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    checkpoint: Checkpoint,
    text: String,
}

impl Accepted {
    /// What the witness remembers of this log from now on. To be stored, durably, before
    /// [`Accepted::cosign`].
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note text that is cosigned.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The cosignature by one of the witness's keys.
    ///
    /// # Errors
    ///
    /// [`CosignError::Time`] and [`CosignError::NameTooLong`], the operator's faults.
    pub fn cosign(
        &self,
        signer: &CosignerSigner,
        time: PosixTime,
    ) -> Result<Signature, CosignError> {
        signer.cosign(&self.text, time)
    }
}

/// Decides on a request, given the log's configuration and the checkpoint of it that the witness
/// cosigned last. Reads and changes nothing else.
///
/// `log` is the configuration for the origin of [`AddCheckpoint::checkpoint`], `None` where the
/// witness has none; `remembered` is `None` where it never cosigned a checkpoint of this log.
///
/// # Errors
///
/// [`Refusal`], in the order of the specification: unknown origin, signature, sizes, memory, proof.
pub fn judge(
    request: &AddCheckpoint,
    log: Option<&KnownLog>,
    remembered: Option<&Checkpoint>,
) -> Result<Accepted, Refusal> {
    let claimed = request.checkpoint();
    let log = log
        .filter(|log| log.origin == claimed.origin)
        .ok_or_else(|| Refusal::UnknownOrigin {
            origin: claimed.origin.clone(),
        })?;
    note::verify(request.note(), &log.keys).map_err(Refusal::Signature)?;
    if request.old() > claimed.size {
        return Err(Refusal::OldSizeLarger {
            old: request.old(),
            size: claimed.size,
        });
    }
    let (size, root) = match remembered {
        Some(remembered) => (remembered.size, remembered.root),
        None => (TreeSize(0), empty_root()),
    };
    if request.old() != size {
        return Err(Refusal::Conflict { remembered: size });
    }
    if claimed.size.0 == 0 && claimed.root != empty_root() {
        return Err(Refusal::Unprocessable(UnprocessableError::EmptyRoot {
            found: claimed.root,
        }));
    }
    verify_consistency(size, claimed.size, request.proof(), &root, &claimed.root)
        .map_err(|cause| Refusal::Unprocessable(UnprocessableError::Inconsistent(cause)))?;
    Ok(Accepted {
        checkpoint: claimed.clone(),
        text: request.note().text().to_owned(),
    })
}

/// Why a witness does not cosign, with the status that says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400: the request contradicts itself.
    #[error("old size {old} is larger than the checkpoint's {size}")]
    OldSizeLarger {
        /// The old size in the request.
        old: TreeSize,
        /// The size of the checkpoint.
        size: TreeSize,
    },
    /// 403: no trusted key of the log signed this, or a line claims so and does not fit.
    #[error("checkpoint is not signed by the log")]
    Signature(#[source] VerifyError),
    /// 404: the witness is not configured for this log.
    #[error("log {origin} is not known")]
    UnknownOrigin {
        /// The origin in the checkpoint.
        origin: Origin,
    },
    /// 409: the witness remembers another size. A log that is behind it was rolled back; a log that
    /// is ahead asks again with a proof from this size.
    #[error("latest cosigned size is {remembered}")]
    Conflict {
        /// The size of the latest checkpoint that the witness cosigned: the body of the answer.
        remembered: TreeSize,
    },
    /// 422: signed by the log, and not one history with what the log signed before, unless the
    /// proof was altered. Worth keeping: with the remembered checkpoint it is evidence of a fork.
    #[error("checkpoint does not follow from the latest one")]
    Unprocessable(#[source] UnprocessableError),
}

/// What is wrong with the tree of a checkpoint that the log signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnprocessableError {
    /// A tree without leaves has a root that is not that of the empty tree.
    #[error("empty tree has root {found}")]
    EmptyRoot {
        /// The root in the checkpoint.
        found: Hash,
    },
    /// There is no proof that the remembered tree was only added to.
    #[error("consistency is not proved")]
    Inconsistent(#[source] ConsistencyError),
}

impl Refusal {
    /// The HTTP status of the answer.
    pub const fn status(&self) -> u16 {
        match self {
            Self::OldSizeLarger { .. } => 400,
            Self::Signature(_) => 403,
            Self::UnknownOrigin { .. } => 404,
            Self::Conflict { .. } => 409,
            Self::Unprocessable(_) => 422,
        }
    }

    /// The body of the answer: for 409 the remembered size as the specification asks for, to be sent
    /// as [`CONFLICT_CONTENT_TYPE`](super::CONFLICT_CONTENT_TYPE); else a line for people.
    pub fn body(&self) -> String {
        match self {
            Self::Conflict { remembered } => format!("{remembered}\n"),
            Self::OldSizeLarger { .. }
            | Self::Signature(_)
            | Self::UnknownOrigin { .. }
            | Self::Unprocessable(_) => format!("{self}\n"),
        }
    }
}
