//! The configuration file as it is written: every key optional, nothing judged yet.

use affiant_config::At;
use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) source: Source,
    pub(super) trail: Trail,
    pub(super) redact: Redact,
    pub(super) gateway: Gateway,
    pub(super) admin: Admin,
    pub(super) route: Vec<Spanned<Route>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Source {
    pub(super) id: At<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Trail {
    pub(super) intent: At<String>,
    pub(super) on_full: At<String>,
    pub(super) spool_bytes_max: At<u64>,
    pub(super) segment_bytes: At<u64>,
    pub(super) heartbeat_interval_ms: At<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Redact {
    pub(super) rule_files: At<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Gateway {
    pub(super) listen: At<String>,
    pub(super) request_hold_bytes_max: At<u64>,
    pub(super) shutdown_grace_ms: At<u64>,
    pub(super) client_half_close: At<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Admin {
    pub(super) listen: At<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Route {
    pub(super) id: At<String>,
    pub(super) upstream: At<String>,
    pub(super) transport: At<String>,
    pub(super) listen: At<String>,
    pub(super) paths: At<Vec<Spanned<String>>>,
    pub(super) host: At<String>,
    pub(super) allowed_hosts: Vec<String>,
    pub(super) allowed_origins: Vec<String>,
    pub(super) ca_file: Option<String>,
    pub(super) connect_timeout_ms: At<u64>,
    pub(super) call_timeout_ms: At<u64>,
    pub(super) session_idle_ms: At<u64>,
    pub(super) session_meta_keys: Vec<String>,
    pub(super) role: Option<String>,
    pub(super) user: Option<String>,
}
