//! What was read last, in a file: a restart knows it at once, and its age goes on.
//!
//! One file a source, readable by this user alone, as it may hold personal data. It is written whole under
//! another name and then moved. One that is damaged, of another version or of other settings is left aside:
//! what an attribute was called before must not come up under a new name.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use serde::{Deserialize, Serialize};

use crate::table::Table;

/// Version of the file's form.
const CACHE_VERSION: u32 = 1;

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cached {
    /// Version of the form.
    v: u32,
    /// Digest of the settings it was read by.
    settings: String,
    /// Version of what was read.
    pub(crate) version: String,
    /// When it was last read, microseconds since the Unix epoch.
    pub(crate) read_utc_us: i64,
    /// Rows that were passed over.
    pub(crate) passed_over: u64,
    /// What was read.
    pub(crate) table: Table,
}

impl Cached {
    pub(crate) const fn new(
        settings: String,
        version: String,
        read_utc_us: i64,
        passed_over: u64,
        table: Table,
    ) -> Self {
        Self {
            v: CACHE_VERSION,
            settings,
            version,
            read_utc_us,
            passed_over,
            table,
        }
    }

    /// Reads the file; `None` if it is not there or not fit.
    pub(crate) fn load(path: &Path, settings: &str) -> Option<Self> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%error, "cache of a source of facts cannot be read");
                return None;
            }
        };
        let read = serde_json::from_slice::<Self>(&bytes);
        let fit = read
            .ok()
            .filter(|cached| cached.v == CACHE_VERSION && cached.settings == settings);
        if fit.is_none() {
            tracing::info!(path = %path.display(), "cache of a source of facts is of other settings, or damaged; it is read anew");
        }
        fit
    }

    /// Writes the file.
    pub(crate) fn store(&self, path: &Path) -> Result<(), std::io::Error> {
        let bytes = serde_json::to_vec(self).map_err(std::io::Error::other)?;
        let new = path.with_extension("new");
        let mut file = fs::OpenOptions::new();
        let mut file = file
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        fs::rename(&new, path)
    }
}

/// Makes a directory that only this user can read.
pub(crate) fn private_dir(path: &Path) -> Result<(), std::io::Error> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cached() -> Cached {
        let facts = [(
            "crm".to_owned(),
            [("owner".to_owned(), "red".to_owned())].into(),
        )];
        Cached::new(
            "sha256:a".to_owned(),
            "sha256:b".to_owned(),
            7,
            0,
            Table::Facts(facts.into()),
        )
    }

    #[test]
    fn what_was_stored_is_loaded_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("enrich/asset-assets.json");
        private_dir(path.parent().unwrap()).unwrap();
        cached().store(&path).unwrap();
        assert_eq!(Cached::load(&path, "sha256:a"), Some(cached()));
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let mode = fs::metadata(path.parent().unwrap())
            .unwrap()
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(mode, 0o700);
    }

    #[test]
    fn what_is_damaged_or_of_other_settings_is_left_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.json");
        cached().store(&path).unwrap();
        assert_eq!(Cached::load(&path, "sha256:other"), None);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 3]).unwrap();
        assert_eq!(Cached::load(&path, "sha256:a"), None);
        fs::write(&path, text.replace("\"v\":1", "\"v\":2")).unwrap();
        assert_eq!(Cached::load(&path, "sha256:a"), None);
        assert_eq!(Cached::load(&dir.path().join("none"), "sha256:a"), None);
    }
}
