//! `[archive]`: bounds, and what goes with what.

use std::ops::RangeInclusive;
use std::time::Duration;

use affiant_config::{At, ConfigError, Place};
use toml::Spanned;

use super::file;
use super::settings::{ArchiveLock, ArchiveSettings};

pub(super) fn settings(
    at: &Place<'_>,
    archive: At<file::Archive>,
) -> Result<Option<ArchiveSettings>, ConfigError> {
    let Some(archive) = archive else {
        return Ok(None);
    };
    let span = archive.span();
    let archive = archive.into_inner();
    let place = |text: &str| match text.split_once("://") {
        Some(("file", path)) if path.starts_with('/') => Ok(text.to_owned()),
        Some(("s3", bucket)) if !bucket.is_empty() => Ok(text.to_owned()),
        _ => Err(()),
    };
    let problem = "is neither `file:///DIRECTORY` nor `s3://BUCKET[/PREFIX]`";
    let url = at.parsed("url", archive.url, place, problem)?;
    let url = url.ok_or_else(|| at.missing(span.clone(), "archive.url"))?;
    let is_s3 = url.starts_with("s3://");
    let http = |text: &str| match text.split_once("://") {
        Some(("http" | "https", rest)) if !rest.is_empty() => Ok(text.to_owned()),
        _ => Err(()),
    };
    let problem = "is not an `http` or `https` URL";
    let endpoint = at.parsed("endpoint", archive.endpoint, http, problem)?;
    let path = |path: At<String>| path.map(|path| at.resolve(path.get_ref()));
    let credentials_file = path(archive.credentials_file);
    if is_s3 && credentials_file.is_none() {
        return Err(at.missing(span, "archive.credentials_file"));
    }
    let lock_span = archive.lock.as_ref().map(Spanned::span);
    let lock = at.word("lock", archive.lock, &LOCKS)?;
    let by_default = if is_s3 {
        ArchiveLock::Compliance
    } else {
        ArchiveLock::None
    };
    let lock = lock.unwrap_or(by_default);
    if let Some(span) = lock_span.filter(|_| !is_s3 && lock != ArchiveLock::None) {
        let problem = "asks for a lock, which a directory does not have";
        return Err(at.value(span, "lock", problem));
    }
    let leaves = at.number("set_leaves", archive.set_leaves, SET_LEAVES)?;
    let age = at.seconds("set_age_s", archive.set_age_s, 1..=86_400)?;
    let every = at.seconds("scrub_every_s", archive.scrub_every_s, 1..=366 * 86_400)?;
    let pace = at.number("scrub_bytes_per_s", archive.scrub_bytes_per_s, 0..=1 << 40)?;
    Ok(Some(ArchiveSettings {
        url,
        endpoint,
        region: archive
            .region
            .map_or_else(|| "us-east-1".to_owned(), Spanned::into_inner),
        credentials_file,
        roots_file: path(archive.roots_file),
        lock,
        set_leaves: leaves.unwrap_or(65_536),
        set_age: age.unwrap_or(HOUR),
        scrub_every: every.unwrap_or(HOUR),
        scrub_bytes_per_s: pace.unwrap_or(16 << 20),
    }))
}

const LOCKS: [(&str, ArchiveLock); 3] = [
    ("none", ArchiveLock::None),
    ("governance", ArchiveLock::Governance),
    ("compliance", ArchiveLock::Compliance),
];
const HOUR: Duration = Duration::from_secs(3600);
/// A full bundle, to sixteen million.
const SET_LEAVES: RangeInclusive<u64> = 256..=1 << 24;
