//! Entry bundles of C2SP tlog-tiles: up to 256 entries of a log in one file.
//!
//! # The bytes
//!
//! ```text
//! ┌────────────┬─────────┬────────────┬─────────┬┄
//! │ u16 length │ entry 0 │ u16 length │ entry 1 │      lengths big-endian, in bytes
//! └────────────┴─────────┴────────────┴─────────┴┄
//! ```
//!
//! How many entries there are is not in the file but in its name: [`BundleId`]. The RFC 6962 leaf
//! hash of an entry is over its bytes without the length.
//!
//! ```
//! use affiant_tlog::bundle::{self, Bundle};
//! use affiant_tlog::tile::BundleId;
//!
//! let mut file = Vec::new();
//! bundle::push(&mut file, b"first")?;
//! bundle::push(&mut file, b"")?;
//! let bundle = Bundle::parse(BundleId::new(0, 2).unwrap(), &file)?;
//! assert_eq!(bundle.entries(), [&b"first"[..], b""]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//!
//! An entry has at most [`ENTRY_BYTES_MAX`] bytes, so a bundle at most [`BUNDLE_BYTES_MAX`].

use crate::hash::{Hash, leaf_hash};
use crate::tile::{BundleId, TILE_WIDTH};

/// The largest entry, in bytes: what the length prefix can say.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// The largest bundle, in bytes.
pub const BUNDLE_BYTES_MAX: usize = 256 * (2 + ENTRY_BYTES_MAX);

/// Bytes of a length prefix.
const PREFIX_BYTES: usize = 2;

/// A bundle's entries, borrowed from its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle<'a> {
    id: BundleId,
    entries: Vec<&'a [u8]>,
}

impl<'a> Bundle<'a> {
    /// Reads the file of a bundle: exactly as many entries as its width says, and nothing behind
    /// them.
    ///
    /// # Errors
    ///
    /// [`ParseBundleError`].
    pub fn parse(id: BundleId, bytes: &'a [u8]) -> Result<Self, ParseBundleError> {
        let mut entries = Vec::with_capacity(usize::from(id.width()));
        let mut rest = bytes;
        for number in 0..id.width() {
            let (entry, behind) =
                split_entry(rest).ok_or(ParseBundleError::Truncated { bundle: id, number })?;
            entries.push(entry);
            rest = behind;
        }
        if rest.is_empty() {
            Ok(Self { id, entries })
        } else {
            Err(ParseBundleError::Trailing {
                bundle: id,
                found_bytes: rest.len(),
            })
        }
    }

    /// Which bundle it is.
    pub const fn id(&self) -> BundleId {
        self.id
    }

    /// Its entries, as many as its width.
    pub fn entries(&self) -> &[&'a [u8]] {
        &self.entries
    }

    /// The RFC 6962 leaf hashes of its entries: what the level 0 tile of the same index and width
    /// must say.
    pub fn leaf_hashes(&self) -> Vec<Hash> {
        self.entries.iter().map(|entry| leaf_hash(entry)).collect()
    }
}

/// The first entry of a bundle, and what follows it.
fn split_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<PREFIX_BYTES>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// Puts an entry at the end of a bundle's file.
///
/// # Errors
///
/// [`EntryTooLong`]; the file is then unchanged.
pub fn push(file: &mut Vec<u8>, entry: &[u8]) -> Result<(), EntryTooLong> {
    let length = u16::try_from(entry.len()).map_err(|_| EntryTooLong {
        found_bytes: entry.len(),
    })?;
    file.extend_from_slice(&length.to_be_bytes());
    file.extend_from_slice(entry);
    Ok(())
}

/// Grows the bundles of a log, as [`TreeWriter`](crate::tile::TreeWriter) grows its tiles.
///
/// It remembers the partial bundle, and the full ones since the last [`BundleWriter::drain`].
#[derive(Debug, Clone, Default)]
pub struct BundleWriter {
    /// Full bundles of the log.
    bundles: u64,
    /// The file of the partial bundle.
    partial: Vec<u8>,
    /// Its entries, fewer than a bundle.
    width: u16,
    /// How many of these were given out.
    drained: u16,
    /// Full bundles not yet drained.
    full: Vec<(BundleId, Vec<u8>)>,
}

impl BundleWriter {
    /// The bundles of a log without entries.
    pub const fn new() -> Self {
        Self {
            bundles: 0,
            partial: Vec::new(),
            width: 0,
            drained: 0,
            full: Vec::new(),
        }
    }

    /// Goes on behind this partial bundle; `None` for a bundle that is full, behind which
    /// [`BundleWriter::resume_behind`] goes on.
    pub fn resume(bundle: &Bundle<'_>) -> Option<Self> {
        if bundle.id.is_full() {
            return None;
        }
        let mut partial = Vec::new();
        for entry in bundle.entries() {
            push(&mut partial, entry).ok()?;
        }
        Some(Self {
            bundles: bundle.id.index(),
            partial,
            width: bundle.id.width(),
            drained: bundle.id.width(),
            full: Vec::new(),
        })
    }

    /// Goes on behind this many full bundles.
    pub const fn resume_behind(bundles: u64) -> Self {
        Self {
            bundles,
            partial: Vec::new(),
            width: 0,
            drained: 0,
            full: Vec::new(),
        }
    }

    /// Puts an entry behind all others.
    ///
    /// # Errors
    ///
    /// [`EntryTooLong`]; the writer is then unchanged.
    pub fn append(&mut self, entry: &[u8]) -> Result<(), EntryTooLong> {
        push(&mut self.partial, entry)?;
        self.width = self.width.saturating_add(1);
        if self.width == TILE_WIDTH {
            let file = std::mem::take(&mut self.partial);
            self.full
                .extend(BundleId::new(self.bundles, TILE_WIDTH).map(|id| (id, file)));
            self.bundles = self.bundles.saturating_add(1);
            self.width = 0;
            self.drained = 0;
        }
        Ok(())
    }

    /// The files of all bundles that are new or have grown since the last drain, by index, the
    /// partial one last.
    pub fn drain(&mut self) -> Vec<(BundleId, Vec<u8>)> {
        let mut files = std::mem::take(&mut self.full);
        if self.width > self.drained {
            self.drained = self.width;
            files.extend(
                BundleId::new(self.bundles, self.width).map(|id| (id, self.partial.clone())),
            );
        }
        files
    }
}

/// Why bytes are not the bundle. The store is damaged, or gave another file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseBundleError {
    /// The file ends within an entry or its length, or has fewer entries than its name says.
    #[error("{bundle} ends within entry {number}")]
    Truncated {
        /// The bundle.
        bundle: BundleId,
        /// Which entry of it, counted from 0.
        number: u16,
    },
    /// There are bytes behind the last entry.
    #[error("{bundle} has {found_bytes} bytes behind its last entry")]
    Trailing {
        /// The bundle.
        bundle: BundleId,
        /// How many bytes.
        found_bytes: usize,
    },
}

/// An entry is larger than [`ENTRY_BYTES_MAX`]. Whoever made it must split it or refer to a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("entry has {found_bytes} bytes, more than {ENTRY_BYTES_MAX}")]
pub struct EntryTooLong {
    /// The entry's length in bytes.
    pub found_bytes: usize,
}
