//! A store in a directory, for commands that run beside the aggregator or without it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use affiant_entry::decode::Decoded;
use affiant_log::LogReader;
use affiant_store::{RawLeaves, Status, Store};
use affiant_tlog::{Checkpoint, LeafIndex, Note, TreeSize};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{STORE, open_refused};
use crate::error::{ExpectedError, chain};
use crate::exit_code::Exit;
use crate::prove::Leaves;
use crate::verify::log::Source;

/// Leaves that a command reads into memory beyond what the store's files hold.
const TAIL_LEAVES_MAX: u64 = 1_000_000;
/// Leaves that are taken in at once.
const BATCH_LEAVES: usize = 4096;
/// Every how many leaves a store that is rebuilt merges its files.
const MERGE_EVERY_LEAVES: u64 = 1 << 21;

/// A log and its store on this machine.
pub(crate) struct Local {
    store: Store,
}

/// Leaves of a log directory.
struct DirLeaves {
    reader: LogReader,
    size: TreeSize,
}

impl RawLeaves for DirLeaves {
    fn leaf(&self, index: LeafIndex) -> Option<Vec<u8>> {
        self.reader.leaf(index, self.size).ok()
    }
}

/// What a log directory says of itself. Nothing is verified.
struct LogDir {
    path: PathBuf,
    name: String,
    size: TreeSize,
    own: String,
}

impl LogDir {
    fn open(path: &Path) -> Result<Self, ExpectedError> {
        let wrong =
            |text: String| ExpectedError::new(Exit::Incomplete, format!("checkpoint: {text}"));
        let reader = LogReader::open_dir(path);
        let bytes = reader
            .checkpoint()
            .map_err(|e| ExpectedError::storage(&e))?;
        let bytes = bytes.ok_or_else(|| {
            ExpectedError::usage(format!("there is no log in `{}`", path.display()))
                .hint("give the data directory of `affiant serve`")
        })?;
        let note = Note::parse(&bytes).map_err(|e| wrong(chain(&e)))?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(|e| wrong(chain(&e)))?;
        let mut log = Self {
            path: path.to_owned(),
            name: checkpoint.origin.to_string(),
            size: checkpoint.size,
            own: "aggregator".to_owned(),
        };
        // An aggregator's log begins with an entry of its own.
        let source = log.source();
        let first = Leaves::new(&source, LeafIndex(0), log.size).next();
        if let Some(Ok((_, leaf))) = first
            && let Ok(entry) = Decoded::parse_any_kind(&leaf)
        {
            log.own = entry.header().source.to_string();
        }
        Ok(log)
    }

    fn source(&self) -> Source {
        Source::Dir(self.path.clone())
    }

    fn leaves(&self) -> Arc<DirLeaves> {
        Arc::new(DirLeaves {
            reader: LogReader::open_dir(&self.path),
            size: self.size,
        })
    }
}

impl Local {
    /// The store of an aggregator's data directory, with what the log has beyond it. Works beside a
    /// running aggregator, and without any store: then all is read from the log.
    pub(crate) fn of_data_dir(dir: &Path) -> Result<Self, ExpectedError> {
        let log = LogDir::open(&dir.join("log"))?;
        let root = dir.join(STORE);
        let store = match Store::open_read(&root, log.leaves()) {
            Err(affiant_store::OpenError::Missing { .. }) => {
                Store::empty(&root, &log.own, &log.name, log.leaves())
            }
            other => other.map_err(|error| open_refused(&error))?,
        };
        let behind = log.size.0.saturating_sub(store.cursor().0);
        if behind > TAIL_LEAVES_MAX {
            return Err(ExpectedError::new(
                Exit::Incomplete,
                format!("the store is {behind} entries behind the log"),
            )
            .hint("wait until `affiant serve` has caught up, or run `affiant store rebuild`"));
        }
        follow(&store, &log, |_| Ok(()))?;
        Ok(Self { store })
    }

    /// A store alone, as far as it goes.
    pub(crate) fn of_store(root: &Path) -> Result<Self, ExpectedError> {
        struct Nothing;
        impl RawLeaves for Nothing {
            fn leaf(&self, _: LeafIndex) -> Option<Vec<u8>> {
                None
            }
        }
        let store = Store::open_read(root, Arc::new(Nothing));
        let store = store.map_err(|error| open_refused(&error))?;
        Ok(Self { store })
    }

    pub(crate) fn store(&self) -> Store {
        self.store.clone()
    }
}

/// Makes the store of a data directory anew from its log.
pub(crate) fn rebuild(dir: &Path) -> Result<Status, ExpectedError> {
    let log = LogDir::open(&dir.join("log"))?;
    let root = dir.join(STORE);
    let store = Store::open(&root, &log.own, &log.name, log.leaves());
    let store = store.map_err(|error| open_refused(&error))?;
    store
        .clear()
        .map_err(|error| ExpectedError::storage(&error))?;
    let bar = ProgressBar::with_draw_target(Some(log.size.0), ProgressDrawTarget::stderr());
    let style = "{bar:30} {human_pos} of {human_len} entries, {per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    let mut merged = 0;
    follow(&store, &log, |at| {
        bar.set_position(at);
        if at.saturating_sub(merged) >= MERGE_EVERY_LEAVES {
            merged = at;
            merge(&store)?;
        }
        Ok(())
    })?;
    store
        .flush()
        .map_err(|error| ExpectedError::storage(&error))?;
    merge(&store)?;
    bar.finish_and_clear();
    Ok(store.status())
}

fn merge(store: &Store) -> Result<(), ExpectedError> {
    while store
        .compact()
        .map_err(|error| ExpectedError::storage(&error))?
    {}
    Ok(())
}

/// Gives a store what the log has beyond it.
fn follow(
    store: &Store,
    log: &LogDir,
    mut at: impl FnMut(u64) -> Result<(), ExpectedError>,
) -> Result<(), ExpectedError> {
    let source = log.source();
    let from = store.cursor();
    let mut leaves = Leaves::new(&source, from, log.size);
    if from.0 == 0 {
        // The beginning may have been pruned.
        leaves = leaves.or_later();
    }
    let mut batch = Vec::with_capacity(BATCH_LEAVES);
    let mut first = from;
    for leaf in leaves {
        let (index, bytes) = leaf?;
        if batch.is_empty() {
            first = index;
        }
        batch.push(bytes);
        if batch.len() == BATCH_LEAVES {
            take(store, first, &mut batch)?;
            at(store.cursor().0)?;
        }
    }
    take(store, first, &mut batch)
}

fn take(store: &Store, first: LeafIndex, batch: &mut Vec<Vec<u8>>) -> Result<(), ExpectedError> {
    if batch.is_empty() {
        return Ok(());
    }
    if store.cursor().0 == 0 && first.0 > 0 {
        store.begin_at(first);
    }
    let taken = store.append(first, batch);
    batch.clear();
    taken.map_err(|error| ExpectedError::storage(&error))
}
