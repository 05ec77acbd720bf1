//! Where an archive lies: the port, a directory, a bucket.

mod dir;
mod error;
mod place;
mod s3;
mod s3_xml;

use bytes::Bytes;

use crate::key::Key;

pub use dir::DirObjects;
pub use error::StoreError;
pub use place::{Place, PlaceError};
pub use s3::{Credentials, S3Objects, S3Options};

/// Objects that are created once and never change.
///
/// All calls block; many threads may call at once. After an error nothing is known of a call's effect.
pub trait Objects: Send + Sync {
    /// Creates an object, durable on return, if its name is free. Never overwrites.
    ///
    /// # Errors
    /// [`StoreError`].
    fn create(&self, key: &Key, bytes: Bytes) -> Result<Created, StoreError>;

    /// The bytes of an object, newest version or the one named; `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::TooLong`] where there are more than `bytes_max`, and others.
    fn get(
        &self,
        key: &Key,
        version: Option<&Version>,
        bytes_max: u64,
    ) -> Result<Option<Bytes>, StoreError>;

    /// Names of the sets there are: for each `sets/<n>` the number. In no order.
    ///
    /// # Errors
    /// [`StoreError`].
    fn sets(&self) -> Result<Vec<u64>, StoreError>;

    /// How an object is locked; `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    fn lock(&self, key: &Key, version: Option<&Version>) -> Result<Option<Lock>, StoreError>;

    /// All versions of an object with the delete markers among them, newest first. Without versions:
    /// nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    fn versions(&self, key: &Key) -> Result<Vec<Version>, StoreError>;

    /// Sets or releases the legal hold of an object's version, or of the newest one.
    ///
    /// # Errors
    /// [`StoreError::NotSupported`] where there are no locks.
    fn hold(&self, key: &Key, version: Option<&Version>, on: bool) -> Result<(), StoreError>;
}

/// What a creation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The object is there, with these bytes.
    New,
    /// The name was taken; nothing was written.
    Exists,
}

/// One version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// What the store calls it.
    pub id: String,
    /// Whether it only says that the object was deleted.
    pub is_delete_marker: bool,
}

/// How far an object is kept from being changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// The mode of its retention.
    pub mode: Option<LockMode>,
    /// Until when, microseconds since 1970.
    pub until_us: Option<i64>,
    /// Whether a legal hold is on it.
    pub hold: bool,
}

/// How a retention is enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockMode {
    /// Some may shorten it.
    Governance,
    /// Nobody may shorten it.
    Compliance,
}

impl LockMode {
    /// As it stands in messages and configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Governance => "governance",
            Self::Compliance => "compliance",
        }
    }
}

impl Lock {
    /// Whether it is locked at this time in this mode, or a stricter one.
    #[must_use]
    pub fn holds(&self, wanted: LockMode, now_us: i64) -> bool {
        self.mode.is_some_and(|mode| mode >= wanted)
            && self.until_us.is_some_and(|until| until > now_us)
    }
}

impl std::fmt::Display for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.mode, self.until_us) {
            (Some(mode), Some(until)) => {
                write!(f, "{} until {}", mode.name(), affiant_entry::rfc3339(until))?;
            }
            _ => f.write_str("no retention")?,
        }
        if self.hold {
            f.write_str(", legal hold")?;
        }
        Ok(())
    }
}
