//! What can be said of the wrapped process: user, command line, digest of the executable.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use affiant_capture::tracker::Process;
use affiant_entry::Fact;
use affiant_policy::redact::Redactor;
use fs_err as fs;
use sha2::{Digest, Sha256};

use crate::recorder::Recorder;

/// User and redacted command line; the digest comes later.
pub(super) fn describe(command: &[OsString], redactor: &Redactor) -> Process {
    let argv: Vec<String> = command
        .iter()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    Process {
        os_user: os_user(),
        command: Fact::Known(redactor.redact_argv(&argv)),
        binary: Fact::absent("not read yet"),
    }
}

/// Name of the user this process runs as, from `/etc/passwd`; else its number.
#[must_use]
pub(crate) fn os_user() -> Fact<String> {
    let uid = rustix::process::geteuid().as_raw();
    let wanted = uid.to_string();
    let name = fs::read_to_string("/etc/passwd").ok().and_then(|text| {
        text.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)? == wanted).then(|| name.to_owned())
        })
    });
    Fact::Known(name.unwrap_or_else(|| format!("uid:{uid}")))
}

/// Reads the executable file on a thread of its own, as it may be large.
pub(super) fn digest_in_background(command: &[OsString], recorder: &Recorder) {
    let program = command.first().cloned().unwrap_or_default();
    let later = recorder.clone();
    let spawned = std::thread::Builder::new()
        .name("digest".to_owned())
        .spawn(move || {
            let digest = find(&program).map_or_else(
                || Fact::absent("executable not found"),
                |path| {
                    digest(&path)
                        .map_or_else(|_| Fact::absent("executable cannot be read"), Fact::Known)
                },
            );
            later.binary(digest);
        });
    if spawned.is_err() {
        recorder.binary(Fact::absent("no thread to read the executable"));
    }
}

/// Finds a program as the system does: by path if it has a slash, else along `PATH`.
fn find(program: &OsStr) -> Option<PathBuf> {
    let given = Path::new(program);
    if given.components().count() > 1 {
        return Some(given.to_path_buf());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(given))
        .find(|candidate| {
            fs::metadata(candidate)
                .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        })
}

fn digest(path: &Path) -> std::io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let n = file.read(&mut chunk)?;
        if n == 0 {
            return Ok(format!("sha256:{}", hex::encode(hash.finalize())));
        }
        hash.update(chunk.get(..n).unwrap_or_default());
    }
}
