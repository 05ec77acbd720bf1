//! Opening a trail: keys, spool, recovery, `boot`.

use std::time::Duration;

use affiant_entry::record::{Body, Boot, Clock, Record, Recovered};
use affiant_entry::seal::Sealer;
use affiant_entry::{BootId, Fact, SourceId};
use affiant_spool::{OpenError, Recovery, Spool, Tail};

use super::committer::{Committer, Parts};
use super::recover::{Past, RecoverError, read_past};
use super::{Intent, OnFull};
use crate::keys::{HeadFile, KeyRing, KeyRingError};
use crate::state::DataDir;

/// Most spools of one name: that many processes may record the same server at once.
const SPOOLS_PER_NAME_MAX: u32 = 256;
/// Records recovered into one group.
const RECOVERED_GROUP_RECORDS: usize = 512;

/// How a trail is kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TrailOptions {
    /// The data directory.
    pub dir: DataDir,
    /// Name of the source for a key made now, and compared with a key that exists.
    pub source: Option<SourceId>,
    /// Name of the spool; while another process writes to it, `name.1`, `name.2`, … are tried.
    pub name: String,
    /// What must be true before a request is forwarded.
    pub intent: Intent,
    /// The answer to trouble with the storage.
    pub on_full: OnFull,
    /// Most bytes the spool may use.
    pub spool_bytes_max: u64,
    /// Bytes of one segment.
    pub segment_bytes: u64,
    /// A `heartbeat` after this much silence.
    pub heartbeat: Duration,
    /// SHA-256 of the configuration in force, for the `boot` entry.
    pub config: Fact<String>,
}

impl TrailOptions {
    /// Defaults: durable intent, refuse when full, 4 GiB, heartbeat every minute.
    #[must_use]
    pub fn new(dir: DataDir, name: &str) -> Self {
        Self {
            dir,
            source: None,
            name: SourceId::sanitized(name).to_string(),
            intent: Intent::default(),
            on_full: OnFull::default(),
            spool_bytes_max: 4 << 30,
            segment_bytes: 64 << 20,
            heartbeat: Duration::from_secs(60),
            config: Fact::absent("no configuration file"),
        }
    }
}

/// A trail cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenTrailError {
    /// Keys are unfit or lost.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    /// The spool cannot be opened.
    #[error(transparent)]
    Spool(OpenError),
    /// Every spool of this name is in use.
    #[error("all {SPOOLS_PER_NAME_MAX} spools named `{name}` are in use")]
    Busy {
        /// The name.
        name: String,
    },
    /// The past cannot be read.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The `boot` entry found no room or the storage failed.
    #[error("spool `{name}` takes no entries ({reason}); free space or raise the quota")]
    Full {
        /// The spool.
        name: String,
        /// What was full, or failed.
        reason: &'static str,
    },
    /// The spool's name is unfit.
    #[error(transparent)]
    Name(#[from] affiant_entry::SpoolNameError),
    /// A file of the data directory cannot be used.
    #[error("data directory cannot be used")]
    Io(#[from] std::io::Error),
    /// The trail's thread cannot be started.
    #[error("trail thread cannot be started")]
    Thread(#[source] std::io::Error),
}

/// An opened trail, its `boot` sealed.
pub(super) struct Opened {
    pub(super) committer: Committer,
    pub(super) name: String,
}

pub(super) fn open(options: &TrailOptions) -> Result<Opened, OpenTrailError> {
    let ring = KeyRing::open(&options.dir, options.source.as_ref())?;
    let (name, spool, recovery) = open_spool(options)?;
    open_chain(options, &ring, name, spool, &recovery, "start")
}

/// Begins a new life of the chain in an opened spool: recovery, then `boot`, then what recovery found.
pub(super) fn open_chain(
    options: &TrailOptions,
    ring: &KeyRing,
    name: String,
    spool: Spool,
    recovery: &Recovery,
    reason: &'static str,
) -> Result<Opened, OpenTrailError> {
    let past = read_past(&options.dir.spool(&name), recovery)?;
    let at = crate::clock::now();
    let boot = BootId::from_parts(at.utc_us, crate::entropy::ulid());
    let rotation = match &past.last {
        Some(last)
            if last
                .key
                .as_ref()
                .is_some_and(|k| k != ring.signer().key_ref()) =>
        {
            ring.rotations()?
        }
        _ => None,
    };
    let sealer = Sealer::new(
        ring.source().clone(),
        &name,
        boot,
        past.last.as_ref().map(|l| l.hash),
    )?;
    let mut records = vec![Record {
        at,
        call: None,
        body: Body::Boot(Box::new(boot_body(
            options, ring, &name, &past, recovery, rotation, reason,
        ))),
    }];
    records.extend(past.into_records(at));
    let parts = Parts {
        spool,
        head: HeadFile::open(&options.dir.head(&name))?,
        sealer,
        signer: ring
            .signer()
            .to_secret_text()
            .parse()
            .map_err(|_| std::io::Error::other("signer key"))?,
        commit_key: ring.commit().clone(),
        on_full: options.on_full,
        server: name.clone(),
    };
    let mut committer = Committer::new(parts);
    while !records.is_empty() {
        let rest = records.split_off(records.len().min(RECOVERED_GROUP_RECORDS));
        committer
            .begin(records)
            .map_err(|reason| OpenTrailError::Full {
                name: name.clone(),
                reason,
            })?;
        records = rest;
    }
    Ok(Opened { committer, name })
}

fn open_spool(options: &TrailOptions) -> Result<(String, Spool, Recovery), OpenTrailError> {
    for n in 0..SPOOLS_PER_NAME_MAX {
        let name = if n == 0 {
            options.name.clone()
        } else {
            format!("{}.{n}", options.name)
        };
        match Spool::open(options.dir.spool(&name), spool_options(options)) {
            Ok((spool, recovery)) => return Ok((name, spool, recovery)),
            Err(OpenError::Locked { .. }) => {}
            Err(error) => return Err(OpenTrailError::Spool(error)),
        }
    }
    Err(OpenTrailError::Busy {
        name: options.name.clone(),
    })
}

pub(super) fn spool_options(options: &TrailOptions) -> affiant_spool::Options {
    let mut out = affiant_spool::Options::default();
    out.bytes_max = options.spool_bytes_max;
    out.segment_bytes = options.segment_bytes;
    out.scan = affiant_spool::Scan::LastSegment;
    out
}

/// How the spool of a dead process is opened.
pub(crate) fn orphan_options(dir: &DataDir, name: &str) -> affiant_spool::Options {
    spool_options(&TrailOptions::new(dir.clone(), name))
}

fn boot_body(
    options: &TrailOptions,
    ring: &KeyRing,
    name: &str,
    past: &Past,
    recovery: &Recovery,
    rotation: Option<String>,
    reason: &'static str,
) -> Boot {
    let torn_bytes = match recovery.tail {
        Tail::Torn { bytes, .. } | Tail::Unterminated { bytes, .. } => bytes,
        Tail::Clean | Tail::Slack { .. } => 0,
    };
    let unclean = past.last.is_some() && !past.stopped;
    let recovered = Recovered {
        calls_closed: u64::try_from(past.open.len()).unwrap_or(u64::MAX),
        torn_bytes,
        damaged: u64::try_from(past.gaps.len()).unwrap_or(u64::MAX),
    };
    Boot {
        reason: if unclean && reason == "start" {
            "recovery"
        } else {
            reason
        }
        .into(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        spool: name.to_owned(),
        key: ring.signer().verifier_key().to_string(),
        rotation,
        previous: past.last.as_ref().map_or_else(
            || Fact::absent("first boot of this chain"),
            |last| Fact::Known(last.previous.clone()),
        ),
        host: host(),
        pid: std::process::id(),
        config: options.config.clone(),
        clock: kernel_clock(),
        recovered: (unclean || recovered.damaged > 0).then_some(recovered),
    }
}

fn kernel_clock() -> Clock {
    crate::clock::kernel_clock()
}

fn host() -> Fact<String> {
    rustix::system::uname().nodename().to_str().map_or_else(
        |_| Fact::absent("host name is not UTF-8"),
        |name| Fact::Known(name.to_owned()),
    )
}
