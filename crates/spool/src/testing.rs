//! A simulated disk for tests: it forgets, tears and reorders what was not synced.
//!
//! Not for production; it is public so that crates above can crash their spools too.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::storage::{LockGuard, LockOutcome, Storage, StorageFile};

/// Unit in which a crash keeps or loses the bytes of a write.
const SECTOR_BYTES: usize = 512;

/// A disk in memory, with a live view (what programs see) and a durable one (what a crash leaves).
///
/// Rules, harsher than a journaling file system where POSIX allows it:
///
/// - Bytes written since the last successful sync of the file survive a crash sector by sector,
///   each at random; so do changes of length, in order.
/// - Creations, renames and removals survive only after the directory was synced; without that a
///   random prefix of them does.
/// - A sync that was told to fail ([`CrashDisk::fail_sync_after`]) keeps a random part of what was
///   written, and forgets the rest for good, while the live view goes on showing it; the next sync
///   succeeds and does not bring it back.
/// - With a capacity ([`CrashDisk::set_capacity`]), growing a file beyond it fails with
///   [`io::ErrorKind::StorageFull`], after a random part was written.
///
/// Clones share the disk. Everything random comes from the seed.
#[derive(Clone)]
pub struct CrashDisk {
    state: Arc<Mutex<State>>,
}

struct State {
    random: u64,
    /// Raised by a crash; handles of an older one are dead.
    generation: u64,
    inodes: Vec<Inode>,
    live_names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    name_changes: Vec<NameChange>,
    locks: BTreeMap<PathBuf, u64>,
    capacity_bytes: Option<u64>,
    fail_sync_after: Option<u64>,
    failing_syncs: u64,
    syncs: u64,
    fail_write_after: Option<u64>,
}

#[derive(Default, Clone)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    changes: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

/// One change of a directory: names that went and names that came, together.
struct NameChange {
    dir: PathBuf,
    removed: Vec<PathBuf>,
    added: Vec<(PathBuf, usize)>,
}

impl CrashDisk {
    /// An empty disk.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = State {
            random: seed,
            generation: 0,
            inodes: Vec::new(),
            live_names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            locks: BTreeMap::new(),
            capacity_bytes: None,
            fail_sync_after: None,
            failing_syncs: 0,
            syncs: 0,
            fail_write_after: None,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Power loss: what was not synced survives in part. Open files and locks are gone.
    pub fn crash(&self) {
        self.lock_state().crash();
    }

    /// The death of the processes alone: nothing written is lost, open files and locks are gone.
    pub fn kill(&self) {
        self.lock_state().drop_handles();
    }

    /// Makes `count` syncs of files or directories fail, after letting `after` succeed. Changes of a
    /// directory whose sync failed stay pending.
    pub fn fail_sync_after(&self, after: u64, count: u64) {
        let mut state = self.lock_state();
        state.fail_sync_after = Some(after);
        state.failing_syncs = count;
    }

    /// Makes one write fail after a random part of it was written, after letting `after` succeed.
    pub fn fail_write_after(&self, after: u64) {
        self.lock_state().fail_write_after = Some(after);
    }

    /// No sync and no write fails any more.
    pub fn heal(&self) {
        let mut state = self.lock_state();
        state.fail_write_after = None;
        state.fail_sync_after = None;
        state.failing_syncs = 0;
    }

    /// Limits the sum of all files' lengths; `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock_state().capacity_bytes = bytes;
    }

    /// The sum of all files' lengths, in bytes.
    #[must_use]
    pub fn bytes_used(&self) -> u64 {
        self.lock_state().bytes_used()
    }

    /// How many syncs of files and directories were asked for.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.lock_state().syncs
    }

    /// The files there are, in order.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        self.lock_state().live_names.keys().cloned().collect()
    }

    /// A file's content as programs see it.
    #[must_use]
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.lock_state();
        let inode = state.live_names.get(path)?;
        state.inodes.get(*inode).map(|inode| inode.live.clone())
    }

    /// Puts a file in place, durably, as an attacker or another program would.
    pub fn put(&self, path: &Path, content: Vec<u8>) {
        let mut state = self.lock_state();
        state.inodes.push(Inode {
            durable: content.clone(),
            live: content,
            changes: Vec::new(),
        });
        let inode = state.inodes.len() - 1;
        state.live_names.insert(path.to_owned(), inode);
        state.durable_names.insert(path.to_owned(), inode);
    }

    /// Removes a file, durably, as an attacker or another program would.
    pub fn delete(&self, path: &Path) {
        let mut state = self.lock_state();
        state.live_names.remove(path);
        state.durable_names.remove(path);
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, inode: usize) -> Box<dyn StorageFile> {
        let generation = self.lock_state().generation;
        Box::new(CrashFile {
            disk: self.clone(),
            inode,
            generation,
        })
    }
}

// === impl State ===

impl State {
    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.random;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.random() % limit).unwrap_or_default()
    }

    fn bytes_used(&self) -> u64 {
        let lengths = self
            .live_names
            .values()
            .filter_map(|inode| self.inodes.get(*inode));
        lengths.map(|inode| to_u64(inode.live.len())).sum()
    }

    fn drop_handles(&mut self) {
        self.generation += 1;
        self.locks.clear();
    }

    fn crash(&mut self) {
        self.drop_handles();
        let survivors = self.below(self.name_changes.len() + 1);
        let changes = std::mem::take(&mut self.name_changes);
        for change in changes.into_iter().take(survivors) {
            change.apply(&mut self.durable_names);
        }
        self.live_names = self.durable_names.clone();
        for inode in 0..self.inodes.len() {
            self.settle(inode);
            if let Some(inode) = self.inodes.get_mut(inode) {
                inode.live.clone_from(&inode.durable);
            }
        }
    }

    /// Keeps a random part of a file's unsynced changes, and forgets that there were others.
    fn settle(&mut self, index: usize) {
        let Some(inode) = self.inodes.get_mut(index) else {
            return;
        };
        let changes = std::mem::take(&mut inode.changes);
        let mut durable = std::mem::take(&mut inode.durable);
        // All, none, or a mixture: the ends are the common cases on real disks.
        let mode = self.below(4);
        for change in changes {
            match change {
                Change::Length(len) if mode != 0 => durable.resize(len, 0),
                Change::Length(_) => {}
                Change::Write { offset, bytes } => {
                    for (start, sector) in sectors(offset, &bytes) {
                        if mode == 3 || (mode != 0 && self.below(2) == 0) {
                            write_into(&mut durable, start, sector);
                        }
                    }
                }
            }
        }
        if let Some(inode) = self.inodes.get_mut(index) {
            inode.durable = durable;
        }
    }

    fn count_sync(&mut self) -> io::Result<()> {
        self.syncs += 1;
        match self.fail_sync_after {
            Some(0) if self.failing_syncs > 0 => {
                self.failing_syncs -= 1;
                return Err(io::Error::other("simulated sync failure"));
            }
            Some(after) => self.fail_sync_after = Some(after.saturating_sub(1)),
            None => {}
        }
        Ok(())
    }

    fn sync(&mut self, index: usize) -> io::Result<()> {
        if let Err(error) = self.count_sync() {
            self.settle(index);
            return Err(error);
        }
        if let Some(inode) = self.inodes.get_mut(index) {
            for change in std::mem::take(&mut inode.changes) {
                match change {
                    Change::Length(len) => inode.durable.resize(len, 0),
                    Change::Write { offset, bytes } => {
                        write_into(&mut inode.durable, offset, &bytes);
                    }
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, index: usize, bytes: &[u8], offset: usize) -> io::Result<()> {
        let len = self.inodes.get(index).map_or(0, |inode| inode.live.len());
        let growth = to_u64((offset + bytes.len()).saturating_sub(len));
        let full = growth > 0
            && self
                .capacity_bytes
                .is_some_and(|limit| self.bytes_used() + growth > limit);
        let failing = self.fail_write_after == Some(0);
        self.fail_write_after = match self.fail_write_after {
            Some(0) | None => None,
            Some(after) => Some(after - 1),
        };
        let partial = full || failing;
        let written = if partial {
            self.below(bytes.len())
        } else {
            bytes.len()
        };
        let bytes = bytes.get(..written).unwrap_or_default();
        if let Some(inode) = self.inodes.get_mut(index).filter(|_| written > 0) {
            write_into(&mut inode.live, offset, bytes);
            inode.changes.push(Change::Write {
                offset,
                bytes: bytes.to_vec(),
            });
        }
        if full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if failing {
            return Err(io::Error::other("simulated write failure"));
        }
        Ok(())
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.live_names);
        self.name_changes.push(change);
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        for name in &self.removed {
            names.remove(name);
        }
        names.extend(self.added.iter().cloned());
    }
}

fn write_into(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(target) = content.get_mut(offset..end) {
        target.copy_from_slice(bytes);
    }
}

/// A write, cut where sectors of the file meet.
fn sectors(offset: usize, bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let mut parts = Vec::new();
    let (mut at, mut rest) = (offset, bytes);
    while !rest.is_empty() {
        let room = SECTOR_BYTES - at % SECTOR_BYTES;
        let (part, tail) = rest.split_at(room.min(rest.len()));
        parts.push((at, part));
        at += part.len();
        rest = tail;
    }
    parts
}

// === impl Storage ===

impl Storage for CrashDisk {
    fn create_dir_all(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.lock_state();
        let names = state
            .live_names
            .keys()
            .filter(|path| path.parent() == Some(dir));
        let names = names.filter_map(|path| path.file_name()?.to_str());
        Ok(names.map(str::to_owned).collect())
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let inode = self.lock_state().live_names.get(path).copied();
        inode
            .map(|inode| self.file(inode))
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.open_read(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let inode = {
            let mut state = self.lock_state();
            state.inodes.push(Inode::default());
            let inode = state.inodes.len() - 1;
            let dir = parent(path);
            let added = vec![(path.to_owned(), inode)];
            state.change_names(NameChange {
                dir,
                removed: Vec::new(),
                added,
            });
            inode
        };
        Ok(self.file(inode))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        let inode = state
            .live_names
            .get(from)
            .copied()
            .ok_or(io::ErrorKind::NotFound)?;
        let (removed, added) = (vec![from.to_owned()], vec![(to.to_owned(), inode)]);
        state.change_names(NameChange {
            dir: parent(to),
            removed,
            added,
        });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        if !state.live_names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let removed = vec![path.to_owned()];
        state.change_names(NameChange {
            dir: parent(path),
            removed,
            added: Vec::new(),
        });
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut guard = self.lock_state();
        let state = &mut *guard;
        state.count_sync()?;
        let (synced, others) = std::mem::take(&mut state.name_changes)
            .into_iter()
            .partition(|c| c.dir == dir);
        let synced: Vec<NameChange> = synced;
        state.name_changes = others;
        for change in synced {
            change.apply(&mut state.durable_names);
        }
        Ok(())
    }

    fn lock(&self, path: &Path, _content: &str) -> io::Result<LockOutcome> {
        if self.content(path).is_none() {
            self.put(path, Vec::new());
        }
        let mut state = self.lock_state();
        if state.locks.contains_key(path) {
            return Ok(LockOutcome::Held { pid: None });
        }
        let generation = state.generation;
        state.locks.insert(path.to_owned(), generation);
        let disk = self.clone();
        Ok(LockOutcome::Taken(Box::new(CrashLock {
            disk,
            path: path.to_owned(),
            generation,
        })))
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        Ok(self.lock_state().locks.contains_key(path))
    }
}

struct CrashFile {
    disk: CrashDisk,
    inode: usize,
    generation: u64,
}

impl CrashFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.lock_state();
        if state.generation != self.generation {
            return Err(io::Error::other("file handle of a process that died"));
        }
        Ok(state)
    }
}

impl StorageFile for CrashFile {
    fn len_bytes(&self) -> io::Result<u64> {
        let state = self.state()?;
        Ok(state
            .inodes
            .get(self.inode)
            .map_or(0, |inode| to_u64(inode.live.len())))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.state()?;
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let content = state
            .inodes
            .get(self.inode)
            .and_then(|inode| inode.live.get(offset..));
        let content = content.unwrap_or_default();
        let count = content.len().min(buffer.len());
        for (target, byte) in buffer.iter_mut().zip(content) {
            *target = *byte;
        }
        Ok(count)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        self.state()?.write(self.inode, bytes, offset)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let len = usize::try_from(bytes).map_err(io::Error::other)?;
        let mut state = self.state()?;
        if let Some(inode) = state.inodes.get_mut(self.inode) {
            inode.live.resize(len, 0);
            inode.changes.push(Change::Length(len));
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.state()?.sync(self.inode)
    }
}

struct CrashLock {
    disk: CrashDisk,
    path: PathBuf,
    generation: u64,
}

impl LockGuard for CrashLock {
    fn clear(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for CrashLock {
    fn drop(&mut self) {
        let mut state = self.disk.lock_state();
        if state.locks.get(&self.path) == Some(&self.generation) {
            state.locks.remove(&self.path);
        }
    }
}

fn parent(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}

fn to_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
