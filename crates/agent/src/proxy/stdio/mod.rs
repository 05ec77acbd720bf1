//! `affiant run`: between a client and the stdio server it started.
//!
//! ```text
//! client ──stdin──▶ inbound ──pipe──▶ server          stderr is the server's own, inherited
//! client ◀─stdout── outbound ◀─pipe── server
//! ```
//!
//! Two threads pump bytes verbatim; a line from the client that holds a `tools/call` waits for its
//! durable intent, nothing else waits for anything. Nothing of ours is written to stdout but the
//! JSON-RPC error for a call the trail refused.

mod child;
mod gate;
mod inbound;
mod outbound;
mod process;
mod refusal;
mod signals;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use affiant_capture::tracker::{Config, Finish};
use affiant_policy::redact::Redactor;

use crate::recorder::Recorder;
use crate::trail::{Intent, Trail};

pub use child::SpawnError;

/// How long output of a server that has exited is waited for, while nothing comes. Its own children
/// may hold the pipe open for ever.
const DRAIN_QUIET: Duration = Duration::from_millis(300);

/// What to run and how to record it.
#[derive(Debug)]
pub struct StdioOptions {
    /// Program and arguments.
    pub command: Vec<OsString>,
    /// Settings of the tracker; `process` is filled in here.
    pub config: Config,
    /// The trail.
    pub trail: Trail,
    /// The redactor.
    pub redactor: Arc<Redactor>,
    /// Key of commitments.
    pub key: affiant_entry::CommitKey,
    /// What must be true before a call is forwarded.
    pub intent: Intent,
    /// Longest line of a client that is held back whole, bytes; of a longer one only the end is.
    pub hold_bytes_max: usize,
}

/// Default of [`StdioOptions::hold_bytes_max`].
pub const HOLD_BYTES_MAX: usize = 128 << 20;

/// Runs the server until it exits; returns the exit code to end with: the server's own, or 128 + n when
/// signal n ended it. The trail is closed in every case.
///
/// # Errors
/// When the server cannot be started.
pub fn run(options: StdioOptions) -> Result<u8, SpawnError> {
    let StdioOptions {
        command,
        mut config,
        trail,
        redactor,
        key,
        intent,
        hold_bytes_max,
    } = options;
    config.process = process::describe(&command, &redactor);
    let signals = signals::Forwarder::start();
    let mut server = match child::spawn(&command) {
        Ok(server) => server,
        Err(error) => {
            trail.close("spawn-failed", None, None);
            return Err(error);
        }
    };
    signals.forward_to(server.pid());
    let recorder = Recorder::new(config, trail.clone(), redactor, key, intent, true);
    process::digest_in_background(&command, &recorder);
    let gate = Arc::new(gate::Gate::default());
    let (input, output) = server.take_pipes();
    inbound::start(input, recorder.clone(), Arc::clone(&gate), hold_bytes_max);
    let pump = outbound::start(output, recorder.clone(), gate);
    adopt_in_background(&trail);

    let status = server.wait();
    signals.stop();
    pump.drain(DRAIN_QUIET);
    recorder.finish(Finish::StreamClosed);
    let signal = signals.last();
    let reason = if signal.is_some() {
        "signal"
    } else {
        "child-exit"
    };
    trail.close(reason, signal, Some(i32::from(status)));
    Ok(status)
}

/// Closes what dead processes left, while there is time.
fn adopt_in_background(trail: &Trail) {
    let dir = trail.dir().clone();
    let spawned = std::thread::Builder::new()
        .name("adopt".to_owned())
        .spawn(move || {
            if let Err(error) = crate::trail::adopt_orphans(&dir) {
                tracing::warn!(%error, "orphan spools cannot be looked at");
            }
        });
    if let Err(error) = spawned {
        tracing::warn!(%error, "orphan spools are not looked at");
    }
}
