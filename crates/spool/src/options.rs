//! How a spool is laid out and how much it may hold.

use crate::ordinal::SpoolId;

/// Settings of a writer. All sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// The id for a spool that does not exist yet; `None` draws one from the operating system.
    pub new_id: Option<SpoolId>,
    /// Size at which a segment is finished and the next begun. Default 64 MiB, at least 64 KiB.
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
