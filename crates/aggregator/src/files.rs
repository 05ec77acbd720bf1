//! Small files: written whole or not at all, secrets refused when others can read them.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use affiant_tlog::SignerKey;
use affiant_tlog::cosignature::{CosignerAlgorithm, CosignerSigner};
use affiant_tlog::note::KeyName;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// A file of the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Group or others may read or write a secret. The operator runs `chmod 600`.
    #[error("`{}` has mode {mode:04o}, others can reach it; run `chmod 600 {}`", path.display(), path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// What stands in it is not what should.
    #[error("`{}` does not hold a {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What was expected.
        what: &'static str,
    },
    /// It cannot be read or written.
    #[error("the data directory cannot be used")]
    Io(#[from] std::io::Error),
}

impl FileError {
    /// Whether the file is there but must not be used, rather than unreadable.
    #[must_use]
    pub const fn is_unsafe(&self) -> bool {
        matches!(self, Self::Permissions { .. } | Self::Content { .. })
    }

    pub(crate) fn content(path: &Path, what: &'static str) -> Self {
        Self::Content {
            path: path.to_owned(),
            what,
        }
    }
}

/// Reads a text; `None` if there is no such file.
pub(crate) fn read_optional(path: &Path) -> std::io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a secret text; `None` if there is no such file.
///
/// # Errors
/// [`FileError::Permissions`] when others can read it.
pub fn read_secret(path: &Path) -> Result<Option<Zeroizing<String>>, FileError> {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mode = meta.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(FileError::Permissions {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(Some(Zeroizing::new(fs::read_to_string(path)?)))
}

/// Reads JSON; `None` if there is no such file.
pub(crate) fn read_json<T: DeserializeOwned>(
    path: &Path,
    what: &'static str,
) -> Result<Option<T>, FileError> {
    let Some(text) = read_optional(path)? else {
        return Ok(None);
    };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|_| FileError::content(path, what))
}

/// Writes JSON whole, with a newline behind it.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T, mode: u32) -> std::io::Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    write_whole(path, &text, mode)
}

/// Writes a file whole: a private temporary beside it, synced, renamed over it, directory synced.
pub(crate) fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
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
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, path)) {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_dir(dir)
}

/// Makes a directory's entries durable.
pub(crate) fn sync_dir(dir: &Path) -> std::io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

/// Makes a directory private to the user, unless it is there.
pub(crate) fn private_dir(dir: &Path) -> std::io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir)?;
    fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
}

/// File names in a directory, in order; those that begin with a dot are left out. Empty if there is
/// no such directory.
pub(crate) fn names(dir: &Path) -> std::io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut out = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file()
            && let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
        {
            out.push(name);
        }
    }
    out.sort();
    Ok(out)
}

/// Makes a signer key of this name in a file that is not there yet, readable by this user alone.
///
/// # Errors
/// When it cannot be written.
pub fn new_signer(name: KeyName, path: &Path) -> Result<SignerKey, FileError> {
    let seed = Zeroizing::new(crate::entropy::bytes::<32>());
    let signer = SignerKey::from_seed(name, &seed);
    let mut secret = signer.to_secret_text();
    secret.push('\n');
    write_whole(path, secret.as_bytes(), 0o600)?;
    Ok(signer)
}

/// Reads a signer key; `None` if there is no such file.
///
/// # Errors
/// [`FileError::Permissions`] when others can read it, [`FileError::Content`] when it holds no key.
pub fn signer(path: &Path) -> Result<Option<SignerKey>, FileError> {
    let Some(text) = read_secret(path)? else {
        return Ok(None);
    };
    text.trim()
        .parse()
        .map(Some)
        .map_err(|_| FileError::content(path, "signer key (PRIVATE+KEY+…)"))
}

/// Adds a line to a text file, whole or not at all.
///
/// # Errors
/// When it cannot be read or written.
pub fn add_line(path: &Path, line: &str) -> Result<(), FileError> {
    let mut text = read_optional(path)?.unwrap_or_default();
    text.push_str(line);
    text.push('\n');
    write_whole(path, text.as_bytes(), 0o644)?;
    Ok(())
}

/// Replaces a file, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_whole(path, bytes, 0o644)?;
    Ok(())
}

/// Replaces a file that only this user may read, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn replace_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_whole(path, bytes, 0o600)?;
    Ok(())
}

/// Opens the ML-DSA-44 key of a log, or makes one of this name, readable by this user alone.
pub(crate) fn ml_dsa_44(path: &Path, name: KeyName) -> Result<CosignerSigner, FileError> {
    let wrong = || FileError::content(path, "ML-DSA-44 key of the log");
    if let Some(text) = read_secret(path)? {
        let key: CosignerSigner = text.trim().parse().map_err(|_| wrong())?;
        let fits = key.key().algorithm() == CosignerAlgorithm::MlDsa44 && *key.key().name() == name;
        return if fits { Ok(key) } else { Err(wrong()) };
    }
    let seed = Zeroizing::new(crate::entropy::bytes::<32>());
    let signer = CosignerSigner::ml_dsa_44(name, &seed).map_err(|_| wrong())?;
    let mut secret = signer.to_secret_text();
    secret.push('\n');
    write_whole(path, secret.as_bytes(), 0o600)?;
    Ok(signer)
}

/// Opens the key of a witness, or makes one of this name, readable by this user alone.
///
/// # Errors
/// [`FileError`].
pub fn cosigner(path: &Path, name: KeyName) -> Result<CosignerSigner, FileError> {
    if let Some(text) = read_secret(path)? {
        let parsed = text.trim().parse();
        return parsed.map_err(|_| FileError::content(path, "key of a witness"));
    }
    if let Some(dir) = path.parent() {
        private_dir(dir)?;
    }
    let seed = Zeroizing::new(crate::entropy::bytes::<32>());
    let signer = CosignerSigner::ed25519(name, &seed);
    let mut secret = signer.to_secret_text();
    secret.push('\n');
    write_whole(path, secret.as_bytes(), 0o600)?;
    Ok(signer)
}
