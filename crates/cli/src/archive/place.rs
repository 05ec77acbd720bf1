//! Where an archive is: from a configuration or from arguments, to something that reads and writes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use affiant_aggregator::config::{self, ArchiveLock, ArchiveSettings};
use affiant_aggregator::files;
use affiant_archive::store::{
    Credentials, DirObjects, LockMode, Objects, Place, S3Objects, S3Options, StoreError,
};
use affiant_archive::{ArchiveError, Limits};
use fs_err as fs;

use crate::error::ExpectedError;
use crate::exit_code::Exit;

/// An archive by its place, or as an aggregator's configuration names it.
#[derive(Debug, clap::Args)]
pub(crate) struct Where {
    /// The archive: `file:///DIRECTORY` or `s3://BUCKET[/PREFIX]`
    #[arg(
        value_name = "URL",
        required_unless_present = "config",
        conflicts_with = "config"
    )]
    url: Option<String>,
    /// The archive that `[archive]` of this configuration of `affiant serve` names
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The S3 service, if it is not AWS
    #[arg(long, value_name = "URL", requires = "url")]
    endpoint: Option<String>,
    /// Its region
    #[arg(long, value_name = "NAME", default_value = "us-east-1")]
    region: String,
    /// File with two lines, id and secret of an access key, readable by you alone
    #[arg(long, value_name = "FILE", requires = "url")]
    credentials: Option<PathBuf>,
    /// PEM file with roots to trust beside the system's
    #[arg(long, value_name = "FILE", requires = "url")]
    roots: Option<PathBuf>,
    /// The retention that every object must be found under: `compliance`, `governance` or `none` [default: `compliance` on S3]
    #[arg(long, value_name = "MODE", requires = "url", value_parser = lock_of)]
    lock: Option<ArchiveLock>,
}

fn lock_of(text: &str) -> Result<ArchiveLock, String> {
    match text {
        "none" => Ok(ArchiveLock::None),
        "governance" => Ok(ArchiveLock::Governance),
        "compliance" => Ok(ArchiveLock::Compliance),
        _ => Err("give `compliance`, `governance` or `none`".to_owned()),
    }
}

impl Where {
    /// What the arguments or the configuration say.
    pub(crate) fn settings(&self) -> Result<ArchiveSettings, ExpectedError> {
        if let Some(path) = &self.config {
            let settings = config::load(path);
            let settings = settings.map_err(|error| ExpectedError::caused(Exit::Usage, &error))?;
            return settings.archive.ok_or_else(|| {
                let text = format!("`{}` has no `[archive]`", path.display());
                ExpectedError::usage(text).hint("give the archive's URL")
            });
        }
        let url = self.url.clone().unwrap_or_default();
        let is_s3 = url.starts_with("s3://");
        let by_default = match is_s3 {
            true => ArchiveLock::Compliance,
            false => ArchiveLock::None,
        };
        Ok(ArchiveSettings {
            url,
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            credentials_file: self.credentials.clone(),
            roots_file: self.roots.clone(),
            lock: self.lock.unwrap_or(by_default),
            set_leaves: Limits::default().leaves,
            set_age: Limits::default().age,
            scrub_every: Duration::from_secs(3600),
            scrub_bytes_per_s: 0,
        })
    }
}

/// Opens the archive; a directory that is not there is made if `make` says so.
pub(crate) fn open(
    settings: &ArchiveSettings,
    make: bool,
) -> Result<Arc<dyn Objects>, ExpectedError> {
    let place: Place = settings
        .url
        .parse()
        .map_err(|error| ExpectedError::caused(Exit::Usage, &error))?;
    match place {
        Place::Dir(path) if make => {
            let objects = DirObjects::create(&path).map_err(|error| store_refused(&error))?;
            Ok(Arc::new(objects))
        }
        Place::Dir(path) if !path.is_dir() => Err(ExpectedError::usage(format!(
            "`{}` is not a directory",
            path.display()
        ))),
        Place::Dir(path) => {
            let objects = DirObjects::open(&path).map_err(|error| store_refused(&error))?;
            Ok(Arc::new(objects))
        }
        Place::S3 { bucket, prefix } => {
            let mut options = S3Options::new(bucket, credentials(settings)?);
            options.prefix = prefix;
            options.endpoint.clone_from(&settings.endpoint);
            options.region.clone_from(&settings.region);
            options.roots = match &settings.roots_file {
                Some(path) => Some(
                    fs::read(path).map_err(|error| ExpectedError::caused(Exit::Usage, &error))?,
                ),
                None => None,
            };
            let objects = S3Objects::open(options).map_err(|error| store_refused(&error))?;
            Ok(Arc::new(objects))
        }
    }
}

fn credentials(settings: &ArchiveSettings) -> Result<Credentials, ExpectedError> {
    let Some(path) = &settings.credentials_file else {
        return Err(
            ExpectedError::usage("no credentials are given for the bucket")
                .hint("give a file with id and secret with `--credentials`"),
        );
    };
    let wrong = |path: &Path| {
        let text = format!(
            "`{}` does not hold two lines, id and secret",
            path.display()
        );
        ExpectedError::usage(text)
    };
    let read = files::read_secret(path).map_err(|error| {
        let exit = if error.is_unsafe() {
            Exit::Untrusted
        } else {
            Exit::Usage
        };
        ExpectedError::caused(exit, &error)
    })?;
    let text = read.ok_or_else(|| {
        ExpectedError::usage(format!("credentials `{}` are not there", path.display()))
    })?;
    Credentials::parse(&text).ok_or_else(|| wrong(path))
}

/// The lock that is asked for.
pub(crate) const fn lock(settings: &ArchiveSettings) -> Option<LockMode> {
    match settings.lock {
        ArchiveLock::None => None,
        ArchiveLock::Governance => Some(LockMode::Governance),
        ArchiveLock::Compliance => Some(LockMode::Compliance),
    }
}

/// How sets are cut.
pub(crate) fn limits(settings: &ArchiveSettings) -> Limits {
    let mut limits = Limits::default();
    limits.leaves = settings.set_leaves;
    limits.age = settings.set_age;
    limits.lock = lock(settings);
    limits
}

/// Why an operation on an archive failed, for people.
pub(crate) fn refused(error: &ArchiveError) -> ExpectedError {
    use ArchiveError as E;
    let exit = match error {
        E::Store(store) => return store_refused(store),
        E::Manifest { .. }
        | E::Changed { .. }
        | E::RolledBack { .. }
        | E::LogBehind { .. }
        | E::Forked { .. }
        | E::RootMismatch { .. }
        | E::Checkpoint { .. } => Exit::No,
        E::Missing { .. } | E::Decode { .. } | E::Unlocked { .. } | E::ReadBack { .. } => {
            Exit::Incomplete
        }
        E::OtherLog { .. } | E::NotAnArchive | E::NoCheckpoint => Exit::Usage,
        E::Restore(affiant_log::restore::RestoreError::NotEmpty) => Exit::Usage,
        E::Interrupted
        | E::Log(_)
        | E::Occupied { .. }
        | E::Blob { .. }
        | E::BlobTooLong { .. }
        | E::Restore(_)
        | E::Io(_)
        | _ => Exit::Storage,
    };
    ExpectedError::caused(exit, error)
}

fn store_refused(error: &StoreError) -> ExpectedError {
    let exit = match error {
        StoreError::Failed { .. } => Exit::Unreachable,
        StoreError::Refused { .. } => Exit::Untrusted,
        StoreError::NotSupported { .. } | StoreError::Setup { .. } => Exit::Usage,
        StoreError::TooLong { .. } | _ => Exit::Storage,
    };
    ExpectedError::caused(exit, error)
}
