//! The log as the aggregator sees it.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use affiant_tlog::bundle::ENTRY_BYTES_MAX;
use affiant_tlog::checkpoint::Origin;
use affiant_tlog::cosignature::CosignerSigner;
use affiant_tlog::{Checkpoint, TreeSize, VerifierKey, leaf_hash};
use tokio::sync::watch;

use crate::clock::{Clock, SystemClock};
use crate::engine::{Engine, HashedLeaf, Parts};
use crate::error::{LoadError, OpenLogError, SequenceError};
use crate::head::{Head, Tree};
use crate::pending::Pending;
use crate::publication::Publication;
use crate::queue::{Pace, Queue, Submission, UNCONDITIONAL};
use crate::reader::LogReader;
use crate::sequencer::Sequencer;
use crate::signer::CheckpointSigner;
use crate::store::{DirStore, Store};
use crate::witness::{self, Client, PublishRule, WitnessState, Witnesses};

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
    /// From when on `co_signers` sign no more, wall clock in milliseconds since 1970: the end of a
    /// hand-over. `None` for never.
    pub co_signers_until_ms: Option<u64>,
    /// A key of the log's own that signs in the form of a cosignature, such as ML-DSA-44: one more line
    /// on each checkpoint, which whoever does not know the key ignores. Its name must be the origin.
    pub own_cosigner: Option<Arc<CosignerSigner>>,
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
    /// Whom to ask for cosignatures; `None` for nobody.
    pub witnesses: Option<Witnesses>,
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
            co_signers_until_ms: None,
            own_cosigner: None,
            earlier_keys: Vec::new(),
            interval: Duration::from_millis(100),
            idle: Duration::from_secs(60),
            round_bytes: 32 << 20,
            queued_bytes_max: 128 << 20,
            witnesses: None,
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
    client: Option<Arc<Client>>,
    sequencer: Mutex<Option<JoinHandle<()>>>,
    witnessing: Mutex<Option<JoinHandle<()>>>,
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
        let (idle, witnesses) = (options.idle, options.witnesses.clone());
        let parts = Arc::new(parts(store, options)?);
        let rule = witnesses.as_ref().map(|w| w.rule).unwrap_or_default();
        let (engine, publication) = load(&parts, rule).map_err(OpenLogError::Load)?;
        let client = witnesses.map(|witnesses| {
            let keys = parts.known_keys();
            Arc::new(Client::new(witnesses, reader.clone(), keys))
        });
        if let Some(client) = &client {
            compare_with_witnesses(client, &publication, &engine)?;
        }
        let mut inner = Inner {
            queue: Arc::new(Queue::default()),
            pace,
            publication: Arc::new(publication),
            reader,
            key,
            client,
            sequencer: Mutex::new(None),
            witnessing: Mutex::new(None),
        };
        inner
            .start(parts, engine, idle)
            .map_err(OpenLogError::Thread)?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Submits leaves: all of them or none are appended, contiguous and in order. Hashes them on the
    /// caller's thread; never blocks on storage. Nothing of a submission is acknowledged before the
    /// outcome says so. No leaves at all are answered with the head of the next round.
    ///
    /// Submissions are sequenced in the order of their calls, but one that fails does not stop those
    /// behind it: whoever submits leaves that build on others not yet settled uses
    /// [`submit_in`](Self::submit_in).
    pub fn submit(&self, leaves: Vec<Vec<u8>>) -> Pending {
        self.submit_in(UNCONDITIONAL, leaves)
    }

    /// As [`submit`](Self::submit), unless a round failed since `epoch`, which [`epoch`](Self::epoch)
    /// gave: then the outcome is [`SequenceError::NotAppended`]. So of a line of submissions made in one
    /// epoch, each behind the others, the log has a beginning: never one without those before it.
    pub fn submit_in(&self, epoch: u64, leaves: Vec<Vec<u8>>) -> Pending {
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
            epoch,
            reply,
        };
        self.inner.queue.push(submission, self.inner.pace);
        pending
    }

    /// How many rounds failed so far. It moves on before any submission of a failed round is answered,
    /// and before leaves whose outcome was unknown turn out to be in the log.
    pub fn epoch(&self) -> u64 {
        self.inner.queue.epoch()
    }

    /// Asks for a round now, for what was submitted so far.
    pub fn flush(&self) {
        self.inner.queue.flush();
    }

    /// The published head.
    pub fn head(&self) -> Arc<Head> {
        self.inner.publication.head()
    }

    /// Size of the newest signed head, published or waiting for its quorum: whatever the log took and
    /// did not fail stands before it.
    pub fn sequenced(&self) -> TreeSize {
        self.inner.publication.sequenced()
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

    /// What is known of each witness that is asked; empty without witnesses.
    pub fn witnesses(&self) -> Vec<WitnessState> {
        let client = self.inner.client.as_ref();
        client.map_or_else(Vec::new, |client| client.states())
    }

    /// Takes no more submissions, sequences those that wait, and gives the lease back. Blocks until
    /// that is done.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl Inner {
    fn start(&mut self, parts: Arc<Parts>, engine: Engine, idle: Duration) -> io::Result<()> {
        let clock = Arc::clone(&parts.clock);
        let publication = Arc::clone(&self.publication);
        let queue = Arc::clone(&self.queue);
        let sequencer = Sequencer::new(parts, engine, Arc::clone(&publication), queue);
        let pace = self.pace;
        let thread = spawn("sequencer", move || sequencer.run(pace))?;
        self.sequencer = Mutex::new(Some(thread));
        if let Some(client) = self.client.clone() {
            let thread = spawn("witnesses", move || {
                witness::run(&client, &publication, &*clock, idle);
            })?;
            self.witnessing = Mutex::new(Some(thread));
        }
        Ok(())
    }

    fn close(&self) {
        self.queue.close();
        join(&self.sequencer);
        self.publication.close();
        join(&self.witnessing);
        self.publication.end();
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
}

fn join(thread: &Mutex<Option<JoinHandle<()>>>) {
    let mut thread = thread.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(thread) = thread.take()
        && thread.join().is_err()
    {
        tracing::error!("a thread of the log panicked");
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
    let own = options.own_cosigner.as_ref().map(|own| own.key());
    if let Some(key) = own.filter(|key| key.name().as_str() != origin.as_str()) {
        let key = key.key_ref();
        return Err(unusable(format!("signer {key} is not named {origin}")));
    }
    Ok(Parts {
        store,
        clock: options.clock,
        origin,
        signers,
        co_signers_until_ms: options.co_signers_until_ms,
        own_cosigner: options.own_cosigner,
        earlier_keys: options.earlier_keys,
    })
}

/// Loads the log and publishes its head, unless that must wait for witnesses.
fn load(parts: &Arc<Parts>, rule: PublishRule) -> Result<(Engine, Publication), LoadError> {
    let (engine, published) = Engine::load(parts)?;
    let checkpoint = engine.record().checkpoint();
    let note = published.note(&engine)?;
    let shown = match (rule, published.note) {
        (PublishRule::AtOnce, _) => Head {
            checkpoint: checkpoint.clone(),
            note: note.to_bytes(),
        },
        (PublishRule::WithQuorum, Some((note, checkpoint))) => Head {
            checkpoint,
            note: note.to_bytes(),
        },
        (PublishRule::WithQuorum, None) => {
            let tree = Tree::empty();
            let checkpoint = Checkpoint::new(parts.origin.clone(), tree.size, tree.root);
            let note = parts.sign(&checkpoint, parts.clock.utc_ms())?;
            Head {
                checkpoint,
                note: note.to_bytes(),
            }
        }
    };
    let publication = Publication::new(Arc::clone(&parts.store), shown, rule);
    publication.offer(checkpoint, note)?;
    Ok((engine, publication))
}

/// Before anything new is signed: do the witnesses remember more than storage does?
fn compare_with_witnesses(
    client: &Client,
    publication: &Publication,
    engine: &Engine,
) -> Result<(), OpenLogError> {
    let note = engine.sign();
    let note = note.map_err(|error| OpenLogError::Load(LoadError::Sign(error)))?;
    let checkpoint = engine.record().checkpoint();
    witness::ask_and_show(client, publication, &checkpoint, &note)
        .map(|_| ())
        .map_err(OpenLogError::Witness)
}
