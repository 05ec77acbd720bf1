//! The configuration file as it is written: every key optional, nothing judged yet.

use affiant_config::At;
use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) log: Log,
    pub(super) ingest: Ingest,
    pub(super) api: Api,
    pub(super) ca: Ca,
    pub(super) roster: Roster,
    pub(super) witness: Witness,
    pub(super) anchor: Vec<Spanned<Anchor>>,
    pub(super) enrich: affiant_enrich::config::File,
    pub(super) redaction: Redaction,
    pub(super) import: Import,
    pub(super) access: Access,
    pub(super) archive: At<Archive>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    pub(super) name: At<String>,
    pub(super) own_id: At<String>,
    pub(super) interval_ms: At<u64>,
    pub(super) idle_s: At<u64>,
    pub(super) ml_dsa_44: Option<bool>,
    pub(super) key_overlap_s: At<u64>,
    pub(super) key: At<LogKey>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Ingest {
    pub(super) listen: At<String>,
    pub(super) names: At<Vec<Spanned<String>>>,
    pub(super) memory_bytes_max: At<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Api {
    pub(super) listen: At<String>,
    pub(super) certificate_file: At<String>,
    pub(super) key_file: At<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Ca {
    pub(super) certificate_file: At<String>,
    pub(super) key_file: At<String>,
    pub(super) source_lifetime_s: At<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Roster {
    pub(super) admin_keys: At<Vec<Spanned<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Witness {
    pub(super) policy_file: At<String>,
    pub(super) publish: At<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LogKey {
    pub(super) pkcs11_module: At<String>,
    pub(super) token_label: At<String>,
    pub(super) key_label: At<String>,
    pub(super) pin_file: At<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Anchor {
    pub(super) name: At<String>,
    pub(super) url: At<String>,
    pub(super) roots_file: At<String>,
    pub(super) every_s: At<u64>,
    pub(super) timeout_s: At<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Redaction {
    pub(super) rule_file: At<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Import {
    pub(super) token_file: At<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Access {
    pub(super) required: Option<bool>,
    pub(super) log_public: Option<bool>,
    pub(super) requests_per_minute: At<u64>,
    pub(super) session_s: At<u64>,
    pub(super) oidc: At<Oidc>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Oidc {
    pub(super) issuer: At<String>,
    pub(super) client_id: At<String>,
    pub(super) client_secret_file: At<String>,
    pub(super) audience: At<String>,
    pub(super) redirect_url: At<String>,
    pub(super) scopes: At<Vec<String>>,
    pub(super) algorithms: At<Vec<Spanned<String>>>,
    pub(super) name_claim: At<String>,
    pub(super) role_claim: At<String>,
    pub(super) roots_file: At<String>,
    pub(super) role: Vec<Spanned<OidcRole>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OidcRole {
    pub(super) claim: At<String>,
    pub(super) role: At<String>,
    pub(super) from: At<String>,
    pub(super) to: At<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Archive {
    pub(super) url: At<String>,
    pub(super) endpoint: At<String>,
    pub(super) region: At<String>,
    pub(super) credentials_file: At<String>,
    pub(super) roots_file: At<String>,
    pub(super) lock: At<String>,
    pub(super) set_leaves: At<u64>,
    pub(super) set_age_s: At<u64>,
    pub(super) scrub_every_s: At<u64>,
    pub(super) scrub_bytes_per_s: At<u64>,
}
