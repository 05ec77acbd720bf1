//! Client to server: verbatim, but a line with a call waits for its durable intent.

use std::io::Write;
use std::process::ChildStdin;
use std::sync::Arc;

use affiant_capture::framing::stdio::{Line, Lines};
use affiant_capture::scan::Limits;
use affiant_capture::tracker::Via;
use affiant_entry::Commitment;

use super::gate::Gate;
use super::refusal;
use crate::clock;
use crate::recorder::{CommitTap, Held, Recorder};

const CHUNK_BYTES: usize = 64 * 1024;

/// Starts the pump. It ends with the client's stdin, or with the process.
pub(super) fn start(
    input: Option<ChildStdin>,
    recorder: Recorder,
    gate: Arc<Gate>,
    hold_bytes_max: usize,
) {
    let Some(input) = input else { return };
    let spawned = std::thread::Builder::new()
        .name("inbound".to_owned())
        .spawn(move || {
            let lines = Lines::new(Limits::default(), recorder.commit_tap());
            let mut pump = Inbound {
                input,
                recorder,
                gate,
                lines,
                held: Vec::new(),
                streaming: false,
                hold_bytes_max,
            };
            if pump.run().is_err() {
                // The server closed its input. Without us the client would find its pipe closed, too.
                close_own_stdin();
            }
        });
    if let Err(error) = spawned {
        tracing::error!(%error, "client input cannot be read");
    }
}

struct Inbound {
    input: ChildStdin,
    recorder: Recorder,
    gate: Arc<Gate>,
    lines: Lines<CommitTap>,
    /// Bytes of the unfinished line.
    held: Vec<u8>,
    /// The unfinished line is longer than may be held: it streams, all but its last byte.
    streaming: bool,
    hold_bytes_max: usize,
}

/// A finished line on its way: where its bytes end in the chunk, and what it waits for.
struct Waiting {
    end: usize,
    line: Line<Commitment>,
    held: Held,
}

impl Inbound {
    fn run(&mut self) -> std::io::Result<()> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let n = rustix::io::retry_on_intr(|| rustix::io::read(std::io::stdin(), &mut chunk))?;
            let bytes = chunk.get(..n).unwrap_or_default();
            if bytes.is_empty() {
                return self.end();
            }
            self.pass(bytes)?;
        }
    }

    /// The client closed its end: what is left goes out, then the server's input closes at once.
    fn end(&mut self) -> std::io::Result<()> {
        if let Some(line) = self.lines.finish() {
            let waiting = self.show(0, line);
            self.settle(vec![waiting], &[], 0)?;
        } else {
            let rest = std::mem::take(&mut self.held);
            self.input.write_all(&rest)?;
        }
        Ok(())
    }

    fn pass(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        // Lines in front of the first call go out before anything is waited for; from there on all
        // lines of this chunk wait together, so that they share one group commit.
        let mut sent = 0;
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut end = 0;
        for line in self.lines.push(bytes) {
            end = line.end;
            let shown = self.show(end, line);
            if waiting.is_empty() && shown.held.is_pass() {
                continue;
            }
            if waiting.is_empty() {
                let before = shown
                    .end
                    .saturating_sub(usize::try_from(shown.line.bytes).unwrap_or(usize::MAX));
                sent = self.send_before(bytes, before)?;
            }
            waiting.push(shown);
        }
        if waiting.is_empty() {
            self.send(bytes.get(..end).unwrap_or_default())?;
        } else {
            self.settle(waiting, bytes, sent)?;
        }
        self.keep(bytes.get(end..).unwrap_or_default())
    }

    /// Sends whole lines that stand before a call in this chunk; returns how far it got. When the call's
    /// own line began in an earlier chunk there are none, and its beginning stays held.
    fn send_before(&mut self, bytes: &[u8], until: usize) -> std::io::Result<usize> {
        if until == 0 {
            return Ok(0);
        }
        self.send(bytes.get(..until).unwrap_or_default())?;
        Ok(until)
    }

    /// Sends what is held, then `bytes`.
    fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            self.input.write_all(&held)?;
        }
        self.streaming = false;
        self.input.write_all(bytes)
    }

    /// Sends lines in order, each once it may; a refused one is answered instead.
    fn settle(
        &mut self,
        waiting: Vec<Waiting>,
        bytes: &[u8],
        mut sent: usize,
    ) -> std::io::Result<()> {
        for Waiting { end, line, held } in waiting {
            let refused = held.wait().is_err();
            let part = bytes.get(sent..end).unwrap_or_default();
            sent = end;
            if refused {
                self.gate
                    .inject(&refusal::lines(&line.scan.messages, line.scan.batch))?;
                self.held.clear();
                if std::mem::take(&mut self.streaming) {
                    // The beginning is out already: a NUL makes the line one that no server takes.
                    self.input.write_all(b"\0\n")?;
                }
                continue;
            }
            let held = std::mem::take(&mut self.held);
            self.input.write_all(&held)?;
            self.input.write_all(part)?;
            self.streaming = false;
        }
        Ok(())
    }

    fn show(&self, end: usize, line: Line<Commitment>) -> Waiting {
        let held = self
            .recorder
            .client_scan(clock::now(), &Via::stdio(), &line.scan);
        Waiting { end, line, held }
    }

    /// Keeps the beginning of an unfinished line, or streams it when it is too long to keep.
    fn keep(&mut self, rest: &[u8]) -> std::io::Result<()> {
        self.held.extend_from_slice(rest);
        if self.held.len() > self.hold_bytes_max {
            self.streaming = true;
        }
        if self.streaming && self.held.len() > 1 {
            let last = self.held.pop();
            self.input.write_all(&self.held)?;
            self.held = last.into_iter().collect();
        }
        Ok(())
    }
}

fn close_own_stdin() {
    if let Ok(null) = fs_err::File::open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(null.file());
    }
}
