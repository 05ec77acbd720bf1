//! RFC 3161 anchors: what authorities outside say of when a checkpoint was there.
//!
//! One task an authority. It asks for a stamp over the published checkpoint, verifies it with the pinned
//! roots, and puts both into the log as a `checkpoint.anchor` entry, under the next checkpoint. A tree that
//! did not grow but by anchors is not stamped again. A failure is counted and said, and tried again after a
//! pause that doubles.
//!
//! Not checked: whether the authority's clock is right. Verifiers pin roots of their own choice.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use affiant_entry::record::{Anchor, Body};
use affiant_log::Head;
use affiant_log::anchor::{AnchorError, Authority};
use affiant_log::net::{HttpPost, Post, PostError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::watch;

use crate::clock;
use crate::config::AnchorSettings;
use crate::files::FileError;
use crate::ledger::{Ledger, LedgerError};

/// The authorities of an aggregator, and what became of them.
#[derive(Debug, Default)]
pub(crate) struct Anchors {
    all: Vec<Arc<Anchoring>>,
    /// Anchor entries of this process in the log: leaves that are no reason for another anchor.
    leaves: Arc<AtomicU64>,
}

/// One authority.
#[derive(Debug)]
pub(crate) struct Anchoring {
    authority: Authority,
    every: Duration,
    counts: AnchorCounts,
}

/// What one authority did since the process started.
#[derive(Debug, Default)]
pub(crate) struct AnchorCounts {
    /// Anchors in the log.
    pub(crate) anchored: AtomicU64,
    /// Requests that gave none.
    pub(crate) failed: AtomicU64,
    /// Size of the tree that was anchored last.
    pub(crate) size: AtomicU64,
    /// When, microseconds since the Unix epoch; 0 for never.
    pub(crate) at_utc_us: AtomicI64,
}

/// An anchor did not come about.
#[derive(Debug, thiserror::Error)]
enum NoAnchor {
    #[error("no time stamp")]
    Authority(#[from] AnchorError),
    #[error("anchor is not in the log")]
    Ledger(#[from] LedgerError),
    #[error("request for a time stamp panicked")]
    Panicked,
}

impl Anchors {
    /// Reads the roots of each authority.
    ///
    /// # Errors
    /// When a file is not there, or holds no certificate.
    pub(crate) fn open(settings: &[AnchorSettings]) -> Result<Self, FileError> {
        let open = |one: &AnchorSettings| {
            Ok(Arc::new(Anchoring {
                authority: Authority {
                    name: one.name.clone(),
                    url: one.url.clone(),
                    roots: roots(&one.roots_file)?,
                    timeout: one.timeout,
                },
                every: one.every,
                counts: AnchorCounts::default(),
            }))
        };
        Ok(Self {
            all: settings
                .iter()
                .map(open)
                .collect::<Result<_, FileError>>()?,
            leaves: Arc::default(),
        })
    }

    /// Name and counts of each authority.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&str, &AnchorCounts)> {
        let all = self.all.iter();
        all.map(|one| (one.authority.name.as_str(), &one.counts))
    }

    /// Starts a task for each authority, which ends when `stop` changes.
    ///
    /// # Errors
    /// Where the system has no cryptography to offer.
    pub(crate) fn start(
        &self,
        ledger: &Ledger,
        stop: &watch::Receiver<bool>,
    ) -> Result<Vec<tokio::task::JoinHandle<()>>, PostError> {
        if self.all.is_empty() {
            return Ok(Vec::new());
        }
        let post: Arc<dyn Post> = Arc::new(HttpPost::new()?);
        let start = |one: &Arc<Anchoring>| {
            let task = Task {
                of: Arc::clone(one),
                ledger: ledger.clone(),
                post: Arc::clone(&post),
                leaves: Arc::clone(&self.leaves),
                last: None,
                pause: PAUSE_MIN,
            };
            tokio::spawn(task.run(stop.clone()))
        };
        Ok(self.all.iter().map(start).collect())
    }
}

/// The work of one authority.
struct Task {
    of: Arc<Anchoring>,
    ledger: Ledger,
    post: Arc<dyn Post>,
    leaves: Arc<AtomicU64>,
    last: Option<Anchored>,
    /// Before the next try, after a failure.
    pause: Duration,
}

/// What was anchored last.
#[derive(Debug, Clone, Copy)]
struct Anchored {
    size: u64,
    /// Anchor entries in the log at that time.
    leaves: u64,
}

impl Task {
    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut wait = FIRST_AFTER.min(self.of.every);
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stop.changed() => return,
            }
            let head = self.ledger.head();
            if !self.has_grown(&head) {
                wait = self.of.every;
                continue;
            }
            let done = tokio::select! {
                done = self.anchor(&head) => done,
                _ = stop.changed() => return,
            };
            wait = self.take(&head, done);
        }
    }

    /// Whether there are leaves behind the last anchor that are not anchors themselves.
    fn has_grown(&self, head: &Head) -> bool {
        let size = head.checkpoint.size.0;
        let Some(last) = self.last else {
            return size > 0;
        };
        let anchors = self
            .leaves
            .load(Ordering::SeqCst)
            .saturating_sub(last.leaves);
        size.saturating_sub(last.size) > anchors
    }

    async fn anchor(&self, head: &Head) -> Result<(), NoAnchor> {
        let (of, post) = (Arc::clone(&self.of), Arc::clone(&self.post));
        let note = head.note.clone();
        let asked = tokio::task::spawn_blocking(move || of.authority.anchor(&*post, &note));
        let anchor = asked.await.map_err(|_| NoAnchor::Panicked)??;
        let body = Body::CheckpointAnchor(Box::new(Anchor {
            authority: self.of.authority.name.clone(),
            size: head.checkpoint.size.0,
            root: head.checkpoint.root.to_base64(),
            checkpoint: String::from_utf8_lossy(&head.note).into_owned(),
            token: STANDARD.encode(&anchor.token),
            gen_time: anchor.stamp.time,
        }));
        self.ledger.record_durably(vec![body]).await?;
        Ok(())
    }

    /// Counts an outcome, and says how long to wait.
    fn take(&mut self, head: &Head, done: Result<(), NoAnchor>) -> Duration {
        let name = &self.of.authority.name;
        let counts = &self.of.counts;
        let size = head.checkpoint.size.0;
        match done {
            Ok(()) => {
                tracing::info!(authority = name, size, "checkpoint anchored");
                counts.anchored.fetch_add(1, Ordering::Relaxed);
                counts.size.store(size, Ordering::Relaxed);
                counts
                    .at_utc_us
                    .store(clock::now().utc_us, Ordering::Relaxed);
                let before = self.leaves.fetch_add(1, Ordering::SeqCst);
                self.last = Some(Anchored {
                    size,
                    leaves: before,
                });
                self.pause = PAUSE_MIN;
                self.of.every
            }
            Err(error) => {
                let pause = self.pause.min(self.of.every);
                tracing::warn!(
                    authority = name,
                    error = crate::problem::chain(&error),
                    again_s = pause.as_secs(),
                    "checkpoint is not anchored"
                );
                counts.failed.fetch_add(1, Ordering::Relaxed);
                self.pause = self.pause.saturating_mul(2).min(PAUSE_MAX);
                pause
            }
        }
    }
}

/// The certificates in a PEM file.
fn roots(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let pem = fs_err::read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) | Err(_) => Err(FileError::content(path, "PEM certificate")),
    }
}

/// The first anchor of a process: when what a start has to say is in the log.
const FIRST_AFTER: Duration = Duration::from_secs(2);
/// Before the first try after a failure; doubled with each further one.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(600);
