//! The tables `[[enrich.asset]]`, `[[enrich.user]]` and `[[enrich.classification]]` of `serve.toml`.
//!
//! Each source is of one origin (`csv`, `json`, `http`, `ldap`, `scim`, `rules`), and the keys beside it must be
//! ones that the origin takes. Secrets are files, never values, and do not travel in clear text but to this
//! host.

mod build;
mod file;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use affiant_entry::record::ContextKind;

pub use build::settings;
pub use file::File;

use crate::table::digest;

/// Most sources: with more, the facts about one call could be too long for one entry.
pub const SOURCES_MAX: usize = 8;

/// Most attributes of one source, for the same reason.
pub const ATTRIBUTES_MAX: usize = 12;

/// Longest name of a fact, in bytes.
pub const FACT_NAME_BYTES_MAX: usize = 32;

/// One source of facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSettings {
    /// What it is called in entries, metrics and messages.
    pub id: String,
    /// What it is asked about.
    pub kind: ContextKind,
    /// Where it is read from.
    pub origin: Origin,
    /// What is read of it; nothing for rules.
    pub attributes: Attributes,
    /// From read to read. Default 5 minutes.
    pub refresh: Duration,
    /// From which age on it is stale. Default three times `refresh`.
    pub stale_after: Duration,
    /// How long one read may take. Default 30 s.
    pub timeout: Duration,
}

/// Which attribute names a subject, and which become facts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes {
    /// The attribute that has the name as entries spell it.
    pub key: String,
    /// Name of the fact, and the attribute it is taken from.
    pub facts: BTreeMap<String, String>,
}

/// Where a source is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A CSV file with a line of headings.
    Csv(PathBuf),
    /// A JSON file.
    Json(PathBuf, List),
    /// JSON over HTTP.
    Http(Web, List),
    /// A directory by LDAP.
    Ldap(Ldap),
    /// A directory by SCIM 2.0.
    Scim(Web),
    /// A TOML file of rules.
    Rules(PathBuf),
}

/// Where in a JSON document the array of rows is: the document itself, or member by member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List(pub Vec<String>);

/// A place on the web.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// The whole URL, `http` or `https`; for SCIM that of the service, to which `/Users` is added.
    pub url: String,
    /// File with the bearer token, readable by this user alone.
    pub token_file: Option<PathBuf>,
    /// PEM file with the roots of its certificate; those of the system if absent.
    pub ca_file: Option<PathBuf>,
}

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ldap {
    /// `ldap://host:port` or `ldaps://host:port`.
    pub url: String,
    /// Name and file with the password, readable by this user alone; anonymous if absent.
    pub bind: Option<(String, PathBuf)>,
    /// Below which entry is searched.
    pub base: String,
    /// RFC 4515 filter.
    pub filter: String,
    /// PEM file with the roots of its certificate; those of the system if absent.
    pub ca_file: Option<PathBuf>,
}

impl SourceSettings {
    /// A digest of all that decides what is read: a cache of other settings is not used.
    #[must_use]
    pub fn digest(&self) -> String {
        let of = format!(
            "{}\0{}\0{:?}\0{:?}",
            self.id,
            self.kind.as_str(),
            self.origin,
            self.attributes
        );
        digest(of.as_bytes())
    }
}
