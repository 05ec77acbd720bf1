//! The one place that touches files.
//!
//! Files are created once and never change; what counts is what the newest manifest names. So a crash
//! leaves at most files that nobody names, which [`Dir::sweep`] removes. An object store with
//! conditional puts could stand here instead of a directory.

use std::fs::TryLockError;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::object_store::ObjectStore;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::object_store::memory::InMemory;
use fs_err as fs;

/// Sub-directory of the Parquet files.
pub(crate) const DATA: &str = "data";
const MANIFEST: &str = "manifest-";
const STATE: &str = "state-";
const JSON: &str = ".json";
const LOCK: &str = "lock";

/// The directory of a store.
#[derive(Debug, Clone)]
pub(crate) struct Dir {
    root: PathBuf,
}

/// Held by the one process that writes a store; the system releases it when that process ends.
#[derive(Debug)]
pub(crate) struct WriterLock {
    _file: fs::File,
}

impl Dir {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the directories and takes the lock; `None` if another process has it.
    pub(crate) fn lock(&self) -> io::Result<Option<WriterLock>> {
        fs::create_dir_all(self.root.join(DATA))?;
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.root.join(LOCK))?;
        match file.file().try_lock() {
            Ok(()) => Ok(Some(WriterLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// What SQL reads files through: paths below the root, and nothing else.
    pub(crate) fn objects(&self) -> io::Result<Arc<dyn ObjectStore>> {
        if !self.root.is_dir() {
            return Ok(Arc::new(InMemory::new()));
        }
        let store = LocalFileSystem::new_with_prefix(&self.root).map_err(io::Error::other)?;
        Ok(Arc::new(store))
    }

    /// A new file of data under a path below the root.
    pub(crate) fn create(&self, path: &str) -> io::Result<NewFile> {
        let path = self.root.join(path);
        let parent = path.parent().unwrap_or(&self.root).to_owned();
        fs::create_dir_all(&parent)?;
        // A file that a crash left here is named by no manifest.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(path)?;
        Ok(NewFile {
            file: io::BufWriter::with_capacity(1 << 20, file),
            parent,
        })
    }

    /// Opens a file of data.
    pub(crate) fn open(&self, path: &str) -> io::Result<std::fs::File> {
        Ok(fs::File::open(self.root.join(path))?.into_file())
    }

    /// Removes a file of data; that it is gone already is well.
    pub(crate) fn remove(&self, path: &str) -> io::Result<()> {
        match fs::remove_file(self.root.join(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Writes a manifest under its number: create-only, and durable when this returns.
    pub(crate) fn put_manifest(&self, number: u64, bytes: &[u8]) -> io::Result<()> {
        self.put(&numbered(MANIFEST, number), bytes)
    }

    /// Writes the state that a manifest names.
    pub(crate) fn put_state(&self, number: u64, bytes: &[u8]) -> io::Result<()> {
        self.put(&numbered(STATE, number), bytes)
    }

    /// The state of a number.
    pub(crate) fn state(&self, number: u64) -> io::Result<Vec<u8>> {
        fs::read(self.root.join(numbered(STATE, number)))
    }

    /// The newest manifest and its number.
    pub(crate) fn newest_manifest(&self) -> io::Result<Option<(u64, Vec<u8>)>> {
        let Some(number) = self.numbers(MANIFEST)?.into_iter().max() else {
            return Ok(None);
        };
        let bytes = fs::read(self.root.join(numbered(MANIFEST, number)))?;
        Ok(Some((number, bytes)))
    }

    /// Removes manifests and states that are older than those given.
    pub(crate) fn forget_older(&self, manifest: u64, state: Option<u64>) -> io::Result<()> {
        let old = self
            .numbers(MANIFEST)?
            .into_iter()
            .filter(|n| *n < manifest);
        for number in old {
            self.remove(&numbered(MANIFEST, number))?;
        }
        let unnamed = self.numbers(STATE)?.into_iter();
        for number in unnamed.filter(|n| Some(*n) != state) {
            self.remove(&numbered(STATE, number))?;
        }
        Ok(())
    }

    /// Removes data files for which `named` says no, and what a crash left half-written.
    pub(crate) fn sweep(&self, named: impl Fn(&str) -> bool) -> io::Result<usize> {
        let mut removed = 0;
        for name in self.names(&self.root)? {
            if name.ends_with(".new") {
                self.remove(&name)?;
                removed += 1;
            }
        }
        for day in self.names(&self.root.join(DATA))? {
            let below = format!("{DATA}/{day}");
            for file in self.names(&self.root.join(&below))? {
                let path = format!("{below}/{file}");
                if !named(&path) {
                    self.remove(&path)?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }

    /// Removes all that a store wrote here.
    pub(crate) fn clear(&self) -> io::Result<()> {
        for name in self.names(&self.root)? {
            if name.starts_with(MANIFEST) || name.starts_with(STATE) {
                self.remove(&name)?;
            }
        }
        self.sweep(|_| false).map(drop)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = self.root.join(format!("{name}.new"));
        let mut file = fs::File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        // A link fails where the name is taken: two writers never agree by accident.
        fs::hard_link(&new, self.root.join(name))?;
        fs::remove_file(&new)?;
        sync_dir(&self.root)
    }

    fn numbers(&self, prefix: &str) -> io::Result<Vec<u64>> {
        let names = self.names(&self.root)?;
        let number = |name: &String| {
            let digits = name.strip_prefix(prefix)?.strip_suffix(JSON)?;
            digits.parse().ok()
        };
        Ok(names.iter().filter_map(number).collect())
    }

    fn names(&self, dir: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort();
        Ok(names)
    }
}

/// A data file that is being written.
#[derive(Debug)]
pub(crate) struct NewFile {
    file: io::BufWriter<fs::File>,
    parent: PathBuf,
}

impl NewFile {
    /// Makes the file durable, with its name; its length.
    pub(crate) fn finish(self) -> io::Result<u64> {
        let file = self.file.into_inner().map_err(|e| e.into_error())?;
        file.sync_all()?;
        sync_dir(&self.parent)?;
        if let Some(above) = self.parent.parent() {
            sync_dir(above)?;
        }
        Ok(file.metadata()?.len())
    }
}

impl io::Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn sync_dir(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

fn numbered(prefix: &str, number: u64) -> String {
    format!("{prefix}{number:020}{JSON}")
}
