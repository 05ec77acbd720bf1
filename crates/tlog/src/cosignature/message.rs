//! What a cosigner signs.

use super::PosixTime;
use super::key::CosignerAlgorithm;
use crate::checkpoint::{Checkpoint, ParseCheckpointError};
use crate::note::KeyName;

/// The largest time a cosignature may have.
const TIME_MAX: PosixTime = PosixTime(i64::MAX.unsigned_abs());

/// The message over the checkpoint with this note text, as the algorithm asks for.
pub(super) fn message(
    algorithm: CosignerAlgorithm,
    cosigner: &KeyName,
    text: &str,
    time: PosixTime,
) -> Result<Vec<u8>, CosignError> {
    if time > TIME_MAX {
        return Err(CosignError::Time { found: time });
    }
    let (checkpoint, _) = Checkpoint::parse_extended(text).map_err(CosignError::Checkpoint)?;
    match algorithm {
        CosignerAlgorithm::Ed25519 => {
            Ok(format!("cosignature/v1\ntime {time}\n{text}").into_bytes())
        }
        CosignerAlgorithm::MlDsa44 => subtree_message(cosigner, &checkpoint, time),
    }
}

/// The `cosigned_message` of a whole tree.
fn subtree_message(
    cosigner: &KeyName,
    checkpoint: &Checkpoint,
    time: PosixTime,
) -> Result<Vec<u8>, CosignError> {
    let mut message = b"subtree/v1\n\0".to_vec();
    let mut push_opaque = |bytes: &[u8], behind: u64| {
        let length = u8::try_from(bytes.len()).map_err(|_| CosignError::NameTooLong {
            found_bytes: bytes.len(),
        })?;
        message.push(length);
        message.extend_from_slice(bytes);
        message.extend_from_slice(&behind.to_be_bytes());
        Ok(())
    };
    push_opaque(cosigner.as_str().as_bytes(), time.0)?;
    push_opaque(checkpoint.origin.as_str().as_bytes(), 0)?;
    message.extend_from_slice(&checkpoint.size.0.to_be_bytes());
    message.extend_from_slice(checkpoint.root.as_bytes());
    Ok(message)
}

/// Why there is nothing to cosign. The caller is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CosignError {
    /// The text is not a checkpoint.
    #[error("text is not a checkpoint")]
    Checkpoint(#[source] ParseCheckpointError),
    /// The time is above 2^63 - 1.
    #[error("time {found} is above 2^63 - 1")]
    Time {
        /// The time.
        found: PosixTime,
    },
    /// The cosigner's name has more than 255 bytes, which the ML-DSA-44 message cannot carry.
    #[error("name of the cosigner has {found_bytes} bytes, more than 255")]
    NameTooLong {
        /// The length in bytes.
        found_bytes: usize,
    },
}
