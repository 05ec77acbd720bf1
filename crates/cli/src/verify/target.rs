//! What there is to verify, and whom to trust.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use affiant_agent::keys::{KeyRingError, load_trust};
use affiant_agent::state::DataDir;
use affiant_entry::Trust;
use fs_err as fs;

use super::TrustUsed;
use crate::data_dir::{looks_like_one, not_one};
use crate::error::{ExpectedError, chain};
use crate::exit_code::Exit;

/// Everything a verification needs.
pub(super) struct Target {
    pub(super) trust: Trust,
    pub(super) trust_used: TrustUsed,
    pub(super) spools: Vec<Job>,
}

/// One spool to judge.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) dir: PathBuf,
    /// Where its head is remembered; `None` if the spool lies outside a data directory.
    pub(super) head: Option<PathBuf>,
}

impl Target {
    /// Bytes to read, as far as the directories tell.
    pub(super) fn bytes(&self) -> u64 {
        self.spools.iter().map(|job| bytes_in(&job.dir)).sum()
    }
}

/// Finds out what `path` is.
pub(super) fn resolve(path: &Path, trust_file: Option<&Path>) -> Result<Target, ExpectedError> {
    if !path.is_dir() {
        let what = if path.exists() {
            "is not a directory"
        } else {
            "does not exist"
        };
        return Err(ExpectedError::usage(format!("`{}` {what}", path.display()))
            .hint("give a data directory, or one spool in it"));
    }
    let dir = DataDir::new(path);
    if looks_like_one(&dir) {
        return data_dir(&dir, trust_file);
    }
    if is_spool(path) {
        return one_spool(path, trust_file);
    }
    let empty = fs::read_dir(path)
        .map_err(|e| ExpectedError::storage(&e))?
        .next()
        .is_none();
    if empty {
        return Err(ExpectedError::new(
            Exit::Incomplete,
            format!("there is nothing in `{}` to verify", path.display()),
        ));
    }
    Err(not_one(path))
}

fn data_dir(dir: &DataDir, trust_file: Option<&Path>) -> Result<Target, ExpectedError> {
    let (trust, trust_used) = trust(dir, trust_file)?;
    let list = |names: std::io::Result<Vec<String>>| names.map_err(|e| ExpectedError::storage(&e));
    let mut names: BTreeSet<String> = list(dir.spool_names())?.into_iter().collect();
    // A spool that is remembered, but not there, is the one to ask about.
    names.extend(
        list(dir.head_names())?
            .into_iter()
            .filter(|name| !name.starts_with('.')),
    );
    let spools = names.into_iter().map(|name| Job {
        dir: dir.spool(&name),
        head: Some(dir.head(&name)),
        name,
    });
    Ok(Target {
        trust,
        trust_used,
        spools: spools.collect(),
    })
}

fn one_spool(path: &Path, trust_file: Option<&Path>) -> Result<Target, ExpectedError> {
    let whole = fs::canonicalize(path).map_err(|e| ExpectedError::storage(&e))?;
    let name = whole
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let home = whole
        .parent()
        .filter(|parent| parent.file_name().is_some_and(|name| name == "spools"))
        .and_then(Path::parent)
        .map(DataDir::new)
        .filter(|home| home.keys().is_dir());
    let head = home.as_ref().map(|home| home.head(&name));
    let (trust, trust_used) = match (&home, trust_file) {
        (Some(home), trust_file) => trust(home, trust_file)?,
        (None, Some(_)) => trust(&DataDir::new(&whole), trust_file)?,
        (None, None) => (
            Trust::default(),
            TrustUsed {
                keys: Vec::new(),
                file: None,
                given: false,
            },
        ),
    };
    let job = Job {
        name,
        dir: path.to_owned(),
        head,
    };
    Ok(Target {
        trust,
        trust_used,
        spools: vec![job],
    })
}

fn trust(dir: &DataDir, trust_file: Option<&Path>) -> Result<(Trust, TrustUsed), ExpectedError> {
    let loaded = load_trust(dir, trust_file).map_err(|error| {
        let own_unreadable = trust_file.is_none() && matches!(error, KeyRingError::Io(_));
        let exit = if own_unreadable {
            Exit::Incomplete
        } else {
            Exit::Usage
        };
        ExpectedError::new(exit, chain(&error))
    })?;
    let file = match (trust_file, &loaded) {
        (Some(file), _) => Some(file.to_owned()),
        (None, Some(_)) => Some(dir.keys().join("source.vkey")),
        (None, None) => None,
    };
    let trust = loaded.unwrap_or_default();
    let keys = trust.keys().iter().map(ToString::to_string).collect();
    Ok((
        trust,
        TrustUsed {
            keys,
            file,
            given: trust_file.is_some(),
        },
    ))
}

/// Whether a directory holds files of a spool.
fn is_spool(path: &Path) -> bool {
    let Ok(entries) = fs::read_dir(path) else {
        return false;
    };
    entries.filter_map(Result::ok).any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name == "cursor" || name == "lock" || (name.starts_with("seg-") && name.ends_with(".aff"))
    })
}

fn bytes_in(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    let sizes = entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.metadata().ok());
    sizes
        .filter(std::fs::Metadata::is_file)
        .map(|meta| meta.len())
        .sum()
}
