//! The program under test and the peers beside it.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::guard::Guard;
use crate::wait;

/// Longest run of a program that is waited for to its end.
const RUN_MAX: Duration = Duration::from_secs(300);

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
    let Some(dir) = dir else {
        panic!(
            "`{name}` is not built beside {}; run `cargo xtask test`",
            test.display()
        )
    };
    dir.join(name)
}

/// `affiant`.
#[must_use]
pub fn affiant() -> Command {
    let mut command = Command::new(built("affiant"));
    for name in [
        "AFFIANT_DATA_DIR",
        "AFFIANT_USER",
        "AFFIANT_ROLE",
        "AFFIANT_LOG",
    ] {
        command.env_remove(name);
    }
    command
}

/// `affiant run --server ID --data-dir DIR -- COMMAND…` as words.
#[must_use]
pub fn affiant_run(data: &Path, server: &str, command: &[OsString]) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec![
        built("affiant").into(),
        "run".into(),
        "--server".into(),
        server.into(),
    ];
    words.extend(["--data-dir".into(), data.into(), "--".into()]);
    words.extend_from_slice(command);
    words
}

/// Where the peers are installed.
///
/// # Panics
/// When the variable `AFFIANT_PEERS` is not set; `cargo xtask test` sets it.
#[must_use]
pub fn peers() -> PathBuf {
    let Some(dir) = std::env::var_os("AFFIANT_PEERS") else {
        panic!(
            "AFFIANT_PEERS names no directory; run `cargo xtask peers`, or all of it by `cargo xtask test`"
        )
    };
    PathBuf::from(dir)
}

/// An npm peer as words: the pinned Node, then the program of that name.
#[must_use]
pub fn node_peer(name: &str, args: &[&str]) -> Vec<OsString> {
    let bin = peers().join("node_modules").join(".bin");
    let mut words: Vec<OsString> = vec![bin.join("node").into(), bin.join(name).into()];
    words.extend(args.iter().map(OsString::from));
    words
}

/// A PyPI peer as words.
#[must_use]
pub fn python_peer(name: &str, args: &[&str]) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec![peers().join("venv").join("bin").join(name).into()];
    words.extend(args.iter().map(OsString::from));
    words
}

/// A command of words, with the pinned Node on `PATH` and a `HOME` of its own.
///
/// # Panics
/// When there are no words, or `home` cannot be made.
#[must_use]
pub fn command(words: &[OsString], home: &Path) -> Command {
    fs_err::create_dir_all(home).unwrap();
    let (program, args) = words.split_first().unwrap();
    let mut command = Command::new(program);
    let mut path = vec![peers().join("node_modules").join(".bin")];
    path.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    command
        .args(args)
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("HOME", home);
    for name in [
        "AFFIANT_DATA_DIR",
        "AFFIANT_USER",
        "AFFIANT_ROLE",
        "AFFIANT_LOG",
    ] {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end, with nothing on its standard input unless the caller put something there.
///
/// # Panics
/// When it cannot be started, or runs longer than five minutes.
pub fn output(command: &mut Command) -> Output {
    let mut guard = Guard::spawn(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    );
    let stdout = drain(guard.child().stdout.take());
    let stderr = drain(guard.child().stderr.take());
    let ended = wait::within(RUN_MAX, || guard.has_ended().then_some(()));
    assert!(ended.is_some(), "{command:?} still runs after {RUN_MAX:?}");
    let status = guard.wait();
    Output {
        status,
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}

/// [`output`] of a command that succeeds.
///
/// # Panics
/// When it does not succeed.
pub fn output_ok(command: &mut Command) -> Output {
    let out = output(command);
    assert!(
        out.status.success(),
        "{command:?}: {}\n{}",
        out.status,
        said(&out)
    );
    out
}

/// What a program said on both streams, for messages.
#[must_use]
pub fn said(out: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    )
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}
