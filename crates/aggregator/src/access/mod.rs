//! Who may do what at the API.
//!
//! ```text
//! request ─▸ address rate ─▸ who is it? ─▸ may the role? ─▸ principal's rate ─▸ handler
//!                             │ bearer: API token, OpenID Connect
//!                             │ cookie: session of a login
//!                             └ nobody: loopback without `access.required`
//! ```
//!
//! Each route has a line in [`ROUTES`], and the router is made from that table: a route without a role
//! cannot be. Who was refused is a metric, and in the log, counted.
//!
//! Headers that say who somebody is or where he comes from (`X-Forwarded-For`, `Forwarded`,
//! `X-Forwarded-User`, …) are not read: what is in front of the API is the client, a proxy too.
//!
//! # What it does not promise
//!
//! Whoever holds the data directory reads everything and makes tokens. A role is judged at each request,
//! but a login keeps the role it began with until it ends.
//!
//! Specifications: RFC 6750 (bearer tokens), RFC 7519 (JWT), RFC 7636 (PKCE), OpenID Connect Core 1.0
//! and Discovery 1.0, RFC 6265 (cookies).

mod address;
mod guard;
mod login;
mod oidc;
mod principal;
mod rate;
mod role;
mod routes;
mod session;
mod token;

use std::sync::Arc;

use affiant_entry::Moment;
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};

pub(crate) use address::From;
pub(crate) use guard::{Guard, guard, not_from_web_pages};
pub(crate) use login::{callback, login, logout};
pub use oidc::OidcError;
pub use principal::{By, Principal};
pub use role::Role;
pub(crate) use routes::Name;
pub use routes::{ROUTES, Route, Verb, Who};
pub use token::{ApiTokenError, ApiTokenInfo, ApiTokens, NewApiToken};

use crate::config::{AccessSettings, Settings};
use crate::doors::Gate;
use crate::files::FileError;
use crate::problem::Problem;
use crate::state::StateDir;
use oidc::Oidc;
use rate::Rate;
use session::Sessions;

/// What the API needs to know whom it lets in.
#[derive(Debug)]
pub(crate) struct Access {
    settings: AccessSettings,
    tokens: ApiTokens,
    oidc: Option<Arc<Oidc>>,
    sessions: Sessions,
    gate: Gate,
    addresses: Rate,
    principals: Rate,
    /// Failed attempts to say who one is, by address.
    failures: Rate,
}

impl Access {
    /// # Errors
    /// When a secret cannot be read.
    pub(crate) fn open(settings: &Settings, dir: &StateDir, gate: Gate) -> Result<Self, FileError> {
        let access = settings.access.clone();
        let oidc = match &access.oidc {
            None => None,
            Some(oidc) => Some(Arc::new(Oidc::open(oidc)?)),
        };
        Ok(Self {
            tokens: ApiTokens::new(dir),
            sessions: Sessions::new(access.session),
            gate,
            addresses: Rate::new(access.requests_per_minute),
            principals: Rate::new(access.requests_per_minute),
            failures: Rate::with_burst(FAILURES_PER_MINUTE, FAILURES_PER_MINUTE),
            oidc,
            settings: access,
        })
    }

    /// Who sent a request with these headers; `None` if it does not say.
    ///
    /// # Errors
    /// When it says who, and that is not so.
    async fn who(&self, headers: &HeaderMap, now: Moment) -> Result<Option<Principal>, Problem> {
        let mut all = headers.get_all(AUTHORIZATION).iter();
        if let Some(value) = all.next() {
            if all.next().is_some() {
                return Err(Problem::not_authenticated(
                    "there is more than one `Authorization`",
                ));
            }
            let token = value.to_str().ok().and_then(bearer);
            let token = token
                .ok_or_else(|| Problem::not_authenticated("the API asks for a bearer token"))?;
            return self.bearer(token, now).await.map(Some);
        }
        let name = self.cookie_name();
        let session = cookie(headers, name);
        Ok(session.and_then(|text| self.sessions.find(text, now)))
    }

    async fn bearer(&self, token: &str, now: Moment) -> Result<Principal, Problem> {
        if ApiTokens::looks_like_one(token) {
            let checked = self.tokens.check(token, now.utc_us);
            return checked.map_err(|error| match &error {
                ApiTokenError::File(_) => Problem::storage("API tokens cannot be read"),
                ApiTokenError::Unknown | ApiTokenError::Expired | ApiTokenError::Revoked => {
                    Problem::not_authenticated(error.to_string())
                }
            });
        }
        match &self.oidc {
            None => Err(Problem::not_authenticated(
                "the bearer token is not one of this aggregator",
            )),
            Some(oidc) => oidc
                .bearer(token, now)
                .await
                .map_err(|error| problem(&error)),
        }
    }

    /// With `__Host-` a browser takes it over TLS alone, and from this host alone.
    fn cookie_name(&self) -> &'static str {
        if self.is_secure() {
            "__Host-affiant-session"
        } else {
            "affiant-session"
        }
    }

    /// Whether browsers come over TLS.
    fn is_secure(&self) -> bool {
        let oidc = self.settings.oidc.as_ref();
        let url = oidc.and_then(|oidc| oidc.redirect_url.as_deref());
        url.is_some_and(|url| url.starts_with("https://"))
    }

    /// What a browser calls us: scheme, host, port.
    fn origin(&self) -> Option<&str> {
        let url = self.settings.oidc.as_ref()?.redirect_url.as_deref()?;
        let host = url.find("://")?.saturating_add(3);
        let end = url.get(host..)?.find('/').map_or(url.len(), |at| host + at);
        url.get(..end)
    }
}

/// What a failure at the issuer means for the one who asks.
fn problem(error: &OidcError) -> Problem {
    if error.is_ours() {
        tracing::warn!(error = %crate::problem::chain(error), "issuer cannot be asked");
        return Problem::storage("the issuer of logins cannot be asked now");
    }
    Problem::not_authenticated(error.to_string())
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The value of a cookie; `None` if it is there twice, as nobody knows then which of them is ours.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';'));
    let mut found = pairs.filter_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    });
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// Wrong tokens of one address; more are told to wait, whatever they bring.
const FAILURES_PER_MINUTE: u32 = 30;

#[cfg(test)]
mod tests;
