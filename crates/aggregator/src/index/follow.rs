//! The one task that writes the index.
//!
//! Rows come in as their leaves became durable, in no particular order. They are applied in the order
//! of the log; where one is missing (its submitter died, or its outcome was unknown), the leaves are
//! read from the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use affiant_entry::{SourceId, Trust};
use affiant_log::{Log, LogReader};
use affiant_tlog::{LeafIndex, TreeSize};
use tokio::sync::watch;

use super::replay::{ReplayError, replay};
use super::row::Row;
use super::store::Index;
use crate::clock;

/// What the index is a view of.
pub(crate) struct Source {
    pub(crate) log: Log,
    /// The aggregator's own id.
    pub(crate) own: SourceId,
    /// Keys of enrolled sources.
    pub(crate) trust: Box<TrustOf>,
}

/// Looks up the keys of a source.
pub(crate) type TrustOf = dyn Fn(&SourceId) -> Option<Trust> + Send;

/// The handle of the task.
#[derive(Debug)]
pub(crate) struct Follower {
    rows: Sender<Message>,
    applied: watch::Receiver<LeafIndex>,
    thread: Option<JoinHandle<()>>,
}

enum Message {
    Rows(Vec<Row>),
    /// Read from the log whatever was not told.
    Resync,
    Stop,
}

impl Follower {
    /// Brings the index up to the log's head, then goes on in a thread.
    ///
    /// # Errors
    /// [`ReplayError`] when log or index cannot be read.
    pub(crate) fn start(index: Arc<Index>, source: Source) -> Result<Self, ReplayError> {
        let reader = source.log.reader();
        let mut task = Task {
            index,
            source,
            reader,
            waiting: BTreeMap::new(),
            next: LeafIndex(0),
            stale_since_us: None,
            durable_us: clock::now().mono_us,
        };
        task.open()?;
        let (rows, inbox) = channel();
        let (tell, applied) = watch::channel(task.next);
        let thread = std::thread::Builder::new()
            .name("index".to_owned())
            .spawn(move || task.run(&inbox, &tell))
            .map_err(super::store::IndexError::from)?;
        Ok(Self {
            rows,
            applied,
            thread: Some(thread),
        })
    }

    /// Tells of rows whose leaves are durable.
    pub(crate) fn tell(&self, rows: Vec<Row>) {
        // The thread ends after everybody who appends.
        let _ = self.rows.send(Message::Rows(rows));
    }

    /// Asks to read from the log what nobody told.
    pub(crate) fn resync(&self) {
        let _ = self.rows.send(Message::Resync);
    }

    /// The leaf up to which everything is in the index, and each change of it.
    pub(crate) fn applied(&self) -> watch::Receiver<LeafIndex> {
        self.applied.clone()
    }

    /// Applies what it was told, durably, and ends.
    pub(crate) fn stop(&mut self) {
        let _ = self.rows.send(Message::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("index task panicked");
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Task {
    index: Arc<Index>,
    source: Source,
    reader: LogReader,
    waiting: BTreeMap<LeafIndex, Row>,
    next: LeafIndex,
    /// Since when rows wait behind a hole, monotonic microseconds.
    stale_since_us: Option<u64>,
    durable_us: u64,
}

impl Task {
    /// The index must be one of this log, and is read up to its head.
    fn open(&mut self) -> Result<(), ReplayError> {
        let size = self.source.log.head().checkpoint.size;
        let at = self.index.at()?;
        self.next = at.next;
        let same = match at.last {
            None => true,
            Some(_) if at.next.0 > size.0 => false,
            Some(last) => {
                let index = LeafIndex(at.next.0.saturating_sub(1));
                let leaf = self.reader.leaf(index, size)?;
                affiant_tlog::leaf_hash(&leaf) == last
            }
        };
        if !same {
            tracing::warn!(at = %self.next, %size, "index is of another log than this; it is made anew");
            self.index.clear()?;
            self.next = LeafIndex(0);
        }
        self.read_log(size, true)
    }

    fn run(mut self, inbox: &Receiver<Message>, tell: &watch::Sender<LeafIndex>) {
        loop {
            let mut stop = false;
            match inbox.recv_timeout(STEP) {
                Ok(message) => {
                    stop = self.take(message);
                    while let Ok(message) = inbox.try_recv() {
                        stop |= self.take(message);
                        if self.waiting.len() >= ROWS_MAX {
                            break;
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => stop = true,
            }
            if let Err(error) = self.settle(stop) {
                tracing::error!(%error, "index cannot follow the log");
                if stop {
                    return;
                }
                // What was taken out of `waiting` comes from the log again.
                std::thread::sleep(RETRY);
                self.stale_since_us = Some(0);
            }
            tell.send_if_modified(|at| std::mem::replace(at, self.next) != self.next);
            if stop {
                return;
            }
        }
    }

    fn take(&mut self, message: Message) -> bool {
        match message {
            Message::Rows(rows) => {
                let new = rows.into_iter().filter(|row| row.first() >= self.next);
                self.waiting.extend(new.map(|row| (row.first(), row)));
                false
            }
            Message::Resync => {
                self.stale_since_us = Some(0);
                false
            }
            Message::Stop => true,
        }
    }

    /// Applies what follows the cursor; fills a hole that stays.
    fn settle(&mut self, stop: bool) -> Result<(), ReplayError> {
        let now_us = clock::now().mono_us;
        let mut rows = Vec::new();
        let mut next = self.next;
        while let Some(row) = self.waiting.remove(&next) {
            next = row.end();
            rows.push(row);
        }
        let due = now_us.saturating_sub(self.durable_us) >= DURABLE_EVERY_US;
        if !rows.is_empty() || stop {
            self.index.apply(&rows, due || stop)?;
            self.next = next;
            if due {
                self.durable_us = now_us;
            }
        }
        let hole = !self.waiting.is_empty();
        let since = match self.stale_since_us {
            Some(since) => since,
            None if hole => *self.stale_since_us.insert(now_us),
            None => return Ok(()),
        };
        if since == 0 || now_us.saturating_sub(since) >= HOLE_PATIENCE_US {
            let size = self.source.log.head().checkpoint.size;
            self.read_log(size, false)?;
            self.stale_since_us = None;
            let behind = self.waiting.split_off(&self.next);
            self.waiting = behind;
        } else if !hole {
            self.stale_since_us = None;
        }
        Ok(())
    }

    fn read_log(&mut self, size: TreeSize, durable: bool) -> Result<(), ReplayError> {
        if self.next.0 >= size.0 {
            return Ok(());
        }
        let (index, mut next) = (Arc::clone(&self.index), self.next);
        let read = replay(
            &self.reader,
            &self.source.own,
            &self.source.trust,
            self.next,
            size,
            |rows| {
                index.apply(&rows, durable)?;
                next = rows.last().map_or(next, Row::end);
                Ok(())
            },
        );
        self.next = next;
        read
    }
}

/// How long the task waits for rows before it looks around.
const STEP: Duration = Duration::from_millis(50);
/// After an error.
const RETRY: Duration = Duration::from_millis(200);
/// Most rows in one transaction, more or less.
const ROWS_MAX: usize = 4096;
/// Rows come in a moment after their leaves; a hole that stays longer is read from the log.
const HOLE_PATIENCE_US: u64 = 1_000_000;
/// What a crash makes it read again at most, in microseconds of work.
const DURABLE_EVERY_US: u64 = 5_000_000;
