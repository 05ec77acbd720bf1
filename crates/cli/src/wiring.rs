//! What `run` and `agent` share: keys, redaction rules, the trail, and the codes of their errors.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use affiant_agent::keys::{KeyFileError, KeyRing, KeyRingError};
use affiant_agent::ship::ShipBeside;
use affiant_agent::state::DataDir;
use affiant_agent::trail::{OpenTrailError, Trail};
use affiant_entry::{CommitKey, SourceId};
use affiant_policy::redact::{Redactor, RuleSet};
use affiant_spool::OpenError;
use fs_err as fs;

use crate::error::{ExpectedError, chain};
use crate::exit_code::Exit;

/// Reads the redaction rules of a file, or the built-in ones.
pub(crate) fn rules(file: Option<&Path>) -> Result<RuleSet, ExpectedError> {
    let Some(path) = file else {
        return Ok(RuleSet::builtin());
    };
    let text = fs::read_to_string(path).map_err(|e| ExpectedError::caused(Exit::Usage, &e))?;
    RuleSet::parse(&text).map_err(|error| {
        let (line, column) = (error.line, error.column);
        ExpectedError::usage(format!(
            "{}:{line}:{column}: {}",
            path.display(),
            chain(&error.problem)
        ))
    })
}

/// The one rule file of a list; several cannot be told apart by precedence.
pub(crate) fn only_file(files: &[PathBuf]) -> Result<Option<&Path>, ExpectedError> {
    match files {
        [] => Ok(None),
        [file] => Ok(Some(file)),
        _ => Err(ExpectedError::usage(format!(
            "`redact.rule_files` names {} files; one is supported",
            files.len()
        ))
        .hint("put the rules into one file")),
    }
}

/// The key of commitments, and a redactor that uses it. Keys are made on first use.
pub(crate) fn secrets(
    dir: &DataDir,
    source: Option<&SourceId>,
    rules: RuleSet,
) -> Result<(CommitKey, Arc<Redactor>), ExpectedError> {
    let ring = KeyRing::open(dir, source).map_err(|error| keys_refused(&error))?;
    let key = ring.commit().clone();
    let redactor = Arc::new(Redactor::new(rules, key.clone()));
    Ok((key, redactor))
}

/// Why keys cannot be used.
pub(crate) fn keys_refused(error: &KeyRingError) -> ExpectedError {
    let exit = match error {
        KeyRingError::File(KeyFileError::Permissions { .. } | KeyFileError::Owner { .. })
        | KeyRingError::Lost { .. } => Exit::Untrusted,
        KeyRingError::File(KeyFileError::Io(_)) | KeyRingError::Io(_) => Exit::Storage,
        KeyRingError::File(_)
        | KeyRingError::OtherSource { .. }
        | KeyRingError::Rotation(_)
        | KeyRingError::TrustLine { .. }
        | _ => Exit::Usage,
    };
    ExpectedError::caused(exit, error)
}

/// Why a trail cannot be opened.
pub(crate) fn trail_refused(error: &OpenTrailError) -> ExpectedError {
    if let OpenTrailError::Keys(keys) = error {
        return keys_refused(keys);
    }
    if let OpenTrailError::Spool(OpenError::Version { .. }) = error {
        return ExpectedError::caused(Exit::Incomplete, error).hint(
            "a newer version wrote this spool; use that one, or another `--server` or `--data-dir`",
        );
    }
    let usage = matches!(
        error,
        OpenTrailError::Spool(OpenError::Option { .. }) | OpenTrailError::Name(_)
    );
    ExpectedError::caused(if usage { Exit::Usage } else { Exit::Storage }, error)
}

/// A source id as given.
pub(crate) fn source(text: Option<&str>) -> Result<Option<SourceId>, ExpectedError> {
    text.map(SourceId::new)
        .transpose()
        .map_err(|error| ExpectedError::caused(Exit::Usage, &error))
}

/// Ships what a trail holds, from the moment its source is enrolled. Recording never waits for that, nor
/// fails with it.
pub(crate) fn ship_beside(trail: &Trail) -> ShipBeside {
    ShipBeside::start(trail)
}
