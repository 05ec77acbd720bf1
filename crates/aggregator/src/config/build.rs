//! From what the file says to what the aggregator uses: bounds, cross-checks, defaults.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use affiant_config::{At, ConfigError, Place};
use affiant_entry::SourceId;
use affiant_log::PublishRule;
use affiant_tlog::VerifierKey;
use affiant_tlog::checkpoint::Origin;
use affiant_tlog::note::KeyName;
use toml::Spanned;

use super::archive;
use super::file::{self, File};
use super::settings::{AnchorSettings, CaFiles, DeviceKey, Settings, TlsFiles, WitnessSettings};

type Result<T> = std::result::Result<T, ConfigError>;

pub(super) fn settings(at: &Place<'_>, file: File) -> Result<Settings> {
    let ingest = at.address("listen", file.ingest.listen, INGEST_PORT)?;
    let ingest = ingest.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], INGEST_PORT)));
    let api = at.address("listen", file.api.listen, INGEST_PORT)?;
    let api = api.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], API_PORT)));
    let default = Settings::new(log_name(at, file.log.name)?, ingest, api);
    let interval = at.millis("interval_ms", file.log.interval_ms, 10..=1_000)?;
    let idle = at.seconds("idle_s", file.log.idle_s, 1..=60)?;
    let memory = at.number(
        "memory_bytes_max",
        file.ingest.memory_bytes_max,
        MEMORY_BYTES,
    )?;
    let lifetime = at.number("source_lifetime_s", file.ca.source_lifetime_s, LIFETIME_S)?;
    let overlap = at.seconds("key_overlap_s", file.log.key_overlap_s, 0..=366 * 86_400)?;
    let path = |path: At<String>| path.map(|path| at.resolve(path.get_ref()));
    Ok(Settings {
        own_id: at
            .id("own_id", file.log.own_id, SourceId::new)?
            .unwrap_or(default.own_id),
        interval: interval.unwrap_or(default.interval),
        idle: idle.unwrap_or(default.idle),
        ingest_names: names(at, file.ingest.names)?,
        ingest_memory_bytes_max: memory
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(default.ingest_memory_bytes_max),
        ca: ca(at, file.ca.certificate_file, file.ca.key_file)?,
        source_lifetime_s: lifetime.unwrap_or(default.source_lifetime_s),
        admin_keys: admin_keys(at, file.roster)?,
        witness: witness(at, file.witness)?,
        device_key: device_key(at, file.log.key)?,
        ml_dsa_44: file.log.ml_dsa_44.unwrap_or(default.ml_dsa_44),
        key_overlap: overlap.unwrap_or(default.key_overlap),
        redaction_rules: path(file.redaction.rule_file),
        import_token: path(file.import.token_file),
        anchors: anchors(at, file.anchor)?,
        enrich: affiant_enrich::config::settings(at, file.enrich)?,
        api_tls: api_tls(at, file.api.certificate_file, file.api.key_file)?,
        access: super::access::access(at, file.access)?,
        archive: archive::settings(at, file.archive)?,
        digest: Some(at.digest()),
        ..default
    })
}

fn log_name(at: &Place<'_>, name: At<String>) -> Result<String> {
    let origin = |text: &str| match KeyName::new(text) {
        Ok(key) if Origin::of(&key).is_ok() => Ok(text.to_owned()),
        _ => Err(()),
    };
    let problem = "is not a URL without schema such as `log.example/eu-1`";
    at.parsed("name", name, origin, problem)?
        .ok_or_else(|| at.missing(0..0, "log.name"))
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
            certificate: at.resolve(certificate.get_ref()),
            key: at.resolve(key.get_ref()),
        })),
        (Some(certificate), None) => Err(at.missing(certificate.span(), "ca.key_file")),
        (None, Some(key)) => Err(at.missing(key.span(), "ca.certificate_file")),
    }
}

fn api_tls(at: &Place<'_>, certificate: At<String>, key: At<String>) -> Result<Option<TlsFiles>> {
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles {
            certificate: at.resolve(certificate.get_ref()),
            key: at.resolve(key.get_ref()),
        })),
        (Some(certificate), None) => Err(at.missing(certificate.span(), "api.key_file")),
        (None, Some(key)) => Err(at.missing(key.span(), "api.certificate_file")),
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
    let span = file.publish.as_ref().map(Spanned::span);
    let rules = [
        ("at-once", PublishRule::AtOnce),
        ("with-quorum", PublishRule::WithQuorum),
    ];
    let rule = at.word("publish", file.publish, &rules)?;
    let rule = rule.unwrap_or(PublishRule::AtOnce);
    match (file.policy_file, span) {
        (Some(path), _) => Ok(Some(WitnessSettings {
            policy_file: at.resolve(path.get_ref()),
            rule,
        })),
        (None, Some(span)) if rule == PublishRule::WithQuorum => {
            Err(at.missing(span, "witness.policy_file"))
        }
        (None, _) => Ok(None),
    }
}

/// All four, or none.
fn device_key(at: &Place<'_>, key: At<file::LogKey>) -> Result<Option<DeviceKey>> {
    let Some(key) = key else { return Ok(None) };
    let span = key.span();
    let key = key.into_inner();
    let needed = |value: At<String>, name| {
        let value = value.map(Spanned::into_inner);
        value.ok_or_else(|| at.missing(span.clone(), name))
    };
    Ok(Some(DeviceKey {
        module: at.resolve(&needed(key.pkcs11_module, "log.key.pkcs11_module")?),
        token_label: needed(key.token_label, "log.key.token_label")?,
        key_label: needed(key.key_label, "log.key.key_label")?,
        pin_file: at.resolve(&needed(key.pin_file, "log.key.pin_file")?),
    }))
}

fn anchors(at: &Place<'_>, all: Vec<Spanned<file::Anchor>>) -> Result<Vec<AnchorSettings>> {
    let mut out: Vec<AnchorSettings> = Vec::new();
    for one in all {
        let span = one.span();
        if out.len() == ANCHORS_MAX {
            let problem = format!("comes more than {ANCHORS_MAX} times");
            return Err(at.value(span, "anchor", problem));
        }
        let anchor = anchor(at, one)?;
        if out.iter().any(|other| other.name == anchor.name) {
            let problem = format!("`{}` stands there twice", anchor.name);
            return Err(at.value(span, "anchor", problem));
        }
        out.push(anchor);
    }
    Ok(out)
}

fn anchor(at: &Place<'_>, anchor: Spanned<file::Anchor>) -> Result<AnchorSettings> {
    let span = anchor.span();
    let anchor = anchor.into_inner();
    let missing = |key| at.missing(span.clone(), key);
    let http = |text: &str| match text.split_once("://") {
        Some(("http" | "https", rest)) if !rest.is_empty() => Ok(text.to_owned()),
        _ => Err(()),
    };
    let name = at.id("name", anchor.name, SourceId::new)?;
    let url = at.parsed("url", anchor.url, http, "is not an `http` or `https` URL")?;
    let roots = anchor
        .roots_file
        .ok_or_else(|| missing("anchor.roots_file"))?;
    let every = at.seconds("every_s", anchor.every_s, 1..=366 * 86_400)?;
    let timeout = at.seconds("timeout_s", anchor.timeout_s, 1..=120)?;
    Ok(AnchorSettings {
        name: name.ok_or_else(|| missing("anchor.name"))?.to_string(),
        url: url.ok_or_else(|| missing("anchor.url"))?,
        roots_file: at.resolve(roots.get_ref()),
        every: every.unwrap_or(ANCHOR_EVERY),
        timeout: timeout.unwrap_or(ANCHOR_TIMEOUT),
    })
}

/// Most time stamp authorities.
const ANCHORS_MAX: usize = 8;
const ANCHOR_EVERY: Duration = Duration::from_secs(3600);
const ANCHOR_TIMEOUT: Duration = Duration::from_secs(10);
/// Seconds; few for tests of renewal alone.
const LIFETIME_S: RangeInclusive<u64> = 2..=90 * 86_400;
/// Where sources come to if nothing else is said.
const INGEST_PORT: u16 = 7443;
const API_PORT: u16 = 7480;
/// Two of the longest batches, at least.
const MEMORY_BYTES: RangeInclusive<u64> = 128 << 20..=1 << 40;
