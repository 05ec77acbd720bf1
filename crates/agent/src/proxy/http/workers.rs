//! The threads that serve: one a core, each with an event loop of its own.
//!
//! A connection stays on the thread it was given to, and so do the upstream connections its requests
//! use. A call then wakes no second thread on its way, which would cost more than all that is done
//! for it here.

use std::io;
use std::num::NonZeroUsize;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

/// Most threads: beyond, the trail is what limits, and each has upstream connections of its own.
const WORKERS_MAX: usize = 16;

/// The threads of a gateway. Dropping it stops them, without waiting.
#[derive(Debug)]
pub(super) struct Workers {
    workers: Vec<Worker>,
}

#[derive(Debug)]
struct Worker {
    handle: Handle,
    /// The thread ends when this is gone.
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Workers {
    /// Starts one thread a core.
    ///
    /// # Errors
    /// When the system gives no thread or no event queue.
    pub(super) fn start() -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let workers = (0..cores.min(WORKERS_MAX)).map(Worker::start);
        Ok(Self {
            workers: workers.collect::<io::Result<_>>()?,
        })
    }

    /// Where to spawn what each thread is to do.
    pub(super) fn handles(&self) -> Vec<Handle> {
        self.workers.iter().map(|w| w.handle.clone()).collect()
    }

    /// Ends the threads; what still runs on them is dropped before this returns.
    pub(super) async fn stop(self) {
        let (stops, threads): (Vec<_>, Vec<_>) =
            self.workers.into_iter().map(|w| (w.stop, w.thread)).unzip();
        drop(stops);
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                let _ = thread.join();
            }
        });
        let _ = joined.await;
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || run(runtime, stopped))?;
        Ok(Self {
            handle,
            stop,
            thread,
        })
    }
}

fn run(runtime: Runtime, stopped: oneshot::Receiver<()>) {
    // It ends with an error: nothing is ever sent.
    let _ = runtime.block_on(stopped);
    // Name resolution may still hold a thread, for as long as it likes.
    runtime.shutdown_background();
}
