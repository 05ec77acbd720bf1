//! A stdio server that plays its part of a script: `scripted-peer SCRIPT RECEIVED`.
//!
//! A script is a text file, one step a line; `FILE` is a name beside it:
//!
//! ```text
//! c FILE      the client sends these bytes: read as many as the file has
//! s FILE      write the bytes of the file to stdout
//! e FILE      write the bytes of the file to stderr
//! eof         read until the client closes
//! exit N      end with this code
//! raise N     end by this signal
//! ```
//!
//! What came on stdin goes to the file `RECEIVED`; what file stderr is, to `RECEIVED.stderr`.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::process::{Signal, getpid, kill_process};

fn main() -> io::Result<ExitCode> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(script), Some(received)) = (args.next(), args.next()) else {
        return Ok(ExitCode::from(2));
    };
    let stderr = fs_err::read_link("/proc/self/fd/2")?;
    fs_err::write(
        received.with_extension("stderr"),
        stderr.to_string_lossy().as_bytes(),
    )?;
    let mut log = fs_err::File::create(&received)?;
    let mut stdin = io::stdin().lock();
    for step in fs_err::read_to_string(&script)?.lines() {
        let (verb, object) = step.split_once(' ').unwrap_or((step, ""));
        let file = || {
            fs_err::read(
                script
                    .parent()
                    .unwrap_or_else(|| Path::new(""))
                    .join(object),
            )
        };
        match verb {
            "c" => {
                let mut bytes = vec![0; file()?.len()];
                stdin.read_exact(&mut bytes)?;
                log.write_all(&bytes)?;
            }
            "s" => {
                // One write, past the line buffer: partial lines go out as they are.
                let mut out = io::stdout().lock();
                out.write_all(&file()?)?;
                out.flush()?;
            }
            "e" => io::stderr().write_all(&file()?)?,
            "eof" => {
                let mut rest = Vec::new();
                stdin.read_to_end(&mut rest)?;
                log.write_all(&rest)?;
            }
            "exit" => return Ok(ExitCode::from(object.parse().unwrap_or(2))),
            "raise" => {
                if let Some(signal) = object.parse().ok().and_then(Signal::from_named_raw) {
                    kill_process(getpid(), signal)?;
                }
                // A signal to oneself may be delivered a moment later.
                loop {
                    std::thread::park();
                }
            }
            _ => return Err(io::Error::other(format!("no step `{verb}`"))),
        }
    }
    Ok(ExitCode::SUCCESS)
}
