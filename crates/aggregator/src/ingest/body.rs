//! From a request body to the bytes of a batch, within bounds.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use affiant_entry::batch::BATCH_BYTES_MAX;
use axum::body::Body;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// Memory that batches in work may take together.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    kib: Arc<Semaphore>,
}

/// Memory that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    budget: Budget,
    permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            kib: Arc::new(Semaphore::new(bytes / KIB)),
        }
    }

    fn hold(&self) -> Held {
        Held {
            budget: self.clone(),
            permit: None,
            bytes: 0,
        }
    }

    /// Bytes that are free.
    pub(crate) fn free_bytes(&self) -> u64 {
        let kib = u64::try_from(self.kib.available_permits()).unwrap_or(u64::MAX);
        kib.saturating_mul(1024)
    }
}

impl Held {
    /// Makes it `bytes` in all.
    fn grow_to(&mut self, bytes: usize) -> Result<(), Problem> {
        let missing = bytes.div_ceil(KIB).saturating_sub(self.bytes.div_ceil(KIB));
        self.bytes = bytes.max(self.bytes);
        if missing == 0 {
            return Ok(());
        }
        let missing = u32::try_from(missing).map_err(|_| Problem::slow_down())?;
        let more = Arc::clone(&self.budget.kib)
            .try_acquire_many_owned(missing)
            .map_err(|_| Problem::slow_down())?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            none @ None => *none = Some(more),
        }
        Ok(())
    }
}

/// Reads a body of at most `bytes_max`; gives up on a sender that pauses too long.
pub(crate) async fn read(
    budget: &Budget,
    mut body: Body,
    bytes_max: usize,
) -> Result<(Vec<u8>, Held), Problem> {
    let mut held = budget.hold();
    let mut bytes = Vec::new();
    loop {
        let frame = tokio::time::timeout(PAUSE_MAX, body.frame()).await;
        let frame = frame.map_err(|_| Problem::malformed("the body stopped coming"))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| Problem::malformed("the body broke off"))?;
        if let Some(data) = frame.data_ref() {
            let len = bytes.len().saturating_add(data.len());
            if len > bytes_max {
                return Err(Problem::too_large(format!(
                    "the body is longer than {bytes_max} bytes"
                )));
            }
            held.grow_to(len)?;
            bytes.extend_from_slice(data);
        }
    }
    Ok((bytes, held))
}

/// Undoes zstd (RFC 8878), never past [`BATCH_BYTES_MAX`] and never past what memory there is.
pub(crate) fn decompress(bytes: &[u8], held: &mut Held) -> Result<Vec<u8>, Problem> {
    let broken = |_| Problem::malformed("the body is not zstd");
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(broken)?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(broken)?;
    let mut out = Vec::new();
    let mut step = vec![0; STEP_BYTES];
    loop {
        let read = decoder.read(&mut step).map_err(broken)?;
        let Some(part) = step.get(..read).filter(|part| !part.is_empty()) else {
            return Ok(out);
        };
        let len = out.len().saturating_add(read);
        if len > BATCH_BYTES_MAX {
            return Err(Problem::too_large(format!(
                "the batch is longer than {BATCH_BYTES_MAX} bytes uncompressed"
            )));
        }
        held.grow_to(bytes.len().saturating_add(len))?;
        out.extend_from_slice(part);
    }
}

const KIB: usize = 1024;
/// A sender that sends nothing for so long is gone.
const PAUSE_MAX: Duration = Duration::from_secs(20);
/// 8 MiB: what level 19 uses; senders use less.
const WINDOW_LOG_MAX: u32 = 23;
const STEP_BYTES: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = zstd::bulk::compress(&vec![0; BATCH_BYTES_MAX + 1], 3).unwrap();
        assert!(bomb.len() < 10_000);
        let mut held = Budget::new(usize::MAX >> 4).hold();
        let refused = decompress(&bomb, &mut held).unwrap_err();
        assert_eq!(refused.code, "too-large");
    }

    #[test]
    fn memory_that_is_not_there_is_not_taken() {
        let batch = zstd::bulk::compress(&vec![0; 1 << 20], 3).unwrap();
        let budget = Budget::new(512 << 10);
        let refused = decompress(&batch, &mut budget.hold()).unwrap_err();
        assert_eq!(refused.code, "slow-down");
        assert_eq!(budget.free_bytes(), 512 << 10);
    }

    #[test]
    fn what_is_not_zstd_is_malformed() {
        let mut held = Budget::new(1 << 20).hold();
        for bytes in [&b"plain"[..], b"", &[0x28, 0xb5, 0x2f, 0xfd]] {
            let refused = decompress(bytes, &mut held);
            assert!(refused.is_err() || refused.is_ok_and(|out| out.is_empty()));
        }
    }
}
