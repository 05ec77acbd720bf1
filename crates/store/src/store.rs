//! The store: rows in files, rows in memory, and the moment both are one.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use affiant_entry::decode::Decoded;
use affiant_tlog::LeafIndex;
use datafusion::arrow::array::{AsArray as _, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::error::ArrowError;

use crate::columns::Builder;
use crate::io::{Dir, WriterLock};
use crate::manifest::{FileMeta, Manifest, VERSION};
use crate::memory::Memory;
use crate::row;
use crate::segment::{self, GROUP_ROWS, SegmentError, SegmentWriter};

/// Rows in memory at which they go to files.
const FLUSH_ROWS: usize = GROUP_ROWS;
/// Bytes in memory at which they do.
const FLUSH_BYTES: usize = 128 << 20;
/// Age at which they do, microseconds.
const FLUSH_AGE_US: i64 = 30_000_000;
/// Days that get files of their own at one flush; rows of further days share one, so that entries with
/// wild times do not scatter.
const FLUSH_DAYS_MAX: usize = 8;

/// The leaves themselves, which a store does not keep.
pub trait RawLeaves: Send + Sync {
    /// The bytes of a leaf; `None` if they cannot be had.
    fn leaf(&self, index: LeafIndex) -> Option<Vec<u8>>;
}

/// A store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process writes it.
    #[error("another process writes the store `{}`", path.display())]
    Locked {
        /// The store.
        path: std::path::PathBuf,
    },
    /// There is none to read.
    #[error("there is no store in `{}`", path.display())]
    Missing {
        /// Where it was looked for.
        path: std::path::PathBuf,
    },
    /// It was written by another version.
    #[error("store is of version {found}, and this program reads version {VERSION}")]
    Version {
        /// Version found.
        found: u32,
    },
    /// A file of it is damaged.
    #[error("manifest or state of the store cannot be read")]
    Damaged(#[source] serde_json::Error),
    /// The disk.
    #[error("store cannot be read")]
    Io(#[from] io::Error),
}

/// The store cannot take what it is given. What was there before is there still.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Leaves are missing between the cursor and those given.
    #[error("leaves begin at {first}, and the store has read up to {cursor}")]
    Gap {
        /// First leaf given.
        first: u64,
        /// Where the store stands.
        cursor: u64,
    },
    /// This store was opened for reading.
    #[error("store was opened for reading")]
    ReadOnly,
    /// The disk is full or failed; it can be tried again.
    #[error("store cannot be written")]
    Io(#[from] io::Error),
    /// A file cannot be written or read.
    #[error("file of the store cannot be written or read")]
    Segment(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// State cannot be put into a file: a bug.
    #[error("state of the store cannot be encoded")]
    Encode(#[from] serde_json::Error),
}

impl From<SegmentError> for WriteError {
    fn from(error: SegmentError) -> Self {
        match error {
            SegmentError::Io(error) => Self::Io(error),
            other => Self::Segment(Box::new(other)),
        }
    }
}

impl From<ArrowError> for WriteError {
    fn from(error: ArrowError) -> Self {
        Self::Segment(Box::new(error))
    }
}

/// What a store is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Leaves before this index can be asked for.
    pub cursor: u64,
    /// Leaves before this index are in files.
    pub flushed: u64,
    /// Leaves before this index were pruned.
    pub pruned_below: u64,
    /// Parquet files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Rows in them.
    pub rows: u64,
    /// Rows in memory.
    pub rows_in_memory: usize,
    /// Sets of facts held, each for a subject and a range of leaves.
    pub facts: usize,
    /// Context leaves that could not be taken in.
    pub context_faults: u64,
    /// Earliest and latest time in files, microseconds since the Unix epoch.
    pub times: Option<(i64, i64)>,
}

/// A rebuildable view of a log: one row a leaf. Clones are the same store.
///
/// Nothing in it is evidence: it believes the log it is given, and checks no signature.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) dir: Dir,
    raw: Arc<dyn RawLeaves>,
    own: String,
    lock: Option<WriterLock>,
    /// Held while leaves are taken in or flushed: one at a time.
    writing: Mutex<()>,
    /// Held while files are compacted or pruned: one at a time.
    pub(crate) compacting: Mutex<()>,
    state: Mutex<State>,
}

struct State {
    number: u64,
    manifest: Manifest,
    /// Of the manifest.
    kept: Memory,
    files: Vec<Arc<FileHandle>>,
    recent: Vec<RecordBatch>,
    recent_rows: usize,
    recent_bytes: usize,
    recent_since_us: Option<i64>,
    cursor: u64,
    memory: Memory,
}

/// A file that some snapshot may be reading; removed behind the last that does.
#[derive(Debug)]
pub(crate) struct FileHandle {
    pub(crate) meta: FileMeta,
    dir: Dir,
    doomed: AtomicBool,
}

impl Drop for FileHandle {
    fn drop(&mut self) {
        if self.doomed.load(Ordering::Acquire)
            && let Err(error) = self.dir.remove(&self.meta.path)
        {
            tracing::warn!(path = %self.meta.path, %error, "file of the store was not removed");
        }
    }
}

/// What a query sees: nothing changes under it.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) files: Vec<Arc<FileHandle>>,
    pub(crate) recent: Vec<RecordBatch>,
    pub(crate) memory: Memory,
}

impl Store {
    /// Opens the store in a directory for writing, makes it if it is not there, and removes what a crash
    /// left. A store of another version, or of another log, is emptied: the log has it all.
    ///
    /// `own` is the id of the aggregator whose entries are believed, `log` the name of its log.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        root: &Path,
        own: &str,
        log: &str,
        raw: Arc<dyn RawLeaves>,
    ) -> Result<Self, OpenError> {
        let dir = Dir::new(root);
        let lock = dir.lock()?.ok_or_else(|| OpenError::Locked {
            path: root.to_owned(),
        })?;
        let (number, manifest) = match load(&dir)? {
            Some((number, manifest)) if manifest.is_of(own, log) => (number, manifest),
            Some(_) => {
                dir.clear()?;
                (0, Manifest::new(own, log))
            }
            None => (0, Manifest::new(own, log)),
        };
        dir.sweep(|path| manifest.files.iter().any(|file| file.path == path))?;
        dir.forget_older(number, manifest.state)?;
        Self::with(dir, raw, Some(lock), number, manifest)
    }

    /// Opens a store for reading, beside the process that writes it. Nothing on disk is changed.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_read(root: &Path, raw: Arc<dyn RawLeaves>) -> Result<Self, OpenError> {
        let dir = Dir::new(root);
        let (number, manifest) = load(&dir)?.ok_or_else(|| OpenError::Missing {
            path: root.to_owned(),
        })?;
        if manifest.version != VERSION {
            return Err(OpenError::Version {
                found: manifest.version,
            });
        }
        Self::with(dir, raw, None, number, manifest)
    }

    /// A store without files that is only read: rows go into memory, and nothing to disk.
    #[must_use]
    pub fn empty(root: &Path, own: &str, log: &str, raw: Arc<dyn RawLeaves>) -> Self {
        Self::of(
            Dir::new(root),
            raw,
            None,
            0,
            Manifest::new(own, log),
            Memory::default(),
        )
    }

    fn with(
        dir: Dir,
        raw: Arc<dyn RawLeaves>,
        lock: Option<WriterLock>,
        number: u64,
        manifest: Manifest,
    ) -> Result<Self, OpenError> {
        let memory = match manifest.state {
            None => Memory::default(),
            Some(state) => Memory::from_bytes(&dir.state(state)?).map_err(OpenError::Damaged)?,
        };
        Ok(Self::of(dir, raw, lock, number, manifest, memory))
    }

    fn of(
        dir: Dir,
        raw: Arc<dyn RawLeaves>,
        lock: Option<WriterLock>,
        number: u64,
        manifest: Manifest,
        memory: Memory,
    ) -> Self {
        let files = manifest.files.iter().map(|meta| handle(&dir, meta));
        let own = manifest.own.clone();
        let state = State {
            number,
            files: files.collect(),
            recent: Vec::new(),
            recent_rows: 0,
            recent_bytes: 0,
            recent_since_us: None,
            cursor: manifest.cursor,
            kept: memory.clone(),
            memory,
            manifest,
        };
        Self {
            shared: Arc::new(Shared {
                dir,
                raw,
                own,
                lock,
                writing: Mutex::new(()),
                compacting: Mutex::new(()),
                state: Mutex::new(state),
            }),
        }
    }

    /// Forgets everything; the next leaf to take in is 0.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn clear(&self) -> Result<(), WriteError> {
        let _writing = lock(&self.shared.writing);
        let _compacting = lock(&self.shared.compacting);
        self.shared.commit(0, |next| {
            let numbers = next.next_file;
            *next = Manifest {
                next_file: numbers,
                ..Manifest::new(&next.own, &next.log)
            };
            Some(Memory::default())
        })?;
        let mut state = self.shared.state();
        state.recent.clear();
        (state.recent_rows, state.recent_bytes) = (0, 0);
        state.recent_since_us = None;
        state.cursor = 0;
        state.memory = Memory::default();
        Ok(())
    }

    /// Has an empty store begin at a leaf: those before were pruned from the log. Does nothing to a store
    /// that has rows.
    pub fn begin_at(&self, first: LeafIndex) {
        let _writing = lock(&self.shared.writing);
        let mut state = self.shared.state();
        if state.cursor == 0 {
            state.cursor = first.0;
        }
    }

    /// Leaves before this index were taken in. After a restart it is where files end: what was in
    /// memory is read from the log again.
    #[must_use]
    pub fn cursor(&self) -> LeafIndex {
        LeafIndex(self.shared.state().cursor)
    }

    /// Takes in the leaves from `first` on; those that it has are passed over. They can be asked for
    /// when this returns, and are in files some seconds later.
    ///
    /// A store that was opened for reading takes them into memory, and never writes.
    ///
    /// # Errors
    /// [`WriteError`]; nothing was taken in then, or all of it was and a flush failed, which is tried
    /// again with the next leaves.
    pub fn append(&self, first: LeafIndex, leaves: &[Vec<u8>]) -> Result<(), WriteError> {
        let _writing = lock(&self.shared.writing);
        let (cursor, mut memory) = {
            let state = self.shared.state();
            (state.cursor, state.memory.clone())
        };
        if first.0 > cursor {
            return Err(WriteError::Gap {
                first: first.0,
                cursor,
            });
        }
        let known = usize::try_from(cursor.saturating_sub(first.0)).unwrap_or(usize::MAX);
        let Some(new) = leaves.get(known..).filter(|new| !new.is_empty()) else {
            return Ok(());
        };
        let batch = self.rows(cursor, new, &mut memory)?;
        let rows = batch.num_rows();
        let full = {
            let mut state = self.shared.state();
            state.recent_rows += rows;
            state.recent_bytes += batch.get_array_memory_size();
            state.recent.push(batch);
            state.cursor = cursor.saturating_add(u64::try_from(new.len()).unwrap_or(u64::MAX));
            state.memory = memory;
            state.recent_rows >= FLUSH_ROWS || state.recent_bytes >= FLUSH_BYTES
        };
        if full && self.shared.lock.is_some() {
            self.flush_held()?;
        }
        Ok(())
    }

    fn rows(
        &self,
        cursor: u64,
        leaves: &[Vec<u8>],
        memory: &mut Memory,
    ) -> Result<RecordBatch, WriteError> {
        let own = self.shared.own.as_str();
        let mut builder = Builder::new();
        let raw = |index: LeafIndex| {
            let here = index
                .0
                .checked_sub(cursor)
                .and_then(|at| usize::try_from(at).ok());
            here.and_then(|at| leaves.get(at).cloned())
                .or_else(|| self.shared.raw.leaf(index))
        };
        for (index, bytes) in (cursor..).zip(leaves) {
            let leaf = LeafIndex(index);
            let entry = Decoded::parse_any_kind(bytes).ok();
            let mut row = row::of(leaf, bytes.len(), entry.as_ref(), own);
            if let Some(entry) = &entry
                && entry.header().source.as_str() == own
            {
                let first = memory.learn(leaf, entry, raw);
                row.repeats = first.and_then(|first| i64::try_from(first).ok());
            }
            builder.append(&row);
        }
        Ok(builder.finish()?)
    }

    /// To be called now and then, with the time: flushes rows that have been in memory for long, and
    /// prunes what the log says may go.
    ///
    /// # Errors
    /// [`WriteError`]; it is tried again at the next call.
    pub fn idle(&self, now_us: i64) -> Result<(), WriteError> {
        let (old, prune) = {
            let mut state = self.shared.state();
            if state.recent_rows == 0 {
                state.recent_since_us = None;
            } else if state.recent_since_us.is_none_or(|since| since > now_us) {
                state.recent_since_us = Some(now_us);
            }
            let since = state.recent_since_us;
            (
                since.is_some_and(|since| now_us.saturating_sub(since) >= FLUSH_AGE_US),
                (state.memory.prune > state.manifest.pruned_below).then_some(state.memory.prune),
            )
        };
        if old {
            self.flush()?;
        }
        if let Some(min) = prune {
            self.prune_below(LeafIndex(min))?;
        }
        Ok(())
    }

    /// Writes what is in memory to files. Durable when this returns.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn flush(&self) -> Result<(), WriteError> {
        let _writing = lock(&self.shared.writing);
        self.flush_held()
    }

    fn flush_held(&self) -> Result<(), WriteError> {
        let (recent, cursor, memory) = {
            let state = self.shared.state();
            if state.cursor == state.manifest.cursor {
                return Ok(());
            }
            (state.recent.clone(), state.cursor, state.memory.clone())
        };
        let mut new = Vec::new();
        for (day, batches) in by_day(&recent)? {
            let path = file_path(day, self.shared.number());
            let mut writer = SegmentWriter::create(&self.shared.dir, path, day)?;
            for batch in &batches {
                writer.push(batch)?;
            }
            new.push(writer.finish()?);
        }
        self.shared.commit(recent.len(), move |next| {
            next.replace(&[], new);
            next.cursor = cursor;
            Some(memory)
        })
    }

    /// Drops the rows of leaves before an index: from memory, and from files, which are written anew
    /// where they hold others too.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn prune_below(&self, min: LeafIndex) -> Result<(), WriteError> {
        self.flush()?;
        let _compacting = lock(&self.shared.compacting);
        let files = self.shared.state().manifest.files.clone();
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        for file in files.iter().filter(|file| file.first < min.0) {
            gone.push(file.path.clone());
            if file.end > min.0 {
                new.extend(self.shared.rewrite(std::slice::from_ref(file), min.0)?);
            }
        }
        self.shared.commit(0, move |next| {
            next.replace(&gone, new);
            next.pruned_below = next.pruned_below.max(min.0);
            None
        })?;
        let mut state = self.shared.state();
        Arc::make_mut(&mut state.memory.context).forget_below(min.0);
        Ok(())
    }

    /// What it is made of.
    #[must_use]
    pub fn status(&self) -> Status {
        let state = self.shared.state();
        let files = &state.manifest.files;
        let times = files.iter().filter_map(|file| file.times);
        Status {
            cursor: state.cursor,
            flushed: state.manifest.cursor,
            pruned_below: state.manifest.pruned_below,
            files: files.len(),
            bytes: files.iter().map(|file| file.bytes).sum(),
            rows: files.iter().map(|file| file.rows).sum(),
            rows_in_memory: state.recent_rows,
            facts: state.memory.context.intervals(),
            context_faults: state.memory.context_faults,
            times: times.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))),
        }
    }

    /// The directory it lies in.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.shared.dir.root()
    }

    /// The bytes of a leaf, from the log.
    #[must_use]
    pub fn raw_leaf(&self, index: LeafIndex) -> Option<Vec<u8>> {
        self.shared.raw.leaf(index)
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let state = self.shared.state();
        Snapshot {
            files: state.files.clone(),
            recent: state.recent.clone(),
            memory: state.memory.clone(),
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Files in the order of the manifest.
    pub(crate) fn files(&self) -> Vec<FileMeta> {
        self.state().manifest.files.clone()
    }

    /// A number for one new file.
    fn number(&self) -> u64 {
        let mut state = self.state();
        let number = state.manifest.next_file;
        state.manifest.next_file = number.saturating_add(1);
        number
    }

    /// Writes the rows of files of one day, from a leaf on, into one new file; `None` if none are left.
    pub(crate) fn rewrite(
        &self,
        files: &[FileMeta],
        min: u64,
    ) -> Result<Option<FileMeta>, WriteError> {
        let Some(first) = files.first() else {
            return Ok(None);
        };
        let path = file_path(first.day, self.number());
        let mut writer = SegmentWriter::create(&self.dir, path.clone(), first.day)?;
        for file in files {
            segment::read(&self.dir, &file.path, min, |batch| writer.push(batch))?;
        }
        if writer.rows() == 0 {
            drop(writer);
            self.dir.remove(&path)?;
            return Ok(None);
        }
        Ok(Some(writer.finish()?))
    }

    /// The one place where a store changes: writes the next manifest, then lets go of files that are in
    /// it no more. A crash before the manifest is there leaves the one before, and files nobody names.
    ///
    /// `flushed` batches at the front of memory are in the new files: nobody sees them twice, or not at
    /// all.
    pub(crate) fn commit(
        &self,
        flushed: usize,
        change: impl FnOnce(&mut Manifest) -> Option<Memory>,
    ) -> Result<(), WriteError> {
        if self.lock.is_none() {
            return Err(WriteError::ReadOnly);
        }
        let mut state = self.state();
        let mut next = state.manifest.clone();
        let memory = change(&mut next);
        let number = state.number.saturating_add(1);
        if let Some(memory) = &memory
            && !memory.is_same(&state.kept)
            && !memory.is_empty()
        {
            self.dir.put_state(number, &memory.to_bytes()?)?;
            next.state = Some(number);
        }
        self.dir.put_manifest(number, &serde_json::to_vec(&next)?)?;
        // From here on the new manifest is the store.
        state.number = number;
        if let Some(memory) = memory {
            state.kept = memory;
        }
        let mut files = Vec::with_capacity(next.files.len());
        for meta in &next.files {
            let known = state.files.iter().find(|file| file.meta.path == meta.path);
            files.push(known.map_or_else(|| handle(&self.dir, meta), Arc::clone));
        }
        for file in &state.files {
            if !next.files.iter().any(|meta| meta.path == file.meta.path) {
                file.doomed.store(true, Ordering::Release);
            }
        }
        state.files = files;
        state.manifest = next;
        if flushed > 0 {
            state.recent.drain(..flushed);
            state.recent_rows = state.recent.iter().map(RecordBatch::num_rows).sum();
            let bytes = state.recent.iter().map(RecordBatch::get_array_memory_size);
            state.recent_bytes = bytes.sum();
            state.recent_since_us = None;
        }
        let (number, kept) = (state.number, state.manifest.state);
        drop(state);
        if let Err(error) = self.dir.forget_older(number, kept) {
            tracing::warn!(%error, "older manifests of the store were not removed");
        }
        Ok(())
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("root", &self.root())
            .finish_non_exhaustive()
    }
}

/// Nothing is left half-changed by a panic while one of these locks is held.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(serde::Deserialize)]
struct AnyVersion {
    version: u32,
}

fn load(dir: &Dir) -> Result<Option<(u64, Manifest)>, OpenError> {
    let Some((number, bytes)) = dir.newest_manifest()? else {
        return Ok(None);
    };
    let manifest: Manifest = match serde_json::from_slice(&bytes) {
        Ok(manifest) => manifest,
        // A later version may have other members; its number is what counts then.
        Err(error) => {
            let Ok(AnyVersion { version }) = serde_json::from_slice(&bytes) else {
                return Err(OpenError::Damaged(error));
            };
            Manifest {
                version,
                ..Manifest::new("", "")
            }
        }
    };
    Ok(Some((number, manifest)))
}

fn handle(dir: &Dir, meta: &FileMeta) -> Arc<FileHandle> {
    Arc::new(FileHandle {
        meta: meta.clone(),
        dir: dir.clone(),
        doomed: AtomicBool::new(false),
    })
}

fn file_path(day: Option<i32>, number: u64) -> String {
    let day = day.map_or_else(
        || "other".to_owned(),
        |day| {
            let text = affiant_entry::rfc3339(i64::from(day).saturating_mul(86_400_000_000));
            text.get(..10).unwrap_or("other").to_owned()
        },
    );
    format!("{}/{day}/{number:012}.parquet", crate::io::DATA)
}

type Days = Vec<(Option<i32>, Vec<RecordBatch>)>;

/// Rows by the day they belong to, in order within each.
fn by_day(batches: &[RecordBatch]) -> Result<Days, ArrowError> {
    use datafusion::arrow::array::{Array as _, BooleanArray};
    use datafusion::arrow::compute::filter_record_batch;
    use datafusion::arrow::datatypes::Date32Type;
    use std::collections::BTreeMap;

    let mut rows: BTreeMap<i32, usize> = BTreeMap::new();
    for batch in batches {
        for day in day_column(batch).iter().flatten() {
            *rows.entry(day).or_default() += 1;
        }
    }
    let mut most: Vec<(usize, i32)> = rows.into_iter().map(|(day, rows)| (rows, day)).collect();
    most.sort_unstable_by(|a, b| b.cmp(a));
    most.truncate(FLUSH_DAYS_MAX);
    let own: Vec<i32> = most.into_iter().map(|(_, day)| day).collect();
    let mut days: BTreeMap<Option<i32>, Vec<RecordBatch>> = BTreeMap::new();
    for batch in batches {
        let column = day_column(batch);
        let place = |day: Option<i32>| day.filter(|day| own.contains(day));
        let mut here: Vec<Option<i32>> = column.iter().map(place).collect();
        here.sort_unstable();
        here.dedup();
        if let [only] = here[..] {
            days.entry(only).or_default().push(batch.clone());
            continue;
        }
        for day in here {
            let mask: BooleanArray = column.iter().map(|at| Some(place(at) == day)).collect();
            let part = filter_record_batch(batch, &mask)?;
            days.entry(day).or_default().push(part);
        }
    }
    debug_assert!(days.values().flatten().all(|batch| {
        let leaves = batch.column(0).as_primitive::<Int64Type>();
        leaves.null_count() == 0 && leaves.values().is_sorted()
    }));
    return Ok(days.into_iter().collect());

    fn day_column(batch: &RecordBatch) -> &datafusion::arrow::array::PrimitiveArray<Date32Type> {
        let at = crate::columns::COLUMNS
            .iter()
            .position(|(name, ..)| *name == "day");
        batch
            .column(at.unwrap_or_default())
            .as_primitive::<Date32Type>()
    }
}
