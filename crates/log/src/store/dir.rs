//! A log in a directory of this machine.
//!
//! ```text
//! log/                 the tlog-tiles layout, for anyone to read
//!   checkpoint         replaced by rename
//!   tile/0/x001/234    immutable, mode 0444, made by link(2): never seen half written
//! state/               the writer's own
//!   lock               flock(2): one writer
//!   head               replaced by rename, under the lock
//!   staging/NAME/      one directory a round: 0, 1, ... and MANIFEST
//! ```
//!
//! A staged file *is* the later tile: promotion gives it a second name, so that each byte is written
//! once. Where `log` and `state` are not on one file system, or links are not supported, promotion
//! copies, syncs and renames instead.

pub(crate) mod files;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fs_err::File;

use self::files::{Lock, create_dirs, read, remove_tree, replace, sync_dir};
use super::{Object, ReadObjects, Store, StoreError};

/// Up to so many new files are synced one by one; more of them with one `syncfs(2)`.
const SYNCED_SINGLY_MAX: usize = 12;

/// A log's directories, held for writing while this value lives.
#[derive(Debug)]
pub struct DirStore {
    reader: DirReader,
    state: PathBuf,
    /// Directories that got new names since they were last synced, and directories known to exist.
    dirs: Mutex<Dirs>,
    lease: Lock,
}

#[derive(Debug, Default)]
struct Dirs {
    touched: BTreeSet<PathBuf>,
    known: BTreeSet<PathBuf>,
    /// A swap of the head did not come back: its durability is unknown.
    head_in_doubt: bool,
}

/// Reads a log's directory, without being its writer.
#[derive(Debug, Clone)]
pub struct DirReader {
    log: PathBuf,
}

impl DirReader {
    /// Reads below `log`; the directory need not exist yet.
    pub fn new(log: impl Into<PathBuf>) -> Self {
        Self { log: log.into() }
    }

    fn file(&self, path: &str) -> PathBuf {
        self.log.join(path)
    }
}

impl ReadObjects for DirReader {
    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        read(&self.file(path)).map_err(|error| StoreError::io("read", path, error))
    }
}

impl DirStore {
    /// Makes the directories if need be, and takes the lease.
    ///
    /// # Errors
    ///
    /// [`OpenStoreError::Held`] where another process or handle writes to this log,
    /// [`OpenStoreError::Io`].
    pub fn open(
        log: impl Into<PathBuf>,
        state: impl Into<PathBuf>,
    ) -> Result<Self, OpenStoreError> {
        let (log, state) = (log.into(), state.into());
        let refused = |source| OpenStoreError::Io {
            path: state.clone(),
            source,
        };
        for dir in [&log, &state.join(STAGING)] {
            create_dirs(dir).map_err(refused)?;
        }
        for dir in [&log, &state] {
            if let Some(parent) = dir.parent().filter(|p| !p.as_os_str().is_empty()) {
                sync_dir(parent).map_err(refused)?;
            }
            sync_dir(dir).map_err(refused)?;
        }
        let lease = Lock::take(&state.join("lock")).map_err(refused)?;
        let lease = lease.ok_or_else(|| OpenStoreError::Held {
            path: state.clone(),
        })?;
        Ok(Self {
            reader: DirReader { log },
            dirs: Mutex::new(Dirs {
                // The process before may have died inside a swap.
                head_in_doubt: true,
                ..Dirs::default()
            }),
            state,
            lease,
        })
    }

    /// A reader of the same log.
    pub fn reader(&self) -> DirReader {
        self.reader.clone()
    }

    fn dirs(&self) -> MutexGuard<'_, Dirs> {
        // The sets are valid after any panic: at worst a directory is synced again.
        self.dirs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn head_file(&self) -> PathBuf {
        self.state.join("head")
    }

    fn stage_dir(&self, name: &str) -> PathBuf {
        self.state.join(STAGING).join(name)
    }

    fn write_stage(&self, dir: &Path, objects: &[Object]) -> io::Result<()> {
        remove_tree(dir)?;
        create_dirs(dir)?;
        let mut manifest = String::new();
        let mut files = Vec::new();
        for (number, object) in objects.iter().enumerate() {
            let file = files::create(&dir.join(number.to_string()), &object.bytes)?;
            manifest.push_str(&format!("{} {}\n", object.bytes.len(), object.path));
            if files.len() <= SYNCED_SINGLY_MAX {
                files.push(file);
            }
        }
        manifest.push_str(END);
        let manifest = files::create(&dir.join(MANIFEST), manifest.as_bytes())?;
        let touched = std::mem::take(&mut self.dirs().touched);
        let synced = self.sync_stage(dir, &files, &manifest, &touched);
        if synced.is_err() {
            self.dirs().touched.extend(touched);
        }
        synced
    }

    fn sync_stage(
        &self,
        dir: &Path,
        files: &[File],
        manifest: &File,
        touched: &BTreeSet<PathBuf>,
    ) -> io::Result<()> {
        if files.len() + touched.len() > SYNCED_SINGLY_MAX {
            rustix::fs::syncfs(manifest.file())?;
            if self.one_file_system() {
                return Ok(());
            }
            return touched.iter().try_for_each(|dir| sync_dir(dir));
        }
        for file in files.iter().chain([manifest]) {
            file.sync_all()?;
        }
        sync_dir(dir)?;
        sync_dir(&self.state.join(STAGING))?;
        touched.iter().try_for_each(|dir| sync_dir(dir))
    }

    /// Whether one `syncfs` reaches both directories.
    fn one_file_system(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        let device = |path: &Path| fs_err::metadata(path).map(|meta| meta.dev());
        matches!(
            (device(&self.reader.log), device(&self.state)),
            (Ok(log), Ok(state)) if log == state
        )
    }

    fn promote_one(&self, staged: &Path, object: &Object) -> Result<(), StoreError> {
        let target = self.reader.file(&object.path);
        let failed = |error| StoreError::io("write", object.path.as_str(), error);
        self.make_parents(&target).map_err(failed)?;
        match files::link(staged, &target, &object.bytes) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let there = read(&target).map_err(failed)?;
                if there.as_ref() == Some(&object.bytes) {
                    Ok(())
                } else {
                    Err(StoreError::Conflict {
                        path: object.path.clone(),
                    })
                }
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Makes the directories above a file, and notes those that a sync must reach.
    fn make_parents(&self, target: &Path) -> io::Result<()> {
        let Some(parent) = target.parent() else {
            return Ok(());
        };
        let mut dirs = self.dirs();
        dirs.touched.insert(parent.to_owned());
        if dirs.known.contains(parent) {
            return Ok(());
        }
        create_dirs(parent)?;
        for ancestor in parent.ancestors().take_while(|a| *a != self.reader.log) {
            if !dirs.known.insert(ancestor.to_owned()) {
                break;
            }
            // A new directory is a new name in the one above.
            if let Some(above) = ancestor.parent() {
                dirs.touched.insert(above.to_owned());
            }
        }
        Ok(())
    }
}

impl ReadObjects for DirStore {
    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.reader.get(path)
    }
}

impl Store for DirStore {
    fn head(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let file = self.head_file();
        let failed = |error| StoreError::io("read", "head", error);
        let Some(head) = read(&file).map_err(failed)? else {
            return Ok(None);
        };
        if self.dirs().head_in_doubt {
            // It may be in the page cache only, and a failed fsync has marked it clean: a new file
            // with the same bytes is the only one whose sync can be believed.
            replace(&file, &head, true).map_err(failed)?;
            self.dirs().head_in_doubt = false;
        }
        Ok(Some(head))
    }

    fn swap_head(&self, expected: Option<&[u8]>, new: &[u8]) -> Result<(), StoreError> {
        let failed = |error| StoreError::io("swap", "head", error);
        // A reader that compares and a writer that renames must be one step, even for two handles
        // that hold no common lease.
        let _swapping = Lock::wait(&self.state.join("head.lock")).map_err(failed)?;
        let file = self.head_file();
        if read(&file).map_err(failed)?.as_deref() != expected {
            return Err(StoreError::HeadMoved);
        }
        self.dirs().head_in_doubt = true;
        replace(&file, new, true).map_err(failed)?;
        self.dirs().head_in_doubt = false;
        Ok(())
    }

    fn stage(&self, name: &str, objects: &[Object]) -> Result<(), StoreError> {
        self.write_stage(&self.stage_dir(name), objects)
            .map_err(|error| StoreError::io("stage", name, error))
    }

    fn staged(&self, name: &str) -> Result<Option<Vec<Object>>, StoreError> {
        let dir = self.stage_dir(name);
        let failed = |error| StoreError::io("read", name, error);
        let damaged = || StoreError::Damaged {
            name: name.to_owned(),
        };
        let manifest = dir.join(MANIFEST);
        let Some(manifest) = read(&manifest).map_err(failed)? else {
            return Ok(None);
        };
        let manifest = String::from_utf8(manifest).map_err(|_| damaged())?;
        let lines = manifest.strip_suffix(END).ok_or_else(damaged)?;
        let mut objects = Vec::new();
        for (number, line) in lines.lines().enumerate() {
            let (length, path) = line.split_once(' ').ok_or_else(damaged)?;
            let bytes = read(&dir.join(number.to_string())).map_err(failed)?;
            let bytes = bytes.ok_or_else(damaged)?;
            if length != bytes.len().to_string() {
                return Err(damaged());
            }
            objects.push(Object {
                path: path.to_owned(),
                bytes,
            });
        }
        Ok(Some(objects))
    }

    fn staged_names(&self) -> Result<Vec<String>, StoreError> {
        files::names(&self.state.join(STAGING))
            .map_err(|error| StoreError::io("list", STAGING, error))
    }

    fn promote(&self, name: &str, objects: &[Object]) -> Result<(), StoreError> {
        let dir = self.stage_dir(name);
        for (number, object) in objects.iter().enumerate() {
            self.promote_one(&dir.join(number.to_string()), object)?;
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        let touched = std::mem::take(&mut self.dirs().touched);
        let synced = touched.iter().try_for_each(|dir| sync_dir(dir));
        synced.map_err(|error| {
            self.dirs().touched.extend(touched);
            StoreError::io("sync", "log", error)
        })
    }

    fn unstage(&self, name: &str) -> Result<(), StoreError> {
        remove_tree(&self.stage_dir(name)).map_err(|error| StoreError::io("remove", name, error))
    }

    fn publish(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let file = self.reader.file(path);
        replace(&file, bytes, false).map_err(|error| StoreError::io("publish", path, error))
    }

    fn remove_partials(&self, path: &str) -> Result<(), StoreError> {
        let dir = self.reader.file(&format!("{path}.p"));
        let removed = remove_tree(&dir);
        let mut dirs = self.dirs();
        dirs.known.remove(&dir);
        dirs.touched.remove(&dir);
        removed.map_err(|error| StoreError::io("remove", path, error))
    }
}

impl Drop for DirStore {
    fn drop(&mut self) {
        self.lease.clear();
    }
}

/// Why a directory could not be opened for writing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenStoreError {
    /// Another writer holds the log. Stop it, or use another directory.
    #[error("log state `{}` is in use by another process", path.display())]
    Held {
        /// The state directory.
        path: PathBuf,
    },
    /// The disk refused.
    #[error("could not prepare log state `{}`", path.display())]
    Io {
        /// The state directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

const STAGING: &str = "staging";
const MANIFEST: &str = "MANIFEST";
/// The manifest's last line: a manifest without it was cut.
const END: &str = "end\n";
