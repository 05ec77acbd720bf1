//! Verifying a proof file, and telling it.

use std::path::Path;

use affiant_audit::proof::{KeyTrust, ProofFile, ProofFileError, ProofReport};
use affiant_audit::{TrustFile, Verdict};
use affiant_entry::rfc3339;
use fs_err as fs;
use serde::Serialize;

use super::Answer;
use super::log::LogTrust;
use super::log::text::{mark, tint};
use crate::entries::units::{count, short_key};
use crate::error::{ExpectedError, chain};
use crate::exit_code::Exit;
use crate::printer::{Paint, clean};

/// The longest proof that is read, bytes.
const PROOF_BYTES_MAX: u64 = 4 << 20;
/// Version of the JSON shape.
const SHAPE_VERSION: u32 = 1;

/// The outcome of verifying one proof.
#[derive(Debug, Serialize)]
pub(crate) struct ProofOutcome {
    v: u32,
    target: String,
    pub(crate) answer: Answer,
    exit: u8,
    trust: LogTrust,
    proof: ProofReport,
    /// The entry, as text: its bytes.
    entry: String,
}

/// Whether a file looks like a proof.
pub(crate) fn is_proof(path: &Path) -> bool {
    use std::io::Read as _;
    let mut head = [0; 9];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && &head == b"c2sp.org/"
}

/// Reads and judges a proof.
///
/// # Errors
/// When the file is no proof: exit 1, as a proof that was altered may be none any more.
pub(crate) fn verify(
    path: &Path,
    trust: &TrustFile,
    trust_used: LogTrust,
) -> Result<ProofOutcome, ExpectedError> {
    let bytes = read(path)?;
    let file = ProofFile::parse(&bytes).map_err(|error| {
        let open = matches!(
            error,
            ProofFileError::NoEntry | ProofFileError::Version { .. }
        );
        let exit = if open { Exit::Incomplete } else { Exit::No };
        ExpectedError::new(exit, format!("`{}`: {}", path.display(), chain(&error)))
    })?;
    let mut proof = file.verify(trust);
    if !trust_used.given {
        proof.not_checked.push(
            "whether the trusted key is the log's: it was read from beside the data it vouches for"
                .to_owned(),
        );
    }
    let answer: Answer = proof.verdict.into();
    Ok(ProofOutcome {
        v: SHAPE_VERSION,
        target: path.display().to_string(),
        answer,
        exit: answer.exit().code(),
        trust: trust_used,
        entry: file.entry().to_owned(),
        proof,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, ExpectedError> {
    let meta = fs::metadata(path).map_err(|error| ExpectedError::usage(error.to_string()))?;
    if meta.len() > PROOF_BYTES_MAX {
        let message = format!("`{}` is too large for a proof", path.display());
        return Err(ExpectedError::new(Exit::No, message));
    }
    fs::read(path).map_err(|error| ExpectedError::storage(&error))
}

/// The narrative, line by line.
pub(crate) fn lines(outcome: &ProofOutcome, paint: Paint) -> Vec<String> {
    let proof = &outcome.proof;
    let mut out = vec![format!(
        "Verifying the proof {}",
        paint.bold(&outcome.target)
    )];
    let keys: Vec<_> = outcome
        .trust
        .logs
        .iter()
        .map(|key| short_key(key))
        .collect();
    out.push(format!(
        "Trusting {} from {}",
        keys.join(", "),
        outcome.trust.file.display()
    ));
    out.push(String::new());
    let title = format!("leaf {} of {}", count(proof.index), clean(&proof.origin));
    out.push(format!(
        "{} {}",
        mark(outcome.answer, paint),
        paint.bold(&title)
    ));
    if let (Some(source), Some(kind)) = (&proof.source, &proof.kind) {
        let time = proof.time.as_deref().unwrap_or("no time of its own");
        out.push(format!("  {} of {source}, {time}", clean(kind)));
    }
    out.extend(
        proof
            .checked
            .iter()
            .map(|line| format!("  {}", clean(line))),
    );
    for (name, at) in &proof.witnesses {
        let at = i64::try_from(*at)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000_000);
        out.push(format!(
            "  seen by witness {} at {}",
            clean(name),
            rfc3339(at)
        ));
    }
    for finding in &proof.findings {
        let line = tint(finding.verdict.into(), &finding.fault.to_string(), paint);
        out.push(format!("  {line}"));
    }
    out.push(String::new());
    out.push("Not checked".to_owned());
    out.extend(
        proof
            .not_checked
            .iter()
            .map(|what| paint.dim(&format!("  - {}", clean(what)))),
    );
    out.push(String::new());
    out.push(format!("Verdict: {}", verdict(proof, paint)));
    out
}

fn verdict(proof: &ProofReport, paint: Paint) -> String {
    match proof.verdict {
        Verdict::Ok if proof.key_trust == KeyTrust::NoSeal => {
            paint.green("ok, the log has this entry, and its aggregator wrote it")
        }
        Verdict::Ok => paint.green("ok, the log has this entry, and its source sealed it"),
        Verdict::No => paint.red("no, this is not proven"),
        Verdict::Untrusted => paint.yellow("untrusted, by a key that you do not trust"),
        Verdict::Incomplete => paint.yellow("incomplete, it could not be told"),
    }
}
