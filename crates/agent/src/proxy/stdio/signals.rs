//! Signals to us are signals to the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};

/// Passes signals on from the moment it starts; until the server's pid is known, they wait.
pub(super) struct Forwarder {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    pid: AtomicI32,
    early: AtomicI32,
    last_ending: AtomicI32,
    stopped: AtomicBool,
}

impl Forwarder {
    pub(super) fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let wanted = [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH];
        match SignalsInfo::<WithOrigin>::new(wanted) {
            Ok(mut signals) => {
                let seen = Arc::clone(&shared);
                let spawned = std::thread::Builder::new()
                    .name("signals".to_owned())
                    .spawn(move || {
                        for origin in &mut signals {
                            seen.handle(&origin);
                        }
                    });
                if let Err(error) = spawned {
                    tracing::error!(%error, "signals are not forwarded");
                }
            }
            Err(error) => tracing::error!(%error, "signals are not forwarded"),
        }
        Self { shared }
    }

    pub(super) fn forward_to(&self, pid: Option<Pid>) {
        let Some(pid) = pid else { return };
        self.shared
            .pid
            .store(pid.as_raw_nonzero().get(), Ordering::SeqCst);
        let early = self.shared.early.swap(0, Ordering::SeqCst);
        if early != 0 {
            self.shared.send(early);
        }
    }

    /// The server is gone and its pid may be another's: nothing is forwarded from here on.
    pub(super) fn stop(&self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
    }

    /// The last signal that asked to end, if any.
    pub(super) fn last(&self) -> Option<i32> {
        Some(self.shared.last_ending.load(Ordering::SeqCst)).filter(|n| *n != 0)
    }
}

impl Shared {
    fn handle(&self, origin: &Origin) {
        let signal = origin.signal;
        if matches!(signal, SIGTERM | SIGINT | SIGHUP | SIGQUIT) {
            self.last_ending.store(signal, Ordering::SeqCst);
        }
        // A signal of the terminal went to the whole foreground group: the server has it already.
        let from_terminal = matches!(origin.cause, Cause::Kernel);
        if from_terminal && matches!(signal, SIGINT | SIGQUIT | SIGHUP | SIGWINCH) {
            return;
        }
        if self.pid.load(Ordering::SeqCst) == 0 {
            self.early.store(signal, Ordering::SeqCst);
        } else {
            self.send(signal);
        }
    }

    fn send(&self, signal: i32) {
        if self.stopped.load(Ordering::SeqCst) {
            return;
        }
        let pid = Pid::from_raw(self.pid.load(Ordering::SeqCst));
        if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(signal)) {
            let _ = kill_process(pid, signal);
        }
    }
}
