//! The configuration of `affiant agent`: TOML text in, typed settings out.
//!
//! ```text
//!  text ─▶ file::File (plain structs, unknown keys refused) ─▶ build ─▶ Settings
//! ```
//!
//! Every key, its default and its unit stand in `config/agent.toml`. Relative paths in the file start
//! from the file's own directory. Nothing is read from the environment; secrets are paths, never
//! values.

mod build;
mod file;
mod settings;

use std::path::Path;

use affiant_config::Place;
use fs_err as fs;

pub use affiant_config::ConfigError;
pub use settings::{
    AdminSettings, GatewaySettings, HostPolicy, RouteSettings, Settings, TrailSettings,
    TransportKind, Upstream,
};

/// Reads a configuration file.
///
/// Does not check that addresses are free, upstreams up or named files readable.
///
/// # Errors
/// When the file cannot be read, is not TOML, has an unknown key or a value out of its bounds. The
/// error names the line.
pub fn load(path: &Path) -> Result<Settings, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { source })?;
    check(path, &text)
}

/// Checks the text of a configuration file; `path` is for messages and for relative paths in it.
///
/// # Errors
/// As [`load`], but for reading.
pub fn check(path: &Path, text: &str) -> Result<Settings, ConfigError> {
    let at = Place::new(path, text);
    build::settings(&at, at.parse()?)
}

#[cfg(test)]
mod tests;
