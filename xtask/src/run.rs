//! Running one step and saying so.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Prints a line of talk.
#[expect(clippy::print_stderr, reason = "talk goes to stderr")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// Runs a program at the root and fails unless it succeeds.
pub(crate) fn step<S: AsRef<OsStr>>(
    root: &Path,
    title: &str,
    program: &str,
    args: &[S],
) -> Result<()> {
    step_with(root, title, program, args, &[])
}

/// [`step`] with variables of the environment.
#[expect(
    clippy::disallowed_methods,
    reason = "a tool of the house measures its own steps"
)]
pub(crate) fn step_with<S: AsRef<OsStr>>(
    root: &Path,
    title: &str,
    program: &str,
    args: &[S],
    env: &[(&str, &OsStr)],
) -> Result<()> {
    say(&format!("── {title}"));
    let started = std::time::Instant::now();
    let mut command = Command::new(program);
    command.args(args).current_dir(root);
    for (name, value) in env {
        command.env(name, value);
    }
    let status = command
        .status()
        .with_context(|| format!("cannot start `{program}`"))?;
    if !status.success() {
        bail!("{title}: `{program}` ended with {status}");
    }
    say(&format!(
        "── {title}: ok, {:.0} s",
        started.elapsed().as_secs_f32()
    ));
    Ok(())
}

/// Whether a program can be started.
pub(crate) fn has(program: &str, arg: &str) -> bool {
    Command::new(program)
        .arg(arg)
        .output()
        .is_ok_and(|out| out.status.success())
}
