//! Edges and aggregator as processes: what arrives, what others think of it, what survives.

mod backup;
mod certificates;
mod disk;
mod judges;
mod outage;
mod replay;
mod sender;
mod soak;
mod witnessed;

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use affiant_e2e::aggregator::verify;
use affiant_e2e::guard::Guard;
use affiant_e2e::program::{affiant_run, built};
use affiant_e2e::scratch::Scratch;
use affiant_e2e::upstream::free_address;
use affiant_e2e::wait;

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

/// Between the calls of a [`Caller`].
const PAUSE: Duration = Duration::from_millis(5);

/// A client that calls on and on in one life of a wrapper, until it is told to stop.
struct Caller {
    over: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    thread: JoinHandle<()>,
    first: u64,
}

impl Caller {
    /// Calls are numbered from `first`.
    fn start(data: &Path, seen: &Path, first: u64) -> Self {
        let (over, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut wrapper = wrapped(data, "crm", seen);
        let mut stdin = wrapper.child().stdin.take().unwrap();
        let mut stdout = BufReader::new(wrapper.child().stdout.take().unwrap());
        let (until, count) = (Arc::clone(&over), Arc::clone(&answered));
        let thread = std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                let n = first + count.load(Ordering::Relaxed);
                stdin.write_all(note(n).as_bytes()).unwrap();
                let mut answer = String::new();
                stdout.read_line(&mut answer).unwrap();
                assert!(answer.contains("noted"), "{answer}");
                count.fetch_add(1, Ordering::Relaxed);
                // Load enough, and not so much that the judges take longer than the test.
                std::thread::sleep(PAUSE);
            }
            drop(stdin);
            assert!(wrapper.wait().success());
        });
        Self {
            over,
            answered,
            thread,
            first,
        }
    }

    /// Waits until so many calls more are answered.
    fn go_on(&self, calls: u64) {
        let wanted = self.answered.load(Ordering::Relaxed) + calls;
        wait::until("calls are answered", || {
            assert!(!self.thread.is_finished(), "the caller broke off");
            (self.answered.load(Ordering::Relaxed) >= wanted).then_some(())
        });
    }

    /// Hangs up, waits for the wrapper's end, and gives the numbers of the answered calls.
    fn finish(self) -> std::ops::Range<u64> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.first..self.first + self.answered.load(Ordering::Relaxed)
    }
}

/// A configuration of an aggregator whose addresses outlast its process.
fn serve_toml(scratch: &Scratch, more: &str) -> PathBuf {
    let path = scratch.path("serve.toml");
    let (ingest, api) = (free_address(), free_address());
    let text = format!(
        "[log]\nname = \"log.example/e2e\"\n[ingest]\nlisten = \"{ingest}\"\n\
         [api]\nlisten = \"{api}\"\n{more}"
    );
    fs_err::write(&path, text).unwrap();
    path
}

/// Asserts that `affiant verify` finds nothing wrong with the log of an aggregator.
fn assert_log_verifies(data: &Path) {
    let (code, text) = verify(&data.join("log"), &["--no-remember"]);
    assert_eq!(code, Some(0), "{text}");
}
