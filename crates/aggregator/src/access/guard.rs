//! The door in front of every route.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use affiant_entry::Moment;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{Method, StatusCode};

use super::{Access, From, Principal, Route, Who};
use crate::clock;
use crate::core::Core;
use crate::problem::Problem;

/// What the door of one route knows.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    pub(crate) core: Arc<Core>,
    pub(crate) route: &'static Route,
}

/// The head of a request.
struct Asked {
    uri: http::Uri,
    headers: http::HeaderMap,
}

/// A request that is not let in: who came, as far as is known, and why not.
struct Refused {
    principal: Option<Principal>,
    problem: Problem,
}

impl std::convert::From<Problem> for Box<Refused> {
    fn from(problem: Problem) -> Self {
        Self::new(Refused {
            principal: None,
            problem,
        })
    }
}

/// Lets a request in, with its [`Principal`] beside it, or refuses it.
pub(crate) async fn guard(
    State(Guard { core, route }): State<Guard>,
    mut request: Request,
    next: Next,
) -> Response {
    let nowhere = From(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
    let from = request.extensions().get::<From>().copied();
    let from = from.unwrap_or(nowhere);
    let asked = Asked {
        uri: request.uri().clone(),
        headers: request.headers().clone(),
    };
    match core.access.admit(route, &asked, from, clock::now()).await {
        Ok(principal) => {
            request.extensions_mut().insert(principal);
            let answering = tokio::time::timeout(ANSWER_MAX, next.run(request));
            answering
                .await
                .unwrap_or_else(|_| too_slow().into_response())
        }
        Err(refused) => {
            let subject = refused.principal.map_or_else(
                || format!("address {}", from.key()),
                |principal| principal.key(),
            );
            core.refusals.count_access(subject, &refused.problem);
            core.metrics.api_refused(refused.problem.code);
            refused.problem.into_response()
        }
    }
}

/// A page of somebody else must not act through the browser of one who is let in.
pub(crate) async fn not_from_web_pages(
    State(core): State<Arc<Core>>,
    request: Request,
    next: Next,
) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut origins = request.headers().get_all(ORIGIN).iter();
    let ours = |origin: &http::HeaderValue| {
        core.access
            .origin()
            .is_some_and(|ours| origin.as_bytes() == ours.as_bytes())
    };
    if !reads && !origins.all(ours) {
        return (StatusCode::FORBIDDEN, "web pages may not write here\n").into_response();
    }
    next.run(request).await
}

impl Access {
    async fn admit(
        &self,
        route: &Route,
        asked: &Asked,
        from: From,
        now: Moment,
    ) -> Result<Principal, Box<Refused>> {
        let address = from.key();
        if self.settings.required {
            let room = self.addresses.take(&address, now.mono_us);
            room.map_err(Problem::too_many_requests)?;
        }
        let query = asked.uri.query().unwrap_or_default();
        if form_urlencoded::parse(query.as_bytes()).any(|(key, _)| TOKEN_KEYS.contains(&&*key)) {
            let detail = "a token in a URL ends up in logs; send `Authorization: Bearer`, and revoke this one";
            return Err(Problem::token_in_url(detail).into());
        }
        match route.who {
            Who::Anyone => return Ok(Principal::loopback()),
            Who::Log(_) if self.settings.required && self.settings.log_public => {
                return Ok(Principal::loopback());
            }
            Who::Import(_) => {
                if let Some(importer) = self.importer(asked)? {
                    return Ok(importer);
                }
            }
            Who::Roles(_) | Who::Log(_) => {}
        }
        let failed = self.failures.has_room(&address, now.mono_us);
        failed.map_err(Problem::too_many_requests)?;
        let principal = match self.who(&asked.headers, now).await {
            Ok(principal) => principal,
            Err(problem) => {
                let _ = self.failures.take(&address, now.mono_us);
                return Err(problem.into());
            }
        };
        let principal = match principal {
            Some(principal) => principal,
            None if self.settings.required => {
                return Err(Problem::not_authenticated("the API asks who you are").into());
            }
            None => {
                not_rebound(asked)?;
                Principal::loopback()
            }
        };
        if let Err(problem) = allowed(route, &principal) {
            let principal = Some(principal);
            return Err(Box::new(Refused { principal, problem }));
        }
        if self.settings.required
            && let Err(wait_s) = self.principals.take(&principal.key(), now.mono_us)
        {
            let (principal, problem) = (Some(principal), Problem::too_many_requests(wait_s));
            return Err(Box::new(Refused { principal, problem }));
        }
        Ok(principal)
    }

    /// Whether the token for imports, or its absence, lets a request in. `None`: others may know better.
    fn importer(&self, asked: &Asked) -> Result<Option<Principal>, Box<Refused>> {
        let refused = match self.gate.lets_in(&asked.headers) {
            Ok(()) => return Ok(Some(Principal::importer())),
            Err(refused) => refused,
        };
        // Who brings a token that is for something else is judged by that.
        if self.knows_others(&asked.headers) {
            return Ok(None);
        }
        Err(refused.into())
    }

    fn knows_others(&self, headers: &http::HeaderMap) -> bool {
        let Some(value) = headers.get(AUTHORIZATION) else {
            return super::cookie(headers, self.cookie_name()).is_some();
        };
        let token = value.to_str().ok().and_then(super::bearer);
        token.is_some_and(|token| super::ApiTokens::looks_like_one(token) || self.oidc.is_some())
    }
}

fn allowed(route: &Route, principal: &Principal) -> Result<(), Problem> {
    let (Who::Roles(roles) | Who::Log(roles) | Who::Import(roles)) = route.who else {
        return Ok(());
    };
    if !roles.contains(&principal.role) {
        let detail = format!("the role `{}` may not do that", principal.role.as_str());
        return Err(Problem::not_allowed(detail));
    }
    if matches!(route.who, Who::Log(_)) && !principal.reads_all() {
        let detail = "the log holds all dates, and you may read some; use `/v1/entries`";
        return Err(Problem::not_allowed(detail));
    }
    Ok(())
}

/// Where nobody is asked who he is, a browser on this machine must not be led here by another name
/// (DNS rebinding).
fn not_rebound(asked: &Asked) -> Result<(), Problem> {
    let mut hosts = asked.headers.get_all(HOST).iter();
    let host = hosts.next().map(|host| host.to_str().unwrap_or("?"));
    let authority = asked.uri.authority().map(http::uri::Authority::as_str);
    let all = host.into_iter().chain(authority);
    if hosts.next().is_none() && all.into_iter().all(is_this_machine) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "not-this-host",
        "request is for another host",
        "without `access.required` the API answers to `localhost` and loopback addresses alone",
    ))
}

fn is_this_machine(host: &str) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return address.is_loopback();
    }
    name.eq_ignore_ascii_case("localhost")
}

fn too_slow() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "too-slow",
        "request took too long",
        "the request was not read and answered in time",
    )
}

/// Names under which tokens stand in URLs (RFC 6750 section 2.3 and custom).
const TOKEN_KEYS: [&str; 6] = [
    "access_token",
    "token",
    "api_token",
    "api_key",
    "apikey",
    "authorization",
];
/// From the head of a request to the head of its answer.
const ANSWER_MAX: Duration = Duration::from_secs(90);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_few_names() {
        for ours in [
            "localhost",
            "LOCALHOST:7480",
            "127.0.0.1",
            "127.8.9.1:80",
            "[::1]:7480",
            "[::1]",
        ] {
            assert!(is_this_machine(ours), "{ours}");
        }
        for others in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:80",
            "10.0.0.1:80",
            "[2001:db8::1]:80",
            "",
            "?",
        ] {
            assert!(!is_this_machine(others), "{others}");
        }
    }
}
