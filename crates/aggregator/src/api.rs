//! The API for people, tools and readers of the log: HTTP, over TLS where `api.certificate_file` is set.
//!
//! | path | answers |
//! |-|-|
//! | `/healthz` | `ok` while the process serves |
//! | `/readyz` | `ready` if the log takes leaves, else 503 |
//! | `/openapi.json` | what there is, for machines |
//! | `/metrics` | [OpenMetrics text](https://prometheus.io/docs/specs/om/open_metrics_spec/) |
//! | `/log/…` | the log in [C2SP tlog-tiles](https://c2sp.org/tlog-tiles), "APIs" |
//! | `/v1/status` | how each source does |
//! | `/v1/sources` | which sources are enrolled |
//! | `/v1/whoami` | who you are here |
//! | `/v1/entries`, `/v1/sessions/{id}`, `/v1/query` | entries, see [`reading`](crate::reading) |
//! | `/v1/logs`, `/v1/traces`, `/v1/import/…` | takes records of others, see [`foreign`](crate::foreign) |
//! | `/login`, `/callback`, `/logout` | logins of people |
//!
//! Who may do what stands in one table, [`ROUTES`]; without `access.required` nobody is asked, which is for
//! loopback alone. Adding to the log in the aggregator's name asks for the token of `import.token_file`, or
//! for a role. Web pages of others add nothing: a request with a foreign `Origin` is refused unless it reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use affiant_entry::{SourceId, rfc3339};
use affiant_tlog::tile::LogPath;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Extension, Router};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;

use crate::access::{By, Guard, Name, Principal, ROUTES, Verb, guard, not_from_web_pages};
use crate::chains::{ChainName, Said};
use crate::core::Core;
use crate::doors::OwnChainSink;
use crate::foreign::Foreign;
use crate::index::{ChainRow, Subject};
use crate::logkey::KEY_ROTATIONS;
use crate::metrics::Counted;
use crate::{access, foreign as door, reading};

/// The routes of the table, each behind its door.
pub(crate) fn router(core: &Arc<Core>, foreign: &Arc<Foreign<OwnChainSink>>) -> Router {
    let mut router = Router::new();
    for route in &ROUTES {
        let verb = match route.method {
            Verb::Get => MethodFilter::GET,
            Verb::Post => MethodFilter::POST,
        };
        let guarding = Guard {
            core: Arc::clone(core),
            route,
        };
        let handler = handler(route.name, verb, foreign);
        let handler = handler.route_layer(middleware::from_fn_with_state(guarding, guard));
        router = router.route(route.path, handler);
    }
    let pages = middleware::from_fn_with_state(Arc::clone(core), not_from_web_pages);
    router.layer(pages).with_state(Arc::clone(core))
}

fn handler(
    name: Name,
    verb: MethodFilter,
    foreign: &Arc<Foreign<OwnChainSink>>,
) -> MethodRouter<Arc<Core>> {
    match name {
        Name::Health => on(verb, || async { "ok\n" }),
        Name::Ready => on(verb, ready),
        Name::OpenApi => on(verb, || async {
            ([(CONTENT_TYPE, "application/json")], OPEN_API)
        }),
        Name::Metrics => on(verb, metrics),
        Name::Log => on(verb, log_file),
        Name::Status => on(verb, status),
        Name::Sources => on(verb, sources),
        Name::WhoAmI => on(verb, who_am_i),
        Name::Entries => on(verb, reading::entries),
        Name::Session => on(verb, reading::session),
        Name::Query => on(verb, reading::sql),
        Name::OtlpLogs => door::logs_route().with_state(Arc::clone(foreign)),
        Name::OtlpTraces => door::traces_route().with_state(Arc::clone(foreign)),
        Name::Import => door::import_route().with_state(Arc::clone(foreign)),
        Name::Login => on(verb, access::login),
        Name::Callback => on(verb, access::callback),
        Name::Logout => on(verb, access::logout),
    }
}

#[derive(Serialize)]
struct WhoAmI {
    v: u64,
    name: Option<String>,
    role: &'static str,
    by: &'static str,
    from: Option<String>,
    to: Option<String>,
}

async fn who_am_i(Extension(principal): Extension<Principal>) -> Response {
    json(&WhoAmI {
        v: 1,
        role: principal.role.as_str(),
        by: principal.by.as_str(),
        from: principal.bounds.from_us.map(rfc3339),
        to: principal.bounds.to_us.map(rfc3339),
        name: principal.name,
    })
}

async fn ready(State(core): State<Arc<Core>>) -> Response {
    if core.ledger.is_failing() {
        return (StatusCode::SERVICE_UNAVAILABLE, "log takes no leaves\n").into_response();
    }
    match core.ledger.caught_up().await {
        Ok(()) => "ready\n".into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "index is behind the log\n").into_response(),
    }
}

async fn metrics(State(core): State<Arc<Core>>) -> Response {
    for ((source, _), said) in core.chains.said() {
        core.metrics.source(&source).pending(said.pending_entries);
    }
    core.metrics.log_failing(core.ledger.is_failing());
    match core.metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn log_file(
    State(core): State<Arc<Core>>,
    Extension(principal): Extension<Principal>,
    path: Result<Path<String>, PathRejection>,
) -> Response {
    let Ok(Path(path)) = path else {
        return (StatusCode::NOT_FOUND, "no such path in a log\n").into_response();
    };
    if path == KEY_ROTATIONS {
        let kind = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
        return (kind, core.log_rotations.clone()).into_response();
    }
    let Ok(parsed) = path.parse::<LogPath>() else {
        return (StatusCode::NOT_FOUND, "no such path in a log\n").into_response();
    };
    if path.starts_with("tile/entries/") && principal.by != By::Loopback {
        core.log_reads.count(&principal);
    }
    let reader = core.ledger.log().reader();
    let read = tokio::task::spawn_blocking(move || reader.file(parsed)).await;
    match read {
        Ok(Ok(Some(bytes))) if path == "checkpoint" => (
            [
                (CONTENT_TYPE, "text/plain; charset=utf-8"),
                (CACHE_CONTROL, "no-cache"),
            ],
            bytes,
        )
            .into_response(),
        Ok(Ok(Some(bytes))) => (
            [
                (CONTENT_TYPE, "application/octet-stream"),
                (CACHE_CONTROL, FOREVER),
            ],
            bytes,
        )
            .into_response(),
        Ok(Ok(None)) => (StatusCode::NOT_FOUND, "not there\n").into_response(),
        Ok(Err(_)) | Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

#[derive(Serialize)]
struct Status {
    v: u64,
    log: LogStatus,
    sources: Vec<SourceStatus>,
}

#[derive(Serialize)]
struct LogStatus {
    name: String,
    vkey: String,
    size: u64,
    root: String,
    roster_serial: Option<u64>,
}

#[derive(Serialize)]
struct SourceStatus {
    source: SourceId,
    enrolled: Option<String>,
    revoked: Option<String>,
    silent: bool,
    unrostered: bool,
    heard: Option<String>,
    /// Since the aggregator started.
    counts: Counted,
    chains: Vec<ChainStatus>,
}

#[derive(Serialize)]
struct ChainStatus {
    spool: String,
    boot: Option<String>,
    seal: Option<u64>,
    next_seq: Option<u64>,
    entries: u64,
    seals: u64,
    gaps: u64,
    forks: u64,
    quarantined: u64,
    sealed: String,
    /// What the source said of its spool last.
    newest_boot: Option<String>,
    newest_seal: Option<u64>,
    pending_entries: Option<u64>,
}

async fn status(State(core): State<Arc<Core>>) -> Response {
    // What was receipted is in it.
    if core.ledger.caught_up().await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let made = tokio::task::spawn_blocking(move || status_of(&core)).await;
    match made {
        Ok(Some(status)) => json(&status),
        Ok(None) | Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn status_of(core: &Core) -> Option<Status> {
    let head = core.ledger.head();
    let chains = core.ledger.index().chains().ok()?;
    let mut ids: Vec<SourceId> = chains.iter().map(|c| c.cursor.source().clone()).collect();
    let enrolled = core.sources.all().ok()?;
    ids.extend(enrolled.iter().map(|source| source.source.clone()));
    ids.sort();
    ids.dedup();
    let said: BTreeMap<_, _> = core.chains.said().into_iter().collect();
    let sources = ids.into_iter().map(|id| {
        let known = enrolled.iter().find(|source| source.source == id);
        let revoked = core.sources.revocation(&id).ok().flatten();
        SourceStatus {
            enrolled: known.map(|source| source.enrolled.clone()),
            revoked: revoked.map(|revoked| revoked.revoked),
            silent: core.says(&Subject::Silent(id.clone())),
            unrostered: core.says(&Subject::Unrostered(id.clone())),
            heard: core.watch.last_utc_us(&id).map(rfc3339),
            counts: core.metrics.source(&id).read(),
            chains: chains
                .iter()
                .filter(|chain| *chain.cursor.source() == id)
                .map(|chain| chain_status(&said, chain))
                .collect(),
            source: id,
        }
    });
    Some(Status {
        v: 1,
        log: LogStatus {
            name: core.log_name.clone(),
            vkey: core.ledger.log().verifier_key().to_string(),
            size: head.checkpoint.size.0,
            root: head.checkpoint.root.to_base64(),
            roster_serial: core.ledger.index().roster_serial().ok()?,
        },
        sources: sources.collect(),
    })
}

fn chain_status(said: &BTreeMap<ChainName, Said>, chain: &ChainRow) -> ChainStatus {
    let position = chain.cursor.position();
    let name = (chain.cursor.source().clone(), chain.cursor.spool().clone());
    let said = said.get(&name);
    let newest = said.and_then(|said| said.newest);
    ChainStatus {
        spool: chain.cursor.spool().to_string(),
        boot: position.map(|p| p.place.boot.to_string()),
        seal: position.map(|p| p.place.seal.0),
        next_seq: position.map(|p| p.next_seq.0),
        entries: chain.entries,
        seals: chain.seals,
        gaps: chain.gaps,
        forks: chain.forks,
        quarantined: chain.quarantined,
        sealed: rfc3339(chain.sealed_utc_us),
        newest_boot: newest.map(|place| place.boot.to_string()),
        newest_seal: newest.map(|place| place.seal.0),
        pending_entries: said.map(|said| said.pending_entries),
    }
}

async fn sources(State(core): State<Arc<Core>>) -> Response {
    let Ok(all) = core.sources.all() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    json(&all)
}

fn json<T: Serialize>(value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => ([(CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const FOREVER: &str = "public, max-age=31536000, immutable";
/// Documented by hand, held against the table by a test.
const OPEN_API: &str = include_str!("../openapi.json");
