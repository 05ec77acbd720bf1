//! What can be wrong with a configuration.

use std::path::PathBuf;

/// A configuration cannot be used. The operator's to mend; exit code 2.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration cannot be read")]
    Read {
        /// Names the path.
        #[source]
        source: std::io::Error,
    },
    /// The text is not TOML, or a value is of another type than its key takes.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What the TOML reader says, on one line.
        message: String,
    },
    /// There is no such key.
    #[error("{}:{line}: unknown key `{key}`{}", path.display(), did_you_mean(suggestion.as_deref()))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The key as written.
        key: String,
        /// The known key nearest to it, if one is near.
        suggestion: Option<String>,
    },
    /// A key is missing.
    #[error("{}:{line}: `{key}` is missing", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// Line of the table it belongs to, from 1.
        line: usize,
        /// The key.
        key: &'static str,
    },
    /// A value is not one its key takes.
    #[error("{}:{line}: `{key}` {problem}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The key.
        key: &'static str,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion
        .map(|key| format!("; did you mean `{key}`?"))
        .unwrap_or_default()
}
