//! Bytes of a segment, read through a bounded window.

use std::io;

use crate::frame::FRAME_TOTAL_MAX;
use crate::storage::StorageFile;

/// Bytes with a length.
pub(crate) trait ByteSource {
    /// How many bytes there are, as of the last refresh.
    fn len(&self) -> u64;

    /// Up to `bytes` bytes at `offset`: fewer at the end, never more. At most [`VIEW_BYTES_MAX`].
    fn view(&mut self, offset: u64, bytes: usize) -> io::Result<&[u8]>;

    /// Forgets what was read, and looks at the length anew.
    fn refresh(&mut self) -> io::Result<()>;
}

/// The largest view: a frame of the largest size.
pub(crate) const VIEW_BYTES_MAX: usize = FRAME_TOTAL_MAX;
const WINDOW_BYTES: usize = 2 * VIEW_BYTES_MAX;

/// A segment in memory.
pub(crate) struct SliceSource<'a>(pub(crate) &'a [u8]);

impl ByteSource for SliceSource<'_> {
    fn len(&self) -> u64 {
        self.0.len().try_into().unwrap_or(u64::MAX)
    }

    fn view(&mut self, offset: u64, bytes: usize) -> io::Result<&[u8]> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.0.get(offset..).unwrap_or_default();
        Ok(rest.get(..bytes).unwrap_or(rest))
    }

    fn refresh(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A segment file.
pub(crate) struct FileSource {
    file: Box<dyn StorageFile>,
    len: u64,
    window: Vec<u8>,
    window_start: u64,
}

impl FileSource {
    pub(crate) fn new(file: Box<dyn StorageFile>) -> io::Result<Self> {
        let len = file.len_bytes()?;
        Ok(Self {
            file,
            len,
            window: Vec::new(),
            window_start: 0,
        })
    }

    /// Where in the window the bytes lie, if they all do.
    fn cached(&self, offset: u64, bytes: usize) -> Option<(usize, usize)> {
        let start = usize::try_from(offset.checked_sub(self.window_start)?).ok()?;
        let end = start.checked_add(bytes)?;
        (end <= self.window.len()).then_some((start, end))
    }

    fn load(&mut self, offset: u64) -> io::Result<()> {
        let available = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        self.window.clear();
        self.window.resize(available.min(WINDOW_BYTES), 0);
        self.window_start = offset;
        let read = self.file.read_at(&mut self.window, offset)?;
        self.window.truncate(read);
        Ok(())
    }
}

impl ByteSource for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn view(&mut self, offset: u64, bytes: usize) -> io::Result<&[u8]> {
        let available = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let bytes = bytes.min(available).min(VIEW_BYTES_MAX);
        if self.cached(offset, bytes).is_none() {
            self.load(offset)?;
        }
        let (start, end) = self.cached(offset, bytes).unwrap_or((0, self.window.len()));
        Ok(self.window.get(start..end).unwrap_or_default())
    }

    fn refresh(&mut self) -> io::Result<()> {
        self.window.clear();
        self.len = self.file.len_bytes()?;
        Ok(())
    }
}
