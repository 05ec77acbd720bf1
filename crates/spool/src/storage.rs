//! The port to the disk, and the durability each method owes.

mod os;

use std::io;
use std::path::Path;

pub use self::os::OsStorage;

/// A file system, as far as a spool needs one.
///
/// Two implementations: [`OsStorage`], and [`crate::testing::CrashDisk`], which forgets, tears and
/// reorders what was not synced. Errors carry the path where the implementation can say it.
pub trait Storage: Send + Sync {
    /// Creates a directory and its parents, private to the user. No error if it exists.
    ///
    /// # Errors
    /// Whatever the file system says.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// The names of the files in a directory, in no order; names that are not UTF-8 are left out.
    ///
    /// # Errors
    /// `NotFound` if the directory does not exist, or whatever the file system says.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// `NotFound` if there is none, or whatever the file system says.
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// `NotFound` if there is none, or whatever the file system says.
    fn open_write(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;

    /// Opens a file for reading and writing, empty, readable by the user only, creating it if need
    /// be. The name is durable only after [`Storage::sync_dir`].
    ///
    /// # Errors
    /// Whatever the file system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;

    /// Renames a file within one directory, replacing the target atomically. Durable only after
    /// [`Storage::sync_dir`].
    ///
    /// # Errors
    /// Whatever the file system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Durable only after [`Storage::sync_dir`].
    ///
    /// # Errors
    /// `NotFound` if there is none, or whatever the file system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes creations, renames and removals in a directory durable.
    ///
    /// # Errors
    /// Whatever the file system says; then nothing is known about them.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes the exclusive lock on a file, creating it if need be; writes `content` into it for
    /// people. The lock ends when the handle is dropped or the process dies.
    ///
    /// # Errors
    /// Whatever the file system says; a lock held by another is not an error but
    /// [`LockOutcome::Held`].
    fn lock(&self, path: &Path, content: &str) -> io::Result<LockOutcome>;

    /// Whether somebody holds the lock on a file. A file that does not exist is not locked.
    ///
    /// # Errors
    /// Whatever the file system says.
    fn is_locked(&self, path: &Path) -> io::Result<bool>;
}

/// An open file.
pub trait StorageFile: Send {
    /// The file's length in bytes.
    ///
    /// # Errors
    /// Whatever the file system says.
    fn len_bytes(&self) -> io::Result<u64>;

    /// Reads at an offset; fewer bytes than asked only at the end of the file.
    ///
    /// # Errors
    /// Whatever the file system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at an offset, with one system call if the system allows.
    ///
    /// # Errors
    /// Whatever the file system says; some of the bytes may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Sets the file's length; a longer file reads zeros there.
    ///
    /// # Errors
    /// Whatever the file system says.
    fn set_len(&self, bytes: u64) -> io::Result<()>;

    /// Makes content and length durable (`fdatasync`).
    ///
    /// # Errors
    /// After an error nothing is known about what was written since the last success, and no later
    /// success on the same file may be trusted.
    fn sync_data(&self) -> io::Result<()>;
}

/// What came of an attempt to lock.
pub enum LockOutcome {
    /// The lock is ours while the guard lives.
    Taken(Box<dyn LockGuard>),
    /// Another holds it; its pid, if it wrote one.
    Held {
        /// The pid in the lock file.
        pid: Option<u32>,
    },
}

/// A lock that is held until the guard is dropped.
pub trait LockGuard: Send {
    /// Empties the lock file, as a sign of an orderly end. The lock stays held.
    ///
    /// # Errors
    /// Whatever the file system says.
    fn clear(&self) -> io::Result<()>;
}
