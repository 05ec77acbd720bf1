//! Files: documents of rows, and secrets.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use zeroize::Zeroizing;

use super::{BODY_BYTES_MAX, Document, ReadError};
use crate::table::digest;

/// Longest file with a token or a password, in bytes.
const SECRET_BYTES_MAX: u64 = 16 << 10;

/// A whole file; its version is the digest of its bytes.
pub(super) async fn document(path: &Path, known: Option<&str>) -> Result<Document, ReadError> {
    let path = path.to_owned();
    let bytes =
        blocking(move || regular(&path, BODY_BYTES_MAX.try_into().unwrap_or(u64::MAX))).await?;
    let version = digest(&bytes);
    if known == Some(version.as_str()) {
        return Ok(Document::Same);
    }
    Ok(Document::New { version, bytes })
}

/// A token or password: the text of a file that this user alone can read, without the space around it.
pub(super) async fn secret(path: &Path) -> Result<Zeroizing<String>, ReadError> {
    let path = path.to_owned();
    blocking(move || {
        let meta = fs::metadata(&path)?;
        if meta.mode() & 0o077 != 0 {
            return Err(ReadError::Permissions { path });
        }
        let bytes = Zeroizing::new(regular(&path, SECRET_BYTES_MAX)?);
        let text = str::from_utf8(&bytes).ok().map(str::trim);
        match text.filter(|text| !text.is_empty() && !text.contains(char::is_control)) {
            Some(text) => Ok(Zeroizing::new(text.to_owned())),
            None => Err(ReadError::Malformed {
                problem: format!("`{}` does not hold one line of text", path.display()),
            }),
        }
    })
    .await
}

/// The bytes of a regular file: a pipe or a device might never end.
fn regular(path: &PathBuf, bytes_max: u64) -> Result<Vec<u8>, ReadError> {
    let meta = fs::metadata(path)?;
    if !meta.is_file() {
        return Err(ReadError::Malformed {
            problem: format!("`{}` is not a file", path.display()),
        });
    }
    let mut bytes = Vec::new();
    let mut file = fs::File::open(path)?.take(bytes_max.saturating_add(1));
    file.read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > bytes_max {
        return Err(ReadError::TooLong);
    }
    Ok(bytes)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or(Err(ReadError::Panicked))
}
