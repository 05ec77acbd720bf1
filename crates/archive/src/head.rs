//! Where an archive ends.

use affiant_tlog::TreeSize;
use serde::{Deserialize, Serialize};

use crate::error::ArchiveError;
use crate::manifest::{Manifest, hash_of};
use crate::read::Reader;
use crate::store::Objects;

/// The newest set of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number.
    pub set: u64,
    /// Leaves archived.
    pub end: u64,
    /// SHA-256 of its manifest, hex.
    pub manifest: String,
}

impl Head {
    pub(crate) fn of(manifest: &Manifest, hash: &[u8; 32]) -> Self {
        Self {
            set: manifest.set,
            end: manifest.size().0,
            manifest: hex::encode(hash),
        }
    }

    /// Leaves archived.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        TreeSize(self.end)
    }
}

/// Finds the newest set: from the one remembered on, or by a list. `None` for an archive without sets.
///
/// Sets before it are not looked at; [`Scrub`](crate::Scrub) and [`restore`](fn@crate::restore) do that.
///
/// # Errors
/// [`ArchiveError::RolledBack`] where the one remembered is gone.
pub fn find_head(
    objects: &dyn Objects,
    remembered: Option<&Head>,
) -> Result<Option<(Manifest, [u8; 32])>, ArchiveError> {
    let mut reader = Reader::new(objects);
    let mut at = match remembered {
        Some(head) => Some(recall(&mut reader, objects, head)?),
        None => newest_listed(&mut reader, objects)?,
    };
    // A list may be older than what is there.
    loop {
        let next = at
            .as_ref()
            .map_or(0, |(manifest, _)| manifest.set.saturating_add(1));
        match reader.manifest(next, at.as_ref())? {
            Some(found) => at = Some(found),
            None => return Ok(at),
        }
    }
}

fn recall(
    reader: &mut Reader<'_>,
    objects: &dyn Objects,
    head: &Head,
) -> Result<(Manifest, [u8; 32]), ArchiveError> {
    let gone = |error: ArchiveError| {
        if !matches!(
            error,
            ArchiveError::Missing { .. } | ArchiveError::Changed { .. }
        ) {
            return error;
        }
        let sets = objects.sets().unwrap_or_default();
        let found = sets.into_iter().filter(|set| *set < head.set).max();
        ArchiveError::RolledBack {
            remembered: head.set,
            found: found.unwrap_or(0),
        }
    };
    let hash = hash_of(&head.manifest).unwrap_or_default();
    let manifest = reader.manifest_of_hash(head.set, &hash).map_err(gone)?;
    Ok((manifest, hash))
}

/// The newest set that has a manifest: a set without one was never finished.
fn newest_listed(
    reader: &mut Reader<'_>,
    objects: &dyn Objects,
) -> Result<Option<(Manifest, [u8; 32])>, ArchiveError> {
    let mut sets = objects.sets()?;
    sets.sort_unstable();
    while let Some(set) = sets.pop() {
        if let Some(found) = reader.manifest(set, None)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
