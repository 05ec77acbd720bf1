//! `state/archive/` of a data directory: what an archiver remembers outside of its archive.
//!
//! ```text
//! head.json     the newest set written: whoever finds an older archive knows
//! scrub.json    how far the scrub is, and the report of the last one
//! flush         somebody asks for a set now; gone when it is cut
//! ```

use std::io::ErrorKind;
use std::path::PathBuf;

use affiant_aggregator::{StateDir, files};
use affiant_archive::{Head, ScrubState};
use fs_err as fs;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The directory.
#[derive(Debug, Clone)]
pub(crate) struct ArchiveDir(PathBuf);

impl ArchiveDir {
    /// That of a data directory; nothing is made yet.
    pub(crate) fn of(dir: &StateDir) -> Self {
        Self(dir.state().join("archive"))
    }

    /// The newest set known.
    pub(crate) fn head(&self) -> std::io::Result<Option<Head>> {
        self.read("head.json")
    }

    pub(crate) fn keep_head(&self, head: &Head) -> std::io::Result<()> {
        self.write("head.json", head)
    }

    /// How far the scrub is.
    pub(crate) fn scrub(&self) -> std::io::Result<ScrubState> {
        Ok(self.read("scrub.json")?.unwrap_or_default())
    }

    pub(crate) fn keep_scrub(&self, state: &ScrubState) -> std::io::Result<()> {
        self.write("scrub.json", state)
    }

    /// Asks a running aggregator for a set.
    pub(crate) fn ask_flush(&self) -> std::io::Result<()> {
        self.write("flush", &true)
    }

    /// Whether somebody asks for a set.
    pub(crate) fn is_flush_asked(&self) -> bool {
        self.0.join("flush").exists()
    }

    pub(crate) fn flushed(&self) {
        let _ = fs::remove_file(self.0.join("flush"));
    }

    /// What is there and cannot be read is no memory that may be passed over.
    fn read<T: DeserializeOwned>(&self, name: &str) -> std::io::Result<Option<T>> {
        let path = self.0.join(name);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let parsed = serde_json::from_slice(&text);
        parsed.map(Some).map_err(|error| {
            let text = format!("`{}` cannot be read: {error}", path.display());
            std::io::Error::new(ErrorKind::InvalidData, text)
        })
    }

    fn write<T: Serialize>(&self, name: &str, value: &T) -> std::io::Result<()> {
        fs::create_dir_all(&self.0)?;
        let text = serde_json::to_vec_pretty(value)?;
        let kept = files::replace(&self.0.join(name), &text);
        kept.map_err(std::io::Error::other)
    }
}
