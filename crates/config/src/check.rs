//! What values of both files are held against. Absent keys pass: their default is the caller's.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::ConfigError;
use crate::{At, Place};

type Result<T> = std::result::Result<T, ConfigError>;

impl Place<'_> {
    /// A value that `parse` takes; what it refuses is refused with `problem`.
    ///
    /// # Errors
    /// When `parse` refuses the value.
    pub fn parsed<T, E>(
        &self,
        key: &'static str,
        value: At<String>,
        parse: impl FnOnce(&str) -> std::result::Result<T, E>,
        problem: &str,
    ) -> Result<Option<T>> {
        let Some(value) = value else { return Ok(None) };
        parse(value.get_ref())
            .map(Some)
            .map_err(|_| self.value(value.span(), key, problem))
    }

    /// A name in the alphabet of sources and routes; `parse` is the judge.
    ///
    /// # Errors
    /// When `parse` refuses the value.
    pub fn id<T, E>(
        &self,
        key: &'static str,
        value: At<String>,
        parse: impl FnOnce(&str) -> std::result::Result<T, E>,
    ) -> Result<Option<T>> {
        let problem = "takes 1 to 64 of `a-z`, `0-9`, `.`, `_`, `-`, a letter or digit first";
        self.parsed(key, value, parse, problem)
    }

    /// An IP address and a port; `example_port` stands in the error's examples.
    ///
    /// # Errors
    /// When the value is anything else, a host name for one.
    pub fn address(
        &self,
        key: &'static str,
        value: At<String>,
        example_port: u16,
    ) -> Result<Option<SocketAddr>> {
        let problem = format!(
            "is not an address and port such as `127.0.0.1:{example_port}` or `[::1]:{example_port}`"
        );
        self.parsed(key, value, str::parse, &problem)
    }

    /// One of these words, for what it means.
    ///
    /// # Errors
    /// When the value is none of them.
    pub fn word<T: Copy>(
        &self,
        key: &'static str,
        value: At<String>,
        words: &[(&str, T)],
    ) -> Result<Option<T>> {
        let Some(value) = value else { return Ok(None) };
        match words.iter().find(|(word, _)| word == value.get_ref()) {
            Some((_, meant)) => Ok(Some(*meant)),
            None => {
                let known: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
                let problem = format!("is `{}`; it takes {}", value.get_ref(), known.join(", "));
                Err(self.value(value.span(), key, problem))
            }
        }
    }

    /// A number within bounds, in the unit the key's name says.
    ///
    /// # Errors
    /// When it is out of them.
    pub fn number(
        &self,
        key: &'static str,
        value: At<u64>,
        bounds: RangeInclusive<u64>,
    ) -> Result<Option<u64>> {
        let Some(value) = value else { return Ok(None) };
        if bounds.contains(value.get_ref()) {
            return Ok(Some(*value.get_ref()));
        }
        let problem = format!(
            "is {}; it takes {} to {}",
            value.get_ref(),
            bounds.start(),
            bounds.end()
        );
        Err(self.value(value.span(), key, problem))
    }

    /// A time in milliseconds within bounds, for a key that ends in `_ms`.
    ///
    /// # Errors
    /// When it is out of them.
    pub fn millis(
        &self,
        key: &'static str,
        value: At<u64>,
        bounds: RangeInclusive<u64>,
    ) -> Result<Option<Duration>> {
        Ok(self.number(key, value, bounds)?.map(Duration::from_millis))
    }

    /// A time in seconds within bounds, for a key that ends in `_s`.
    ///
    /// # Errors
    /// When it is out of them.
    pub fn seconds(
        &self,
        key: &'static str,
        value: At<u64>,
        bounds: RangeInclusive<u64>,
    ) -> Result<Option<Duration>> {
        Ok(self.number(key, value, bounds)?.map(Duration::from_secs))
    }
}
