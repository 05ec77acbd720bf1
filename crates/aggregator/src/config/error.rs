//! What can be wrong with a configuration.

use std::ops::Range;
use std::path::{Path, PathBuf};

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

/// The file at hand.
pub(super) struct Place<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

impl Place<'_> {
    pub(super) fn syntax(&self, error: &toml::de::Error) -> ConfigError {
        let path = self.path.to_owned();
        let line = self.line(error.span());
        match UnknownKey::read(error.message()) {
            Some(UnknownKey { key, known }) => {
                let suggestion = nearest(&key, &known);
                ConfigError::UnknownKey {
                    path,
                    line,
                    key,
                    suggestion,
                }
            }
            None => {
                let message = error
                    .message()
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ");
                ConfigError::Syntax {
                    path,
                    line,
                    message,
                }
            }
        }
    }

    pub(super) fn missing(&self, span: Range<usize>, key: &'static str) -> ConfigError {
        ConfigError::Missing {
            path: self.path.to_owned(),
            line: self.line(Some(span)),
            key,
        }
    }

    pub(super) fn value(
        &self,
        span: Range<usize>,
        key: &'static str,
        problem: impl Into<String>,
    ) -> ConfigError {
        let problem = problem.into();
        ConfigError::Value {
            path: self.path.to_owned(),
            line: self.line(Some(span)),
            key,
            problem,
        }
    }

    fn line(&self, span: Option<Range<usize>>) -> usize {
        let before = span
            .and_then(|span| self.text.get(..span.start))
            .unwrap_or_default();
        before.matches('\n').count() + 1
    }
}

/// serde's words for a key that `deny_unknown_fields` refused.
struct UnknownKey {
    key: String,
    known: Vec<String>,
}

impl UnknownKey {
    fn read(message: &str) -> Option<Self> {
        let mut quoted = message
            .strip_prefix("unknown field ")?
            .split('`')
            .skip(1)
            .step_by(2);
        let key = quoted.next()?.to_owned();
        Some(Self {
            key,
            known: quoted.map(str::to_owned).collect(),
        })
    }
}

fn nearest(key: &str, known: &[String]) -> Option<String> {
    let scored = known
        .iter()
        .map(|name| (strsim::jaro_winkler(key, name), name));
    let near = scored.filter(|(score, _)| *score >= NEAR);
    near.max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.clone())
}

/// Similarity from which a known key is suggested.
const NEAR: f64 = 0.8;
