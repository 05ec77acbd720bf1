//! Added latency on stdio: one call at a time, closed loop.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::Guard;
use crate::stats::{LATENCY_HEADER, Samples, latency_row, table};
use crate::{Setup, disk};

const CALLS: usize = 3000;
const WARM: usize = 300;
const SESSIONS: usize = 8;

pub(crate) fn run(setup: &Setup) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let wrapped = |intent: &str| {
        let mut command = Command::new(&setup.affiant);
        command
            .args(["run", "--server", "bench", "--intent", intent, "--data-dir"])
            .arg(dir.path());
        command.arg("--").arg(&setup.server);
        command
    };
    // Interleaved rounds, so that a noisy neighbour is everybody's neighbour.
    let mut direct = Vec::new();
    let mut durable = Vec::new();
    let mut buffered = Vec::new();
    for _ in 0..3 {
        direct.extend(measure(&mut Command::new(&setup.server), CALLS / 3, 64).0);
        durable.extend(measure(&mut wrapped("durable"), CALLS / 3, 64).0);
        buffered.extend(measure(&mut wrapped("buffered"), CALLS / 3, 64).0);
    }
    let base = Samples::of(&direct);
    let rows = vec![
        latency_row("direct", &base, &base),
        latency_row("affiant run, durable", &Samples::of(&durable), &base),
        latency_row("affiant run, buffered", &Samples::of(&buffered), &base),
    ];
    let disk_us = disk::bare(2048).quantile(0.5);
    table(
        &format!("stdio: one call at a time, 64 B argument; disk {disk_us:.0} µs"),
        LATENCY_HEADER,
        &rows,
    );

    let direct = at_once(|| Command::new(&setup.server));
    let rows: Vec<_> = [
        ("direct", direct),
        ("affiant run, durable", at_once(|| wrapped("durable"))),
    ]
    .iter()
    .map(|(name, rate)| {
        vec![
            (*name).to_owned(),
            format!("{rate:.0}"),
            format!("{:.2}", rate / direct),
        ]
    })
    .collect();
    table(
        &format!("stdio: {SESSIONS} sessions at once, a process each"),
        &["", "calls/s", "ratio"],
        &rows,
    );

    let big = 10 << 20;
    let base = Samples::of(&measure(&mut Command::new(&setup.server), 8, big).0);
    let (times, (_, peak)) = measure(&mut wrapped("durable"), 8, big);
    let rows = vec![
        latency_row("direct", &base, &base),
        latency_row(
            &format!("affiant run, durable (peak {peak:.0} MiB)"),
            &Samples::of(&times),
            &base,
        ),
    ];
    table("stdio: 10 MiB argument, echoed", LATENCY_HEADER, &rows);
}

/// Calls a second over [`SESSIONS`] processes, each called one call after the other.
fn at_once(command: impl Fn() -> Command) -> f64 {
    let mut peers: Vec<Peer> = (0..SESSIONS).map(|_| Peer::start(&mut command())).collect();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for peer in &mut peers {
            scope.spawn(|| {
                for id in 0..CALLS / 3 {
                    peer.call(id, "x");
                }
            });
        }
    });
    (SESSIONS * (CALLS / 3)) as f64 / start.elapsed().as_secs_f64()
}

fn measure(command: &mut Command, calls: usize, bytes: usize) -> (Vec<Duration>, (f64, f64)) {
    let mut peer = Peer::start(command);
    let text = "x".repeat(bytes);
    for id in 0..WARM.min(calls / 2) {
        peer.call(id, &text);
    }
    let times = (0..calls).map(|n| peer.call(WARM + n, &text)).collect();
    (times, peer.guard.memory_mib())
}

/// A stdio server with the handshake done.
pub(crate) struct Peer {
    pub(crate) guard: Guard,
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: BufReader<ChildStdout>,
    line: String,
}

impl Peer {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut guard = Guard(
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("starts"),
        );
        let stdin = guard.0.stdin.take().expect("stdin is piped");
        let stdout =
            BufReader::with_capacity(1 << 20, guard.0.stdout.take().expect("stdout is piped"));
        let mut peer = Self {
            guard,
            stdin,
            stdout,
            line: String::new(),
        };
        peer.send(
            r#"{"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#,
        );
        peer.receive();
        peer.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        peer
    }

    /// Ends the session and waits for the end of the process.
    pub(crate) fn close(self) {
        let Self {
            mut guard, stdin, ..
        } = self;
        drop(stdin);
        guard.0.wait().expect("ends");
    }

    fn call(&mut self, id: usize, text: &str) -> Duration {
        let request = request(id, text);
        let start = Instant::now();
        self.send(&request);
        self.receive();
        start.elapsed()
    }

    fn send(&mut self, line: &str) {
        self.stdin
            .write_all(line.as_bytes())
            .and_then(|()| self.stdin.write_all(b"\n"))
            .expect("server reads");
    }

    fn receive(&mut self) {
        self.line.clear();
        let n = self
            .stdout
            .read_line(&mut self.line)
            .expect("server answers");
        assert!(n > 0, "server ended");
    }
}

/// A `tools/call` of the tool `echo`.
pub(crate) fn request(id: usize, text: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{text}"}}}}}}"#
    )
}
