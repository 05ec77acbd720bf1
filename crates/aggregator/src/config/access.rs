//! The part of the configuration that says who may use the API.

use std::path::PathBuf;
use std::time::Duration;

use affiant_config::{At, ConfigError, Place};
use affiant_entry::parse_rfc3339;
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use toml::Spanned;

use super::file;
use crate::access::Role;
use crate::query::ReadBounds;

type Result<T> = std::result::Result<T, ConfigError>;

/// Who may use the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessSettings {
    /// Whether the API asks who somebody is. Default false, which is for loopback alone.
    pub required: bool,
    /// Whether the log itself is for anyone, though the rest is not. Default false.
    pub log_public: bool,
    /// Most requests of a principal, and of an address. Default 6,000.
    pub requests_per_minute: u32,
    /// How long a login lasts. Default 8 h.
    pub session: Duration,
    /// Who knows people.
    pub oidc: Option<OidcSettings>,
}

impl Default for AccessSettings {
    fn default() -> Self {
        Self {
            required: false,
            log_public: false,
            requests_per_minute: 6_000,
            session: Duration::from_secs(8 * 3_600),
            oidc: None,
        }
    }
}

/// An OpenID Connect issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcSettings {
    /// Its URL, as in `iss`.
    pub issuer: String,
    /// What it calls us.
    pub client_id: String,
    /// File with the secret that we have there; a public client if absent.
    pub client_secret_file: Option<PathBuf>,
    /// `aud` of bearer tokens. Default the client id.
    pub audience: String,
    /// Where it sends browsers back to: our own `/callback`. No logins if absent.
    pub redirect_url: Option<String>,
    /// What is asked for at a login. Default `openid`.
    pub scopes: Vec<String>,
    /// Signatures that are taken. Default RS256, PS256, ES256, EdDSA.
    pub algorithms: Vec<Algorithm>,
    /// The claim that names somebody in the log. Default `sub`.
    pub name_claim: String,
    /// The claim that holds what roles are given by. Default `groups`.
    pub role_claim: String,
    /// Which value gives which role; the first that somebody has counts.
    pub roles: Vec<RoleRule>,
    /// PEM file with the roots of its certificate; those of the system if absent.
    pub roots_file: Option<PathBuf>,
}

/// A value of the role claim, and the role it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRule {
    /// The value.
    pub claim: String,
    /// The role.
    pub role: Role,
    /// The time that may be read.
    pub bounds: ReadBounds,
}

pub(super) fn access(at: &Place<'_>, file: file::Access) -> Result<AccessSettings> {
    let default = AccessSettings::default();
    let rate = at.number("requests_per_minute", file.requests_per_minute, RATE)?;
    let session = at.seconds("session_s", file.session_s, 60..=30 * 86_400)?;
    Ok(AccessSettings {
        required: file.required.unwrap_or(default.required),
        log_public: file.log_public.unwrap_or(default.log_public),
        requests_per_minute: rate
            .and_then(|rate| u32::try_from(rate).ok())
            .unwrap_or(default.requests_per_minute),
        session: session.unwrap_or(default.session),
        oidc: match file.oidc {
            None => None,
            Some(file) => Some(oidc(at, file)?),
        },
    })
}

fn oidc(at: &Place<'_>, file: Spanned<file::Oidc>) -> Result<OidcSettings> {
    let span = file.span();
    let file = file.into_inner();
    let missing = |key| at.missing(span.clone(), key);
    let plain = |value: At<String>| value.map(Spanned::into_inner);
    let path = |path: At<String>| path.map(|path| at.resolve(path.get_ref()));
    let problem = "is neither an `https` URL nor one of loopback";
    let issuer = at.parsed("issuer", file.issuer, safe_url, problem)?;
    let redirect = at.parsed("redirect_url", file.redirect_url, callback_url, CALLBACK)?;
    let client_id = plain(file.client_id).ok_or_else(|| missing("access.oidc.client_id"))?;
    let roles: Result<Vec<_>> = file.role.into_iter().map(|rule| role(at, rule)).collect();
    let roles = roles?;
    if roles.is_empty() {
        return Err(missing("access.oidc.role"));
    }
    Ok(OidcSettings {
        issuer: issuer.ok_or_else(|| missing("access.oidc.issuer"))?,
        audience: plain(file.audience).unwrap_or_else(|| client_id.clone()),
        client_id,
        client_secret_file: path(file.client_secret_file),
        redirect_url: redirect,
        scopes: file
            .scopes
            .map_or_else(|| vec!["openid".to_owned()], Spanned::into_inner),
        algorithms: algorithms(at, file.algorithms)?,
        name_claim: plain(file.name_claim).unwrap_or_else(|| "sub".to_owned()),
        role_claim: plain(file.role_claim).unwrap_or_else(|| "groups".to_owned()),
        roles,
        roots_file: path(file.roots_file),
    })
}

fn role(at: &Place<'_>, rule: Spanned<file::OidcRole>) -> Result<RoleRule> {
    let span = rule.span();
    let rule = rule.into_inner();
    let missing = |key| at.missing(span.clone(), key);
    let name = |text: &str| Role::of(text).ok_or(());
    let problem = "is none of `admin`, `operator`, `analyst`, `auditor`, `source`";
    let role = at.parsed("role", rule.role, name, problem)?;
    let time = |text: &str| parse_rfc3339(text).ok_or(());
    let problem = "is not a time such as `2026-01-01T00:00:00Z`";
    Ok(RoleRule {
        claim: rule
            .claim
            .map(Spanned::into_inner)
            .ok_or_else(|| missing("access.oidc.role.claim"))?,
        role: role.ok_or_else(|| missing("access.oidc.role.role"))?,
        bounds: ReadBounds {
            from_us: at.parsed("from", rule.from, time, problem)?,
            to_us: at.parsed("to", rule.to, time, problem)?,
        },
    })
}

/// Never a symmetric one: whoever checks such a token could make one.
fn algorithms(at: &Place<'_>, names: At<Vec<Spanned<String>>>) -> Result<Vec<Algorithm>> {
    let Some(names) = names else {
        return Ok(vec![
            Algorithm::RS256,
            Algorithm::PS256,
            Algorithm::ES256,
            Algorithm::EdDSA,
        ]);
    };
    let all: Result<Vec<_>> = names
        .into_inner()
        .into_iter()
        .map(|name| {
            let parsed = name.get_ref().parse::<Algorithm>().ok();
            let public = parsed.filter(|of| of.family() != AlgorithmFamily::Hmac);
            let problem = "has an algorithm that is none of RS, PS 256 to 512, ES256, ES384, EdDSA";
            public.ok_or_else(|| at.value(name.span(), "algorithms", problem))
        })
        .collect();
    all
}

/// Over TLS, or on this machine.
fn safe_url(text: &str) -> std::result::Result<String, ()> {
    let uri: http::Uri = text.parse().map_err(|_| ())?;
    let host = uri.host().ok_or(())?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<std::net::IpAddr>();
    let loopback = host == "localhost" || address.is_ok_and(|ip| ip.is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok(text.to_owned()),
        Some("http") if loopback => Ok(text.to_owned()),
        Some(_) | None => Err(()),
    }
}

fn callback_url(text: &str) -> std::result::Result<String, ()> {
    let url = safe_url(text)?;
    let uri: http::Uri = text.parse().map_err(|_| ())?;
    let ours = uri.path() == "/callback" && uri.query().is_none();
    ours.then_some(url).ok_or(())
}

const CALLBACK: &str = "is no URL that ends in `/callback`, over `https` or on loopback";
const RATE: std::ops::RangeInclusive<u64> = 1..=10_000_000;
