//! The configuration of `affiant serve`: TOML text in, typed settings out.
//!
//! Every key, its default and its unit stand in `config/serve.toml`. Relative paths in the file start
//! from the file's own directory. Nothing is read from the environment; secrets are paths, never values.
//!
//! `--dev` needs no file: loopback addresses and a random log name are chosen once and kept in
//! `dev.toml` in the data directory.

mod access;
mod archive;
mod build;
mod file;
mod settings;

use std::net::SocketAddr;
use std::path::Path;

use affiant_config::Place;
use fs_err as fs;

pub use access::{AccessSettings, OidcSettings, RoleRule};
pub use affiant_config::ConfigError;
pub use settings::{
    AnchorSettings, ArchiveLock, ArchiveSettings, CaFiles, DeviceKey, Settings, TlsFiles,
    WitnessSettings,
};

use crate::files::{self, FileError};
use crate::state::StateDir;

/// Reads a configuration file.
///
/// Does not check that addresses are free or named files readable.
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

/// Settings of `--dev`: those of `dev.toml`, or new ones for loopback with free ports.
///
/// # Errors
/// When `dev.toml` is there and not fit, see [`load`].
pub fn dev(dir: &StateDir) -> Result<Settings, ConfigError> {
    if dir.dev_toml().exists() {
        return load(&dir.dev_toml());
    }
    let name = format!(
        "localhost/affiant/{}",
        hex::encode(crate::entropy::bytes::<4>())
    );
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Ok(Settings::new(name, any, any))
}

/// Keeps what `--dev` chose, so that the next start is at the same addresses.
pub(crate) fn keep_dev(
    dir: &StateDir,
    settings: &Settings,
    ingest: SocketAddr,
    api: SocketAddr,
) -> Result<(), FileError> {
    if dir.dev_toml().exists() {
        return Ok(());
    }
    let text = format!(
        "# Chosen at the first start of `affiant serve --dev`.\n\n\
         [log]\nname = \"{}\"\n\n[ingest]\nlisten = \"{ingest}\"\n\n[api]\nlisten = \"{api}\"\n",
        settings.log_name
    );
    files::write_whole(&dir.dev_toml(), text.as_bytes(), 0o644)?;
    Ok(())
}

#[cfg(test)]
mod tests;
