//! Reading a spool, with or without a live writer.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::blob::{self, BlobId};
use crate::catalog::{self, Catalog, SegmentFile};
use crate::cursor::{self, CursorFile};
use crate::damage::{Damage, Tail};
use crate::error::ReadError;
use crate::frame::{FrameKind, GROUP_BYTES_MAX};
use crate::ordinal::{Ordinal, OrdinalRange, Position, SegmentNumber, SpoolId};
use crate::reserve;
use crate::scan::{End, Scanner, Step};
use crate::segment::{HeaderError, SegmentHeader};
use crate::source::FileSource;
use crate::storage::{OsStorage, Storage};

/// A frame as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameRef {
    /// Its number.
    pub ordinal: Ordinal,
    /// What it holds.
    pub kind: FrameKind,
    /// Where it begins.
    pub position: Position,
    /// Whether it is the last of its group.
    pub group_end: bool,
    /// The payload, as appended.
    pub payload: Vec<u8>,
}

/// A segment file, as its name and header present it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The file's name.
    pub file: String,
    /// Its number: the header's, or if that does not hold, the name's.
    pub number: SegmentNumber,
    /// Its length in bytes, with zeros ahead if it is live.
    pub bytes: u64,
    /// Its header, or what is wrong with that.
    pub header: Result<SegmentHeader, HeaderError>,
}

/// What a reader meets, in the order of the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A frame. Its group is complete, unless a [`Item::Damage`] next to it says what is missing.
    Frame(FrameRef),
    /// Something that is wrong at this place.
    Damage(Damage),
}

/// Reads a spool in order. Takes no lock and changes nothing.
///
/// A writer may be at work: a reader then sees complete groups, some perhaps an instant before
/// they are durable, and ordinals that were handed out are not handed out again. A group that is
/// being written while it is looked at reads as [`Tail::Torn`].
///
/// Segments that the cursor releases while they are being read are passed over in silence.
/// Memory is bounded by the largest group, [`GROUP_BYTES_MAX`], plus a window of 256 KiB.
///
/// Does not check signatures, nor that blobs are there and are what their names say.
pub struct Reader {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    strict: bool,
    items: VecDeque<Item>,
    segments: VecDeque<SegmentFile>,
    current: Option<Current>,
    /// The number of the segment begun last.
    last_number: Option<SegmentNumber>,
    cursor: CursorFile,
    id: Option<SpoolId>,
    /// The ordinal the next segment should begin with; `None` before the first.
    expected: Option<Ordinal>,
    /// Frames before this one are not handed out.
    deliver_from: Ordinal,
    /// The end was met: look at the file anew before the next step.
    at_end: bool,
    tail: Option<Tail>,
    end: Option<LastSegment>,
}

/// The last segment and how it ends: where recovery goes to work.
#[derive(Debug, Clone)]
pub(crate) struct LastSegment {
    pub(crate) file: SegmentFile,
    pub(crate) end: End,
    /// Everything before this place was durable when the last groups were written.
    pub(crate) base: u64,
    /// The ordinal behind the segment's frames.
    pub(crate) next: Ordinal,
}

struct Current {
    file: SegmentFile,
    scanner: Scanner<FileSource>,
}

impl Reader {
    /// Opens the spool in `dir` at its first frame.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoSpool`] if there is no file of a spool in it, [`ReadError::Version`] for a
    /// later format, [`ReadError::Storage`] if the disk refuses.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, ReadError> {
        Self::open_on(Arc::new(OsStorage), dir)
    }

    /// Opens the spool for verification: at its end also files with names like a segment's, and a
    /// reserve that is not zeros, are reported.
    ///
    /// In a spool that was closed cleanly, every flipped bit of segments, cursor and reserve is
    /// reported as [`Damage`], here or by the plain reader.
    ///
    /// # Errors
    ///
    /// As for [`Reader::open`].
    pub fn open_strict(dir: impl AsRef<Path>) -> Result<Self, ReadError> {
        Self::open_strict_on(Arc::new(OsStorage), dir)
    }

    /// Opens the spool at the first frame whose ordinal is at least `from`. Segments before it are
    /// not read, so damage in them is not reported.
    ///
    /// # Errors
    ///
    /// As for [`Reader::open`].
    pub fn open_from(dir: impl AsRef<Path>, from: Ordinal) -> Result<Self, ReadError> {
        Self::open_from_on(Arc::new(OsStorage), dir, from)
    }

    /// [`Reader::open`] on another storage.
    ///
    /// # Errors
    ///
    /// As for [`Reader::open`].
    pub fn open_on(storage: Arc<dyn Storage>, dir: impl AsRef<Path>) -> Result<Self, ReadError> {
        let catalog = Catalog::load(&*storage, dir.as_ref())?;
        if !catalog.exists {
            return Err(ReadError::NoSpool {
                dir: dir.as_ref().to_owned(),
            });
        }
        Ok(Self::over(storage, dir.as_ref(), catalog))
    }

    /// [`Reader::open_strict`] on another storage.
    ///
    /// # Errors
    ///
    /// As for [`Reader::open`].
    pub fn open_strict_on(
        storage: Arc<dyn Storage>,
        dir: impl AsRef<Path>,
    ) -> Result<Self, ReadError> {
        let mut reader = Self::open_on(storage, dir)?;
        reader.strict = true;
        Ok(reader)
    }

    /// [`Reader::open_from`] on another storage.
    ///
    /// # Errors
    ///
    /// As for [`Reader::open`].
    pub fn open_from_on(
        storage: Arc<dyn Storage>,
        dir: impl AsRef<Path>,
        from: Ordinal,
    ) -> Result<Self, ReadError> {
        let mut reader = Self::open_on(storage, dir)?;
        reader.deliver_from = from;
        let starts_before =
            |file: &SegmentFile| file.first_ordinal().is_some_and(|first| first <= from);
        while reader.segments.get(1).is_some_and(starts_before) {
            reader.last_number = reader.segments.pop_front().map(|skipped| skipped.number);
            reader.expected = reader.segments.front().and_then(SegmentFile::first_ordinal);
        }
        Ok(reader)
    }

    /// A reader over a catalog that was loaded already. Never [`ReadError::NoSpool`].
    pub(crate) fn over(storage: Arc<dyn Storage>, dir: &Path, catalog: Catalog) -> Self {
        Self {
            storage,
            dir: dir.to_owned(),
            strict: false,
            items: catalog.damage.into_iter().map(Item::Damage).collect(),
            segments: catalog.segments.into_values().collect(),
            current: None,
            last_number: None,
            cursor: catalog.cursor,
            id: catalog.id,
            expected: None,
            deliver_from: Ordinal::FIRST,
            at_end: false,
            tail: None,
            end: None,
        }
    }

    /// The next item, or `None` at the end of what is there; then [`Reader::tail`] says how the
    /// spool ends. Asking again looks whether more has come.
    ///
    /// # Errors
    ///
    /// [`ReadError::Storage`] if the disk refuses; the same call may be made again.
    pub fn next_item(&mut self) -> Result<Option<Item>, ReadError> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Ok(Some(item));
            }
            if !self.advance(false)? {
                return Ok(None);
            }
        }
    }

    /// The frames and damage completed since the last item: whole groups, at least one if there is
    /// one, and about 8 MiB at most, so that a caller asks again until the answer is empty.
    ///
    /// Cheaper than [`Reader::next_item`] at the end of a live spool: zeros there are taken for the
    /// end without a look at all of them.
    ///
    /// # Errors
    ///
    /// [`ReadError::Storage`] if the disk refuses; the same call may be made again.
    pub fn poll_new(&mut self) -> Result<Vec<Item>, ReadError> {
        let mut bytes = 0_usize;
        let mut items = Vec::new();
        loop {
            for item in self.items.drain(..) {
                if let Item::Frame(frame) = &item {
                    bytes = bytes.saturating_add(frame.payload.len());
                }
                items.push(item);
            }
            if bytes >= GROUP_BYTES_MAX || !self.advance(true)? {
                return Ok(items);
            }
        }
    }

    /// How the spool ends, once [`Reader::next_item`] has returned `None`; before, and after
    /// [`Reader::poll_new`] alone, `None`.
    #[must_use]
    pub fn tail(&self) -> Option<Tail> {
        self.tail
    }

    /// The first ordinal that the cursor file did not acknowledge when the reader last looked (0 if
    /// there is no valid cursor).
    #[must_use]
    pub fn acknowledged_end(&self) -> Ordinal {
        self.cursor.acknowledged_end()
    }

    /// The spool's id, as the cursor or else the first sound header names it.
    #[must_use]
    pub fn id(&self) -> Option<SpoolId> {
        self.id
    }

    /// The ordinal behind everything read so far.
    #[must_use]
    pub fn next_ordinal(&self) -> Ordinal {
        let read = match (&self.current, self.expected) {
            (Some(current), _) => current.scanner.expected(),
            (None, expected) => expected.unwrap_or_default(),
        };
        read.max(self.cursor.acknowledged_end())
    }

    /// Passes over all frames but those of the last segment; headers are still held together.
    pub(crate) fn skip_to_last(&mut self) {
        while self.segments.len() > 1 {
            let Some(file) = self.segments.pop_front() else {
                return;
            };
            let before = self.last_number.replace(file.number);
            self.expected = self.expected.max(file.first_ordinal());
            self.check_order(&file, before);
            let next = self.segments.front().and_then(SegmentFile::first_ordinal);
            self.expected = next.or(self.expected);
        }
    }

    /// The segments that are still to be read, for people who want to look at them. Asked right after
    /// opening: all of them.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let info = |file: &SegmentFile| SegmentInfo {
            file: file.name.clone(),
            number: file.number,
            bytes: file.len,
            header: file.header,
        };
        self.segments.iter().map(info).collect()
    }

    /// The content of a blob, or `None` if there is none of that name. The whole blob is read into
    /// memory. Does not check that the content fits the name.
    ///
    /// # Errors
    ///
    /// [`ReadError::Storage`] if the disk refuses.
    pub fn read_blob(&self, id: BlobId) -> Result<Option<Vec<u8>>, ReadError> {
        blob::read(&*self.storage, &self.dir, id).map_err(storage_failed)
    }

    /// The names of all blobs, in order.
    ///
    /// # Errors
    ///
    /// [`ReadError::Storage`] if the disk refuses.
    pub fn blob_ids(&self) -> Result<Vec<BlobId>, ReadError> {
        blob::ids(&*self.storage, &self.dir).map_err(storage_failed)
    }

    /// The last segment, once [`Reader::next_item`] has returned `None`.
    pub(crate) fn last_segment(&self) -> Option<&LastSegment> {
        self.end.as_ref()
    }

    /// Makes one step; `false` at the end of what is there.
    fn advance(&mut self, follow: bool) -> Result<bool, ReadError> {
        if self.current.is_none() {
            return self.begin_next();
        }
        let Some(current) = &mut self.current else {
            return Ok(false);
        };
        if std::mem::take(&mut self.at_end) {
            current.scanner.refresh(None).map_err(storage_failed)?;
        }
        let step = current.scanner.step(follow).map_err(storage_failed)?;
        match step {
            Step::Frames(frames) => {
                let from = self.deliver_from;
                let frames = frames.into_iter().filter(|frame| frame.ordinal >= from);
                self.items.extend(frames.map(Item::Frame));
                if let Some(current) = &self.current {
                    self.deliver_from = from.max(current.scanner.expected());
                }
                Ok(true)
            }
            Step::Damage(damage) => {
                self.items.push_back(Item::Damage(damage));
                Ok(true)
            }
            Step::End(end) => self.finish_segment(end, follow),
        }
    }

    /// The current segment has no more. Goes to the next, if there is one by now.
    fn finish_segment(&mut self, end: End, follow: bool) -> Result<bool, ReadError> {
        if self.segments.is_empty() {
            self.look_for_segments()?;
        }
        let Some(current) = &mut self.current else {
            return Ok(false);
        };
        let next = self.segments.front();
        let open_end = matches!(end, End::Slack { .. } | End::Torn { .. });
        let bound = next.and_then(|next| next.bound_of(current.file.number));
        let bound_is_new = !current.scanner.has_bound() && bound.is_some();
        if open_end && bound_is_new {
            // The writer went on after we looked: what it left here is complete now.
            current.scanner.refresh(bound).map_err(storage_failed)?;
            return Ok(true);
        }
        if next.is_some() {
            self.expected = Some(current.scanner.expected());
            self.current = None;
            return Ok(true);
        }
        let first_time = self.tail.is_none();
        self.at_end = true;
        if !follow {
            self.tail = Some(tail(current.file.number, end));
            let (base, next) = (current.scanner.base(), current.scanner.expected());
            self.end = Some(LastSegment {
                file: current.file.clone(),
                end,
                base,
                next,
            });
            if first_time {
                return self.finish_spool();
            }
        }
        Ok(false)
    }

    /// Begins the next segment; `false` if there is none.
    fn begin_next(&mut self) -> Result<bool, ReadError> {
        if self.segments.is_empty() {
            self.look_for_segments()?;
        }
        let Some(file) = self.segments.pop_front() else {
            if self.tail.is_some() {
                return Ok(false);
            }
            self.tail = Some(Tail::Clean);
            return self.finish_spool();
        };
        let source = match self.storage.open_read(&self.dir.join(&file.name)) {
            Ok(opened) => FileSource::new(opened).map_err(storage_failed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Released since the directory was listed, if the cursor says so by now.
                self.cursor = cursor::read(&*self.storage, &self.dir).map_err(storage_failed)?;
                return Ok(true);
            }
            Err(error) => return Err(storage_failed(error)),
        };
        let before = self.last_number.replace(file.number);
        self.check_order(&file, before);
        let expected = file.first_ordinal().or(self.expected).unwrap_or_default();
        let bound = self
            .segments
            .front()
            .and_then(|next| next.bound_of(file.number));
        let scanner = Scanner::new(source, file.number, expected, bound);
        self.current = Some(Current { file, scanner });
        Ok(true)
    }

    /// Reports segments that are missing before `file`, and ordinals that do not follow.
    fn check_order(&mut self, file: &SegmentFile, before: Option<SegmentNumber>) {
        let Some(first) = file.first_ordinal() else {
            return;
        };
        let acknowledged = self.cursor.acknowledged_end();
        let expected = self.expected.unwrap_or_default();
        let adjacent = before.is_some_and(|before| before.next() == file.number);
        if adjacent {
            if first < expected || first > expected.max(acknowledged) {
                let position = Position {
                    segment: file.number,
                    offset: 0,
                };
                let found = first;
                self.items.push_back(Item::Damage(Damage::Order {
                    position,
                    expected,
                    found,
                }));
            }
            return;
        }
        let at_start = before.is_none() && file.number == SegmentNumber::FIRST;
        if first > acknowledged && !at_start {
            let lost = OrdinalRange::until(expected.max(acknowledged), first);
            let missing = before.map_or(SegmentNumber::FIRST, SegmentNumber::next);
            let first = (before.is_some() || acknowledged == Ordinal::FIRST).then_some(missing);
            self.items
                .push_back(Item::Damage(Damage::Missing { first, lost }));
        }
    }

    /// Segments that were begun since the directory was listed.
    fn look_for_segments(&mut self) -> Result<(), ReadError> {
        let catalog = Catalog::load(&*self.storage, &self.dir)?;
        self.cursor = catalog.cursor;
        let after = self.last_number;
        for (number, file) in catalog.segments {
            if after.is_none_or(|after| number > after) {
                self.segments.push_back(file);
            }
        }
        Ok(())
    }

    /// Checks what can be checked only at the end; `true` if that gave an item.
    fn finish_spool(&mut self) -> Result<bool, ReadError> {
        if self.strict {
            let unknown = catalog::unknown_files(&*self.storage, &self.dir);
            self.items.extend(
                unknown
                    .map_err(storage_failed)?
                    .into_iter()
                    .map(Item::Damage),
            );
            if !reserve::is_sound(&*self.storage, &self.dir).map_err(storage_failed)? {
                self.items.push_back(Item::Damage(Damage::Reserve));
            }
        }
        Ok(!self.items.is_empty())
    }
}

pub(crate) fn tail(segment: SegmentNumber, end: End) -> Tail {
    let position = |offset| Position { segment, offset };
    match end {
        End::Finished { remains: 0, .. } | End::Bounded { .. } => Tail::Clean,
        End::Finished {
            remains: zero_bytes,
            ..
        }
        | End::Slack { zero_bytes, .. } => Tail::Slack { zero_bytes },
        End::Torn { end, bytes } => Tail::Torn {
            position: position(end),
            bytes,
        },
        End::Unterminated { end, bytes } => Tail::Unterminated {
            position: position(end),
            bytes,
        },
    }
}

fn storage_failed(source: io::Error) -> ReadError {
    ReadError::Storage { source }
}
