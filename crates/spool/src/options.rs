//! How a spool is laid out and how much it may hold.

use crate::error::OpenError;
use crate::ordinal::SpoolId;

/// Settings of a writer. All sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// The id for a spool that does not exist yet; `None` draws one from the operating system.
    pub new_id: Option<SpoolId>,
    /// Size at which a segment is finished and the next begun. Default 64 MiB, at least 8 KiB.
    /// A larger group gets a segment of its own.
    pub segment_bytes: u64,
    /// Zeros written into a new segment. Default 1 MiB.
    pub prealloc_first_bytes: u64,
    /// Zeros written when less than `prealloc_low_bytes` is left. Default 4 MiB.
    pub prealloc_step_bytes: u64,
    /// See `prealloc_step_bytes`. Default 256 KiB.
    pub prealloc_low_bytes: u64,
    /// The quota: segments (with their preallocated room), blobs and reserve. Default 4 GiB.
    pub bytes_max: u64,
    /// Room kept for `gap` and `stop` when disk or quota is full. Default 64 KiB.
    pub reserve_bytes: u64,
    /// Most that may be buffered by `append_unsynced` before it syncs by itself. Default 4 MiB.
    pub unsynced_bytes_max: usize,
    /// How much of an existing spool is read when it is opened.
    pub scan: Scan,
}

/// How much of an existing spool `Spool::open` reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scan {
    /// Every frame of every segment; damage anywhere is reported.
    #[default]
    All,
    /// Every header, but frames of the last segment only. Damage elsewhere is found by readers.
    LastSegment,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            new_id: None,
            segment_bytes: 64 * 1024 * 1024,
            prealloc_first_bytes: 1024 * 1024,
            prealloc_step_bytes: 4 * 1024 * 1024,
            prealloc_low_bytes: 256 * 1024,
            bytes_max: 4 * 1024 * 1024 * 1024,
            reserve_bytes: 64 * 1024,
            unsynced_bytes_max: 4 * 1024 * 1024,
            scan: Scan::All,
        }
    }
}

impl Options {
    /// Holds the options against their limits.
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let room = self.reserve_bytes.saturating_add(SEGMENT_BYTES_MIN);
        let checks = [
            (
                "segment_bytes",
                self.segment_bytes,
                SEGMENT_BYTES_MIN,
                SEGMENT_BYTES_MAX,
            ),
            (
                "bytes_max",
                self.bytes_max,
                SEGMENT_BYTES_MIN.max(room),
                u64::MAX,
            ),
            ("reserve_bytes", self.reserve_bytes, 0, RESERVE_BYTES_MAX),
        ];
        for (name, found, min, max) in checks {
            if found < min || found > max {
                return Err(OpenError::Option {
                    name,
                    found,
                    min,
                    max,
                });
            }
        }
        Ok(())
    }
}

/// Small enough for tests that roll often, large enough for a header and a few groups.
const SEGMENT_BYTES_MIN: u64 = 8 * 1024;
/// Recovery reads the last segment in whole.
const SEGMENT_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// A reserve takes a handful of small frames; more would only be taken from the entries.
const RESERVE_BYTES_MAX: u64 = 16 * 1024 * 1024;
