//! Verifying a data directory or one spool: what is looked at, and what it comes to.
//!
//! [`verify`] judges and prints nothing; [`text`] tells it to people. Every answer carries what was
//! *not* checked.

mod blobs;
mod head;
pub(crate) mod log;
pub(crate) mod progress;
pub(crate) mod proof;
mod released;
mod spool;
mod target;
pub(crate) mod text;

use std::path::{Path, PathBuf};

use affiant_entry::chain::{ChainReport, Verdict};
use serde::Serialize;

use crate::error::ExpectedError;
use crate::exit_code::Exit;

pub(crate) use blobs::Blobs;
pub(crate) use progress::Progress;
pub(crate) use released::Released;
pub(crate) use spool::State;

/// Version of the JSON shape.
const SHAPE_VERSION: u32 = 1;

/// What a verification comes to; a later one outweighs an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// Everything that was checked holds.
    Ok,
    /// Something is not there, or could not be told.
    Incomplete,
    /// Sealed by a key that nothing links to a trusted one.
    Untrusted,
    /// The storage failed while it was read.
    StorageFailed,
    /// It was altered, cut or forged.
    No,
}

impl From<Verdict> for Answer {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Ok => Self::Ok,
            Verdict::Incomplete => Self::Incomplete,
            Verdict::Untrusted => Self::Untrusted,
            Verdict::No => Self::No,
        }
    }
}

impl Answer {
    /// The exit code that says so.
    pub(crate) const fn exit(self) -> Exit {
        match self {
            Self::Ok => Exit::Ok,
            Self::Incomplete => Exit::Incomplete,
            Self::Untrusted => Exit::Untrusted,
            Self::StorageFailed => Exit::Storage,
            Self::No => Exit::No,
        }
    }

    /// In a word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Incomplete => "incomplete",
            Self::Untrusted => "untrusted",
            Self::StorageFailed => "storage failed",
            Self::No => "no",
        }
    }
}

/// The outcome of one verification.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    v: u32,
    /// What was verified.
    pub(crate) target: PathBuf,
    /// The worst answer of all spools.
    pub(crate) answer: Answer,
    /// The exit code.
    pub(crate) exit: u8,
    /// Which keys were trusted.
    pub(crate) trust: TrustUsed,
    /// Each spool, by name.
    pub(crate) spools: Vec<SpoolOutcome>,
    /// What nobody looked at, in sentences.
    pub(crate) not_checked: Vec<String>,
}

/// The keys a verification started from.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TrustUsed {
    /// Verifier keys, those that rotation notes link to among them.
    pub(crate) keys: Vec<String>,
    /// The file they were read from; `None` if there was none.
    pub(crate) file: Option<PathBuf>,
    /// Whether that file was given, and not found beside what it vouches for.
    pub(crate) given: bool,
}

/// One spool.
#[derive(Debug, Serialize)]
pub(crate) struct SpoolOutcome {
    /// Its name.
    pub(crate) name: String,
    /// What it comes to.
    pub(crate) answer: Answer,
    /// Open, closed, or gone.
    pub(crate) state: State,
    /// What is wrong beside what the chain's own report lists.
    pub(crate) faults: Vec<Fault>,
    /// What is worth knowing and wrong with nothing.
    pub(crate) notes: Vec<String>,
    /// What is not here because it was released: the log is proven to have it.
    pub(crate) released: Option<Released>,
    /// The judgement over its chain.
    pub(crate) chain: ChainReport,
    /// Inputs kept outside their entries.
    pub(crate) blobs: Blobs,
}

/// Something wrong that is not in a chain.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Fault {
    /// What it makes of the spool.
    pub(crate) answer: Answer,
    /// Its name for machines; never changes.
    pub(crate) code: &'static str,
    /// What, in a sentence.
    pub(crate) text: String,
}

/// Verifies a data directory, or one spool.
///
/// # Errors
/// When the target is neither, or the trust file cannot be read.
pub(crate) fn verify(
    path: &Path,
    trust_file: Option<&Path>,
    progress: &Progress,
) -> Result<Outcome, ExpectedError> {
    let target = target::resolve(path, trust_file)?;
    progress.begin(target.bytes());
    let spools: Vec<_> = target
        .spools
        .iter()
        .map(|job| spool::judge(job, &target.trust, progress))
        .collect();
    progress.finish();
    let nothing = spools.is_empty().then_some(Answer::Incomplete);
    let answer = spools
        .iter()
        .map(|spool| spool.answer)
        .chain(nothing)
        .max()
        .unwrap_or(Answer::Incomplete);
    let mut not_checked = not_checked(&target.trust_used);
    not_checked.extend(
        spools
            .iter()
            .find_map(|spool| spool.released.as_ref()?.not_checked()),
    );
    Ok(Outcome {
        v: SHAPE_VERSION,
        target: path.to_owned(),
        answer,
        exit: answer.exit().code(),
        trust: target.trust_used,
        spools,
        not_checked,
    })
}

fn not_checked(trust: &TrustUsed) -> Vec<String> {
    let mut out = Vec::new();
    if !trust.given && trust.file.is_some() {
        out.push(
            "whether the trusted key is the source's: it was read from the directory it vouches for; \
             `--trust` takes a copy you kept elsewhere"
                .to_owned(),
        );
    }
    out.push(
        "whether the directory as a whole, its remembered heads among it, was put back to an earlier state".to_owned(),
    );
    out.push("whether what was captured is true, and calls that did not pass Affiant".to_owned());
    out.push("whether the source's clock was right".to_owned());
    out
}
