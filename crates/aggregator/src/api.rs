//! The API for people, tools and readers of the log: plain HTTP.
//!
//! | path | answers |
//! |-|-|
//! | `/healthz` | `ok` while the process serves |
//! | `/readyz` | `ready` if the log takes leaves, else 503 |
//! | `/metrics` | [OpenMetrics text](https://prometheus.io/docs/specs/om/open_metrics_spec/) |
//! | `/log/…` | the log in [C2SP tlog-tiles](https://c2sp.org/tlog-tiles), "APIs" |
//! | `/v1/status` | how each source does |
//! | `/v1/sources` | which sources are enrolled |
//!
//! | `/v1/logs`, `/v1/traces`, `/v1/import/…` | takes records of others, see [`foreign`](crate::foreign) |
//!
//! Reading asks nobody who he is: listen on loopback, or on a network of those who may know. Adding to
//! the log in the aggregator's name asks for the token of `import.token_file`; without one it is open on
//! loopback, and shut elsewhere. Web pages add nothing: a request with an `Origin` is refused unless it
//! reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use affiant_entry::{SourceId, rfc3339};
use affiant_tlog::tile::LogPath;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ORIGIN};
use serde::Serialize;

use crate::chains::{ChainName, Said};
use crate::core::Core;
use crate::doors::{Gate, OwnChainSink};
use crate::foreign::Foreign;
use crate::index::{ChainRow, Subject};
use crate::logkey::KEY_ROTATIONS;
use crate::metrics::Counted;

/// The routes.
pub(crate) fn router(core: Arc<Core>, foreign: Arc<Foreign<OwnChainSink>>, gate: Gate) -> Router {
    let reading = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/log/{*path}", get(log_file))
        .route("/v1/status", get(status))
        .route("/v1/sources", get(sources))
        .with_state(core);
    reading
        .merge(
            crate::foreign::router(foreign).layer(middleware::from_fn_with_state(gate, may_write)),
        )
        .layer(middleware::from_fn(no_web_page_writes))
}

async fn no_web_page_writes(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), http::Method::GET | http::Method::HEAD);
    if !reads && request.headers().contains_key(ORIGIN) {
        return (StatusCode::FORBIDDEN, "web pages may not write here\n").into_response();
    }
    next.run(request).await
}

async fn may_write(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match gate.lets_in(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
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

async fn log_file(State(core): State<Arc<Core>>, Path(path): Path<String>) -> Response {
    if path == KEY_ROTATIONS {
        let kind = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
        return (kind, core.log_rotations.clone()).into_response();
    }
    let Ok(parsed) = path.parse::<LogPath>() else {
        return (StatusCode::NOT_FOUND, "no such path in a log\n").into_response();
    };
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
