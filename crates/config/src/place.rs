//! The file at hand: it is parsed here, and every complaint about it gets its line here.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::error::ConfigError;
use crate::near::UnknownKey;

/// A configuration file: its text, and its path for messages and for relative paths in it.
///
/// Spans are byte ranges of the text, as [`toml::Spanned`] has them.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    path: &'a Path,
    text: &'a str,
}

impl<'a> Place<'a> {
    /// The file `path` with this text. The file need not exist.
    #[must_use]
    pub fn new(path: &'a Path, text: &'a str) -> Self {
        Self { path, text }
    }

    /// Reads the text into plain structs.
    ///
    /// A struct that says `deny_unknown_fields` has unknown keys refused with a suggestion.
    ///
    /// # Errors
    /// When the text is not TOML, has a key the structs do not know, or a value of another type.
    pub fn parse<F: DeserializeOwned>(&self) -> Result<F, ConfigError> {
        toml::from_str(self.text).map_err(|error| self.syntax(&error))
    }

    /// `sha256:<hex>` of the file's bytes.
    #[must_use]
    pub fn digest(&self) -> String {
        format!(
            "sha256:{}",
            hex::encode(Sha256::digest(self.text.as_bytes()))
        )
    }

    /// A path in the file: a relative one starts from the file's own directory.
    #[must_use]
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.path
            .parent()
            .map_or_else(|| PathBuf::from(path), |dir| dir.join(path))
    }

    /// The error for a key that must be there; `span` is the table it belongs to.
    #[must_use]
    pub fn missing(&self, span: Range<usize>, key: &'static str) -> ConfigError {
        ConfigError::Missing {
            path: self.path.to_owned(),
            line: self.line(Some(span)),
            key,
        }
    }

    /// The error for a value its key does not take; `problem` goes on from the key: "is 0; it takes …".
    #[must_use]
    pub fn value(
        &self,
        span: Range<usize>,
        key: &'static str,
        problem: impl Into<String>,
    ) -> ConfigError {
        ConfigError::Value {
            path: self.path.to_owned(),
            line: self.line(Some(span)),
            key,
            problem: problem.into(),
        }
    }

    fn syntax(&self, error: &toml::de::Error) -> ConfigError {
        let path = self.path.to_owned();
        let line = self.line(error.span());
        match UnknownKey::read(error.message()) {
            Some(UnknownKey { key, suggestion }) => ConfigError::UnknownKey {
                path,
                line,
                key,
                suggestion,
            },
            None => {
                let words: Vec<&str> = error.message().split_whitespace().collect();
                ConfigError::Syntax {
                    path,
                    line,
                    message: words.join(" "),
                }
            }
        }
    }

    fn line(&self, span: Option<Range<usize>>) -> usize {
        let before = span
            .and_then(|span| self.text.get(..span.start))
            .unwrap_or_default();
        before.matches('\n').count() + 1
    }
}
