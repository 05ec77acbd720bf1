//! Edges and aggregator as processes: what arrives, what others think of it, what survives.

mod judges;
mod outage;
mod soak;
mod witnessed;

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use affiant_e2e::guard::Guard;
use affiant_e2e::program::{affiant_run, built};

/// `affiant run` round a server that remembers what reached it.
fn wrapped(data: &Path, server: &str, seen: &Path) -> Guard {
    let command: [OsString; 2] = [built("witness-peer").into(), seen.into()];
    let words = affiant_run(data, server, &command);
    Guard::spawn(
        Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // An orphaned server complains about its pipe.
            .stderr(Stdio::null()),
    )
}

/// A whole session of `calls` calls, numbered from `first`, each answered before the next.
fn session(data: &Path, server: &str, seen: &Path, first: u64, calls: u64) {
    let mut wrapper = wrapped(data, server, seen);
    let mut stdin = wrapper.child().stdin.take().unwrap();
    let mut stdout = BufReader::new(wrapper.child().stdout.take().unwrap());
    for n in first..first + calls {
        stdin.write_all(note(n).as_bytes()).unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        assert!(answer.contains("noted"), "{answer}");
    }
    drop(stdin);
    assert!(wrapper.wait().success());
}

fn note(n: u64) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{n},\"method\":\"tools/call\",\"params\":{{\"name\":\"note\",\"arguments\":{{\"n\":{n}}}}}}}\n"
    )
}
