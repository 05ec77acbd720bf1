//! The live segment: the one file that grows.

use std::io;
use std::path::Path;

use crate::catalog::TEMPORARY_SUFFIX;
use crate::frame::{self, Trailer};
use crate::ordinal::{Ordinal, SegmentNumber};
use crate::reserve::write_zeros;
use crate::segment::{HEADER_END, SegmentHeader};
use crate::storage::{Storage, StorageFile};

/// Zeros that stay behind the last group: room for the trailer, and the sign of a live segment.
pub(crate) const TAIL_ROOM_BYTES: u64 = 4096;

/// What the header of the next segment has to say about the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Previous {
    pub(crate) end: u64,
    pub(crate) abandoned: bool,
}

/// A segment that takes groups.
///
/// Between `end` and `filled` the file holds durable zeros, at least [`TAIL_ROOM_BYTES`] of them
/// behind every group, so that a group neither grows the file nor reaches its end.
pub(crate) struct Live {
    file: Box<dyn StorageFile>,
    pub(crate) number: SegmentNumber,
    /// Where the next group goes.
    pub(crate) end: u64,
    /// Where the zeros end, which is the file's length.
    pub(crate) filled: u64,
    /// Where the durable groups end.
    pub(crate) synced_end: u64,
}

impl Live {
    /// Creates a segment file of `bytes` bytes. It appears under its name only when header, zeros
    /// and length are durable, so no crash leaves half a header. It replaces a file of that name:
    /// the caller knows that nothing in it was acknowledged.
    pub(crate) fn create(
        storage: &dyn Storage,
        dir: &Path,
        header: &SegmentHeader,
        bytes: u64,
    ) -> io::Result<Self> {
        let name = header.segment.file_name();
        let temporary = dir.join(format!("{name}{TEMPORARY_SUFFIX}"));
        let result = Self::write_new(storage, &temporary, header, bytes).and_then(|file| {
            storage.rename(&temporary, &dir.join(&name))?;
            storage.sync_dir(dir)?;
            Ok(file)
        });
        if result.is_err() {
            // What matters is the first error; a left-over is removed by the next open.
            let _ = storage.remove(&temporary);
        }
        let number = header.segment;
        let (end, synced_end) = (HEADER_END, HEADER_END);
        Ok(Self {
            file: result?,
            number,
            end,
            filled: bytes,
            synced_end,
        })
    }

    fn write_new(
        storage: &dyn Storage,
        path: &Path,
        header: &SegmentHeader,
        bytes: u64,
    ) -> io::Result<Box<dyn StorageFile>> {
        let file = storage.create(path)?;
        file.write_all_at(&header.encode(), 0)?;
        write_zeros(&*file, HEADER_END, bytes)?;
        file.sync_data()?;
        Ok(file)
    }

    /// Whether anything was written behind the header.
    pub(crate) fn has_frames(&self) -> bool {
        self.end > HEADER_END
    }

    /// Whether anything in it was made durable.
    pub(crate) fn has_durable_frames(&self) -> bool {
        self.synced_end > HEADER_END
    }

    /// Where a group of `bytes` and the room behind it would end.
    pub(crate) fn end_with(&self, bytes: u64) -> u64 {
        self.end
            .saturating_add(bytes)
            .saturating_add(TAIL_ROOM_BYTES)
    }

    /// Fills with zeros up to `target`, durably. On an error the file is as it was, as far as
    /// that can be had.
    pub(crate) fn extend(&mut self, target: u64) -> io::Result<()> {
        if let Err(error) = write_zeros(&*self.file, self.filled, target) {
            // Half-written zeros do no harm; giving them back is a courtesy to a full disk.
            let _ = self.file.set_len(self.filled);
            return Err(error);
        }
        self.file.sync_data()?;
        self.synced_end = self.end;
        self.filled = target;
        Ok(())
    }

    /// Writes whole groups over the zeros, in one write.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.end)?;
        let written = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.end = self.end.saturating_add(written);
        Ok(())
    }

    /// Makes what was written durable. After an error the segment must be given up.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.synced_end = self.end;
        Ok(())
    }

    /// Ends a segment whose groups are all durable: trailer, exact length.
    ///
    /// If the trailer cannot be made durable the segment ends as abandoned behind its last group;
    /// if only the cut fails, as abandoned behind its trailer. Neither loses anything.
    pub(crate) fn finish(self, next: Ordinal) -> (Previous, io::Result<()>) {
        let trailer = Trailer {
            recovered: false,
            discarded_bytes: 0,
        };
        finish_file(&*self.file, self.synced_end, next, trailer)
    }
}

/// Writes the trailer at `end` and cuts the file behind it.
pub(crate) fn finish_file(
    file: &dyn StorageFile,
    end: u64,
    next: Ordinal,
    trailer: Trailer,
) -> (Previous, io::Result<()>) {
    let trailer = frame::encode_trailer(trailer, next);
    if let Err(error) = file
        .write_all_at(&trailer, end)
        .and_then(|()| file.sync_data())
    {
        return (
            Previous {
                end,
                abandoned: true,
            },
            Err(error),
        );
    }
    // The trailer is durable: if we die here, recovery finds it and makes the cut.
    let end = end.saturating_add(u64::try_from(trailer.len()).unwrap_or(u64::MAX));
    let cut = file.set_len(end).and_then(|()| file.sync_data());
    (
        Previous {
            end,
            abandoned: cut.is_err(),
        },
        cut,
    )
}
