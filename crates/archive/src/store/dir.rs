//! An archive in a directory. It keeps no versions and locks nothing: what is changed is found, not prevented.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fs_err as fs;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};
use tokio::runtime::Runtime;

use super::{Created, Lock, Objects, StoreError, Version};
use crate::key::Key;

/// A directory.
#[derive(Debug)]
pub struct DirObjects {
    root: PathBuf,
    store: LocalFileSystem,
    runtime: Runtime,
}

impl DirObjects {
    /// Opens a directory, and makes it if need be.
    ///
    /// # Errors
    /// [`StoreError::Setup`].
    pub fn create(root: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(root).map_err(StoreError::setup)?;
        Self::open(root)
    }

    /// Opens a directory that is there.
    ///
    /// # Errors
    /// [`StoreError::Setup`].
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let root = fs::canonicalize(root).map_err(StoreError::setup)?;
        let store = LocalFileSystem::new_with_prefix(&root).map_err(StoreError::setup)?;
        Ok(Self {
            root,
            // Durable on return: the file, and the directory that names it.
            store: store.with_fsync(true),
            runtime: super::s3::runtime()?,
        })
    }

    fn path(key: &Key) -> object_store::path::Path {
        object_store::path::Path::from(key.as_str())
    }
}

impl Objects for DirObjects {
    fn create(&self, key: &Key, bytes: Bytes) -> Result<Created, StoreError> {
        let options = PutOptions::from(PutMode::Create);
        let path = Self::path(key);
        let put = self.store.put_opts(&path, PutPayload::from(bytes), options);
        match self.runtime.block_on(put) {
            Ok(_) => {}
            Err(object_store::Error::AlreadyExists { .. }) => return Ok(Created::Exists),
            Err(error) => return Err(StoreError::failed("create", key, error)),
        }
        // Against a slip of the hand, not against an attacker.
        let path = self.root.join(key.as_str());
        fs::set_permissions(path, std::fs::Permissions::from_mode(0o444))
            .map_err(|error| StoreError::failed("protect", key, error))?;
        Ok(Created::New)
    }

    fn get(
        &self,
        key: &Key,
        version: Option<&Version>,
        bytes_max: u64,
    ) -> Result<Option<Bytes>, StoreError> {
        if version.is_some() {
            return Err(StoreError::NotSupported { what: "versions" });
        }
        let path = Self::path(key);
        let read = async {
            let got = self.store.get(&path).await?;
            if got.meta.size > bytes_max {
                return Ok(Err(got.meta.size));
            }
            got.bytes().await.map(Ok)
        };
        match self.runtime.block_on(read) {
            Ok(Ok(bytes)) => Ok(Some(bytes)),
            Ok(Err(bytes)) => Err(StoreError::TooLong {
                key: key.clone(),
                bytes,
                bytes_max,
            }),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(StoreError::failed("read", key, error)),
        }
    }

    fn sets(&self) -> Result<Vec<u64>, StoreError> {
        let prefix = object_store::path::Path::from("sets");
        let listed = self
            .runtime
            .block_on(self.store.list_with_delimiter(Some(&prefix)));
        let listed = listed.map_err(|error| StoreError::failed("list", "sets", error))?;
        Ok(super::s3::set_numbers(&listed.common_prefixes))
    }

    fn lock(&self, key: &Key, _version: Option<&Version>) -> Result<Option<Lock>, StoreError> {
        match fs::metadata(self.root.join(key.as_str())) {
            Ok(_) => Ok(Some(Lock::default())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::failed("look at", key, error)),
        }
    }

    fn versions(&self, _key: &Key) -> Result<Vec<Version>, StoreError> {
        Ok(Vec::new())
    }

    fn hold(&self, _key: &Key, _version: Option<&Version>, _on: bool) -> Result<(), StoreError> {
        Err(StoreError::NotSupported {
            what: "legal hold: it is a directory",
        })
    }
}
