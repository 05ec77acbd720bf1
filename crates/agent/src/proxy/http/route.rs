//! Which route a request belongs to, and whether it may use it.

use std::sync::Arc;

use http::header::{HOST, HeaderMap, HeaderValue, ORIGIN};
use http::uri::{Authority, Scheme};

use crate::config::{HostPolicy, RouteSettings, TransportKind};
use crate::metrics::RouteMetrics;
use crate::recorder::Recorder;

use super::upstream::Upstream;

/// One route as it runs.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) id: String,
    pub(super) transport: TransportKind,
    pub(super) recorder: Recorder,
    pub(super) upstream: Upstream,
    pub(super) metrics: RouteMetrics,
    pub(super) request_hold_bytes_max: usize,
    paths: Vec<String>,
    check: OriginCheck,
    /// `Some` puts this in the place of the client's `Host`.
    pub(super) host: Option<HeaderValue>,
}

impl Route {
    pub(super) fn new(
        settings: &RouteSettings,
        request_hold_bytes_max: usize,
        recorder: Recorder,
        upstream: Upstream,
        metrics: RouteMetrics,
    ) -> Self {
        let rewritten = settings.host == HostPolicy::Upstream;
        Self {
            id: settings.id.clone(),
            transport: settings.transport,
            recorder,
            metrics,
            host: rewritten.then(|| upstream.host_header()),
            upstream,
            request_hold_bytes_max,
            paths: settings.paths.clone(),
            check: OriginCheck::new(settings, rewritten),
        }
    }

    /// The same route, on upstream connections of its own.
    pub(super) fn apart(&self) -> Self {
        Self {
            upstream: self.upstream.apart(),
            ..self.clone()
        }
    }

    /// The first of its paths, without a slash at the end.
    pub(super) fn first_path(&self) -> &str {
        self.paths
            .first()
            .map_or("", |path| path.trim_end_matches('/'))
    }

    /// Whether `Host` and `Origin` may use the route; otherwise the field that may not.
    pub(super) fn refuses(&self, headers: &HeaderMap) -> Option<&'static str> {
        self.check.refuses(headers)
    }
}

/// The routes of one listener.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    routes: Vec<Arc<Route>>,
}

impl Table {
    pub(super) fn new(routes: Vec<Arc<Route>>) -> Self {
        Self { routes }
    }

    /// The same routes, on upstream connections of their own.
    pub(super) fn apart(&self) -> Self {
        let apart = |route: &Arc<Route>| Arc::new(route.apart());
        Self::new(self.routes.iter().map(apart).collect())
    }

    /// The route with the longest prefix of `path`.
    pub(super) fn find(&self, path: &str) -> Option<&Arc<Route>> {
        self.routes
            .iter()
            .flat_map(|route| route.paths.iter().map(move |prefix| (prefix, route)))
            .filter(|(prefix, _)| is_prefix(prefix, path))
            .max_by_key(|(prefix, _)| prefix.len())
            .map(|(_, route)| route)
    }
}

/// Whether `path` lies at or below `prefix`, by whole segments.
fn is_prefix(prefix: &str, path: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        || (prefix.is_empty() && path == "*")
}

/// What keeps a page of another site from reaching a server behind the gateway (DNS rebinding).
///
/// Needed where `Host` is rewritten, because the server no longer sees what the client sent. Where
/// `Host` is preserved the server judges for itself, unless the route names what it allows.
#[derive(Debug, Clone)]
struct OriginCheck {
    /// Empty: anything goes.
    hosts: Vec<String>,
    origins: Vec<String>,
    origins_checked: bool,
}

impl OriginCheck {
    fn new(settings: &RouteSettings, rewritten: bool) -> Self {
        let mut hosts = lower(&settings.allowed_hosts);
        if rewritten && hosts.is_empty() {
            hosts = ["localhost", "127.0.0.1", "[::1]"]
                .map(str::to_owned)
                .to_vec();
        }
        let origins = lower(&settings.allowed_origins);
        Self {
            origins_checked: rewritten || !origins.is_empty(),
            hosts,
            origins,
        }
    }

    fn refuses(&self, headers: &HeaderMap) -> Option<&'static str> {
        if !self.hosts.is_empty() && !self.host_allowed(headers) {
            return Some("Host");
        }
        if self.origins_checked
            && !headers
                .get_all(ORIGIN)
                .iter()
                .all(|o| self.origin_allowed(o))
        {
            return Some("Origin");
        }
        None
    }

    fn host_allowed(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(HOST).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return false;
        };
        value.to_str().is_ok_and(|host| self.is_allowed_host(host))
    }

    /// An entry without a port allows every port.
    fn is_allowed_host(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        !host.contains('@')
            && self
                .hosts
                .iter()
                .any(|a| *a == host || a == authority.host())
    }

    fn origin_allowed(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        let origin = origin.to_ascii_lowercase();
        if !self.origins.is_empty() {
            return self.origins.contains(&origin);
        }
        let Some((scheme, host)) = origin.split_once("://") else {
            return false;
        };
        let known = scheme == Scheme::HTTP.as_str() || scheme == Scheme::HTTPS.as_str();
        known && self.is_allowed_host(host)
    }
}

fn lower(values: &[String]) -> Vec<String> {
    values
        .iter()
        .map(|value| value.to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_whole_segments() {
        for (prefix, path, expected) in [
            ("/", "/mcp", true),
            ("/", "/", true),
            ("/", "*", true),
            ("/crm", "/crm", true),
            ("/crm", "/crm/x", true),
            ("/crm/", "/crm/x", true),
            ("/crm", "/crmx", false),
            ("/crm", "/", false),
            ("/sse", "/message", false),
        ] {
            assert_eq!(is_prefix(prefix, path), expected, "{prefix} {path}");
        }
    }

    fn check(
        hosts: &[&str],
        origins: &[&str],
        rewritten: bool,
        fields: &[(&str, &str)],
    ) -> Option<&'static str> {
        let own = |v: &[&str]| v.iter().map(|s| (*s).to_owned()).collect();
        let authority = Authority::from_static("127.0.0.1:1");
        let upstream = crate::config::Upstream {
            scheme: Scheme::HTTP,
            authority,
        };
        let settings = RouteSettings {
            allowed_hosts: own(hosts),
            allowed_origins: own(origins),
            ..RouteSettings::new("t", upstream)
        };
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        OriginCheck::new(&settings, rewritten).refuses(&headers)
    }

    #[test]
    fn a_preserved_host_is_the_servers_to_judge() {
        let evil = [("host", "evil.example"), ("origin", "http://evil.example")];
        assert_eq!(check(&[], &[], false, &evil), None);
    }

    #[test]
    fn a_rewritten_host_is_judged_here() {
        assert_eq!(
            check(&[], &[], true, &[("host", "evil.example")]),
            Some("Host")
        );
        assert_eq!(check(&[], &[], true, &[("host", "127.0.0.1:8080")]), None);
        assert_eq!(check(&[], &[], true, &[("host", "[::1]:8080")]), None);
        assert_eq!(
            check(&[], &[], true, &[("host", "localhost@evil.example")]),
            Some("Host")
        );
        assert_eq!(check(&[], &[], true, &[]), Some("Host"));
        assert_eq!(
            check(&[], &[], true, &[("host", "localhost"), ("host", "evil")]),
            Some("Host")
        );
        let origin = |o| check(&[], &[], true, &[("host", "localhost"), ("origin", o)]);
        assert_eq!(origin("http://LOCALHOST:3000"), None);
        assert_eq!(origin("http://evil.example"), Some("Origin"));
        assert_eq!(origin("null"), Some("Origin"));
    }

    #[test]
    fn named_hosts_and_origins_are_the_only_ones() {
        let host = [("host", "mcp.example:8443")];
        assert_eq!(check(&["mcp.example"], &[], false, &host), None);
        assert_eq!(check(&["mcp.example:443"], &[], false, &host), Some("Host"));
        let both = [("host", "mcp.example"), ("origin", "https://app.example")];
        assert_eq!(
            check(&["mcp.example"], &["https://app.example"], true, &both),
            None
        );
        assert_eq!(
            check(&["mcp.example"], &["https://other.example"], true, &both),
            Some("Origin")
        );
    }
}
