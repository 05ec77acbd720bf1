//! What each operation of a spool can fail with.

use std::io;
use std::path::PathBuf;

use crate::ordinal::{Ordinal, SegmentNumber};

/// Why a spool could not be opened for writing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process writes to this spool. Not an error of the disk: try another directory, or
    /// wait for that process.
    #[error("spool `{}` is in use{}", dir.display(), by(*pid))]
    Locked {
        /// The spool's directory.
        dir: PathBuf,
        /// The process that holds it, if it said so.
        pid: Option<u32>,
    },
    /// The newest segment is of a later format; writing behind it could destroy it. Fatal.
    #[error("segment {} has format version {found}, which is not known", segment.file_name())]
    Version {
        /// The segment.
        segment: SegmentNumber,
        /// Its version.
        found: u16,
    },
    /// An option is outside its limits. The caller's fault.
    #[error("option {name} is {found}, allowed is {min} to {max}")]
    Option {
        /// Which option.
        name: &'static str,
        /// What was given.
        found: u64,
        /// The lowest allowed value.
        min: u64,
        /// The highest allowed value.
        max: u64,
    },
    /// The disk refused. Nothing acknowledged is lost; trying again is safe.
    #[error("storage failed in spool `{}`", dir.display())]
    Storage {
        /// The spool's directory.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

fn by(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" by process {pid}"))
}

/// What was full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FullReason {
    /// `bytes_max` of the options.
    Quota,
    /// The file system.
    Disk,
}

/// Why a group was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// A group needs a frame. The caller's fault; nothing was written.
    #[error("group is empty")]
    EmptyGroup,
    /// A frame is over [`crate::FRAME_BYTES_MAX`]. The caller's fault; nothing was written.
    #[error("frame {index} of the group has {bytes} bytes, allowed are {max}")]
    FrameTooLarge {
        /// Which frame of the group.
        index: usize,
        /// Its payload, in bytes.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The group is over [`crate::GROUP_BYTES_MAX`]. The caller's fault; nothing was written.
    #[error("group has {bytes} bytes, allowed are {max}")]
    GroupTooLarge {
        /// The group as encoded, in bytes.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// No room. Nothing of the group is on the disk; the spool is as it was, and the same call may
    /// succeed after a release.
    #[error("no room for {bytes_needed} bytes ({bytes_used} of {bytes_max} used)")]
    Full {
        /// Quota or disk.
        reason: FullReason,
        /// Room that was asked for, in bytes.
        bytes_needed: u64,
        /// [`crate::Spool::bytes_used`] at that time.
        bytes_used: u64,
        /// The quota.
        bytes_max: u64,
    },
    /// Writing or syncing failed in one segment, and then in a fresh one. The group is not
    /// acknowledged, though it may be found after a restart. Groups acknowledged as durable are
    /// safe; groups buffered by `append_unsynced` are kept and tried again with the next call.
    #[error("storage failed at frame {next}")]
    Storage {
        /// The ordinal the next group will have.
        next: Ordinal,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Why a release or an acknowledgement was not recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The ordinal is not durable yet. The caller's fault; nothing changed.
    #[error("frame {asked} is not durable (next durable is {durable_end})")]
    NotDurable {
        /// The ordinal asked for.
        asked: Ordinal,
        /// The first ordinal that is not durable.
        durable_end: Ordinal,
    },
    /// The disk refused. The cursor is as before or as asked, never between; trying again is safe.
    #[error("storage failed while releasing")]
    Storage {
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Why a blob was not stored, read or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// No room; nothing was written.
    #[error("no room for a blob of {bytes_needed} bytes ({bytes_used} of {bytes_max} used)")]
    Full {
        /// Quota or disk.
        reason: FullReason,
        /// The blob's size.
        bytes_needed: u64,
        /// [`crate::Spool::bytes_used`] at that time.
        bytes_used: u64,
        /// The quota.
        bytes_max: u64,
    },
    /// The disk refused. The blob is not there, or is there in whole.
    #[error("storage failed for blob {id}")]
    Storage {
        /// Which blob.
        id: crate::BlobId,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Why upkeep or closing did not go through.
///
/// What was durable before stays durable. After a failed close the next open finishes the work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpkeepError {
    /// Buffered groups could not be made durable.
    #[error("buffered groups were not made durable")]
    Append(#[source] AppendError),
    /// The disk refused.
    #[error("storage failed during upkeep")]
    Storage {
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Why a spool could not be read. Damage is no error: see [`crate::Damage`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no spool in the directory: no segment, no cursor, not even a lock file.
    #[error("no spool in `{}`", dir.display())]
    NoSpool {
        /// The directory.
        dir: PathBuf,
    },
    /// A segment is of a later format.
    #[error("segment {} has format version {found}, which is not known", segment.file_name())]
    Version {
        /// The segment.
        segment: SegmentNumber,
        /// Its version.
        found: u16,
    },
    /// The disk refused.
    #[error("storage failed while reading")]
    Storage {
        /// What the system said.
        #[source]
        source: io::Error,
    },
}
