//! What a witness remembers of each log: the latest checkpoint it cosigned.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use affiant_tlog::checkpoint::Origin;
use affiant_tlog::leaf_hash;

use crate::store::StoreError;
use crate::store::dir::OpenStoreError;
use crate::store::dir::files::{self, Lock};

/// A witness's memory. It must never go back: a witness restored from a backup cosigns forks.
pub trait WitnessStore: Send + Sync {
    /// The note of the latest checkpoint of a log that was accepted; durable.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    fn latest(&self, origin: &Origin) -> Result<Option<Vec<u8>>, StoreError>;

    /// Replaces it, if it is still `expected`. Durable on return.
    ///
    /// # Errors
    ///
    /// [`StoreError::HeadMoved`] where another request came first.
    fn replace(
        &self,
        origin: &Origin,
        expected: Option<&[u8]>,
        note: &[u8],
    ) -> Result<(), StoreError>;

    /// Keeps a request that the log signed and that contradicts what is remembered: evidence against
    /// the log. Bounded: of too many, later ones are not kept.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    fn keep_evidence(
        &self,
        origin: &Origin,
        remembered: &[u8],
        request: &[u8],
    ) -> Result<(), StoreError>;
}

/// Pieces of evidence that are kept of one log.
pub(crate) const EVIDENCE_MAX: usize = 64;

/// A witness's memory in a directory, held while the value lives.
///
/// ```text
/// lock
/// <hash of the origin>/latest             the note
/// <hash of the origin>/evidence/<hash>    remembered note, empty line, refused request
/// ```
#[derive(Debug)]
pub struct DirWitnessStore {
    dir: PathBuf,
    /// One replacement at a time.
    replacing: Mutex<()>,
    _lease: Lock,
}

impl DirWitnessStore {
    /// Makes the directory if need be, and takes the lease.
    ///
    /// # Errors
    ///
    /// [`OpenStoreError`].
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, OpenStoreError> {
        let dir = dir.into();
        let refused = |source| OpenStoreError::Io {
            path: dir.clone(),
            source,
        };
        files::create_dirs(&dir).map_err(refused)?;
        let lease = Lock::take(&dir.join("lock")).map_err(refused)?;
        let lease = lease.ok_or_else(|| OpenStoreError::Held { path: dir.clone() })?;
        Ok(Self {
            dir,
            replacing: Mutex::new(()),
            _lease: lease,
        })
    }

    fn log_dir(&self, origin: &Origin) -> PathBuf {
        // An origin is no file name. Any collision-free spelling of it is.
        self.dir
            .join(leaf_hash(origin.as_str().as_bytes()).to_string())
    }

    fn write(&self, path: &std::path::Path, bytes: &[u8]) -> io::Result<()> {
        if let Some(parent) = path.parent() {
            files::create_dirs(parent)?;
        }
        files::replace(path, bytes, true)?;
        // The directories may be new.
        let within = |dir: &&std::path::Path| dir.starts_with(&self.dir);
        let mut above = path.ancestors().skip(2).take_while(within);
        above.try_for_each(files::sync_dir)
    }
}

impl WitnessStore for DirWitnessStore {
    fn latest(&self, origin: &Origin) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.log_dir(origin).join("latest");
        files::read(&path).map_err(|error| StoreError::io("read", origin.as_str(), error))
    }

    fn replace(
        &self,
        origin: &Origin,
        expected: Option<&[u8]>,
        note: &[u8],
    ) -> Result<(), StoreError> {
        let _one = self
            .replacing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.latest(origin)?.as_deref() != expected {
            return Err(StoreError::HeadMoved);
        }
        let path = self.log_dir(origin).join("latest");
        let written = self.write(&path, note);
        written.map_err(|error| StoreError::io("write", origin.as_str(), error))
    }

    fn keep_evidence(
        &self,
        origin: &Origin,
        remembered: &[u8],
        request: &[u8],
    ) -> Result<(), StoreError> {
        let failed = |error| StoreError::io("write", origin.as_str(), error);
        let dir = self.log_dir(origin).join("evidence");
        files::create_dirs(&dir).map_err(failed)?;
        let name = leaf_hash(request).to_string();
        let names = files::names(&dir).map_err(failed)?;
        if names.contains(&name) || names.len() >= EVIDENCE_MAX {
            return Ok(());
        }
        let evidence = [remembered, b"\n", request].concat();
        self.write(&dir.join(name), &evidence).map_err(failed)
    }
}

/// A witness's memory that does not outlive the process: for tests only, as a witness that forgets is
/// none.
#[derive(Debug, Default)]
pub struct MemWitnessStore {
    latest: Mutex<BTreeMap<String, Vec<u8>>>,
    evidence: Mutex<Vec<Vec<u8>>>,
}

impl MemWitnessStore {
    /// The requests that were kept as evidence.
    pub fn evidence(&self) -> Vec<Vec<u8>> {
        let kept = self.evidence.lock();
        kept.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl WitnessStore for MemWitnessStore {
    fn latest(&self, origin: &Origin) -> Result<Option<Vec<u8>>, StoreError> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(latest.get(origin.as_str()).cloned())
    }

    fn replace(
        &self,
        origin: &Origin,
        expected: Option<&[u8]>,
        note: &[u8],
    ) -> Result<(), StoreError> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.get(origin.as_str()).map(Vec::as_slice) != expected {
            return Err(StoreError::HeadMoved);
        }
        latest.insert(origin.to_string(), note.to_vec());
        Ok(())
    }

    fn keep_evidence(&self, _: &Origin, _: &[u8], request: &[u8]) -> Result<(), StoreError> {
        let mut kept = self.evidence.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < EVIDENCE_MAX {
            kept.push(request.to_vec());
        }
        Ok(())
    }
}
