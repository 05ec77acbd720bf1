//! Locks between the processes of one data directory.

use std::io;
use std::path::Path;

use fs_err as fs;
use rustix::fs::{FlockOperation, flock};

/// A lock on a file, until it is dropped or the process ends.
#[derive(Debug)]
pub(super) struct FileLock {
    _file: fs::File,
}

impl FileLock {
    /// Takes the lock, or `None` if another process has it.
    pub(super) fn attempt(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the lock when it is free; for what is held for an instant only.
    pub(super) fn wait(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(Self { _file: file })
    }
}

fn open(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}
