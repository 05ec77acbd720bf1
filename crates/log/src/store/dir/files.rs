//! Single files and directories, and what is durable when.

use std::io::{self, Write as _};
use std::path::Path;

use fs_err::os::unix::fs::OpenOptionsExt;
use fs_err::{File, OpenOptions};
use rustix::fs::{CWD, FlockOperation, RenameFlags};

/// A `flock(2)`; ends with the value or the process.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Takes the lock, `None` where another has it. Writes the pid into the file, for people.
    pub(crate) fn take(path: &Path) -> io::Result<Option<Self>> {
        let file = Self::open(path)?;
        match rustix::fs::flock(file.file(), FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                file.set_len(0)?;
                writeln!(&file, "{}", std::process::id())?;
                Ok(Some(Self(file)))
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for the lock.
    pub(crate) fn wait(path: &Path) -> io::Result<Self> {
        let file = Self::open(path)?;
        rustix::fs::flock(file.file(), FlockOperation::LockExclusive)?;
        Ok(Self(file))
    }

    /// Empties the file, as a sign of an orderly end. The lock stays held.
    pub(crate) fn clear(&self) {
        // Only people read it.
        drop(self.0.set_len(0));
    }

    fn open(path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        options.mode(0o600).open(path)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone would not do: a child that is being started shares the lock until it runs
        // its program.
        let unlocked = rustix::fs::flock(self.0.file(), FlockOperation::Unlock);
        if let Err(error) = unlocked {
            tracing::warn!(%error, "lock was not given back");
        }
    }
}

/// The file's bytes, `None` where there is no file.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs_err::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A tile may be asked for below what is a file: that is absent as well.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Writes a new file that nobody will change. Not durable before a sync.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o444);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    Ok(file)
}

/// Gives a staged, synced file its name in the log; copies it where a link cannot be.
///
/// `AlreadyExists` where the name is taken.
pub(crate) fn link(staged: &Path, target: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs_err::hard_link(staged, target) {
        Err(error) if cannot_link(&error) => copy(target, bytes),
        result => result,
    }
}

fn cannot_link(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::CrossesDevices
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::Unsupported
            | io::ErrorKind::TooManyLinks
    )
}

/// Writes a whole file under its name, or none, and never over another.
pub(crate) fn copy(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(target);
    remove_file(&temporary)?;
    create(&temporary, bytes)?.sync_all()?;
    let renamed = rustix::fs::renameat_with(CWD, &temporary, CWD, target, RenameFlags::NOREPLACE);
    if renamed.is_err() {
        remove_file(&temporary)?;
    }
    Ok(renamed?)
}

/// Replaces a file whole. The content is synced before it has the name, so that a crash leaves the
/// old or the new file; the name itself is durable on return only if `durable`.
pub(crate) fn replace(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    let temporary = temporary(path);
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o644);
    let mut file = options.open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs_err::rename(&temporary, path)?;
    match path.parent().filter(|_| durable) {
        Some(parent) => sync_dir(parent),
        None => Ok(()),
    }
}

fn temporary(path: &Path) -> std::path::PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

/// Makes a directory and those above it, for the user alone.
pub(crate) fn create_dirs(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let result = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir);
    result.map_err(|error| io::Error::new(error.kind(), format!("`{}`: {error}", dir.display())))
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    match File::open(dir) {
        Ok(dir) => dir.sync_all(),
        // Partial tiles are removed with their directory: nothing is left to be durable.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes a directory with all in it, if it exists.
pub(crate) fn remove_tree(dir: &Path) -> io::Result<()> {
    match fs_err::remove_dir_all(dir) {
        Err(error) if !is_absent(&error) => Err(error),
        _ => Ok(()),
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs_err::remove_file(path) {
        Err(error) if !is_absent(&error) => Err(error),
        _ => Ok(()),
    }
}

/// The names in a directory that are UTF-8.
pub(crate) fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(dir)? {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}
