//! The test command: what the README names and CI runs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::run::{has, step, step_with};
use crate::{tidy, web};

/// What a plain build leaves out: its SQL engine takes longer to build than all the rest.
const HEAVY: &str = "affiant-store";

/// Everything.
pub(crate) fn full(root: &Path) -> Result<()> {
    lint(root)?;
    build(root)?;
    // Before the tests: some judge with programs that are installed here.
    web::check(root)?;
    install_peers(root)?;
    tests(root)?;
    step(
        root,
        "fuzz targets",
        "cargo",
        &["build", "--manifest-path", "fuzz/Cargo.toml"],
    )?;
    peers(root)
}

/// All but peers and fuzz targets.
pub(crate) fn quick(root: &Path) -> Result<()> {
    lint(root)?;
    tests(root)
}

/// The store, and the program with it: lints and tests. Takes half an hour when nothing is built yet.
pub(crate) fn store(root: &Path) -> Result<()> {
    install_peers(root)?;
    let with = [
        "--package",
        HEAVY,
        "--package",
        "affiant-cli",
        "--features",
        "affiant-cli/store",
    ];
    let lints = [
        &["clippy", "--all-targets"],
        &with[..],
        &["--", "-D", "warnings"],
    ];
    step(root, "lints with the store", "cargo", &lints.concat())?;
    let tests = [&["test", "--no-fail-fast"], &with[..]].concat();
    step(root, "tests with the store", "cargo", &tests)
}

/// Installs the peers of the tests: npm and PyPI packages pinned in `testdata/peers`, Debian's.
pub(crate) fn install_peers(root: &Path) -> Result<()> {
    let target = peers_dir(root);
    step(
        root,
        "install peers",
        "bash",
        &[OsStr::new("testdata/peers/install.sh"), target.as_os_str()],
    )
}

/// The benches beside their peers.
pub(crate) fn bench(root: &Path) -> Result<()> {
    build(root)?;
    install_peers(root)?;
    let target = peers_dir(root);
    let env = [("AFFIANT_PEERS", target.as_os_str())];
    let args = ["run", "--release", "--manifest-path", "benches/Cargo.toml"];
    step_with(root, "benches", "cargo", &args, &env)
}

/// The program under test and our own servers, as peers meet them.
fn build(root: &Path) -> Result<()> {
    let args = [
        "build",
        "--release",
        "--package",
        "affiant-cli",
        "--package",
        "affiant-demo-server",
        "--package",
        "affiant-conformance-server",
    ];
    step(root, "build the program", "cargo", &args)
}

fn lint(root: &Path) -> Result<()> {
    tidy::run(root)?;
    step(root, "format", "cargo", &["fmt", "--all", "--check"])?;
    step(
        root,
        "lints",
        "cargo",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--exclude",
            HEAVY,
            "--",
            "-D",
            "warnings",
        ],
    )
}

fn tests(root: &Path) -> Result<()> {
    let all = [
        "--workspace",
        "--exclude",
        "affiant-e2e",
        "--exclude",
        HEAVY,
    ];
    let env = [("INSTA_UPDATE", OsStr::new("no"))];
    if has("cargo-nextest", "--version") {
        let args = [&["nextest", "run", "--no-fail-fast"], &all[..]].concat();
        step_with(root, "tests", "cargo", &args, &env)?;
    } else {
        let args = [
            &["test", "--no-fail-fast", "--lib", "--bins", "--tests"],
            &all[..],
        ]
        .concat();
        step_with(root, "tests", "cargo", &args, &env)?;
    }
    let args = [&["test", "--doc"], &all[..]].concat();
    step(root, "doc tests", "cargo", &args)
}

fn peers(root: &Path) -> Result<()> {
    let target = peers_dir(root);
    let env = [("AFFIANT_PEERS", target.as_os_str())];
    let args = [
        "test",
        "--release",
        "--package",
        "affiant-e2e",
        "--",
        "--test-threads=1",
    ];
    step_with(root, "real peers", "cargo", &args, &env)
}

fn peers_dir(root: &Path) -> PathBuf {
    root.join("target").join("peers")
}
