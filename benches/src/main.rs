//! What Affiant costs, beside the direct connection, other proxies and the bare disk, in one run.
//!
//! `cargo xtask bench` builds everything and runs this; figures are ratios within the run, not
//! absolutes, as no two machines are alike. Nothing here passes or fails.

mod disk;
mod http;
mod hub;
mod process;
mod soak;
mod stats;
mod stdio;

use std::path::PathBuf;

fn main() {
    let setup = Setup::find();
    let only = std::env::args().nth(1).unwrap_or_default();
    let wanted = |name: &str| only.is_empty() || only == name;
    if wanted("disk") {
        disk::run();
    }
    if wanted("stdio") {
        stdio::run(&setup);
    }
    if wanted("http") {
        http::run(&setup);
    }
    if wanted("lean") {
        http::run_lean(&setup);
    }
    if wanted("hub") {
        hub::run(&setup);
    }
    if wanted("soak") {
        soak::run(&setup);
    }
}

/// The programs under measurement.
pub(crate) struct Setup {
    /// `affiant`, release build.
    pub(crate) affiant: PathBuf,
    /// The demo server, release build.
    pub(crate) server: PathBuf,
    /// Where npm and PyPI peers are installed, if they are.
    pub(crate) peers: Option<PathBuf>,
}

impl Setup {
    fn find() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let release = target.join("release");
        Self {
            affiant: release.join("affiant"),
            server: release.join("affiant-demo-server"),
            peers: std::env::var_os("AFFIANT_PEERS").map(PathBuf::from),
        }
    }
}
