//! What an enrolled source keeps: `E/ship/`.

use std::path::PathBuf;

use affiant_entry::log_rotation::follow;
use affiant_entry::{Moment, SourceId, parse_rfc3339, rfc3339};
use affiant_tlog::VerifierKey;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::link::Ingest;
use crate::keys::{KeyFileError, read_secret, write_whole};
use crate::state::{DataDir, create_private_dir};

/// Version of `enrolment.json`.
const VERSION: u64 = 1;

/// The log a source's entries go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogIdentity {
    /// Its origin, which is the name of its key.
    pub name: String,
    /// Its verifier key (C2SP vkey): receipts are judged by it and by nothing else.
    pub vkey: String,
    /// Keys that were pinned before it and led to it by rotation notes, oldest first: what was remembered
    /// under them is still believed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<String>,
}

impl LogIdentity {
    /// Whether this is the same log, by the same key or by one that it led to.
    fn follows(&self, old: &Self) -> bool {
        let known = old.vkey == self.vkey || self.earlier.contains(&old.vkey);
        old.name == self.name && known
    }

    /// What is pinned from now on, if the log says that its key is `vkey`: the same, or, if that follows
    /// from the pinned one by these notes, the new one. `None` if it is another log, or a key that nothing
    /// links to the pinned one.
    #[must_use]
    pub fn followed_to(&self, name: &str, vkey: &str, rotations: &str) -> Option<Self> {
        if name != self.name {
            return None;
        }
        let pinned: VerifierKey = self.vkey.parse().ok()?;
        let found: VerifierKey = vkey.parse().ok()?;
        let keys = follow(&pinned, rotations);
        let reached = keys.iter().position(|key| *key == found)?;
        let left = keys.iter().take(reached).map(ToString::to_string);
        let mut earlier = self.earlier.clone();
        earlier.extend(left);
        Some(Self {
            name: self.name.clone(),
            vkey: found.to_string(),
            earlier,
        })
    }
}

/// At which aggregator a source is enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The source, as the certificate names it.
    pub source: SourceId,
    /// Where batches go.
    pub ingest: Ingest,
    /// The log.
    pub log: LogIdentity,
    /// When the certificate is to be renewed: wall clock, microseconds since the Unix epoch.
    pub renew_at_us: i64,
    /// When the certificate ends.
    pub not_after_us: i64,
}

/// The files of an enrolment cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnrolmentError {
    /// A file does not hold what it should; enrolling again writes all of them anew.
    #[error("`{}` {what}; enrol again", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The key file is not safe to use.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A file cannot be read or written.
    #[error("enrolment cannot be read or written")]
    Io(#[from] std::io::Error),
}

#[derive(Serialize, Deserialize)]
struct File {
    v: u64,
    source: SourceId,
    ingest: String,
    log: LogIdentity,
    renew_at: String,
    not_after: String,
}

/// The secrets and certificates of an enrolment, as PEM.
pub(super) struct Credentials {
    pub(super) key: Zeroizing<String>,
    pub(super) chain: String,
    pub(super) ca: String,
}

impl Enrolment {
    /// `ship/enrolment.json`.
    #[must_use]
    pub fn path(dir: &DataDir) -> PathBuf {
        dir.ship().join("enrolment.json")
    }

    /// Whether the source of this data directory is enrolled: a cheap look.
    #[must_use]
    pub fn exists(dir: &DataDir) -> bool {
        Self::path(dir).is_file()
    }

    /// Reads the enrolment; `None` if there is none.
    ///
    /// # Errors
    /// When it cannot be read or holds something else.
    pub fn load(dir: &DataDir) -> Result<Option<Self>, EnrolmentError> {
        let path = Self::path(dir);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let wrong = |what| EnrolmentError::Content {
            path: path.clone(),
            what,
        };
        let file: File = serde_json::from_str(&text).map_err(|_| wrong("is not an enrolment"))?;
        if file.v != VERSION {
            return Err(wrong("is of another version"));
        }
        let time = |text: &str| parse_rfc3339(text).ok_or_else(|| wrong("holds a bad time"));
        let loaded = Self {
            source: file.source,
            ingest: Ingest::parse(&file.ingest).map_err(|_| wrong("holds a bad URL"))?,
            renew_at_us: time(&file.renew_at)?,
            not_after_us: time(&file.not_after)?,
            log: file.log,
        };
        loaded
            .log_key()
            .ok_or_else(|| wrong("holds a bad log key"))?;
        Ok(Some(loaded))
    }

    /// The verifier key of the log, if its text is one and it has the log's name.
    #[must_use]
    pub fn log_key(&self) -> Option<VerifierKey> {
        let key: VerifierKey = self.log.vkey.parse().ok()?;
        (key.name().as_str() == self.log.name).then_some(key)
    }

    /// The key of the log and those that were pinned before it: what is remembered may be signed by any.
    #[must_use]
    pub fn log_keys(&self) -> Vec<VerifierKey> {
        let earlier = self.log.earlier.iter().filter_map(|key| key.parse().ok());
        self.log_key().into_iter().chain(earlier).collect()
    }

    /// Seconds until the certificate ends; negative once it has.
    #[must_use]
    pub const fn seconds_left(&self, at: Moment) -> i64 {
        self.not_after_us.saturating_sub(at.utc_us) / 1_000_000
    }

    /// Whether the certificate has ended.
    #[must_use]
    pub const fn has_expired(&self, at: Moment) -> bool {
        at.utc_us >= self.not_after_us
    }

    /// Whether the certificate is to be renewed now.
    #[must_use]
    pub const fn renewal_is_due(&self, at: Moment) -> bool {
        at.utc_us >= self.renew_at_us
    }

    /// Writes what a renewal changed. Die between the two, and the renewal is done again.
    pub(super) fn save_renewed(&self, dir: &DataDir, chain: &str) -> Result<(), EnrolmentError> {
        write_whole(&dir.ship().join("client.crt"), chain, 0o600)?;
        self.save_file(dir)
    }

    /// Writes everything; `enrolment.json` last, as its being there says that all of it is.
    pub(super) fn save(&self, dir: &DataDir, with: &Credentials) -> Result<(), EnrolmentError> {
        create_private_dir(&dir.ship())?;
        let ship = dir.ship();
        let another = Self::load(dir)
            .ok()
            .flatten()
            .is_none_or(|old| !self.log.follows(&old.log));
        if Self::exists(dir) {
            // Between here and the last line a crash leaves no enrolment, rather than a mixed one.
            fs::remove_file(Self::path(dir))?;
        }
        if another {
            // What was remembered is of another log.
            remove_optional(&crate::ship::checkpoint_path(dir))?;
        }
        write_whole(&ship.join("client.key"), &with.key, 0o600)?;
        write_whole(&ship.join("client.crt"), &with.chain, 0o600)?;
        write_whole(&ship.join("ca.crt"), &with.ca, 0o644)?;
        self.save_file(dir)
    }

    fn save_file(&self, dir: &DataDir) -> Result<(), EnrolmentError> {
        let file = File {
            v: VERSION,
            source: self.source.clone(),
            ingest: self.ingest.to_string(),
            log: self.log.clone(),
            renew_at: rfc3339(self.renew_at_us),
            not_after: rfc3339(self.not_after_us),
        };
        let mut text = serde_json::to_string_pretty(&file).map_err(std::io::Error::other)?;
        text.push('\n');
        Ok(write_whole(&Self::path(dir), &text, 0o644)?)
    }
}

impl Credentials {
    pub(super) fn load(dir: &DataDir) -> Result<Self, EnrolmentError> {
        let path = dir.ship().join("client.key");
        let key = read_secret(&path)?.ok_or(EnrolmentError::Content {
            path,
            what: "is missing",
        })?;
        Ok(Self {
            key,
            chain: fs::read_to_string(dir.ship().join("client.crt"))?,
            ca: fs::read_to_string(dir.ship().join("ca.crt"))?,
        })
    }
}

fn remove_optional(path: &std::path::Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
