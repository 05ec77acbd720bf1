//! Secret files: made once, private, refused when others can read them.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use zeroize::Zeroizing;

/// A secret file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// Group or others may read or write it. The operator runs `chmod 600`.
    #[error("key file `{}` has mode {mode:04o}, others can reach it; run `chmod 600 {}`", path.display(), path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to another user.
    #[error("key file `{}` belongs to uid {uid}, not to this process", path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// What stands in it is not a key.
    #[error("key file `{}` does not hold a {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What was expected.
        what: &'static str,
    },
    /// It cannot be read or written.
    #[error("key file cannot be used")]
    Io(#[from] std::io::Error),
}

/// Reads a secret text file; `None` if there is none.
pub(crate) fn read_secret(path: &Path) -> Result<Option<Zeroizing<String>>, KeyFileError> {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mode = meta.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Permissions {
            path: path.to_owned(),
            mode,
        });
    }
    let uid = rustix::process::geteuid();
    if !uid.is_root() && meta.uid() != uid.as_raw() {
        return Err(KeyFileError::Owner {
            path: path.to_owned(),
            uid: meta.uid(),
        });
    }
    Ok(Some(Zeroizing::new(fs::read_to_string(path)?)))
}

/// Writes a file whole: a private temporary beside it, synced, renamed over it, directory synced. What
/// fails leaves the old one, and no temporary.
pub(crate) fn write_whole(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let dir = path.parent().unwrap_or_else(|| Path::new("."));
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("file");
    let temporary = dir.join(format!(
        ".{name}.{}",
        hex::encode(crate::entropy::bytes::<8>())
    ));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written?;
    fs::File::open(dir)?.sync_all()
}
