//! The log as the aggregator sees it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use affiant_tlog::bundle::ENTRY_BYTES_MAX;
use affiant_tlog::checkpoint::Origin;
use affiant_tlog::{VerifierKey, leaf_hash};
use tokio::sync::watch;

use crate::clock::{Clock, SystemClock};
use crate::engine::{Engine, HashedLeaf, Parts};
use crate::error::{LoadError, OpenLogError, SequenceError};
use crate::head::Head;
use crate::pending::Pending;
use crate::publication::Publication;
use crate::queue::{Pace, Queue, Submission};
use crate::reader::LogReader;
use crate::sequencer::Sequencer;
use crate::signer::CheckpointSigner;
use crate::store::{DirStore, Store};

/// How a log is opened. [`LogOptions::new`] gives the defaults.
#[derive(Clone)]
#[non_exhaustive]
pub struct LogOptions {
    /// The directory in tlog-tiles layout, for anyone to read.
    pub dir: PathBuf,
    /// The writer's own directory. Best on the same file system as `dir`.
    pub state: PathBuf,
    /// Signs checkpoints; its key's name is the log's origin.
    pub signer: Arc<dyn CheckpointSigner>,
    /// Signers whose lines stand on each checkpoint as well, such as the next key during a hand-over.
    /// Their names must be the origin, too.
    pub co_signers: Vec<Arc<dyn CheckpointSigner>>,
    /// Keys that signed this log before `signer` did: what was published under them is accepted.
    pub earlier_keys: Vec<VerifierKey>,
    /// From round to round when busy. Default 100 ms.
    pub interval: Duration,
    /// From checkpoint to checkpoint when idle. Default 60 s.
    pub idle: Duration,
    /// Bytes of leaves that make a round begin at once, and about the most in one. Default 32 MiB.
    pub round_bytes: usize,
    /// Bytes of leaves that may wait; more are refused. Default 128 MiB.
    pub queued_bytes_max: usize,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
}

impl LogOptions {
    /// A log in two directories, with the defaults.
    pub fn new(
        dir: impl Into<PathBuf>,
        state: impl Into<PathBuf>,
        signer: Arc<dyn CheckpointSigner>,
    ) -> Self {
        Self {
            dir: dir.into(),
            state: state.into(),
            signer,
            co_signers: Vec::new(),
            earlier_keys: Vec::new(),
            interval: Duration::from_millis(100),
            idle: Duration::from_secs(60),
            round_bytes: 32 << 20,
            queued_bytes_max: 128 << 20,
            clock: Arc::new(SystemClock),
        }
    }
}

/// A log open for writing. Clones are the same log; it is closed with the last of them.
#[derive(Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

struct Inner {
    queue: Arc<Queue>,
    pace: Pace,
    publication: Arc<Publication>,
    reader: LogReader,
    key: VerifierKey,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Log {
    /// Opens the log in its directories, or begins one, ends what a crash left undone, publishes the
    /// head, and starts the sequencer.
    ///
    /// # Errors
    ///
    /// [`OpenLogError`]. Nothing was written if [`LoadError::is_retryable`] says no.
    pub fn open(options: LogOptions) -> Result<Self, OpenLogError> {
        let store = DirStore::open(&options.dir, &options.state).map_err(OpenLogError::Store)?;
        let reader = LogReader::new(Arc::new(store.reader()));
        Self::open_store(Arc::new(store), reader, options)
    }

    /// Opens the log in any store; `dir` and `state` of the options mean nothing. The reader must
    /// read what the store writes, and is better off not to keep the store itself alive.
    ///
    /// # Errors
    ///
    /// [`OpenLogError`].
    pub fn open_store(
        store: Arc<dyn Store>,
        reader: LogReader,
        options: LogOptions,
    ) -> Result<Self, OpenLogError> {
        let pace = Pace {
            interval: options.interval,
            round_bytes: options.round_bytes.max(1),
            queued_bytes_max: options.queued_bytes_max,
        };
        let key = options.signer.verifier_key().clone();
        let parts = Arc::new(parts(store, options)?);
        let (engine, publication) = load(&parts).map_err(OpenLogError::Load)?;
        let publication = Arc::new(publication);
        let queue = Arc::new(Queue::default());
        let sequencer = Sequencer::new(parts, engine, Arc::clone(&publication));
        let taken = Arc::clone(&queue);
        let thread = std::thread::Builder::new()
            .name("sequencer".to_owned())
            .spawn(move || sequencer.run(&taken, pace))
            .map_err(OpenLogError::Thread)?;
        Ok(Self {
            inner: Arc::new(Inner {
                queue,
                pace,
                publication,
                reader,
                key,
                thread: Mutex::new(Some(thread)),
            }),
        })
    }

    /// Submits leaves: all of them or none are appended, contiguous and in order. Hashes them on the
    /// caller's thread; never blocks on storage. Nothing of a submission is acknowledged before the
    /// outcome says so. No leaves at all are answered with the head of the next round.
    pub fn submit(&self, leaves: Vec<Vec<u8>>) -> Pending {
        let (reply, pending) = Pending::new();
        let too_long = |leaf: &Vec<u8>| leaf.len() > ENTRY_BYTES_MAX;
        if let Some(index) = leaves.iter().position(too_long) {
            let bytes = leaves.get(index).map_or(0, Vec::len);
            drop(reply.send(Err(SequenceError::LeafTooLong { index, bytes })));
            return pending;
        }
        let hashed = |bytes: Vec<u8>| HashedLeaf {
            hash: leaf_hash(&bytes),
            bytes,
        };
        let bytes = leaves.iter().map(Vec::len).sum();
        let submission = Submission {
            leaves: leaves.into_iter().map(hashed).collect(),
            bytes,
            reply,
        };
        self.inner.queue.push(submission, self.inner.pace);
        pending
    }

    /// Asks for a round now, for what was submitted so far.
    pub fn flush(&self) {
        self.inner.queue.flush();
    }

    /// The published head.
    pub fn head(&self) -> Arc<Head> {
        self.inner.publication.head()
    }

    /// The published head, and each one after it.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Head>> {
        self.inner.publication.heads()
    }

    /// Reads the log. Readers go on working when the log is closed.
    pub fn reader(&self) -> LogReader {
        self.inner.reader.clone()
    }

    /// The key that signs checkpoints.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.inner.key
    }

    /// Takes no more submissions, sequences those that wait, and gives the lease back. Blocks until
    /// that is done.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl Inner {
    fn close(&self) {
        self.queue.close();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take()
            && thread.join().is_err()
        {
            tracing::error!("sequencer panicked");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Log({})", self.inner.key)
    }
}

fn parts(store: Arc<dyn Store>, options: LogOptions) -> Result<Parts, OpenLogError> {
    let unusable = |reason: String| OpenLogError::Option { reason };
    let origin = Origin::of(options.signer.verifier_key().name())
        .map_err(|error| unusable(format!("key name: {error}")))?;
    let mut signers = vec![options.signer];
    signers.extend(options.co_signers);
    let foreign = |signer: &&Arc<dyn CheckpointSigner>| {
        signer.verifier_key().name().as_str() != origin.as_str()
    };
    if let Some(signer) = signers.iter().find(foreign) {
        let key = signer.verifier_key().key_ref();
        return Err(unusable(format!("signer {key} is not named {origin}")));
    }
    Ok(Parts {
        store,
        clock: options.clock,
        origin,
        signers,
        earlier_keys: options.earlier_keys,
    })
}

/// Loads the log and publishes its head.
fn load(parts: &Arc<Parts>) -> Result<(Engine, Publication), LoadError> {
    let loaded = Engine::load(parts)?;
    let engine = loaded.engine;
    let note = match loaded.published {
        Some(note) => note,
        None => engine.sign()?,
    };
    let checkpoint = engine.record().checkpoint();
    let head = Head {
        checkpoint: checkpoint.clone(),
        note: note.to_bytes(),
    };
    let publication = Publication::new(Arc::clone(&parts.store), head);
    publication.publish(checkpoint, &note)?;
    Ok((engine, publication))
}
