//! From what the file says to what the gateway uses: bounds, cross-checks, defaults.

use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;

use affiant_config::{At, ConfigError, Place};
use affiant_entry::SourceId;
use http::Uri;
use http::uri::Scheme;
use toml::Spanned;

use crate::trail::{Intent, OnFull};

use super::file::{self, File};
use super::settings::{
    AdminSettings, GatewaySettings, HostPolicy, RouteSettings, Settings, TrailSettings,
    TransportKind, Upstream,
};

type Result<T> = std::result::Result<T, ConfigError>;

pub(super) fn settings(at: &Place<'_>, file: File) -> Result<Settings> {
    let gateway = gateway(at, file.gateway)?;
    let routes = routes(at, file.route, &gateway)?;
    let admin_default = AdminSettings::default();
    Ok(Settings {
        source: at.id("id", file.source.id, SourceId::new)?,
        trail: trail(at, file.trail)?,
        redact_rule_files: rule_files(at, file.redact.rule_files)?,
        admin: AdminSettings {
            listen: at
                .address("listen", file.admin.listen, EXAMPLE_PORT)?
                .unwrap_or(admin_default.listen),
        },
        gateway,
        routes,
        digest: at.digest(),
    })
}

/// Each file says itself whether the built-in rules follow it, so a second one would have no place.
fn rule_files(at: &Place<'_>, files: At<Vec<String>>) -> Result<Vec<PathBuf>> {
    let Some(files) = files else {
        return Ok(Vec::new());
    };
    let count = files.get_ref().len();
    if count > 1 {
        let problem = format!("names {count} files; one is supported: put the rules into it");
        return Err(at.value(files.span(), "rule_files", problem));
    }
    Ok(files
        .get_ref()
        .iter()
        .map(|path| at.resolve(path))
        .collect())
}

fn trail(at: &Place<'_>, file: file::Trail) -> Result<TrailSettings> {
    let default = TrailSettings::default();
    let intents = [("durable", Intent::Durable), ("buffered", Intent::Buffered)];
    let answers = [
        ("block", OnFull::Block),
        ("refuse", OnFull::Refuse),
        ("drop", OnFull::Drop),
    ];
    let heartbeat = at.millis(
        "heartbeat_interval_ms",
        file.heartbeat_interval_ms,
        1_000..=DAY_MS,
    )?;
    Ok(TrailSettings {
        intent: at
            .word("intent", file.intent, &intents)?
            .unwrap_or(default.intent),
        on_full: at
            .word("on_full", file.on_full, &answers)?
            .unwrap_or(default.on_full),
        spool_bytes_max: at
            .number("spool_bytes_max", file.spool_bytes_max, SPOOL_BYTES)?
            .unwrap_or(default.spool_bytes_max),
        segment_bytes: at
            .number("segment_bytes", file.segment_bytes, SEGMENT_BYTES)?
            .unwrap_or(default.segment_bytes),
        heartbeat_interval: heartbeat.unwrap_or(default.heartbeat_interval),
    })
}

fn gateway(at: &Place<'_>, file: file::Gateway) -> Result<GatewaySettings> {
    let default = GatewaySettings::default();
    let hold = at.number(
        "request_hold_bytes_max",
        file.request_hold_bytes_max,
        HOLD_BYTES,
    )?;
    let grace = at.millis(
        "shutdown_grace_ms",
        file.shutdown_grace_ms,
        0..=GRACE_MS_MAX,
    )?;
    let half_close = [("abort", false), ("tolerate", true)];
    Ok(GatewaySettings {
        listen: at
            .address("listen", file.listen, EXAMPLE_PORT)?
            .unwrap_or(default.listen),
        request_hold_bytes_max: hold
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(default.request_hold_bytes_max),
        shutdown_grace: grace.unwrap_or(default.shutdown_grace),
        half_close: at
            .word("client_half_close", file.client_half_close, &half_close)?
            .unwrap_or(default.half_close),
    })
}

fn routes(
    at: &Place<'_>,
    routes: Vec<Spanned<file::Route>>,
    gateway: &GatewaySettings,
) -> Result<Vec<RouteSettings>> {
    if routes.is_empty() {
        return Err(at.missing(0..0, "[[route]]"));
    }
    let mut built: Vec<RouteSettings> = Vec::new();
    for file in routes {
        let span = file.span();
        let route = route(at, span.clone(), file.into_inner())?;
        if built.iter().any(|other| other.id == route.id) {
            return Err(at.value(
                span,
                "id",
                format!("`{}` is taken by another route", route.id),
            ));
        }
        let address = |route: &RouteSettings| route.listen.unwrap_or(gateway.listen);
        let beside = built
            .iter()
            .filter(|other| address(other) == address(&route));
        let taken = beside
            .flat_map(|other| &other.paths)
            .find(|path| has(&route.paths, path));
        if let Some(path) = taken {
            return Err(at.value(span, "paths", format!("`{path}` is taken by another route")));
        }
        built.push(route);
    }
    Ok(built)
}

fn has(paths: &[String], path: &str) -> bool {
    paths
        .iter()
        .any(|own| own.trim_end_matches('/') == path.trim_end_matches('/'))
}

fn route(at: &Place<'_>, span: Range<usize>, file: file::Route) -> Result<RouteSettings> {
    let id = at.id("id", file.id, SourceId::new)?;
    let id = id.ok_or_else(|| at.missing(span.clone(), "id"))?;
    let upstream = file.upstream.ok_or_else(|| at.missing(span, "upstream"))?;
    let default = RouteSettings::new(id.as_str(), upstream_of(at, &upstream)?);
    let transports = [("http", TransportKind::Http), ("sse", TransportKind::Sse)];
    let hosts = [
        ("preserve", HostPolicy::Preserve),
        ("upstream", HostPolicy::Upstream),
    ];
    let connect = at.millis("connect_timeout_ms", file.connect_timeout_ms, 1..=HOUR_MS)?;
    let idle = at.millis("session_idle_ms", file.session_idle_ms, 1_000..=30 * DAY_MS)?;
    Ok(RouteSettings {
        transport: at
            .word("transport", file.transport, &transports)?
            .unwrap_or_default(),
        listen: at.address("listen", file.listen, EXAMPLE_PORT)?,
        paths: paths(at, file.paths)?.unwrap_or(default.paths),
        host: at.word("host", file.host, &hosts)?.unwrap_or_default(),
        allowed_hosts: file.allowed_hosts,
        allowed_origins: file.allowed_origins,
        ca_file: file.ca_file.as_deref().map(|path| at.resolve(path)),
        connect_timeout: connect.unwrap_or(default.connect_timeout),
        call_timeout: at.millis("call_timeout_ms", file.call_timeout_ms, 1..=30 * DAY_MS)?,
        session_idle: idle.unwrap_or(default.session_idle),
        session_meta_keys: file.session_meta_keys,
        role: file.role,
        user: file.user,
        id: default.id,
        upstream: default.upstream,
    })
}

fn upstream_of(at: &Place<'_>, url: &Spanned<String>) -> Result<Upstream> {
    let wrong = |problem: &str| at.value(url.span(), "upstream", problem);
    let example = "is not a URL such as `http://127.0.0.1:3001`";
    let parts = url
        .get_ref()
        .parse::<Uri>()
        .map_err(|_| wrong(example))?
        .into_parts();
    let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
        return Err(wrong(example));
    };
    if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
        return Err(wrong("takes `http` and `https` only"));
    }
    if authority.as_str().contains('@') {
        return Err(wrong(
            "takes no user or password; clients send their own `Authorization`",
        ));
    }
    if parts.path_and_query.is_some_and(|path| path != "/") {
        return Err(wrong(
            "takes no path: the client's path goes to the server as it is",
        ));
    }
    Ok(Upstream { scheme, authority })
}

fn paths(at: &Place<'_>, paths: At<Vec<Spanned<String>>>) -> Result<Option<Vec<String>>> {
    let Some(paths) = paths else { return Ok(None) };
    if paths.get_ref().is_empty() {
        return Err(at.value(paths.span(), "paths", "is empty; `/` stands for every path"));
    }
    for path in paths.get_ref() {
        let text = path.get_ref();
        if !text.starts_with('/') || text.contains(['?', '#']) {
            return Err(at.value(
                path.span(),
                "paths",
                format!("`{text}` is not a path such as `/mcp`"),
            ));
        }
    }
    Ok(Some(
        paths
            .into_inner()
            .into_iter()
            .map(Spanned::into_inner)
            .collect(),
    ))
}

/// Of the addresses that messages show.
const EXAMPLE_PORT: u16 = 7300;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// The trail is sealed within 2 s of a signal, so the grace must leave time for it.
const GRACE_MS_MAX: u64 = 60_000;
const HOLD_BYTES: RangeInclusive<u64> = 64 << 10..=1 << 30;
const SPOOL_BYTES: RangeInclusive<u64> = 1 << 20..=1 << 50;
const SEGMENT_BYTES: RangeInclusive<u64> = 64 << 10..=4 << 30;
