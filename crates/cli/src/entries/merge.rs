//! Several spools as one stream, by time, each in its own order.
//!
//! Times within a spool may step back (a clock was set, a call's entry bears the time of its request).
//! Each spool therefore counts with the latest time it has shown so far: no entry overtakes another of
//! its own spool, and the result is the same each time.

use std::collections::VecDeque;
use std::rc::Rc;

use affiant_agent::state::DataDir;
use affiant_entry::decode::Decoded;
use affiant_spool::{Item, ReadError, Reader};

use crate::error::{ExpectedError, chain};
use crate::exit_code::Exit;
use crate::printer::warn;

/// An entry and where it was found.
#[derive(Debug)]
pub(crate) struct Row {
    /// Name of the spool.
    pub(crate) spool: Rc<str>,
    /// The entry.
    pub(crate) entry: Decoded,
}

/// All spools of interest.
pub(crate) struct Merge {
    streams: Vec<Stream>,
    /// Whether something could not be read, or is damaged.
    troubled: bool,
}

impl Merge {
    /// Opens these spools. One without a segment yet is left out.
    pub(crate) fn open(dir: &DataDir, names: &[String]) -> Result<Self, ExpectedError> {
        let mut merge = Self {
            streams: Vec::new(),
            troubled: false,
        };
        for name in names {
            merge.add(dir, name)?;
        }
        Ok(merge)
    }

    /// Opens one more spool, unless it is open.
    pub(crate) fn add(&mut self, dir: &DataDir, name: &str) -> Result<(), ExpectedError> {
        if self.streams.iter().any(|stream| &*stream.name == name) {
            return Ok(());
        }
        match Reader::open(dir.spool(name)) {
            Ok(reader) => self.streams.push(Stream::new(name, reader)),
            Err(ReadError::NoSpool { .. }) => {}
            Err(error) => return Err(refused(name, &error)),
        }
        Ok(())
    }

    /// Whether damage was met so far.
    pub(crate) const fn is_troubled(&self) -> bool {
        self.troubled
    }

    /// The next entry of what is there, or `None` at the end of all spools.
    pub(crate) fn next(&mut self) -> Result<Option<Row>, ExpectedError> {
        for stream in &mut self.streams {
            self.troubled |= stream.fill()?;
        }
        Ok(self.earliest().and_then(Stream::take))
    }

    /// The next entry of what has come since; `None` if nothing has.
    pub(crate) fn next_new(&mut self) -> Result<Option<Row>, ExpectedError> {
        for stream in &mut self.streams {
            self.troubled |= stream.poll()?;
        }
        Ok(self.earliest().and_then(Stream::take))
    }

    fn earliest(&mut self) -> Option<&mut Stream> {
        self.streams
            .iter_mut()
            .filter(|stream| !stream.ready.is_empty())
            .min_by_key(|stream| stream.clock_us)
    }
}

struct Stream {
    name: Rc<str>,
    reader: Reader,
    ready: VecDeque<Decoded>,
    /// Latest time of the entries up to and including the first that is ready.
    clock_us: i64,
}

impl Stream {
    fn new(name: &str, reader: Reader) -> Self {
        Self {
            name: Rc::from(name),
            reader,
            ready: VecDeque::new(),
            clock_us: i64::MIN,
        }
    }

    /// Makes sure that an entry is ready, if there is one. Says whether there was trouble.
    fn fill(&mut self) -> Result<bool, ExpectedError> {
        let mut troubled = false;
        while self.ready.is_empty() {
            match self.reader.next_item() {
                Ok(Some(item)) => troubled |= self.admit(item),
                Ok(None) => break,
                Err(error) => return Err(refused(&self.name, &error)),
            }
        }
        Ok(troubled)
    }

    /// [`Stream::fill`], at the end of a live spool.
    fn poll(&mut self) -> Result<bool, ExpectedError> {
        if !self.ready.is_empty() {
            return Ok(false);
        }
        let items = self
            .reader
            .poll_new()
            .map_err(|error| refused(&self.name, &error))?;
        Ok(items
            .into_iter()
            .fold(false, |troubled, item| troubled | self.admit(item)))
    }

    fn admit(&mut self, item: Item) -> bool {
        let frame = match item {
            Item::Frame(frame) => frame,
            Item::Damage(damage) => {
                warn(&format!("spool `{}`: {damage}", self.name));
                return true;
            }
        };
        match Decoded::parse_any_kind(&frame.payload) {
            Ok(entry) => {
                if self.ready.is_empty() {
                    self.advance(&entry);
                }
                self.ready.push_back(entry);
                false
            }
            Err(error) => {
                warn(&format!(
                    "spool `{}`, {}: {}",
                    self.name,
                    frame.position,
                    chain(&error)
                ));
                true
            }
        }
    }

    fn take(&mut self) -> Option<Row> {
        let entry = self.ready.pop_front()?;
        if let Some(at) = self.ready.front().and_then(|next| next.header().at) {
            self.clock_us = self.clock_us.max(at.utc_us);
        }
        Some(Row {
            spool: Rc::clone(&self.name),
            entry,
        })
    }

    fn advance(&mut self, entry: &Decoded) {
        if let Some(at) = entry.header().at {
            self.clock_us = self.clock_us.max(at.utc_us);
        }
    }
}

fn refused(name: &str, error: &ReadError) -> ExpectedError {
    let newer = matches!(error, ReadError::Version { .. });
    let exit = if newer {
        Exit::Incomplete
    } else {
        Exit::Storage
    };
    ExpectedError::new(exit, format!("spool `{name}`: {}", chain(error)))
}
