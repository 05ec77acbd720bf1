//! The tables as they are written: every key optional, nothing judged yet.

use std::collections::BTreeMap;

use affiant_config::At;
use serde::Deserialize;
use toml::Spanned;

/// The table `enrich`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    pub(super) asset: Vec<Spanned<Source>>,
    pub(super) user: Vec<Spanned<Source>>,
    pub(super) classification: Vec<Spanned<Source>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Source {
    pub(super) id: At<String>,
    pub(super) csv: At<String>,
    pub(super) json: At<String>,
    pub(super) http: At<String>,
    pub(super) ldap: At<String>,
    pub(super) scim: At<String>,
    pub(super) rules: At<String>,
    pub(super) list: At<String>,
    pub(super) key: At<String>,
    pub(super) attributes: At<BTreeMap<String, Spanned<String>>>,
    pub(super) token_file: At<String>,
    pub(super) ca_file: At<String>,
    pub(super) bind_dn: At<String>,
    pub(super) password_file: At<String>,
    pub(super) base: At<String>,
    pub(super) filter: At<String>,
    pub(super) refresh_s: At<u64>,
    pub(super) stale_after_s: At<u64>,
    pub(super) timeout_s: At<u64>,
}
