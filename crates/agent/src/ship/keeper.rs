//! Who may move a spool's cursor: the trail that writes it, or whoever opens it for an instant.

use affiant_spool::{OpenError, Ordinal, ReleaseError, Spool};

use super::source::Durable;
use crate::state::DataDir;
use crate::trail::{Release, Trail, orphan_options};

/// The writer's side of a spool that is shipped.
pub(super) enum Keeper {
    /// The spool of this process.
    Live(Trail),
    /// A spool that nobody writes to.
    Orphan,
}

/// The cursor did not move.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    /// A process has begun to write to the spool: it ships it from now on.
    #[error("another process writes to the spool now")]
    Taken,
    /// The spool cannot be opened.
    #[error(transparent)]
    Open(OpenError),
    /// The cursor cannot be moved.
    #[error(transparent)]
    Release(#[from] ReleaseError),
}

impl Keeper {
    /// How far the spool may be read.
    pub(super) fn durable(&self) -> Durable {
        match self {
            Self::Live(trail) => trail.durable(),
            Self::Orphan => Durable::ALL,
        }
    }

    /// Lets go of what receipts cover.
    pub(super) fn release(
        &mut self,
        dir: &DataDir,
        name: &str,
        of: &Release,
    ) -> Result<(), KeepError> {
        if let Self::Live(trail) = self {
            if let Some(released) = trail.release(of) {
                return Ok(released?);
            }
            // The trail is closed: its spool is an orphan like any other.
            *self = Self::Orphan;
        }
        let opened = Spool::open(dir.spool(name), orphan_options(dir, name));
        let (mut spool, _) = match opened {
            Ok(opened) => opened,
            Err(OpenError::Locked { .. }) => return Err(KeepError::Taken),
            Err(error) => return Err(KeepError::Open(error)),
        };
        of.apply(&mut spool, &of.blobs)?;
        if let Err(error) = spool.close() {
            tracing::warn!(%error, spool = name, "spool cannot be closed");
        }
        Ok(())
    }
}

/// Whether a process writes to the spool.
pub(super) fn is_taken(dir: &DataDir, name: &str) -> bool {
    Spool::is_locked(dir.spool(name)).unwrap_or(false)
}

/// How far the cursor of a spool is.
pub(super) fn acknowledged_end(dir: &DataDir, name: &str) -> Ordinal {
    affiant_spool::Reader::open_from(dir.spool(name), Ordinal::new(u64::MAX))
        .map_or(Ordinal::FIRST, |reader| reader.acknowledged_end())
}
