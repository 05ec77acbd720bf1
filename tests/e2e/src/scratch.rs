//! The files of one test: gone when it passes, kept when it fails.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A directory of its own.
#[derive(Debug)]
pub struct Scratch {
    dir: Option<TempDir>,
}

impl Scratch {
    /// Makes one below the system's directory for temporary files.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new(test: &str) -> Self {
        let dir = tempfile::Builder::new()
            .prefix(&format!("affiant-{test}-"))
            .tempdir()
            .unwrap();
        Self { dir: Some(dir) }
    }

    /// A path in it; nothing is made.
    #[must_use]
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir
            .as_ref()
            .map(|dir| dir.path().join(name))
            .unwrap_or_default()
    }

    /// A directory in it, made if it is not there.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs_err::create_dir_all(&path).unwrap();
        path
    }
}

impl Drop for Scratch {
    #[expect(
        clippy::print_stderr,
        reason = "who looks into a failure must know where"
    )]
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(dir) = self.dir.take()
        {
            eprintln!("files are kept in {}", dir.keep().display());
        }
    }
}
