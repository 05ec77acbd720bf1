//! What a writer does with the spool it finds, and a door for fuzzing.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::blob::BLOB_DIR;
use crate::catalog::{self, Catalog, SegmentFile, TEMPORARY_SUFFIX};
use crate::cursor::CursorFile;
use crate::damage::{Damage, Tail};
use crate::error::ReadError;
use crate::frame::{FRAME_TOTAL_MAX, Trailer};
use crate::live::{Previous, finish_file};
use crate::options::Scan;
use crate::ordinal::{Ordinal, SegmentNumber, SpoolId};
use crate::reader::{Item, LastSegment, Reader};
use crate::scan::{End, Scanner, Step};
use crate::segment::{HEADER_END, HeaderError, SegmentHeader};
use crate::source::SliceSource;
use crate::storage::{Storage, StorageFile};

/// What opening a spool found. Also what an adopter of a dead process's spool wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Whether there was no spool before.
    pub created: bool,
    /// How the spool ended; a torn tail has been cut off after it was reported here.
    pub tail: Tail,
    /// What is wrong with it, in order; at most [`Recovery::DAMAGE_MAX`]. The bytes stay where
    /// they are, so the next open reports them again.
    pub damage: Vec<Damage>,
    /// How much damage was found beyond that.
    pub damage_omitted: u64,
    /// The first frame that is still there (equals `next` if there is none).
    pub first: Ordinal,
    /// The ordinal the next frame will get.
    pub next: Ordinal,
}

impl Recovery {
    /// How much damage is listed one by one.
    pub const DAMAGE_MAX: usize = 1024;

    /// Whether the last writer closed the spool in order and nothing is wrong with it.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.damage.is_empty() && self.tail == Tail::Clean
    }
}

/// A segment that takes no more groups.
#[derive(Debug, Clone)]
pub(crate) struct ClosedSegment {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// The ordinal behind its last frame.
    pub(crate) end: Ordinal,
}

/// A spool as recovery leaves it to the writer.
pub(crate) struct Recovered {
    pub(crate) report: Recovery,
    pub(crate) id: Option<SpoolId>,
    pub(crate) closed: VecDeque<ClosedSegment>,
    pub(crate) previous: Previous,
    pub(crate) next_segment: SegmentNumber,
    pub(crate) acknowledged_end: Ordinal,
}

/// Reads the spool as any reader would, then ends its last segment.
pub(crate) fn recover(
    storage: &Arc<dyn Storage>,
    dir: &Path,
    scan: Scan,
) -> Result<Recovered, ReadError> {
    let failed = |source| ReadError::Storage { source };
    remove_temporary_files(&**storage, dir).map_err(failed)?;
    let catalog = Catalog::load(&**storage, dir)?;
    let created = catalog.segments.is_empty() && catalog.cursor == CursorFile::Absent;
    let files: Vec<SegmentFile> = catalog.segments.values().cloned().collect();
    let (cursor, id) = (catalog.cursor, catalog.id);
    let mut reader = Reader::over(Arc::clone(storage), dir, catalog);
    if scan == Scan::LastSegment {
        reader.skip_to_last();
    }
    let mut damage = Vec::new();
    let mut damage_omitted = 0_u64;
    let mut first = None;
    while let Some(item) = reader.next_item()? {
        match item {
            Item::Frame(frame) => first = first.or(Some(frame.ordinal)),
            Item::Damage(found) if damage.len() < Recovery::DAMAGE_MAX => damage.push(found),
            Item::Damage(_) => damage_omitted = damage_omitted.saturating_add(1),
        }
    }
    if scan == Scan::LastSegment {
        first = files.first().and_then(SegmentFile::first_ordinal).or(first);
    }
    let next = reader.next_ordinal();
    let first = first.unwrap_or(next);
    let tail = reader.tail().unwrap_or(Tail::Clean);
    let report = Recovery {
        created,
        tail,
        damage,
        damage_omitted,
        first,
        next,
    };
    let mut recovered = Recovered {
        report,
        id,
        closed: closed_segments(&files, next),
        previous: Previous {
            end: 0,
            abandoned: false,
        },
        next_segment: next_segment(&**storage, dir, &files, cursor).map_err(failed)?,
        acknowledged_end: cursor.acknowledged_end(),
    };
    if let Some(last) = reader.last_segment() {
        recovered.end_last(&**storage, dir, last).map_err(failed)?;
    }
    Ok(recovered)
}

impl Recovered {
    /// Ends the last segment, so that the next one can say where it ends.
    fn end_last(
        &mut self,
        storage: &dyn Storage,
        dir: &Path,
        last: &LastSegment,
    ) -> io::Result<()> {
        let (end, bytes) = match last.end {
            End::Finished { end, remains: 0 } | End::Bounded { end } => (end, end),
            // Damage is left as it is, and counts: the next segment says it belongs there.
            End::Unterminated { end, bytes } => {
                let len = end.saturating_add(bytes);
                (len, len)
            }
            End::Finished { end, .. } => {
                let file = storage.open_write(&dir.join(&last.file.name))?;
                rewrite(&*file, last.base.min(end), end)?;
                file.sync_data()?;
                file.set_len(end)?;
                file.sync_data()?;
                (end, end)
            }
            End::Slack { end, .. } => self.cut(storage, dir, last, end, 0)?,
            End::Torn { end, bytes } => self.cut(storage, dir, last, end, bytes)?,
        };
        self.previous = Previous {
            end,
            abandoned: false,
        };
        if let Some(closed) = self.closed.back_mut() {
            closed.bytes = bytes;
        }
        self.replace_if_empty(last);
        Ok(())
    }

    fn cut(
        &self,
        storage: &dyn Storage,
        dir: &Path,
        last: &LastSegment,
        end: u64,
        discarded_bytes: u64,
    ) -> io::Result<(u64, u64)> {
        let file = storage.open_write(&dir.join(&last.file.name))?;
        rewrite(&*file, last.base.min(end), end)?;
        let trailer = Trailer {
            recovered: true,
            discarded_bytes,
        };
        let (previous, result) = finish_file(&*file, end, last.next, trailer);
        result.map(|()| (previous.end, previous.end))
    }

    /// A sound last segment without frames need not stay: the next one takes its number and, with
    /// the same rename that makes it visible, its place.
    fn replace_if_empty(&mut self, last: &LastSegment) {
        let (Ok(header), true) = (last.file.header, self.report.damage.is_empty()) else {
            return;
        };
        let empty = match last.end {
            End::Slack { end, .. } | End::Torn { end, .. } => end == HEADER_END,
            End::Finished { .. } => last.next == header.first_ordinal,
            End::Bounded { .. } | End::Unterminated { .. } => false,
        };
        if empty && last.file.number.next() == self.next_segment {
            self.next_segment = last.file.number;
            self.previous = Previous {
                end: header.previous_end,
                abandoned: header.previous_abandoned,
            };
            self.closed.pop_back();
        }
    }
}

/// Writes the bytes of groups that may not be durable once more.
///
/// The process before us may have died after a failed sync: then the system shows us bytes that
/// it has given up writing. Only bytes that are written again are sure to be synced.
fn rewrite(file: &dyn StorageFile, start: u64, end: u64) -> io::Result<()> {
    let mut buffer = vec![0; FRAME_TOTAL_MAX];
    let mut at = start;
    while at < end {
        let want = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        let want = want.min(buffer.len());
        let read = file.read_at(buffer.get_mut(..want).unwrap_or_default(), at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.write_all_at(buffer.get(..read).unwrap_or_default(), at)?;
        at = at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
    Ok(())
}

fn closed_segments(files: &[SegmentFile], next: Ordinal) -> VecDeque<ClosedSegment> {
    let mut closed = VecDeque::with_capacity(files.len());
    // Backwards: a segment ends where the next sound header begins.
    let mut end = next;
    for file in files.iter().rev() {
        closed.push_front(ClosedSegment {
            name: file.name.clone(),
            bytes: file.len,
            end,
        });
        end = file.first_ordinal().unwrap_or(end);
    }
    closed
}

/// The lowest number behind every segment there is or was, whatever the files are called.
fn next_segment(
    storage: &dyn Storage,
    dir: &Path,
    files: &[SegmentFile],
    cursor: CursorFile,
) -> io::Result<SegmentNumber> {
    let names = catalog::list(storage, dir)?;
    let named = names
        .iter()
        .filter_map(|name| SegmentNumber::from_file_name(name));
    let numbers = named.chain(files.iter().map(|file| file.number));
    let behind_files = numbers
        .max()
        .map_or(SegmentNumber::FIRST, SegmentNumber::next);
    Ok(match cursor {
        CursorFile::Valid(cursor) => behind_files.max(cursor.next_segment),
        CursorFile::Absent | CursorFile::Damaged => behind_files,
    })
}

/// Removes what a crash left of files that were never given their name.
fn remove_temporary_files(storage: &dyn Storage, dir: &Path) -> io::Result<()> {
    for name in catalog::list(storage, dir)? {
        let ours = ["seg-", "cursor.", "reserve."]
            .iter()
            .any(|start| name.starts_with(start));
        if ours && name.ends_with(TEMPORARY_SUFFIX) {
            storage.remove(&dir.join(name))?;
        }
    }
    let blobs = dir.join(BLOB_DIR);
    for name in catalog::list(storage, &blobs)? {
        if name.ends_with(TEMPORARY_SUFFIX) {
            storage.remove(&blobs.join(name))?;
        }
    }
    Ok(())
}

/// What [`scan_bytes`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentScan {
    /// The header, or why there is none.
    pub header: Result<SegmentHeader, HeaderError>,
    /// How many frames were found.
    pub frames: u64,
    /// The bytes of their payloads.
    pub payload_bytes: u64,
    /// What is wrong, at most [`Recovery::DAMAGE_MAX`].
    pub damage: Vec<Damage>,
    /// How it ends.
    pub tail: Tail,
}

/// Scans the bytes of one segment file, as recovery would if it were the last of its spool.
///
/// Never panics, whatever the bytes: the door for fuzzing.
#[must_use]
pub fn scan_bytes(bytes: &[u8]) -> SegmentScan {
    let header = SegmentHeader::decode(bytes);
    let first = header
        .map(|header| header.first_ordinal)
        .unwrap_or_default();
    let number = header.map(|header| header.segment).unwrap_or_default();
    let mut scanner = Scanner::new(SliceSource(bytes), number, first, None);
    let mut scan = SegmentScan {
        header,
        frames: 0,
        payload_bytes: 0,
        damage: Vec::new(),
        tail: Tail::Clean,
    };
    // A slice cannot fail to be read.
    while let Ok(step) = scanner.step(false) {
        match step {
            Step::Frames(frames) => {
                for frame in frames {
                    let bytes = u64::try_from(frame.payload.len()).unwrap_or(u64::MAX);
                    scan.frames = scan.frames.saturating_add(1);
                    scan.payload_bytes = scan.payload_bytes.saturating_add(bytes);
                }
            }
            Step::Damage(damage) if scan.damage.len() < Recovery::DAMAGE_MAX => {
                scan.damage.push(damage);
            }
            Step::Damage(_) => {}
            Step::End(end) => {
                scan.tail = crate::reader::tail(number, end);
                return scan;
            }
        }
    }
    scan
}
