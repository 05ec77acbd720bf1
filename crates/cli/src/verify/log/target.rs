//! Where a log is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use affiant_archive::store::DirObjects;
use affiant_archive::{ArchiveError, ArchivedLog};

use super::remote::Remote;
use super::source::Source;
use crate::error::ExpectedError;

/// A log to verify or to prove from.
pub(crate) struct LogTarget {
    /// As it was given.
    pub(crate) name: String,
    /// Its files.
    pub(crate) source: Source,
    /// Where its key lies, if beside it.
    pub(crate) key: Option<PathBuf>,
    /// Where an aggregator keeps blobs, if the log lies in its data directory.
    pub(crate) blobs: Option<PathBuf>,
}

/// The log at a path or URL; `None` if there is none, and the path may be something else.
pub(crate) fn find(target: &Path) -> Result<Option<LogTarget>, ExpectedError> {
    let name = target.display().to_string();
    if name.starts_with("http://") || name.starts_with("https://") {
        return Ok(Some(LogTarget {
            source: Source::Url(Box::new(Remote::new(&name)?)),
            name,
            key: None,
            blobs: None,
        }));
    }
    if target.join("archive.json").is_file() {
        return archive(target, name).map(Some);
    }
    let dir = [target.to_owned(), target.join("log")]
        .into_iter()
        .find(|dir| is_log(dir));
    let Some(dir) = dir else {
        return Ok(None);
    };
    let home = std::path::absolute(&dir)
        .ok()
        .and_then(|dir| dir.parent().map(Path::to_path_buf));
    let key = home.as_ref().map(|home| home.join("keys/log.vkey"));
    // A log that was copied without the rest has no blobs beside it, and misses none.
    let blobs = home
        .filter(|_| dir != target)
        .map(|home| home.join("blobs"));
    Ok(Some(LogTarget {
        blobs,
        name,
        source: Source::Dir(dir),
        key,
    }))
}

/// An archive in a directory; its blobs lie in `blobs/ab/ab…`.
fn archive(dir: &Path, name: String) -> Result<LogTarget, ExpectedError> {
    let refused = |error: &ArchiveError| crate::archive::refused(error);
    let objects = DirObjects::open(dir).map_err(|error| refused(&error.into()))?;
    let log = ArchivedLog::open(Arc::new(objects)).map_err(|error| refused(&error))?;
    Ok(LogTarget {
        name,
        source: Source::Archive(Box::new(log)),
        key: None,
        blobs: Some(dir.join("blobs")),
    })
}

/// Whether a directory holds a log, or what is left of one.
pub(crate) fn is_log(dir: &Path) -> bool {
    dir.join("checkpoint").is_file() || dir.join("tile/entries").is_dir()
}
