//! Whom a verification of a log or proof believes.

use std::path::{Path, PathBuf};

use affiant_audit::TrustFile;
use affiant_tlog::policy::Policy;
use fs_err as fs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;

use crate::error::{ExpectedError, chain};
use crate::exit_code::Exit;

/// The longest trust file that is read, bytes.
const TRUST_BYTES_MAX: u64 = 2 << 20;

/// What a verification started from.
#[derive(Debug, Serialize)]
pub(crate) struct LogTrust {
    /// Keys of logs that are accepted.
    pub(crate) logs: Vec<String>,
    /// Witnesses that are known, by name.
    pub(crate) witnesses: Vec<String>,
    /// Whether cosignatures are asked for.
    pub(crate) asks_for_witnesses: bool,
    /// Keys that sign rosters.
    pub(crate) admins: Vec<String>,
    /// Seal keys of sources that are pinned.
    pub(crate) sources: Vec<String>,
    /// Files with roots of time-stamp authorities, as the trust file names them.
    pub(crate) tsas: Vec<String>,
    /// The file it was read from.
    pub(crate) file: PathBuf,
    /// Whether that file was given, and not found beside what it vouches for.
    pub(crate) given: bool,
}

/// Reads the trust file that was given, or else the key beside the data.
pub(crate) fn load(
    given: Option<&Path>,
    beside: Option<&Path>,
) -> Result<(TrustFile, LogTrust), ExpectedError> {
    let (file, is_given) = match (given, beside) {
        (Some(file), _) => (file, true),
        (None, Some(file)) if file.is_file() => (file, false),
        (None, Some(file)) => {
            return Err(ExpectedError::new(
                Exit::Untrusted,
                format!(
                    "there is no key to check against: `{}` is not there",
                    file.display()
                ),
            )
            .hint("give a trust file or the log's verifier key with `--trust`"));
        }
        (None, None) => {
            return Err(
                ExpectedError::new(Exit::Untrusted, "there is no key to check against")
                    .hint("give a trust file or the log's verifier key with `--trust`"),
            );
        }
    };
    let size = fs::metadata(file).map_err(|error| ExpectedError::usage(error.to_string()))?;
    if size.len() > TRUST_BYTES_MAX {
        let message = format!("trust file `{}` is too large", file.display());
        return Err(ExpectedError::usage(message));
    }
    let bytes = fs::read(file).map_err(|error| ExpectedError::usage(error.to_string()))?;
    let trust = TrustFile::parse(&bytes).map_err(|error| {
        ExpectedError::usage(format!("`{}`: {}", file.display(), chain(&error)))
    })?;
    let used = describe(&trust, file, is_given);
    Ok((trust, used))
}

/// The roots that the `tsa` lines of a trust file name, `None` if it has none.
pub(crate) fn tsa_roots(
    trust: &TrustFile,
    used: &LogTrust,
) -> Result<Option<Vec<CertificateDer<'static>>>, ExpectedError> {
    if trust.tsas.is_empty() {
        return Ok(None);
    }
    let dir = used.file.parent().unwrap_or_else(|| Path::new(""));
    let mut roots = Vec::new();
    for name in &trust.tsas {
        let path = dir.join(name);
        let unusable = |why: String| {
            ExpectedError::usage(format!(
                "roots of a time-stamp authority, `{}`: {why}",
                path.display()
            ))
        };
        let pem = fs::read(&path).map_err(|error| unusable(error.to_string()))?;
        let before = roots.len();
        for root in CertificateDer::pem_slice_iter(&pem) {
            roots.push(root.map_err(|error| unusable(error.to_string()))?);
        }
        if roots.len() == before {
            return Err(unusable("there is no certificate in PEM".to_owned()));
        }
    }
    Ok(Some(roots))
}

fn describe(trust: &TrustFile, file: &Path, given: bool) -> LogTrust {
    let policy: &Policy = &trust.policy;
    let keys = |keys: &[affiant_tlog::VerifierKey]| keys.iter().map(ToString::to_string).collect();
    LogTrust {
        logs: policy
            .logs()
            .iter()
            .map(|log| log.key.to_string())
            .collect(),
        witnesses: policy
            .witnesses()
            .iter()
            .map(|witness| witness.name.to_string())
            .collect(),
        asks_for_witnesses: policy.asks_for_witnesses(),
        admins: keys(&trust.admins),
        sources: keys(&trust.sources),
        tsas: trust.tsas.clone(),
        file: file.to_owned(),
        given,
    }
}
