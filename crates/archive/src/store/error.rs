//! What a store can fail with.

use crate::key::Key;

/// A store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It could not be reached, or failed; it may work later.
    #[error("could not {operation} `{key}`")]
    Failed {
        /// What was tried: `create`, `read`, `list` and so on.
        operation: &'static str,
        /// The key.
        key: String,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It answered, and refused.
    #[error("store refused to {operation} `{key}`: status {status}, {message}")]
    Refused {
        /// What was tried.
        operation: &'static str,
        /// The key.
        key: String,
        /// HTTP status.
        status: u16,
        /// The store's words, clipped.
        message: String,
    },
    /// An object is longer than anything an archive writes.
    #[error("`{key}` has {bytes} bytes, more than {bytes_max}")]
    TooLong {
        /// The key.
        key: Key,
        /// Its length.
        bytes: u64,
        /// What is read at most.
        bytes_max: u64,
    },
    /// The store has no such thing.
    #[error("this store has no {what}")]
    NotSupported {
        /// What was asked for.
        what: &'static str,
    },
    /// The store cannot be set up.
    #[error("store cannot be opened: {problem}")]
    Setup {
        /// Why.
        problem: String,
    },
}

impl StoreError {
    pub(crate) fn failed(
        operation: &'static str,
        key: impl std::fmt::Display,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Failed {
            operation,
            key: key.to_string(),
            source: source.into(),
        }
    }

    pub(crate) fn setup(problem: impl std::fmt::Display) -> Self {
        Self::Setup {
            problem: problem.to_string(),
        }
    }
}
