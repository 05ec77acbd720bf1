//! Blobs by the SHA-256 of their bytes.

use std::io::Write;
use std::path::PathBuf;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use sha2::{Digest as _, Sha256};

use crate::files;
use crate::state::StateDir;

/// The blobs of a data directory.
#[derive(Debug, Clone)]
pub(crate) struct Blobs {
    dir: PathBuf,
}

impl Blobs {
    pub(crate) fn new(dir: &StateDir) -> Self {
        Self { dir: dir.blobs() }
    }

    /// Id of these bytes, as entries spell it.
    pub(crate) fn id(bytes: &[u8]) -> String {
        format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
    }

    /// Keeps blobs; durable once it returns. What is there is not written again.
    pub(crate) fn keep<B: AsRef<[u8]>>(&self, blobs: &[B]) -> std::io::Result<()> {
        let mut written = false;
        for blob in blobs {
            let Some(path) = self.path(&Self::id(blob.as_ref())) else {
                continue;
            };
            if path.exists() {
                continue;
            }
            let temporary = self
                .dir
                .join(format!(".{}", hex::encode(crate::entropy::bytes::<12>())));
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&temporary)?;
            let kept = file.write_all(blob.as_ref()).and_then(|()| file.sync_all());
            if let Err(error) = kept.and_then(|()| fs::rename(&temporary, &path)) {
                let _ = fs::remove_file(&temporary);
                return Err(error);
            }
            written = true;
        }
        if written {
            files::sync_dir(&self.dir)?;
        }
        Ok(())
    }

    fn path(&self, id: &str) -> Option<PathBuf> {
        let name = id.strip_prefix("sha256:")?;
        let hex = name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
        hex.then(|| self.dir.join(name))
    }
}
