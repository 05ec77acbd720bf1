//! Server to client: verbatim and at once; a copy is scanned afterwards.

use std::io::Read;
use std::process::ChildStdout;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use affiant_capture::framing::stdio::{Line, Lines};
use affiant_capture::scan::Limits;
use affiant_capture::tracker::Via;
use affiant_entry::Commitment;

use super::gate::Gate;
use crate::clock;
use crate::recorder::{CommitTap, Recorder};

const CHUNK_BYTES: usize = 64 * 1024;

/// How often the end of the output is looked for.
const DRAIN_TICK: Duration = Duration::from_millis(2);

/// The running pump.
pub(super) struct Pump {
    progress: Arc<Progress>,
}

#[derive(Default)]
struct Progress {
    chunks: AtomicU64,
    ended: AtomicBool,
}

/// Starts the pump. It ends with the server's stdout, or when the client closed ours.
pub(super) fn start(output: Option<ChildStdout>, recorder: Recorder, gate: Arc<Gate>) -> Pump {
    let progress = Arc::new(Progress::default());
    if let Some(output) = output {
        let seen = Arc::clone(&progress);
        let spawned = std::thread::Builder::new()
            .name("outbound".to_owned())
            .spawn(move || {
                let lines = Lines::new(Limits::default(), recorder.commit_tap());
                Outbound {
                    output,
                    recorder,
                    gate,
                    lines,
                }
                .run(&seen);
                seen.ended.store(true, Ordering::SeqCst);
            });
        if let Err(error) = spawned {
            tracing::error!(%error, "server output cannot be read");
            progress.ended.store(true, Ordering::SeqCst);
        }
    }
    Pump { progress }
}

impl Pump {
    /// Waits for the end of the server's output, as long as something comes within `quiet`.
    pub(super) fn drain(&self, quiet: Duration) {
        let mut seen = self.progress.chunks.load(Ordering::SeqCst);
        let mut silent = Duration::ZERO;
        while silent < quiet && !self.progress.ended.load(Ordering::SeqCst) {
            std::thread::sleep(DRAIN_TICK);
            silent += DRAIN_TICK;
            let now = self.progress.chunks.load(Ordering::SeqCst);
            if now != seen {
                seen = now;
                silent = Duration::ZERO;
            }
        }
    }
}

struct Outbound {
    output: ChildStdout,
    recorder: Recorder,
    gate: Arc<Gate>,
    lines: Lines<CommitTap>,
}

impl Outbound {
    fn run(mut self, progress: &Progress) {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let n = match self.output.read(&mut chunk) {
                Ok(n) => n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let bytes = chunk.get(..n).unwrap_or_default();
            if bytes.is_empty() || self.gate.pass(bytes).is_err() {
                break;
            }
            let at = clock::now();
            for line in self.lines.push(bytes) {
                self.show(at, &line);
            }
            progress.chunks.fetch_add(1, Ordering::SeqCst);
        }
        // Dropping the pipe tells a server that still writes that nobody reads any more.
        drop(self.output);
        if let Some(line) = self.lines.finish() {
            show(&self.recorder, clock::now(), &line);
        }
    }

    fn show(&self, at: affiant_entry::Moment, line: &Line<Commitment>) {
        show(&self.recorder, at, line);
    }
}

fn show(recorder: &Recorder, at: affiant_entry::Moment, line: &Line<Commitment>) {
    recorder.server_scan(at, &Via::stdio(), &line.scan);
}
