//! Logins of people: `/login`, `/callback`, `/logout`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use http::{HeaderName, HeaderValue, StatusCode};

use super::{Access, cookie, problem};
use crate::clock;
use crate::core::Core;
use crate::problem::Problem;

/// Sends a browser to the issuer.
pub(crate) async fn login(State(core): State<Arc<Core>>, request: Request) -> Response {
    let access = &core.access;
    let Some(oidc) = access.oidc.as_ref().filter(|_| access.origin().is_some()) else {
        return no_logins().into_response();
    };
    let query = request.uri().query().unwrap_or_default();
    let then = parameter(query, "then").filter(|then| is_local(then));
    let begun = oidc.begin(
        then.unwrap_or_else(|| "/v1/whoami".to_owned()),
        clock::now(),
    );
    match begun.await {
        Ok(begun) => {
            let cookie = access.login_cookie(&begun.state, LOGIN_S);
            redirect(&begun.url, &[cookie])
        }
        Err(error) => refused(&core, &error),
    }
}

/// Where the issuer sends it back to.
pub(crate) async fn callback(State(core): State<Arc<Core>>, request: Request) -> Response {
    let access = &core.access;
    let Some(oidc) = &access.oidc else {
        return no_logins().into_response();
    };
    let query = request.uri().query().unwrap_or_default();
    let (state, code) = (parameter(query, "state"), parameter(query, "code"));
    // The browser that ends a login is the one that began it.
    let ours = cookie(request.headers(), access.login_cookie_name());
    let (Some(state), Some(code)) = (state.filter(|state| Some(state.as_str()) == ours), code)
    else {
        return refused(&core, &super::OidcError::Login);
    };
    let now = clock::now();
    match oidc.finish(&state, &code, now).await {
        Ok((principal, then)) => {
            tracing::info!(role = principal.role.as_str(), "somebody logged in");
            let Some(session) = access.sessions.begin(principal, now) else {
                return Problem::slow_down().into_response();
            };
            let lifetime_s = access.sessions.lifetime_s();
            let session = access.cookie(access.cookie_name(), &session, "/", lifetime_s);
            redirect(&then, &[session, access.login_cookie("", 0)])
        }
        Err(error) => refused(&core, &error),
    }
}

/// Ends a login.
pub(crate) async fn logout(State(core): State<Arc<Core>>, request: Request) -> Response {
    let access = &core.access;
    if let Some(session) = cookie(request.headers(), access.cookie_name()) {
        access.sessions.end(session);
    }
    let gone = access.cookie(access.cookie_name(), "", "/", 0);
    let mut response = StatusCode::NO_CONTENT.into_response();
    add(&mut response, SET_COOKIE, &gone);
    response
}

impl Access {
    fn cookie(&self, name: &str, value: &str, path: &str, max_age_s: u64) -> String {
        let secure = if self.is_secure() { "; Secure" } else { "" };
        format!("{name}={value}; Path={path}; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}")
    }

    fn login_cookie(&self, state: &str, max_age_s: u64) -> String {
        self.cookie(self.login_cookie_name(), state, "/callback", max_age_s)
    }

    fn login_cookie_name(&self) -> &'static str {
        if self.is_secure() {
            "__Secure-affiant-login"
        } else {
            "affiant-login"
        }
    }
}

fn refused(core: &Core, error: &super::OidcError) -> Response {
    let problem = problem(error);
    if !error.is_ours() {
        core.refusals.count_access("login".to_owned(), &problem);
    }
    core.metrics.api_refused(problem.code);
    problem.into_response()
}

fn no_logins() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "no-logins",
        "there are no logins here",
        "`access.oidc` with a `redirect_url` is not configured",
    )
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
    let (_, value) = found.next()?;
    found.next().is_none().then(|| value.into_owned())
}

/// A path of ours: nothing that a browser takes for another host.
fn is_local(then: &str) -> bool {
    let plain = then.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    plain && then.len() <= 1024 && then.starts_with('/') && !then.starts_with("//")
}

fn redirect(to: &str, cookies: &[String]) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    add(&mut response, LOCATION, to);
    add(&mut response, CACHE_CONTROL, "no-store");
    for cookie in cookies {
        add(&mut response, SET_COOKIE, cookie);
    }
    response
}

fn add(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().append(name, value);
    }
}

/// Seconds that somebody may take at the issuer.
const LOGIN_S: u64 = 600;

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn a_login_ends_here() {
        assert!(is_local("/v1/entries?tool=a"));
        for elsewhere in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "evil",
            "",
            "/\t/evil.example",
            "/a\r\nSet-Cookie: a=b",
        ] {
            assert!(!is_local(elsewhere), "{elsewhere}");
        }
    }
}
