//! Verifying a log: a directory or a URL in the tlog-tiles layout.

mod anchors;
mod blobs;
mod freshness;
mod handover;
mod memory;
mod pipeline;
mod remote;
mod resume;
mod source;
mod target;
pub(crate) mod text;
pub(crate) mod trust;

use affiant_audit::files::{FilesCheck, FilesReport, Leftovers};
use affiant_audit::log::{AuditReport, Expectation};
use affiant_audit::{TrustFile, Verdict};
use affiant_entry::rfc3339;
use affiant_tlog::note::VerifyError;
use affiant_tlog::policy::{CheckPolicyError, PolicyReport};
use affiant_tlog::{Checkpoint, LeafIndex, Note};
use rustls::pki_types::CertificateDer;
use serde::Serialize;

pub(crate) use freshness::Freshness;
pub(crate) use source::{ReadError, Source};
pub(crate) use target::{LogTarget, find, is_log};
pub(crate) use trust::LogTrust;

use super::{Answer, Fault, Progress};
use crate::error::{ExpectedError, chain};
use crate::exit_code::Exit;
use anchors::{Anchors, Stamped};
use blobs::LogBlobs;
use memory::Memory;
use resume::{Resume, State};

/// Version of the JSON shape.
const SHAPE_VERSION: u32 = 1;

/// How a log is verified.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Judge entries from this leaf on.
    pub(crate) since: Option<u64>,
    /// Neither read nor write what is remembered.
    pub(crate) no_remember: bool,
    /// Where to note how far it got.
    pub(crate) resume: Option<std::path::PathBuf>,
    /// How old the witnesses' word may be.
    pub(crate) freshness: Option<Freshness>,
    /// Roots of time-stamp authorities that the trust file names; `None` if it names none.
    pub(crate) tsa_roots: Option<Vec<CertificateDer<'static>>>,
}

/// The outcome of one verification.
#[derive(Debug, Serialize)]
pub(crate) struct LogOutcome {
    v: u32,
    /// What was verified.
    pub(crate) target: String,
    /// The worst of all that follows.
    pub(crate) answer: Answer,
    /// The exit code.
    pub(crate) exit: u8,
    /// Whom it was judged by.
    pub(crate) trust: LogTrust,
    /// What the log says of itself.
    pub(crate) checkpoint: Option<CheckpointFacts>,
    /// What is wrong with checkpoint, storage and memory.
    pub(crate) faults: Vec<Fault>,
    /// What is worth knowing and wrong with nothing.
    pub(crate) notes: Vec<String>,
    /// The files.
    pub(crate) files: Option<FilesReport>,
    /// Files beside those that the checkpoint asks for.
    pub(crate) leftovers: Option<Leftovers>,
    /// Time stamps that the log holds.
    pub(crate) anchors: Anchors,
    /// What leaves keep outside of themselves; `null` where nobody looked.
    pub(crate) blobs: Option<LogBlobs>,
    /// The leaves, source by source.
    pub(crate) log: Option<AuditReport>,
    /// What nobody looked at, in sentences.
    pub(crate) not_checked: Vec<String>,
    /// Whether memory was not asked.
    #[serde(skip)]
    forgetful: bool,
}

/// A checkpoint that was verified.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CheckpointFacts {
    /// The log.
    pub(crate) origin: String,
    /// Leaves.
    pub(crate) size: u64,
    /// Root, base64.
    pub(crate) root: String,
    /// Who signed, by name and id.
    pub(crate) signed_by: String,
    /// Witnesses of the verifier's own policy that cosigned, with the time each says.
    pub(crate) cosigned: Vec<(String, String)>,
    /// Whether they are enough.
    pub(crate) quorum_met: bool,
    /// Size of the checkpoint remembered, if there is one.
    pub(crate) remembered: Option<u64>,
}

/// Verifies a log.
///
/// # Errors
/// When the trust file or the state cannot be used, or the log is not to be reached.
pub(crate) fn verify(
    target: &LogTarget,
    trust: &TrustFile,
    trust_used: LogTrust,
    options: &Options,
    progress: &Progress,
) -> Result<LogOutcome, ExpectedError> {
    let mut out = LogOutcome {
        v: SHAPE_VERSION,
        target: target.name.clone(),
        answer: Answer::Ok,
        exit: 0,
        trust: trust_used,
        checkpoint: None,
        faults: Vec::new(),
        notes: Vec::new(),
        files: None,
        leftovers: None,
        anchors: Anchors::default(),
        blobs: None,
        log: None,
        not_checked: Vec::new(),
        forgetful: options.no_remember,
    };
    match run(target, trust, options, progress, &mut out) {
        Ok(()) => {}
        Err(Failed::Read(ReadError::Storage(error))) => {
            let answer = if error.kind() == std::io::ErrorKind::PermissionDenied {
                Answer::Incomplete
            } else {
                Answer::StorageFailed
            };
            out.fault(answer, "storage-failed", error.to_string());
        }
        Err(Failed::Read(ReadError::Unreachable(text))) => {
            return Err(ExpectedError::new(Exit::Unreachable, text));
        }
        Err(Failed::Expected(error)) => return Err(error),
    }
    progress.finish();
    out.conclude();
    Ok(out)
}

enum Failed {
    Read(ReadError),
    Expected(ExpectedError),
}

impl From<ReadError> for Failed {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<ExpectedError> for Failed {
    fn from(error: ExpectedError) -> Self {
        Self::Expected(error)
    }
}

fn run(
    target: &LogTarget,
    trust: &TrustFile,
    options: &Options,
    progress: &Progress,
    out: &mut LogOutcome,
) -> Result<(), Failed> {
    let source = &target.source;
    let trust = &handover::follow(source, trust)?;
    let Some((note, report)) = open(source, trust, out)? else {
        return Ok(());
    };
    let checkpoint = report.checkpoint().clone();
    if let Some(freshness) = &options.freshness {
        out.faults.extend(freshness.judge(trust, &note, &report));
    } else if trust.policy.asks_for_witnesses() {
        out.not_checked.push("how old the cosignatures are: a log that was frozen is still cosigned; `--max-cosignature-age` asks".to_owned());
    }
    let memory = if options.no_remember {
        out.not_checked.push("whether the log was rolled back or rewritten since you last looked: you asked not to remember".to_owned());
        Memory::none()
    } else {
        Memory::of(&checkpoint, trust)
    };
    if let Some(trouble) = &memory.trouble {
        out.fault(
            Answer::Incomplete,
            "memory",
            format!("what you remember of this log cannot be used: {trouble}"),
        );
    }
    out.checkpoint = Some(facts(&report, &memory));
    let origin = checkpoint.origin.as_str();
    let (mut resume, state) = match &options.resume {
        Some(path) => {
            let (resume, state) = Resume::open(path, origin)?;
            (Some(resume), state)
        }
        None => (None, None),
    };
    let mut check = checking(&checkpoint, trust, &memory, options, state.as_ref(), out);
    progress.begin(source.bytes());
    let clean_before = state.as_ref().is_none_or(|state| state.clean);
    pipeline::run(source, &mut check, progress, |check| {
        if let Some(resume) = &mut resume {
            resume.note(
                origin,
                check.size().0,
                || check.root(),
                clean_before && check.is_clean(),
            );
        }
    })?;
    let (mut files, log) = check.finish(source)?;
    let mut leftovers = Leftovers::default();
    for path in source.list()?.unwrap_or_default() {
        leftovers.look(&path, checkpoint.size, source, &mut files)?;
    }
    if !clean_before {
        out.fault(Answer::No, "before", "the part that was judged before had findings: verify it again without `--resume` to see them".to_owned());
    }
    out.faults.extend(handover::judge(
        &out.trust,
        report.log(),
        &log.log_rotations,
    ));
    let stamped = Stamped {
        source,
        trust,
        roots: options.tsa_roots.as_deref(),
        report: &report,
    };
    let (anchors, faults) = stamped.judge(&log.anchors)?;
    out.faults.extend(faults);
    out.not_checked.extend(anchors.not_checked());
    out.anchors = anchors;
    if let Some(dir) = &target.blobs {
        let (blobs, faults) =
            blobs::check(dir, &log.blobs, progress).map_err(ReadError::Storage)?;
        out.faults.extend(faults);
        out.blobs = Some(blobs);
    }
    if let Some(pruned) = &log.pruned
        && pruned.leaves > 0
    {
        out.not_checked.push(format!(
            "what {} pruned leaves said: the log lets them go, their hashes hold",
            pruned.leaves
        ));
        if files.tiles_pruned > 0 {
            out.not_checked.push("whether the seals that chains link to are among the pruned leaves: their hashes are gone too".to_owned());
        }
    }
    let holds = files.verdict == Verdict::Ok && hashes_hold(&log);
    if holds && let Err(error) = memory.keep(&checkpoint, &note) {
        out.notes
            .push(format!("this checkpoint could not be remembered: {error}"));
    }
    (out.files, out.leftovers, out.log) = (Some(files), Some(leftovers), Some(log));
    if let Some(resume) = resume {
        resume.done();
    }
    Ok(())
}

/// Reads the checkpoint and asks the policy. `None`: there is nothing to judge by.
fn open(
    source: &Source,
    trust: &TrustFile,
    out: &mut LogOutcome,
) -> Result<Option<(Note, PolicyReport)>, Failed> {
    use affiant_audit::files::Files as _;
    let Some(bytes) = source.get("checkpoint")? else {
        out.fault(
            Answer::No,
            "checkpoint-missing",
            "there is no checkpoint: nothing says what the log holds".to_owned(),
        );
        return Ok(None);
    };
    let note = match Note::parse(&bytes) {
        Ok(note) => note,
        Err(error) => {
            out.fault(
                Answer::No,
                "checkpoint",
                format!("checkpoint is not a signed note: {}", chain(&error)),
            );
            return Ok(None);
        }
    };
    match trust.policy.check(&note) {
        Ok(report) => Ok(Some((note, report))),
        Err(error) => {
            let unknown = matches!(
                error,
                CheckPolicyError::UnknownLog { .. }
                    | CheckPolicyError::Signature(VerifyError::UnknownKey { .. })
            );
            let text = chain(&error);
            if unknown {
                out.fault(Answer::Untrusted, "log-untrusted", text);
            } else {
                out.fault(Answer::No, "checkpoint", text);
            }
            Ok(None)
        }
    }
}

fn checking(
    checkpoint: &Checkpoint,
    trust: &TrustFile,
    memory: &Memory,
    options: &Options,
    state: Option<&State>,
    out: &mut LogOutcome,
) -> FilesCheck {
    let done = state.map(|state| state.leaves);
    let since = options.since.max(done).map(LeafIndex);
    if let Some(done) = done {
        out.notes.push(format!(
            "{done} leaves were judged before and are only hashed now"
        ));
    }
    if let Some(since) = options.since {
        out.not_checked.push(format!("what entries before leaf {since} say: `--since` leaves them out, their hashes and places were checked"));
    }
    let expectation = Expectation {
        sources: trust.sources.clone(),
        admins: trust.admins.clone(),
        aggregator: Some(trust.aggregator.clone()),
        since,
    };
    let older = memory.older.clone();
    let taken_up = state
        .and_then(State::tree)
        .map(|(size, root)| Checkpoint::new(checkpoint.origin.clone(), size, root));
    FilesCheck::new(
        checkpoint.clone(),
        expectation,
        older.into_iter().chain(taken_up).collect(),
    )
}

impl From<ReadError> for std::io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Storage(error) => error,
            ReadError::Unreachable(text) => Self::other(text),
        }
    }
}

fn facts(report: &PolicyReport, memory: &Memory) -> CheckpointFacts {
    let checkpoint = report.checkpoint();
    CheckpointFacts {
        origin: checkpoint.origin.as_str().to_owned(),
        size: checkpoint.size.0,
        root: checkpoint.root.to_base64(),
        signed_by: report.log().to_string(),
        cosigned: report
            .cosigned()
            .iter()
            .map(|each| {
                let time_us = i64::try_from(each.time.0)
                    .unwrap_or(i64::MAX)
                    .saturating_mul(1_000_000);
                (each.name.to_string(), rfc3339(time_us))
            })
            .collect(),
        quorum_met: report.quorum_met(),
        remembered: memory.older.as_ref().map(|older| older.size.0),
    }
}

/// Whether leaves, checkpoint and memory agree: what may be remembered.
fn hashes_hold(log: &AuditReport) -> bool {
    let about_hashes = ["log-size", "log-root", "untied", "rewritten", "rolled-back"];
    log.findings
        .iter()
        .all(|finding| !about_hashes.contains(&finding.fault.code()))
}

impl LogOutcome {
    fn fault(&mut self, answer: Answer, code: &'static str, text: String) {
        self.faults.push(Fault { answer, code, text });
    }

    fn conclude(&mut self) {
        if let Some(checkpoint) = self.checkpoint.clone() {
            if !checkpoint.quorum_met {
                let cosigned = checkpoint.cosigned.len();
                self.fault(
                    Answer::Incomplete,
                    "quorum",
                    format!("too few of your witnesses saw this checkpoint: {cosigned} cosigned"),
                );
            } else if !self.trust.asks_for_witnesses {
                self.not_checked.push(
                    "whether the log shows others another history: your trust asks for no witness"
                        .to_owned(),
                );
            }
            if checkpoint.remembered.is_none() && self.log.is_some() && !self.forgetful {
                self.not_checked.push("whether the log was rolled back or rewritten before today: you had not verified it before".to_owned());
            }
        }
        if !self.trust.given {
            self.not_checked.push("whether the trusted key is the log's: it was read from beside the data it vouches for; `--trust` takes a copy you kept elsewhere".to_owned());
        }
        if self.trust.admins.is_empty() {
            self.not_checked.push(
                "whether the roster is the operator's: your trust has no `admin` key".to_owned(),
            );
        }
        if self.trust.sources.is_empty() {
            self.not_checked.push("whether seal keys are the sources': the log's aggregator says so, your trust has no `source` key".to_owned());
        }
        self.not_checked.push(
            "whether what was captured is true, and calls that did not pass Affiant".to_owned(),
        );
        if self.blobs.is_none() {
            self.not_checked
                .push("blobs: an entry names an input kept outside of it by its hash".to_owned());
        }
        let faults = self.faults.iter().map(|fault| fault.answer);
        let files = self.files.iter().map(|files| files.verdict.into());
        let log = self.log.iter().map(|log| log.verdict.into());
        self.answer = faults.chain(files).chain(log).max().unwrap_or(Answer::Ok);
        self.exit = self.answer.exit().code();
    }
}
