//! The archive as a view of the log: notes what comes, and cuts a set when one is due.
//!
//! Its cursor goes with the leaves it has seen; what is seen and not archived is read from the log again when
//! a set is cut. After an error the archive is opened anew, and the cursor goes back to its end, so that the
//! lag shows.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use affiant_aggregator::config::{ArchiveSettings, Settings};
use affiant_aggregator::views::{Pen, View, ViewError};
use affiant_aggregator::{StateDir, clock};
use affiant_archive::store::Objects;
use affiant_archive::{About, ArchiveError, Archiver, Pace};
use affiant_entry::Moment;
use affiant_log::LogReader;
use affiant_tlog::{LeafIndex, TreeSize};
use fs_err as fs;

use super::blobs::DirBlobs;
use super::counts::Counts;
use super::local::ArchiveDir;
use super::place;
use super::scrubber::{Scrubber, Work};

/// The view.
pub(crate) struct ArchiveView {
    state: RefCell<State>,
}

struct State {
    settings: ArchiveSettings,
    log: String,
    vkey: PathBuf,
    blobs: PathBuf,
    dir: ArchiveDir,
    objects: Arc<dyn Objects>,
    counts: Arc<Counts>,
    stopping: Arc<AtomicBool>,
    reader: Option<LogReader>,
    archiver: Option<Archiver>,
    scrubber: Option<Scrubber>,
    seen: LeafIndex,
    /// When the oldest leaf that waits was seen.
    waiting: Option<Moment>,
}

impl ArchiveView {
    /// The archive that the settings of an aggregator name.
    pub(crate) fn new(
        settings: &Settings,
        archive: &ArchiveSettings,
        objects: Arc<dyn Objects>,
        dir: &StateDir,
        counts: Arc<Counts>,
        stopping: Arc<AtomicBool>,
    ) -> Self {
        let state = State {
            settings: archive.clone(),
            log: settings.log_name.clone(),
            vkey: dir.log_vkey(),
            blobs: dir.blobs(),
            dir: ArchiveDir::of(dir),
            objects,
            counts,
            stopping,
            reader: None,
            archiver: None,
            scrubber: None,
            seen: LeafIndex(0),
            waiting: None,
        };
        Self {
            state: RefCell::new(state),
        }
    }
}

impl View for ArchiveView {
    fn name(&self) -> &'static str {
        "archive"
    }

    fn attach(&mut self, pen: &Pen) {
        let state = self.state.get_mut();
        state.reader = Some(pen.reader());
        let work = Work {
            objects: Arc::clone(&state.objects),
            dir: state.dir.clone(),
            lock: place::lock(&state.settings),
            pace: Pace {
                bytes_per_s: state.settings.scrub_bytes_per_s,
            },
            every: state.settings.scrub_every,
            counts: Arc::clone(&state.counts),
        };
        match Scrubber::start(work) {
            Ok(scrubber) => state.scrubber = Some(scrubber),
            Err(error) => tracing::error!(%error, "archive is not scrubbed"),
        }
    }

    fn cursor(&self) -> Result<LeafIndex, ViewError> {
        let mut state = self.state.borrow_mut();
        if state.open().is_ok() {
            return Ok(state.seen);
        }
        // What is known of its end, so that the lag shows; the call that follows says why.
        let known = state.dir.head();
        let known = known.map_err(|error| ViewError::new("reading the archive's head", error))?;
        Ok(LeafIndex(known.map_or(0, |head| head.end)))
    }

    fn apply(&mut self, first: LeafIndex, leaves: &[Vec<u8>]) -> Result<(), ViewError> {
        let state = self.state.get_mut();
        state.open().map_err(failed("opening the archive"))?;
        let count = u64::try_from(leaves.len()).unwrap_or(u64::MAX);
        state.seen = state.seen.max(LeafIndex(first.0.saturating_add(count)));
        state.waiting.get_or_insert_with(clock::now);
        state.cut_if_due().map_err(failed("archiving"))
    }

    fn idle(&mut self, _now: Moment) -> Result<(), ViewError> {
        let state = self.state.get_mut();
        state.open().map_err(failed("opening the archive"))?;
        state.cut_if_due().map_err(failed("archiving"))
    }
}

impl State {
    fn open(&mut self) -> Result<(), ArchiveError> {
        if self.archiver.is_some() {
            return Ok(());
        }
        let Some(reader) = self.reader.clone() else {
            return Err(ArchiveError::NoCheckpoint);
        };
        let vkey = fs::read_to_string(&self.vkey)?;
        let about = About::new(self.log.clone(), vkey.trim().to_owned());
        let limits = place::limits(&self.settings);
        let known = self.dir.head()?;
        let objects = Arc::clone(&self.objects);
        let archiver = Archiver::open(objects, reader, &about, limits, known.as_ref())?;
        let archiver = archiver
            .with_blobs(Box::new(DirBlobs(self.blobs.clone())))
            .with_stop(Arc::clone(&self.stopping));
        let head = archiver.head();
        if let Some(head) = head.as_ref().filter(|head| known.as_ref() != Some(*head)) {
            self.dir.keep_head(head)?;
        }
        self.counts.holds(archiver.end().0);
        self.seen = archiver.end();
        self.waiting = None;
        self.archiver = Some(archiver);
        Ok(())
    }

    fn cut_if_due(&mut self) -> Result<(), ArchiveError> {
        let Some(archiver) = &mut self.archiver else {
            return Ok(());
        };
        let now = clock::now();
        let waited = self.waiting.map_or(0, |since| now.since_us(&since));
        let asked = self.dir.is_flush_asked();
        let due = archiver.is_due(TreeSize(self.seen.0), Duration::from_micros(waited));
        if !due && !asked {
            return Ok(());
        }
        let cut = archiver.cut(now.utc_us);
        if cut.is_err() {
            // Nothing is known: the next call looks where the archive ends.
            self.archiver = None;
        }
        if let Some(cut) = cut? {
            self.dir.keep_head(&cut.head)?;
            self.counts.wrote(cut.bytes);
            self.counts.holds(cut.head.end);
            tracing::info!(set = cut.head.set, leaves = cut.head.end, "set archived");
        }
        self.waiting = None;
        if asked {
            self.dir.flushed();
        }
        Ok(())
    }
}

fn failed(doing: &'static str) -> impl Fn(ArchiveError) -> ViewError {
    move |error| ViewError::new(doing, error)
}
