//! Orphans: spools whose process died. Any live process closes their open calls and stops them.

use affiant_entry::record::{Body, Record, Stop};
use affiant_spool::{OpenError, Spool};

use super::open::{OpenTrailError, TrailOptions, open_chain, spool_options};
use super::recover::is_stopped;
use crate::keys::KeyRing;
use crate::state::DataDir;

/// A spool that was adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// Its name.
    pub name: String,
}

/// Looks at every spool of the data directory; each that no process writes to and that did not end
/// with `stop` gets a `boot` that recovers it and a `stop` with reason `adopted`.
/// A spool that cannot be adopted is left as it is, with a warning.
///
/// # Errors
/// When the directory or the keys cannot be read.
pub fn adopt_orphans(dir: &DataDir) -> Result<Vec<Adopted>, OpenTrailError> {
    let mut adopted = Vec::new();
    for name in dir.spool_names()? {
        match adopt_orphan(dir, &name) {
            Ok(true) => adopted.push(Adopted { name }),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, spool = name, "orphan cannot be adopted"),
        }
    }
    Ok(adopted)
}

/// [`adopt_orphans`] for one spool: whether there was something to adopt.
pub(crate) fn adopt_orphan(dir: &DataDir, name: &str) -> Result<bool, OpenTrailError> {
    if Spool::is_locked(dir.spool(name)).unwrap_or(true) || is_stopped(&dir.spool(name)) {
        return Ok(false);
    }
    adopt(dir, name)
}

fn adopt(dir: &DataDir, name: &str) -> Result<bool, OpenTrailError> {
    let options = TrailOptions::new(dir.clone(), name);
    let ring = KeyRing::open(dir, None)?;
    let (spool, recovery) = match Spool::open(dir.spool(name), spool_options(&options)) {
        Ok(opened) => opened,
        Err(OpenError::Locked { .. }) => return Ok(false),
        Err(error) => return Err(OpenTrailError::Spool(error)),
    };
    let opened = open_chain(
        &options,
        &ring,
        name.to_owned(),
        spool,
        &recovery,
        "adoption",
    )?;
    let at = crate::clock::now();
    let stop = Stop {
        reason: "adopted".into(),
        signal: None,
        exit_code: None,
        calls: 0,
        uptime_us: 0,
    };
    opened.committer.close(Record {
        at,
        call: None,
        body: Body::Stop(stop),
    });
    Ok(true)
}
