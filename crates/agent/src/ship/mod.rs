//! Shipping: sealed groups up to the aggregator, verified receipts down.
//!
//! ```text
//! spool ─▸ batch ≤ 1 MiB or 200 ms ─▸ zstd ─▸ POST /v1/batches, HTTP/2, mutual TLS 1.3
//!   ▴                                                   │
//!   └── cursor, room ◂── in order ◂── verified ◂── receipt: checkpoint, proofs
//! ```
//!
//! One shipper a process: the spool of this process first, then the spools of processes that died.
//! Up to 32 batches are under way at once, two are in memory while nobody is reached. The cursor moves over a group only behind a receipt
//! that verified by the log's pinned key, under a checkpoint that is proven to continue the one
//! remembered; that one is durable before anything is released, and with it the proof of the newest seal.
//!
//! # When it goes wrong
//!
//! | what | it |
//! |-|-|
//! | nobody there, connection breaks, 429, 5xx | keeps everything, waits up to 30 s with jitter, or as told |
//! | 409 gap | goes back to what is expected, or says that it is gone |
//! | 409 fork | stops the chain |
//! | 409 rolled-back | stops, keeps both notes as evidence, asks every minute whether the log is back |
//! | 401, 403, a certificate that is not taken | stops, asks again every minute |
//! | a receipt that does not verify | stops, keeps the evidence, asks every minute whether the log proves what it should |
//!
//! # What is not checked
//!
//! That other people see the same log: witnesses are for that. That two processes of one source are
//! shown the same log, until one of them saves its checkpoint or starts anew.
//!
//! Specification: `docs/spec/batch.md`, `docs/spec/receipt.md`.

mod backoff;
mod batch;
mod beside;
mod chain;
mod engine;
mod head;
mod keeper;
mod kept_proof;
mod lock;
mod metrics;
mod orphans;
mod receipt_age;
mod room;
mod source;
mod stats;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use affiant_entry::SpoolNameError;
use tokio::sync::Notify;

pub use beside::ShipBeside;
pub use head::HeadError;
pub use receipt_age::ReceiptAge;
pub use stats::{ShipState, ShipStats, SpoolCounts};

pub(crate) use metrics::ShipCollector;
pub(crate) use source::Durable;

use crate::enrol::{EnrolError, EnrolmentError};
use crate::state::DataDir;
use crate::trail::Trail;
use engine::Engine;

/// How often spools of dead processes are looked for.
const SCAN_INTERVAL: Duration = Duration::from_secs(20);
/// How much later than its start a process looks for the first time: it has better to do then.
const SCAN_DELAY: Duration = Duration::from_secs(2);

/// `ship/checkpoint`: the newest checkpoint of the log that was verified.
#[must_use]
pub fn checkpoint_path(dir: &DataDir) -> PathBuf {
    dir.ship().join("checkpoint")
}

/// `ship/released/NAME.proof`: a C2SP tlog-proof of the newest seal of this spool that entries were
/// released behind; its `extra` is the seal's leaf hash. Not there before the first release.
#[must_use]
pub fn released_path(dir: &DataDir, spool: &str) -> PathBuf {
    dir.ship().join("released").join(format!("{spool}.proof"))
}

/// `ship/refused.json`: why shipping stopped the last time it did.
#[must_use]
pub fn refused_path(dir: &DataDir) -> PathBuf {
    dir.ship().join("refused.json")
}

/// What is shipped, and until when.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ShipOptions {
    /// The data directory of an enrolled source.
    pub dir: DataDir,
    /// The trail of this process.
    pub trail: Option<Trail>,
    /// Where the numbers go.
    pub stats: Arc<ShipStats>,
    /// Ship what is there and end: how long an aggregator that is not reached is waited for. `None`
    /// ships until the process ends.
    pub patience: Option<Duration>,
    /// Whether spools of dead processes are shipped too.
    pub orphans: bool,
}

impl ShipOptions {
    /// The trail of this process and the orphans beside it, until the process ends.
    #[must_use]
    pub fn beside(trail: &Trail) -> Self {
        Self {
            dir: trail.dir().clone(),
            stats: trail.shipping(),
            trail: Some(trail.clone()),
            patience: None,
            orphans: true,
        }
    }

    /// The spools that nobody writes to, until all is shipped.
    #[must_use]
    pub fn all_of(dir: &DataDir, patience: Duration) -> Self {
        Self {
            dir: dir.clone(),
            trail: None,
            stats: Arc::default(),
            patience: Some(patience),
            orphans: true,
        }
    }

    const fn scans(&self) -> bool {
        self.orphans
    }

    fn scan_delay_us(&self) -> u64 {
        if self.patience.is_some() {
            0
        } else {
            micros(SCAN_DELAY)
        }
    }

    fn scan_interval_us(&self) -> u64 {
        if self.patience.is_some() {
            // Everything that is there is found by one look.
            u64::MAX / 2
        } else {
            micros(SCAN_INTERVAL)
        }
    }
}

/// Shipping cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShipError {
    /// The source is not enrolled anywhere.
    #[error("source is not enrolled at an aggregator")]
    NotEnrolled,
    /// The enrolment cannot be used.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
    /// Certificate, key or CA cannot be used.
    #[error(transparent)]
    Credentials(#[from] EnrolError),
    /// The remembered checkpoint cannot be used.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The spool's name is unfit.
    #[error(transparent)]
    Name(#[from] SpoolNameError),
    /// No thread, runtime or lock.
    #[error("shipping cannot be started")]
    Io(#[from] std::io::Error),
}

/// Why shipping ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Everything is shipped.
    Done,
    /// It was asked to end.
    Stopped,
    /// The aggregator was not reached for longer than the patience.
    Unreachable(String),
    /// The aggregator or its log refuses, or is refused.
    Refused(String),
}

/// What the shipper and its owner share.
#[derive(Debug, Default)]
struct Shared {
    wake: Notify,
    /// Monotonic time by which it must have ended; 0 for none.
    deadline_us: AtomicU64,
}

impl Shared {
    fn deadline_us(&self) -> Option<u64> {
        Some(self.deadline_us.load(Ordering::SeqCst)).filter(|at| *at > 0)
    }
}

/// A shipper on a thread of its own.
#[derive(Debug)]
pub struct Shipper {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
    ended: mpsc::Receiver<Ended>,
}

impl Shipper {
    /// Starts shipping on a thread of its own, of low priority.
    ///
    /// # Errors
    /// [`ShipError`], if the enrolment cannot be used.
    pub fn start(options: ShipOptions) -> Result<Self, ShipError> {
        let shared = Arc::new(Shared::default());
        let engine = Engine::new(options, Arc::clone(&shared))?;
        let (send, ended) = mpsc::channel();
        let runtime = runtime()?;
        let thread = std::thread::Builder::new()
            .name("ship".to_owned())
            .spawn(move || {
                // The calls of the clients come first.
                let _ = rustix::process::nice(5);
                let ended = runtime.block_on(engine.run());
                runtime.shutdown_background();
                let _ = send.send(ended);
            })?;
        Ok(Self {
            shared,
            thread,
            ended,
        })
    }

    /// Asks it to end, once what is there is shipped and within `linger` at the latest; sooner if the
    /// aggregator is not reached. Call it when the trail is closed: what is left is an orphan then,
    /// for the next process.
    pub fn finish(self, linger: Duration) {
        let deadline = crate::clock::now().mono_us.saturating_add(micros(linger));
        self.shared
            .deadline_us
            .store(deadline.max(1), Ordering::SeqCst);
        self.shared.wake.notify_one();
        // A disk that stands still must not hold up the end.
        if self
            .ended
            .recv_timeout(linger + Duration::from_millis(200))
            .is_ok()
        {
            let _ = self.thread.join();
        }
    }
}

/// Ships on this thread until there is an end to it.
///
/// # Errors
/// [`ShipError`], if the enrolment cannot be used.
pub fn ship(options: ShipOptions) -> Result<Ended, ShipError> {
    let engine = Engine::new(options, Arc::new(Shared::default()))?;
    let runtime = runtime()?;
    let ended = runtime.block_on(engine.run());
    runtime.shutdown_background();
    Ok(ended)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2)
        .build()
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
