//! The program under test and the peers beside it.

use std::path::PathBuf;
use std::process::{Command, Output};

/// The workspace root.
#[must_use]
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(PathBuf::from).unwrap_or(here)
}

/// A program of this workspace, as cargo built it beside the running test.
///
/// # Panics
/// When it was not built; `cargo xtask test` builds it.
#[must_use]
pub fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    let dir = test.ancestors().find(|dir| dir.join(name).is_file());
    let Some(dir) = dir else { panic!("`{name}` is not built beside {}; run `cargo xtask test`", test.display()) };
    dir.join(name)
}

/// `affiant`.
#[must_use]
pub fn affiant() -> Command {
    let mut command = Command::new(built("affiant"));
    command.env_remove("AFFIANT_DATA_DIR").env_remove("AFFIANT_USER").env_remove("AFFIANT_ROLE");
    command
}

/// Where the peers are installed.
///
/// # Panics
/// When the variable `AFFIANT_PEERS` is not set; `cargo xtask test` sets it.
#[must_use]
pub fn peers() -> PathBuf {
    let Some(dir) = std::env::var_os("AFFIANT_PEERS") else {
        panic!("AFFIANT_PEERS names no directory; run `cargo xtask peers`, or all of it by `cargo xtask test`")
    };
    PathBuf::from(dir)
}

/// Runs a command to its end.
///
/// # Panics
/// When it cannot be started.
pub fn output(command: &mut Command) -> Output {
    match command.output() {
        Ok(output) => output,
        Err(error) => panic!("cannot start {command:?}: {error}"),
    }
}
