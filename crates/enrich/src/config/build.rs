//! From what the file says to settings: bounds, cross-checks, defaults.

use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use affiant_config::{At, ConfigError, Place};
use affiant_entry::SourceId;
use affiant_entry::record::ContextKind;
use toml::Spanned;

use super::file::{File, Source};
use super::{
    ATTRIBUTES_MAX, Attributes, FACT_NAME_BYTES_MAX, Ldap, List, Origin, SOURCES_MAX,
    SourceSettings, Web,
};

type Result<T> = std::result::Result<T, ConfigError>;

/// The sources of a configuration file, in its order.
///
/// Does not check that files are there or servers answer.
///
/// # Errors
/// [`ConfigError`], which names the line.
pub fn settings(at: &Place<'_>, file: File) -> Result<Vec<SourceSettings>> {
    let tables = [
        (ContextKind::Asset, file.asset),
        (ContextKind::User, file.user),
        (ContextKind::Classification, file.classification),
    ];
    let mut out: Vec<SourceSettings> = Vec::new();
    for (kind, tables) in tables {
        for table in tables {
            let span = table.span();
            let key = kind_key(kind);
            if out.len() == SOURCES_MAX {
                let problem = format!("is one of more than {SOURCES_MAX} sources of facts");
                return Err(at.value(span, key, problem));
            }
            let one = source(at, kind, table)?;
            if out.iter().any(|other| other.id == one.id) {
                let problem = format!("`{}` stands there twice", one.id);
                return Err(at.value(span, key, problem));
            }
            out.push(one);
        }
    }
    Ok(out)
}

const fn kind_key(kind: ContextKind) -> &'static str {
    match kind {
        ContextKind::Asset => "enrich.asset",
        ContextKind::User => "enrich.user",
        ContextKind::Classification | _ => "enrich.classification",
    }
}

fn source(at: &Place<'_>, kind: ContextKind, table: Spanned<Source>) -> Result<SourceSettings> {
    let span = table.span();
    let mut keys = table.into_inner();
    let id = at.id("id", keys.id.take(), SourceId::new)?;
    let id = id.ok_or_else(|| at.missing(span.clone(), "id"))?;
    let refresh = at.seconds("refresh_s", keys.refresh_s.take(), 1..=86_400)?;
    let refresh = refresh.unwrap_or(REFRESH);
    let timeout = at.seconds("timeout_s", keys.timeout_s.take(), 1..=300)?;
    let stale_span = keys.stale_after_s.as_ref().map(Spanned::span);
    let stale = at.seconds("stale_after_s", keys.stale_after_s.take(), 1..=30 * 86_400)?;
    let stale_after = stale.unwrap_or_else(|| refresh.saturating_mul(3));
    if let Some(span) = stale_span.filter(|_| stale_after < refresh) {
        let problem = "is less than `refresh_s`: the source would be stale between two reads";
        return Err(at.value(span, "stale_after_s", problem));
    }
    let mut table = Table {
        at,
        span,
        kind,
        keys,
    };
    let origin = table.origin()?;
    let attributes = table.attributes(&origin)?;
    table.nothing_left(&origin)?;
    Ok(SourceSettings {
        id: id.to_string(),
        kind,
        origin,
        attributes,
        refresh,
        stale_after,
        timeout: timeout.unwrap_or(TIMEOUT),
    })
}

/// One table whose keys are taken out one by one: what is left belongs to another origin.
struct Table<'a> {
    at: &'a Place<'a>,
    span: Range<usize>,
    kind: ContextKind,
    keys: Source,
}

impl Table<'_> {
    fn origin(&mut self) -> Result<Origin> {
        let keys = &mut self.keys;
        let named = [
            ("csv", keys.csv.take()),
            ("json", keys.json.take()),
            ("http", keys.http.take()),
            ("ldap", keys.ldap.take()),
            ("scim", keys.scim.take()),
            ("rules", keys.rules.take()),
        ];
        let mut there = named
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)));
        let Some((key, value)) = there.next() else {
            let problem = "has no origin: `csv`, `json`, `http`, `ldap`, `scim` or `rules`";
            return Err(self
                .at
                .value(self.span.clone(), kind_key(self.kind), problem));
        };
        if let Some((second, value)) = there.next() {
            let problem = format!("stands beside `{key}`: a source has one origin");
            return Err(self.at.value(value.span(), second, problem));
        }
        self.fits(key, &value)?;
        let path = self.at.resolve(value.get_ref());
        Ok(match key {
            "csv" => Origin::Csv(path),
            "rules" => Origin::Rules(path),
            "json" => Origin::Json(path, self.list()?),
            "http" => Origin::Http(self.web(key, &value)?, self.list()?),
            "scim" => Origin::Scim(self.web(key, &value)?),
            _ => Origin::Ldap(self.ldap(&value)?),
        })
    }

    /// Whether a source of this kind can be of that origin.
    fn fits(&self, key: &'static str, value: &Spanned<String>) -> Result<()> {
        let classification = self.kind == ContextKind::Classification;
        let fits = match key {
            "csv" | "json" | "http" => true,
            "ldap" => !classification,
            "scim" => self.kind == ContextKind::User,
            _ => classification,
        };
        if fits {
            return Ok(());
        }
        let problem = format!("is no origin of `{}`", kind_key(self.kind));
        Err(self.at.value(value.span(), key, problem))
    }

    fn list(&mut self) -> Result<List> {
        let parse = |text: &str| {
            let members = text.strip_prefix('/').ok_or(())?.split('/');
            let plain = |name: &str| name.replace("~1", "/").replace("~0", "~");
            Ok::<_, ()>(List(members.map(plain).collect()))
        };
        let problem = "is not a pointer to an array such as `/items`";
        let list = self
            .at
            .parsed("list", self.keys.list.take(), parse, problem)?;
        Ok(list.unwrap_or_default())
    }

    fn path(&self, key: At<String>) -> Option<PathBuf> {
        key.map(|path| self.at.resolve(path.get_ref()))
    }

    fn web(&mut self, key: &'static str, url: &Spanned<String>) -> Result<Web> {
        let (schema, host) = self.url(key, url, ["http", "https"])?;
        let token = self.keys.token_file.take();
        let token_span = token.as_ref().map(Spanned::span);
        let token_file = self.path(token);
        if let Some(span) = token_span {
            self.not_in_clear(span, "token_file", schema == "https", &host)?;
        }
        let ca = self.keys.ca_file.take();
        Ok(Web {
            url: url.get_ref().trim_end_matches('/').to_owned(),
            token_file,
            ca_file: self.path(ca),
        })
    }

    fn ldap(&mut self, url: &Spanned<String>) -> Result<Ldap> {
        let (schema, host) = self.url("ldap", url, ["ldap", "ldaps"])?;
        let missing = |key| self.at.missing(self.span.clone(), key);
        let bind = match (self.keys.bind_dn.take(), self.keys.password_file.take()) {
            (None, None) => None,
            (Some(name), Some(file)) => {
                self.not_in_clear(file.span(), "password_file", schema == "ldaps", &host)?;
                let path = self.at.resolve(file.get_ref());
                Some((name.into_inner(), path))
            }
            (Some(_), None) => return Err(missing("password_file")),
            (None, Some(_)) => return Err(missing("bind_dn")),
        };
        let base = self.keys.base.take();
        let base = base.ok_or_else(|| missing("base"))?.into_inner();
        let filter = self.keys.filter.take().map(Spanned::into_inner);
        let ca = self.keys.ca_file.take();
        Ok(Ldap {
            url: url.get_ref().trim_end_matches('/').to_owned(),
            bind,
            base,
            filter: filter.unwrap_or_else(|| "(objectClass=*)".to_owned()),
            ca_file: self.path(ca),
        })
    }

    /// Schema and host; no user, no password.
    fn url<'u>(
        &self,
        key: &'static str,
        url: &'u Spanned<String>,
        schemas: [&str; 2],
    ) -> Result<(&'u str, String)> {
        let wrong = |problem: String| Err(self.at.value(url.span(), key, problem));
        let text = url.get_ref();
        let parts = text.split_once("://");
        let Some((schema, rest)) = parts.filter(|(schema, _)| schemas.contains(schema)) else {
            let [plain, tls] = schemas;
            return wrong(format!("is not an `{plain}` or `{tls}` URL"));
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return wrong("has a user in it; secrets belong into files".to_owned());
        }
        let host = match authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        };
        let plain = |c: char| !c.is_whitespace() && !c.is_control();
        if host.is_empty() || !text.chars().all(plain) {
            return wrong("names no host".to_owned());
        }
        Ok((schema, host.to_owned()))
    }

    fn not_in_clear(
        &self,
        span: Range<usize>,
        key: &'static str,
        tls: bool,
        host: &str,
    ) -> Result<()> {
        let loopback = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        if tls || loopback {
            return Ok(());
        }
        let problem = "would travel in clear text; use TLS (`https`, `ldaps`)";
        Err(self.at.value(span, key, problem))
    }

    fn attributes(&mut self, origin: &Origin) -> Result<Attributes> {
        if self.kind == ContextKind::Classification {
            return Ok(Attributes::default());
        }
        let default = match origin {
            Origin::Ldap(_) => Some("uid"),
            Origin::Scim(_) => Some("userName"),
            Origin::Csv(_) | Origin::Json(..) | Origin::Http(..) | Origin::Rules(_) => None,
        };
        let key = self.keys.key.take().map(Spanned::into_inner);
        let key = key.or_else(|| default.map(str::to_owned));
        let missing = |key| self.at.missing(self.span.clone(), key);
        let key = key
            .filter(|key| !key.is_empty())
            .ok_or_else(|| missing("key"))?;
        let all = self.keys.attributes.take();
        let all = all.ok_or_else(|| missing("attributes"))?;
        let (span, all) = (all.span(), all.into_inner());
        let wrong = |span, problem: String| Err(self.at.value(span, "attributes", problem));
        if all.is_empty() || all.len() > ATTRIBUTES_MAX {
            let problem = format!("has {}; it takes 1 to {ATTRIBUTES_MAX}", all.len());
            return wrong(span, problem);
        }
        let mut facts = std::collections::BTreeMap::new();
        for (name, from) in all {
            let plain = |b: u8| {
                b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.')
            };
            if !(1..=FACT_NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(plain) {
                let problem = format!(
                    "has `{name}`; a fact's name takes 1 to {FACT_NAME_BYTES_MAX} of `a-z`, `0-9`, `_`, `-`, `.`"
                );
                return wrong(from.span(), problem);
            }
            if from.get_ref().is_empty() {
                let problem = format!("has `{name}`, which is taken from nothing");
                return wrong(from.span(), problem);
            }
            facts.insert(name, from.into_inner());
        }
        Ok(Attributes { key, facts })
    }

    /// Every key that is left has no meaning here.
    fn nothing_left(&self, origin: &Origin) -> Result<()> {
        let keys = &self.keys;
        let texts = [
            ("list", &keys.list),
            ("key", &keys.key),
            ("token_file", &keys.token_file),
            ("ca_file", &keys.ca_file),
            ("bind_dn", &keys.bind_dn),
            ("password_file", &keys.password_file),
            ("base", &keys.base),
            ("filter", &keys.filter),
        ];
        let left = texts
            .into_iter()
            .find_map(|(key, value)| Some((key, value.as_ref()?.span())));
        let attributes = || Some(("attributes", keys.attributes.as_ref()?.span()));
        match left.or_else(attributes) {
            None => Ok(()),
            Some((key, span)) => {
                let problem = format!("has no meaning beside `{}`", origin.key());
                Err(self.at.value(span, key, problem))
            }
        }
    }
}

impl Origin {
    /// The key that says so.
    const fn key(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Json(..) => "json",
            Self::Http(..) => "http",
            Self::Ldap(_) => "ldap",
            Self::Scim(_) => "scim",
            Self::Rules(_) => "rules",
        }
    }
}

const REFRESH: Duration = Duration::from_secs(300);
const TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[derive(Default, serde::Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Whole {
        enrich: File,
    }

    fn check(text: &str) -> Result<Vec<SourceSettings>> {
        let at = Place::new(Path::new("/etc/serve.toml"), text);
        settings(&at, at.parse::<Whole>()?.enrich)
    }

    fn error(text: &str) -> String {
        check(text).unwrap_err().to_string()
    }

    #[test]
    fn each_origin_is_read() {
        let text = r#"
[[enrich.asset]]
id = "assets"
csv = "assets.csv"
key = "server"
attributes = { owner = "Owner" }
[[enrich.asset]]
id = "cmdb"
http = "https://cmdb.example/api/items/"
list = "/data/items"
key = "name"
attributes = { env = "/labels/env" }
token_file = "cmdb.token"
refresh_s = 60
[[enrich.user]]
id = "ldap"
ldap = "ldaps://ldap.example"
base = "ou=people,dc=example"
bind_dn = "cn=reader"
password_file = "ldap.password"
attributes = { department = "departmentNumber" }
[[enrich.user]]
id = "scim"
scim = "http://127.0.0.1:80/scim/v2"
token_file = "scim.token"
attributes = { title = "title" }
[[enrich.classification]]
id = "rules"
rules = "classification.toml"
"#;
        let all = check(text).unwrap();
        let ids: Vec<&str> = all.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids, ["assets", "cmdb", "ldap", "scim", "rules"]);
        assert_eq!(all[0].origin, Origin::Csv("/etc/assets.csv".into()));
        assert_eq!(all[1].stale_after, Duration::from_secs(180));
        assert!(matches!(&all[1].origin, Origin::Http(web, list)
            if web.url == "https://cmdb.example/api/items" && list.0 == ["data", "items"]));
        assert_eq!(all[2].attributes.key, "uid");
        assert_eq!(all[3].attributes.key, "userName");
        // What decides what is read is in the digest, what does not is not.
        let mut other = all[0].clone();
        other.refresh = Duration::from_secs(1);
        assert_eq!(other.digest(), all[0].digest());
        other
            .attributes
            .facts
            .insert("a".to_owned(), "b".to_owned());
        assert_ne!(other.digest(), all[0].digest());
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_line() {
        let csv = "[[enrich.asset]]\nid = \"a\"\ncsv = \"a.csv\"\nkey = \"k\"\n";
        let with = |more: &str| format!("{csv}attributes = {{ a = \"b\" }}\n{more}");
        let ldap = "[[enrich.user]]\nid = \"l\"\nldap = \"ldap://ldap.example\"\nbase = \"b\"\nattributes = { a = \"b\" }\n";
        for (text, wanted) in [
            (
                "[[enrich.asset]]\ncsv = \"a\"\n".to_owned(),
                "/etc/serve.toml:1: `id` is missing",
            ),
            (
                "[[enrich.asset]]\nid = \"a\"\n".to_owned(),
                "/etc/serve.toml:1: `enrich.asset` has no origin: `csv`, `json`, `http`, `ldap`, `scim` or `rules`",
            ),
            (csv.to_owned(), "/etc/serve.toml:1: `attributes` is missing"),
            (
                format!("{csv}attributes = {{}}\n"),
                "/etc/serve.toml:5: `attributes` has 0; it takes 1 to 12",
            ),
            (
                format!("{csv}attributes = {{ Owner = \"o\" }}\n"),
                "/etc/serve.toml:5: `attributes` has `Owner`; a fact's name takes 1 to 32 of `a-z`, `0-9`, `_`, `-`, `.`",
            ),
            (
                with("json = \"b\"\n"),
                "/etc/serve.toml:6: `json` stands beside `csv`: a source has one origin",
            ),
            (
                with("list = \"/a\"\n"),
                "/etc/serve.toml:6: `list` has no meaning beside `csv`",
            ),
            (
                with("refresh_s = 60\nstale_after_s = 59\n"),
                "/etc/serve.toml:7: `stale_after_s` is less than `refresh_s`: the source would be stale between two reads",
            ),
            (
                with("refresh = 1\n"),
                "/etc/serve.toml:6: unknown key `refresh`; did you mean `refresh_s`?",
            ),
            (
                "[[enrich.asset]]\nid = \"a\"\nrules = \"r\"\n".to_owned(),
                "/etc/serve.toml:3: `rules` is no origin of `enrich.asset`",
            ),
            (
                "[[enrich.classification]]\nid = \"a\"\nldap = \"r\"\n".to_owned(),
                "/etc/serve.toml:3: `ldap` is no origin of `enrich.classification`",
            ),
            (
                "[[enrich.classification]]\nid = \"a\"\nrules = \"r\"\nkey = \"k\"\n".to_owned(),
                "/etc/serve.toml:4: `key` has no meaning beside `rules`",
            ),
            (
                "[[enrich.classification]]\nid = \"a\"\nhttp = \"ftp://x\"\n".to_owned(),
                "/etc/serve.toml:3: `http` is not an `http` or `https` URL",
            ),
            (
                "[[enrich.classification]]\nid = \"a\"\nhttp = \"https://u:p@x\"\n".to_owned(),
                "/etc/serve.toml:3: `http` has a user in it; secrets belong into files",
            ),
            (
                "[[enrich.classification]]\nid = \"a\"\nhttp = \"https://:80\"\n".to_owned(),
                "/etc/serve.toml:3: `http` names no host",
            ),
            (
                "[[enrich.classification]]\nid = \"a\"\nhttp = \"http://x\"\ntoken_file = \"t\"\n"
                    .to_owned(),
                "/etc/serve.toml:4: `token_file` would travel in clear text; use TLS (`https`, `ldaps`)",
            ),
            (
                format!("{ldap}bind_dn = \"cn=x\"\n"),
                "/etc/serve.toml:1: `password_file` is missing",
            ),
            (
                format!("{ldap}bind_dn = \"cn=x\"\npassword_file = \"p\"\n"),
                "/etc/serve.toml:7: `password_file` would travel in clear text; use TLS (`https`, `ldaps`)",
            ),
        ] {
            assert_eq!(error(&text), wanted);
        }
        let twice = with("") + &with("");
        assert!(error(&twice).ends_with("`enrich.asset` `a` stands there twice"));
        let many: String = (0..9)
            .map(|n| with("").replace("\"a\"", &format!("\"a{n}\"")))
            .collect();
        assert!(error(&many).ends_with("is one of more than 8 sources of facts"));
    }
}
