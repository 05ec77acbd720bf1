//! Where a log's files come from: a directory, or its HTTP read API.

use std::path::{Path, PathBuf};

use affiant_archive::{ArchiveError, ArchivedLog};
use affiant_audit::files::Files;
use fs_err as fs;

use super::remote::Remote;

/// The largest file that is read: a bundle of 256 of the largest entries, and some.
const FILE_BYTES_MAX: u64 = 32 << 20;

/// A log to read.
pub(crate) enum Source {
    /// A directory in the tlog-tiles layout.
    Dir(PathBuf),
    /// An archive, which holds one.
    Archive(Box<ArchivedLog>),
    /// A URL that serves one.
    Url(Box<Remote>),
}

/// A file could not be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The disk.
    Storage(std::io::Error),
    /// The network, or the peer.
    Unreachable(String),
}

impl Files for Source {
    type Error = ReadError;

    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, ReadError> {
        match self {
            Self::Dir(dir) => read(&dir.join(path)).map_err(ReadError::Storage),
            Self::Archive(log) => archived(log, path),
            Self::Url(remote) => remote.get(path).map_err(ReadError::Unreachable),
        }
    }
}

impl Source {
    /// All files there are, by their path in the log; `None` where that cannot be asked.
    pub(crate) fn list(&self) -> Result<Option<Vec<String>>, ReadError> {
        match self {
            Self::Dir(dir) => {
                let mut out = Vec::new();
                walk(dir, "", &mut out).map_err(ReadError::Storage)?;
                out.sort_unstable();
                Ok(Some(out))
            }
            Self::Archive(_) | Self::Url(_) => Ok(None),
        }
    }

    /// Bytes of the bundles, where that is known.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Dir(dir) => bytes_below(&dir.join("tile/entries")),
            Self::Archive(log) => log.leaf_bytes(),
            Self::Url(_) => 0,
        }
    }
}

/// What the archive lacks is missing, and what it has and cannot vouch for is altered.
fn archived(log: &ArchivedLog, path: &str) -> Result<Option<Vec<u8>>, ReadError> {
    let Ok(parsed) = path.parse() else {
        return Ok(None);
    };
    match log.file(parsed) {
        Ok(bytes) => Ok(bytes),
        Err(ArchiveError::Missing { .. }) => Ok(None),
        Err(ArchiveError::Changed { .. } | ArchiveError::Decode { .. }) => Ok(Some(Vec::new())),
        Err(error) => Err(ReadError::Storage(std::io::Error::other(error))),
    }
}

fn read(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    match fs::metadata(path) {
        Ok(meta) if meta.len() > FILE_BYTES_MAX => {
            // Longer than anything a log writes: no need to know what it is.
            Ok(Some(Vec::new()))
        }
        Ok(meta) if !meta.is_file() => Ok(None),
        Ok(_) => fs::read(path).map(Some),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
    )
}

fn walk(dir: &Path, under: &str, out: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if under.is_empty() {
            name
        } else {
            format!("{under}/{name}")
        };
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &path, out)?;
        } else {
            out.push(path);
        }
    }
    Ok(())
}

fn bytes_below(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    let sizes = entries.filter_map(Result::ok).map(|entry| {
        let meta = entry.metadata();
        match meta {
            Ok(meta) if meta.is_dir() => bytes_below(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        }
    });
    sizes.sum()
}
