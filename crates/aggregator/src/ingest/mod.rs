//! From a batch on the wire to leaves in the log and a receipt.
//!
//! ```text
//! body ─▸ batch ─▸ groups checked ─▸ placed on the chain's head ─▸ blobs kept ─▸ submitted ─▸ receipt
//!  budget  reader    signature, root    one batch of a chain at a time            checkpoint durable
//! ```
//!
//! Checking is the work, needs no order, and is done before a batch waits for its chain. The head of
//! the chain moves when a batch is submitted, not when it is durable, so that the batches of a chain
//! share checkpoints; if a submission fails, every head is read again ([`Ledger`](crate::ledger)).
//!
//! A batch is taken whole or not at all. What is not taken, and why, is counted, and said in the log.

mod body;
mod gate;
mod place;
mod receipt;

use std::sync::Arc;
use std::time::Duration;

use affiant_entry::batch::{
    BATCH_BYTES_MAX, BATCH_MEDIA_TYPE, BatchError, BatchHeader, BatchReader,
};
use affiant_entry::link::{BadSeal, CheckedGroup, EntryProblem};
use affiant_entry::receipt::{Credits, RECEIPT_MEDIA_TYPE};
use affiant_entry::{Decoded, SourceId, Trust};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

pub(crate) use body::{Budget, read as read_body};
pub(crate) use gate::{Admitted, admitted};

use crate::blobs::Blobs;
use crate::core::Core;
use crate::problem::Problem;
use crate::tls::Peer;

/// A batch that was read and whose seals hold.
#[derive(Debug)]
struct Offered {
    header: BatchHeader,
    groups: Vec<OfferedGroup>,
    /// Blobs of groups of later batches.
    ahead: Vec<Vec<u8>>,
}

/// A group whose seal holds.
#[derive(Debug)]
struct OfferedGroup {
    checked: CheckedGroup,
    leaves: Vec<Vec<u8>>,
    blobs: Vec<Vec<u8>>,
    /// Rotation notes of its boot, if only they lead to the key that seals it.
    new_rotations: Option<String>,
}

/// `POST /v1/batches`.
pub(crate) async fn post_batch(
    State(core): State<Arc<Core>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let admitted = match admitted(&core, &peer) {
        Ok(admitted) => admitted,
        Err(problem) => {
            let source = match &peer {
                Peer::Source(identity) => Some(&identity.source),
                Peer::Unknown | Peer::Nameless => None,
            };
            core.refusals.count(source, &problem, 0);
            return problem.into_response();
        }
    };
    // On a task of its own: who hangs up changes nothing of what is taken, nor of what is counted.
    let taken = tokio::spawn(taken(core, admitted, headers, body)).await;
    taken.unwrap_or_else(|error| {
        tracing::error!(%error, "work on a batch panicked");
        Problem::log_unavailable("an error of the aggregator; it is in its log").into_response()
    })
}

async fn taken(core: Arc<Core>, from: Admitted, headers: HeaderMap, body: Body) -> Response {
    let source = from.source;
    match batch(&core, &source, from.trust, &headers, body).await {
        Ok(receipt) => ([(CONTENT_TYPE, RECEIPT_MEDIA_TYPE)], receipt).into_response(),
        Err(refused) => {
            core.refusals
                .count(Some(&source), &refused.problem, refused.entries);
            refused.problem.into_response()
        }
    }
}

/// A refusal with the entries it concerns.
#[derive(Debug)]
struct Refused {
    problem: Problem,
    entries: u64,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self {
            problem,
            entries: 0,
        }
    }
}

async fn batch(
    core: &Arc<Core>,
    source: &SourceId,
    trust: Trust,
    headers: &HeaderMap,
    body: Body,
) -> Result<Vec<u8>, Refused> {
    check_headers(headers)?;
    let (bytes, mut held) = body::read(&core.budget, body, BATCH_BYTES_MAX).await?;
    let own = core.ledger.own_id().clone();
    let sender = source.clone();
    let offered = blocking(move || {
        let batch = body::decompress(&bytes, &mut held)?;
        drop(bytes);
        let offered = read(&batch, &sender, &own, &trust)?;
        Ok::<_, Refused>((offered, held))
    });
    let read = offered.await?;
    let entries = read
        .as_ref()
        .map_or_else(|no| no.entries, |(batch, _)| batch.entries());
    if read.is_ok() || entries > 0 {
        core.metrics.source(source).received(entries);
    }
    let (offered, held) = read?;
    let taken = take(core, &offered.header.clone(), offered).await;
    drop(held);
    taken.map_err(|problem| Refused { problem, entries })
}

async fn take(
    core: &Arc<Core>,
    header: &BatchHeader,
    offered: Offered,
) -> Result<Vec<u8>, Problem> {
    let head = core.ledger.head();
    if header.old.0 > head.checkpoint.size.0 {
        tracing::error!(
            source = %header.source, theirs = %header.old, ours = %head.checkpoint.size,
            "a source knows a later tree than this log has: the log was rolled back"
        );
        core.metrics.source(&header.source).rolled_back();
        return Err(Problem::rolled_back(
            header.old.0,
            head.checkpoint.size.0,
            &head.note,
        ));
    }
    let chain = core.chains.chain(&header.source, &header.spool);
    let placed = place::place_and_submit(core, &chain, header, offered).await?;
    chain.note(header, crate::clock::now().utc_us);
    core.watch.heard(&header.source);
    let receipt = receipt::receipt(core, header, placed).await?;
    Ok(receipt)
}

fn check_headers(headers: &HeaderMap) -> Result<(), Problem> {
    let is = |name, wanted: &str| {
        let value = headers.get(name).and_then(|v| v.to_str().ok());
        value.is_some_and(|value| value.trim().eq_ignore_ascii_case(wanted))
    };
    if !is(CONTENT_TYPE, BATCH_MEDIA_TYPE) {
        return Err(Problem::malformed(format!(
            "Content-Type is not {BATCH_MEDIA_TYPE}"
        )));
    }
    if !is(CONTENT_ENCODING, "zstd") {
        return Err(Problem::malformed("Content-Encoding is not zstd"));
    }
    Ok(())
}

/// Splits a batch and checks every group of it by itself.
fn read(
    batch: &[u8],
    sender: &SourceId,
    own: &SourceId,
    trust: &Trust,
) -> Result<Offered, Refused> {
    let mut reader = BatchReader::new(batch).map_err(|error| unreadable(&error))?;
    let header = reader.header().clone();
    if header.source != *sender || header.source == *own {
        let detail = format!(
            "the batch is of source `{}`, the certificate of `{sender}`",
            header.source
        );
        return Err(Problem::wrong_source(detail).into());
    }
    let mut split = Vec::new();
    for group in reader.by_ref() {
        split.push(group.map_err(|error| unreadable(&error))?);
    }
    let entries = split.iter().map(|group| group.entries.len()).sum::<usize>();
    let refused = |problem| Refused {
        problem,
        entries: u64::try_from(entries).unwrap_or(u64::MAX),
    };
    let mut trust = trust.clone();
    let mut groups = Vec::with_capacity(split.len());
    for group in &split {
        let checked = CheckedGroup::check(&group.entries, group.seal, &trust)
            .map_err(|error| refused(bad_seal(&error)))?;
        if checked.text.source != header.source || checked.text.spool != header.spool {
            let detail = format!(
                "the batch is of spool `{}`, a seal in it of `{}` of source `{}`",
                header.spool, checked.text.spool, checked.text.source
            );
            return Err(refused(Problem::wrong_source(detail)));
        }
        if let Some(problem) = not_to_be_taken(&checked) {
            return Err(refused(problem));
        }
        let new_rotations = (!trust.trusts(&checked.key))
            .then(|| rotations_of(group.entries.first().copied()))
            .flatten();
        // The groups behind a boot with a new key are sealed with it.
        for rotation in checked.boot.iter().flat_map(|boot| &boot.rotations) {
            trust.link(rotation.clone());
        }
        let mut leaves: Vec<Vec<u8>> = group.entries.iter().map(|entry| entry.to_vec()).collect();
        leaves.push(group.seal.to_vec());
        groups.push(OfferedGroup {
            checked,
            leaves,
            blobs: group.blobs.iter().map(|blob| blob.to_vec()).collect(),
            new_rotations,
        });
    }
    Ok(Offered {
        header,
        groups,
        ahead: reader.ahead().iter().map(|blob| blob.to_vec()).collect(),
    })
}

/// Entries that would make the log say what nobody entitled to it said: a streaming reader must be
/// able to believe that a leaf which reads as a seal is one, and that one which names the aggregator is
/// the aggregator's.
fn not_to_be_taken(group: &CheckedGroup) -> Option<Problem> {
    let (at, _, problem) = group
        .problems()
        .find(|(_, _, p)| matches!(p, EntryProblem::SealInside | EntryProblem::Source))?;
    let place = group.place();
    Some(Problem::bad_seal(format!(
        "entry {at} under {place} is of another source, or a seal ({})",
        problem.code()
    )))
}

/// The rotation notes of a boot entry.
fn rotations_of(boot: Option<&[u8]>) -> Option<String> {
    let entry = Decoded::parse(boot?).ok()?;
    let notes = entry.pointer("/boot_info/rotation")?;
    notes.as_str().map(str::to_owned)
}

fn bad_seal(error: &BadSeal) -> Problem {
    Problem::bad_seal(error.to_string())
}

fn unreadable(error: &BatchError) -> Problem {
    let detail = crate::problem::chain(error);
    if error.is_too_large() {
        Problem::too_large(detail)
    } else {
        Problem::malformed(detail)
    }
}

impl Offered {
    fn entries(&self) -> u64 {
        self.groups.iter().map(|g| g.checked.text.count.get()).sum()
    }
}

/// What a source may have under way.
fn credits(core: &Core) -> Credits {
    Credits {
        bytes: core.budget.free_bytes().min(CREDIT_BYTES_MAX),
        batches: CREDIT_BATCHES,
    }
}

/// Runs work that takes the processor or the disk beside the tasks that wait for the network.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| {
        tracing::error!(%error, "work on a batch panicked");
        Problem::log_unavailable("an error of the aggregator; it is in its log")
    })
}

/// Keeps blobs before the leaves that name them.
async fn keep_blobs(blobs: &Blobs, all: Vec<Vec<u8>>) -> Result<(), Problem> {
    if all.is_empty() {
        return Ok(());
    }
    let blobs = blobs.clone();
    let kept = blocking(move || blobs.keep(&all)).await?;
    kept.map_err(|error| {
        tracing::error!(%error, "blobs cannot be kept");
        Problem::log_unavailable("blobs cannot be stored")
    })
}

/// Bytes in flight that one source is offered at most.
const CREDIT_BYTES_MAX: u64 = 64 << 20;
const CREDIT_BATCHES: u64 = 32;
/// How long a batch waits for those before it, which it may have overtaken.
const OVERTAKEN_WAIT: Duration = Duration::from_secs(1);
/// How long a batch that is under way twice waits for the first of them.
const DUPLICATE_WAIT: Duration = Duration::from_secs(10);
