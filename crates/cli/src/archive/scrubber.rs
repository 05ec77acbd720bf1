//! The scrub of a running aggregator, and of `affiant archive scrub`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use affiant_aggregator::clock;
use affiant_archive::store::{LockMode, Objects};
use affiant_archive::{ArchiveError, Pace, Scrub, ScrubState};

use super::counts::Counts;
use super::local::ArchiveDir;

/// How often a pause looks whether it is time to stop.
const BLINK: Duration = Duration::from_millis(100);

/// A thread that looks at the archive again and again.
pub(super) struct Scrubber {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What a scrubber works with.
pub(super) struct Work {
    pub(super) objects: Arc<dyn Objects>,
    pub(super) dir: ArchiveDir,
    pub(super) lock: Option<LockMode>,
    pub(super) pace: Pace,
    pub(super) every: Duration,
    pub(super) counts: Arc<Counts>,
}

impl Scrubber {
    pub(super) fn start(work: Work) -> std::io::Result<Self> {
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("archive-scrub".to_owned());
        let thread = thread.spawn(move || work.run(&stopped))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Scrubber {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Work {
    fn run(&self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            if let Err(error) = self.pass(stop) {
                let error = crate::error::chain(&error);
                tracing::warn!(%error, "archive cannot be scrubbed");
            }
            pause(self.every, stop);
        }
    }

    fn pass(&self, stop: &AtomicBool) -> Result<(), ArchiveError> {
        let state = self.dir.scrub()?;
        if let Some(last) = &state.last {
            self.counts.passed(last);
        }
        let mut keep = |state: &ScrubState, objects: u64| {
            self.counts.scrubbed(objects);
            self.dir.keep_scrub(state)
        };
        let state = run_pass(&*self.objects, self.lock, self.pace, state, stop, &mut keep)?;
        let Some(last) = state.last.filter(|_| !stop.load(Ordering::Relaxed)) else {
            return Ok(());
        };
        self.counts.passed(&last);
        for finding in &last.findings {
            let (key, problem) = (&finding.key, finding.problem.name());
            tracing::error!(
                key,
                problem,
                detail = finding.detail,
                "archive is not as it was written"
            );
        }
        Ok(())
    }
}

/// Goes on with a pass until it is over or `stop` says so. `keep` gets the state after each set, and how many
/// objects were looked at since the last time.
pub(crate) fn run_pass(
    objects: &dyn Objects,
    lock: Option<LockMode>,
    pace: Pace,
    state: ScrubState,
    stop: &AtomicBool,
    keep: &mut dyn FnMut(&ScrubState, u64) -> std::io::Result<()>,
) -> Result<ScrubState, ArchiveError> {
    let mut scrub = Scrub::resume(objects, lock, state, clock::now().utc_us)?;
    let began = clock::now();
    let (bytes_before, mut seen) = (scrub.state().pass.bytes, scrub.state().pass.objects);
    while !stop.load(Ordering::Relaxed) {
        let more = scrub.step(clock::now().utc_us)?;
        let pass = if more {
            Some(&scrub.state().pass)
        } else {
            scrub.state().last.as_ref()
        };
        let (bytes, objects) = pass.map_or((0, 0), |pass| (pass.bytes, pass.objects));
        keep(scrub.state(), objects.saturating_sub(seen))?;
        seen = objects;
        if !more {
            break;
        }
        let due = pace.due(bytes.saturating_sub(bytes_before));
        let spent = Duration::from_micros(clock::now().since_us(&began));
        pause(due.saturating_sub(spent), stop);
    }
    Ok(scrub.state().clone())
}

fn pause(time: Duration, stop: &AtomicBool) {
    let mut left = time;
    while !left.is_zero() && !stop.load(Ordering::Relaxed) {
        let nap = left.min(BLINK);
        std::thread::sleep(nap);
        left = left.saturating_sub(nap);
    }
}
