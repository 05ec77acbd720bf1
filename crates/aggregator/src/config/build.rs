//! From what the file says to what the aggregator uses: bounds, cross-checks, defaults.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use affiant_entry::SourceId;
use affiant_log::PublishRule;
use affiant_tlog::VerifierKey;
use affiant_tlog::checkpoint::Origin;
use affiant_tlog::note::KeyName;
use toml::Spanned;

use super::error::{ConfigError, Place};
use super::file::{self, At, File};
use super::settings::{CaFiles, Settings, WitnessSettings};

type Result<T> = std::result::Result<T, ConfigError>;

pub(super) fn settings(at: &Place<'_>, file: File, digest: String) -> Result<Settings> {
    let ingest = address(at, "listen", file.ingest.listen)?;
    let ingest = ingest.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], INGEST_PORT)));
    let api = address(at, "listen", file.api.listen)?;
    let api = api.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], API_PORT)));
    let default = Settings::new(log_name(at, file.log.name)?, ingest, api);
    let interval = number(at, "interval_ms", file.log.interval_ms, 10..=1_000)?;
    let idle = number(at, "idle_s", file.log.idle_s, 1..=60)?;
    let memory = number(
        at,
        "memory_bytes_max",
        file.ingest.memory_bytes_max,
        MEMORY_BYTES,
    )?;
    let lifetime = number(
        at,
        "source_lifetime_s",
        file.ca.source_lifetime_s,
        60..=90 * 86_400,
    )?;
    Ok(Settings {
        own_id: own_id(at, file.log.own_id)?.unwrap_or(default.own_id),
        interval: interval.map_or(default.interval, Duration::from_millis),
        idle: idle.map_or(default.idle, Duration::from_secs),
        ingest_names: names(at, file.ingest.names)?,
        ingest_memory_bytes_max: memory
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(default.ingest_memory_bytes_max),
        ca: ca(at, file.ca.certificate_file, file.ca.key_file)?,
        source_lifetime_s: lifetime.unwrap_or(default.source_lifetime_s),
        admin_keys: admin_keys(at, file.roster)?,
        witness: witness(at, file.witness)?,
        digest: Some(digest),
        ..default
    })
}

fn log_name(at: &Place<'_>, name: At<String>) -> Result<String> {
    let Some(name) = name else {
        return Err(at.missing(0..0, "log.name"));
    };
    let fits = KeyName::new(name.get_ref()).is_ok_and(|key| Origin::of(&key).is_ok());
    if fits {
        Ok(name.into_inner())
    } else {
        let problem = "is not a URL without schema such as `log.example/eu-1`";
        Err(at.value(name.span(), "name", problem))
    }
}

fn own_id(at: &Place<'_>, id: At<String>) -> Result<Option<SourceId>> {
    let Some(id) = id else { return Ok(None) };
    SourceId::new(id.get_ref()).map(Some).map_err(|_| {
        let problem = "takes 1 to 64 of `a-z`, `0-9`, `.`, `_`, `-`, a letter or digit first";
        at.value(id.span(), "own_id", problem)
    })
}

fn names(at: &Place<'_>, names: At<Vec<Spanned<String>>>) -> Result<Vec<String>> {
    let names = names.map(Spanned::into_inner).unwrap_or_default();
    for name in &names {
        let text = name.get_ref();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':');
        if text.is_empty() || !text.bytes().all(plain) {
            let problem = format!("has `{text}`, which is neither a DNS name nor an address");
            return Err(at.value(name.span(), "names", problem));
        }
    }
    Ok(names.into_iter().map(Spanned::into_inner).collect())
}

fn ca(at: &Place<'_>, certificate: At<String>, key: At<String>) -> Result<Option<CaFiles>> {
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(CaFiles {
            certificate: resolve(at, certificate.get_ref()),
            key: resolve(at, key.get_ref()),
        })),
        (Some(certificate), None) => Err(at.missing(certificate.span(), "ca.key_file")),
        (None, Some(key)) => Err(at.missing(key.span(), "ca.certificate_file")),
    }
}

fn admin_keys(at: &Place<'_>, roster: file::Roster) -> Result<Vec<VerifierKey>> {
    let keys = roster
        .admin_keys
        .map(Spanned::into_inner)
        .unwrap_or_default();
    let parse = |key: Spanned<String>| {
        let problem = "has a text that is not a verifier key (name+id+base64)";
        let parsed = key.get_ref().parse::<VerifierKey>();
        parsed.map_err(|_| at.value(key.span(), "admin_keys", problem))
    };
    keys.into_iter().map(parse).collect()
}

fn witness(at: &Place<'_>, file: file::Witness) -> Result<Option<WitnessSettings>> {
    let rule = match &file.publish {
        None => PublishRule::AtOnce,
        Some(word) => match word.get_ref().as_str() {
            "at-once" => PublishRule::AtOnce,
            "with-quorum" => PublishRule::WithQuorum,
            other => {
                let problem = format!("is `{other}`; it takes `at-once`, `with-quorum`");
                return Err(at.value(word.span(), "publish", problem));
            }
        },
    };
    match (file.policy_file, file.publish) {
        (Some(path), _) => Ok(Some(WitnessSettings {
            policy_file: resolve(at, path.get_ref()),
            rule,
        })),
        (None, Some(word)) if rule == PublishRule::WithQuorum => {
            Err(at.missing(word.span(), "witness.policy_file"))
        }
        (None, _) => Ok(None),
    }
}

fn address(at: &Place<'_>, key: &'static str, value: At<String>) -> Result<Option<SocketAddr>> {
    let Some(value) = value else { return Ok(None) };
    let parsed = value.get_ref().parse();
    let problem = "is not an address and port such as `127.0.0.1:7443` or `[::1]:7443`";
    parsed
        .map(Some)
        .map_err(|_| at.value(value.span(), key, problem))
}

fn number(
    at: &Place<'_>,
    key: &'static str,
    value: At<u64>,
    bounds: RangeInclusive<u64>,
) -> Result<Option<u64>> {
    let Some(value) = value else { return Ok(None) };
    if bounds.contains(value.get_ref()) {
        return Ok(Some(*value.get_ref()));
    }
    let problem = format!(
        "is {}; it takes {} to {}",
        value.get_ref(),
        bounds.start(),
        bounds.end()
    );
    Err(at.value(value.span(), key, problem))
}

fn resolve(at: &Place<'_>, path: &str) -> PathBuf {
    at.path
        .parent()
        .map_or_else(|| PathBuf::from(path), |dir| dir.join(path))
}

/// Where sources come to if nothing else is said.
const INGEST_PORT: u16 = 7443;
const API_PORT: u16 = 7480;
/// Two of the longest batches, at least.
const MEMORY_BYTES: RangeInclusive<u64> = 128 << 20..=1 << 40;
