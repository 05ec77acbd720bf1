//! Judging one spool: its storage, its chain, its blobs, and what the key holder remembers.

use affiant_entry::Trust;
use affiant_entry::chain::{
    ChainReport, ChainVerifier, Fault as ChainFault, Start, Tail as ChainTail,
};
use affiant_entry::decode::{Header, Kind};
use affiant_spool::{Damage, FrameKind, Item, Ordinal, ReadError, Reader, Spool, Tail};
use serde::Serialize;

use super::blobs::{self, Blobs, Named};
use super::head::{self, Judged, Remembered};
use super::progress::Progress;
use super::released::{self, Kept};
use super::target::Job;
use super::{Answer, Fault, SpoolOutcome};
use crate::entries::units;
use crate::error::chain;

/// How a spool stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// Ended in order.
    Closed,
    /// A process writes to it: what is durable now was verified.
    Live,
    /// Its process died; the next start, or any live process, will recover it.
    Crashed,
    /// There is nothing.
    Missing,
}

/// What was found beside the chain.
#[derive(Default)]
struct Found {
    faults: Vec<Fault>,
    notes: Vec<String>,
    named: Named,
    /// The last entry that is no seal.
    last_entry: Vec<u8>,
    /// What shows that entries were released.
    kept: Kept,
}

/// Judges one spool. Never fails: what cannot be read is part of the answer.
pub(super) fn judge(job: &Job, trust: &Trust, progress: &Progress) -> SpoolOutcome {
    // Read first: what it remembers was in the spool before.
    let remembered = head::read(job.head.as_deref());
    let live = Spool::is_locked(&job.dir).unwrap_or(false);
    let first = judge_once(job, trust, &remembered, live, progress);
    // A writer may have come while we read; what it leaves lying about is no fault then.
    if !live && first.answer != Answer::Ok && Spool::is_locked(&job.dir).unwrap_or(false) {
        return judge_once(job, trust, &remembered, true, progress);
    }
    first
}

fn judge_once(
    job: &Job,
    trust: &Trust,
    remembered: &Remembered,
    live: bool,
    progress: &Progress,
) -> SpoolOutcome {
    let mut found = Found::default();
    let mut verifier = ChainVerifier::new(trust.clone(), remembered.head.clone());
    let opened = if live {
        Reader::open(&job.dir)
    } else {
        Reader::open_strict(&job.dir)
    };
    let mut reader = match opened {
        Ok(reader) => reader,
        Err(error) => {
            if !matches!(error, ReadError::NoSpool { .. }) {
                found.faults.push(cannot_read(&error));
            }
            return conclude(
                job,
                State::Missing,
                verifier.finish(ChainTail::Clean),
                Blobs::default(),
                found,
                remembered,
            );
        }
    };
    if reader.acknowledged_end() > Ordinal::FIRST {
        verifier = verifier.starting(Start::Anywhere);
        if let Some(home) = released::home_of(job.head.as_ref()) {
            found.kept = released::read(home, &job.name, trust);
        }
        if let Some(proof) = &found.kept.proof {
            verifier = verifier.released_behind(proof.seal);
        }
    }
    read_through(&mut reader, &mut verifier, &mut found, live, progress);
    let (state, tail) = ending(&reader, live, &mut found);
    let blobs = match blobs::check(&job.dir, &reader, &found.named, progress, &mut found.faults) {
        Ok(blobs) => blobs,
        Err(error) => {
            found.faults.push(storage_fault(
                &error,
                format!("blobs cannot be read: {error}"),
            ));
            Blobs::default()
        }
    };
    conclude(job, state, verifier.finish(tail), blobs, found, remembered)
}

fn read_through(
    reader: &mut Reader,
    verifier: &mut ChainVerifier,
    found: &mut Found,
    live: bool,
    progress: &Progress,
) {
    loop {
        match reader.next_item() {
            Ok(Some(Item::Frame(frame))) => {
                progress.read(u64::try_from(frame.payload.len()).unwrap_or(u64::MAX));
                verifier.push(&frame.payload);
                if frame.kind == FrameKind::Entry {
                    found.named.note(&frame.payload);
                    found.last_entry = frame.payload;
                }
            }
            Ok(Some(Item::Damage(damage))) => match harmless(&damage, live) {
                Some(note) => found.notes.push(note),
                None => verifier.damage(&damage.to_string()),
            },
            Ok(None) => return,
            Err(error) => {
                found.faults.push(cannot_read(&error));
                return;
            }
        }
    }
}

/// What a crash, or a writer at work, can leave beside a spool's own files.
fn harmless(damage: &Damage, live: bool) -> Option<String> {
    let Damage::UnknownFile { file } = damage else {
        return None;
    };
    (live || file.ends_with(".tmp")).then(|| {
        format!(
            "`{file}` is left over from a write that was broken off; it is no part of the trail"
        )
    })
}

fn ending(reader: &Reader, live: bool, found: &mut Found) -> (State, ChainTail) {
    let tail = reader.tail().unwrap_or(Tail::Clean);
    let torn = match tail {
        Tail::Torn { bytes, .. } => bytes,
        Tail::Clean | Tail::Slack { .. } | Tail::Unterminated { .. } => 0,
    };
    let state = match (live, tail) {
        (true, _) => State::Live,
        (false, Tail::Clean) => State::Closed,
        (false, _) => State::Crashed,
    };
    if live {
        found
            .notes
            .push("a process writes to it: what was durable was verified".to_owned());
    } else if state == State::Crashed {
        found
            .notes
            .push("its process ended without closing it; the next start recovers it".to_owned());
    }
    if torn > 0 && !live {
        let torn = units::plural(torn, "byte", "bytes");
        found.notes.push(format!(
            "a crash tore {torn} at the end, which were never acknowledged"
        ));
    }
    (
        state,
        if torn > 0 {
            ChainTail::Torn { bytes: torn }
        } else {
            ChainTail::Clean
        },
    )
}

fn conclude(
    job: &Job,
    state: State,
    report: ChainReport,
    blobs: Blobs,
    mut found: Found,
    remembered: &Remembered,
) -> SpoolOutcome {
    let stopped = state != State::Live
        && Header::parse(&found.last_entry).is_ok_and(|last| last.kind == Kind::Stop);
    match remembered.judge(report.counts.seals > 0, stopped) {
        Judged::Nothing => {}
        Judged::Note(note) => found.notes.push(note),
        Judged::Fault(fault) => found.faults.push(fault),
    }
    if let Some(spool) = report
        .spool
        .as_ref()
        .filter(|spool| spool.as_str() != job.name && job.head.is_some())
    {
        let text = format!("directory `{}` holds the spool `{spool}`", job.name);
        found.faults.push(Fault {
            answer: Answer::No,
            code: "misplaced",
            text,
        });
    }
    let start_missing = report
        .findings
        .iter()
        .any(|finding| matches!(finding.fault, ChainFault::StartMissing { .. }));
    if start_missing && found.kept.proof.is_some() {
        found.faults.push(Fault {
            answer: Answer::Incomplete,
            code: "released-unproven",
            text: "more is missing than was released behind the proof kept: the seal it proves is not here"
                .to_owned(),
        });
    }
    found
        .faults
        .extend(found.kept.fault.filter(|_| start_missing));
    let released = found.kept.proof.filter(|_| report.released);
    let unsealed = report.counts.unsealed_entries;
    if unsealed > 0 {
        let entries = units::plural(unsealed, "entry", "entries");
        found.notes.push(format!(
            "{entries} at the end under no seal, which are no evidence"
        ));
    }
    if blobs.unnamed > 0 {
        let blobs = units::plural(blobs.unnamed, "blob", "blobs");
        found
            .notes
            .push(format!("{blobs} named by no entry: a crash can leave them"));
    }
    let worst = found
        .faults
        .iter()
        .map(|fault| fault.answer)
        .max()
        .unwrap_or(Answer::Ok);
    SpoolOutcome {
        name: job.name.clone(),
        answer: worst.max(report.verdict.into()),
        state,
        faults: found.faults,
        notes: found.notes,
        released,
        chain: report,
        blobs,
    }
}

fn cannot_read(error: &ReadError) -> Fault {
    if let ReadError::Storage { source } = error {
        return storage_fault(source, chain(error));
    }
    Fault {
        answer: Answer::Incomplete,
        code: "unreadable",
        text: chain(error),
    }
}

fn storage_fault(error: &std::io::Error, text: String) -> Fault {
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        return Fault {
            answer: Answer::Incomplete,
            code: "unreadable",
            text,
        };
    }
    Fault {
        answer: Answer::StorageFailed,
        code: "storage-failed",
        text,
    }
}
