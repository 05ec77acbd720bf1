//! The routes of the door: `POST /v1/logs`, `POST /v1/traces`, `POST /v1/import/{format}`.
//!
//! | route | body | answer |
//! |---|---|---|
//! | `/v1/logs`, `/v1/traces` | OTLP as JSON or protobuf, gzip allowed | 200 (`partialSuccess` counts what was not recorded), 400, 413, 415, 503 |
//! | `/v1/import/{format}?first_line=N` | lines of JSON, gzip allowed | 200 with an [`ImportReport`] and the leaf indexes; 404, 413, 415, 503 |

use std::ops::Range;
use std::sync::Arc;

use affiant_entry::Moment;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::body;
use super::format::Format;
use super::importer::{Imported, Importer};
use super::jsonl::{ImportReport, read_lines};
use super::otlp::{self, Encoding, Malformed, Signal};
use super::sink::{Sink, SinkError};

/// What the door works with.
#[derive(Debug)]
pub struct Foreign<S> {
    /// Redacts.
    pub importer: Importer,
    /// Appends.
    pub sink: S,
    /// Reads the clocks.
    pub now: fn() -> Moment,
}

/// `POST /v1/logs`. The listener decides who may use it.
pub fn logs_route<S: Sink>() -> MethodRouter<Arc<Foreign<S>>> {
    post(logs::<S>)
}

/// `POST /v1/traces`.
pub fn traces_route<S: Sink>() -> MethodRouter<Arc<Foreign<S>>> {
    post(traces::<S>)
}

/// `POST /v1/import/{format}`.
pub fn import_route<S: Sink>() -> MethodRouter<Arc<Foreign<S>>> {
    post(import::<S>)
}

/// The three routes together.
pub fn router<S: Sink>(foreign: Arc<Foreign<S>>) -> Router {
    Router::new()
        .route("/v1/logs", logs_route())
        .route("/v1/traces", traces_route())
        .route("/v1/import/{format}", import_route())
        .with_state(foreign)
}

async fn logs<S: Sink>(
    State(foreign): State<Arc<Foreign<S>>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    telemetry(foreign, Signal::Logs, headers, body).await
}

async fn traces<S: Sink>(
    State(foreign): State<Arc<Foreign<S>>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    telemetry(foreign, Signal::Spans, headers, body).await
}

async fn telemetry<S: Sink>(
    foreign: Arc<Foreign<S>>,
    signal: Signal,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(encoding) = encoding(&headers) else {
        let text = "content type is neither application/json nor application/x-protobuf";
        return otlp::refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Encoding::Json,
            text,
            None,
        );
    };
    let bytes = match body::read(&headers, body).await {
        Ok(bytes) => bytes,
        Err(error) => return otlp::refused(error.status(), encoding, &error.to_string(), None),
    };
    let importer = foreign.importer.clone();
    let now = (foreign.now)();
    let read = tokio::task::spawn_blocking(move || {
        otlp::read_request(signal, encoding, &bytes, &importer, now)
    });
    let mut request = match read.await {
        Ok(Ok(request)) => request,
        Ok(Err(error @ Malformed)) => {
            return otlp::refused(StatusCode::BAD_REQUEST, encoding, &error.to_string(), None);
        }
        Err(_) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return otlp::refused(status, encoding, "request could not be read", None);
        }
    };
    match append(&foreign.sink, std::mem::take(&mut request.imported)).await {
        Ok(_) => otlp::accepted(signal, encoding, &request),
        Err(error) => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            otlp::refused(status, encoding, &error.to_string(), Some(RETRY_AFTER_S))
        }
    }
}

async fn append<S: Sink>(
    sink: &S,
    imported: Vec<Imported>,
) -> Result<Option<Range<u64>>, SinkError> {
    if imported.is_empty() {
        return Ok(None);
    }
    sink.append(imported).await.map(Some)
}

fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        Some(Encoding::Json)
    } else if kind.eq_ignore_ascii_case("application/x-protobuf") {
        Some(Encoding::Protobuf)
    } else {
        None
    }
}

#[derive(Debug, Deserialize)]
struct ImportQuery {
    #[serde(default = "one")]
    first_line: u64,
}

const fn one() -> u64 {
    1
}

/// Answer of `/v1/import/{format}`.
#[derive(Debug, Serialize)]
struct ImportAnswer {
    v: u64,
    format: &'static str,
    #[serde(flatten)]
    report: ImportReport,
    /// Leaf index of the first entry, and behind the last; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_index: Option<u64>,
}

async fn import<S: Sink>(
    State(foreign): State<Arc<Foreign<S>>>,
    Path(format): Path<String>,
    Query(query): Query<ImportQuery>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(format) = Format::parse(&format) else {
        let known = Format::ALL.map(Format::word).join(", ");
        return problem(
            StatusCode::NOT_FOUND,
            "unknown-format",
            &format!("formats are {known}"),
        );
    };
    let bytes = match body::read(&headers, body).await {
        Ok(bytes) => bytes,
        Err(error) => return problem(error.status(), "malformed-import", &error.to_string()),
    };
    let importer = foreign.importer.clone();
    let now = (foreign.now)();
    let read = tokio::task::spawn_blocking(move || {
        read_lines(format, &bytes, query.first_line, &importer, now)
    });
    let Ok(reading) = read.await else {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return problem(status, "import-failed", "lines could not be read");
    };
    match append(&foreign.sink, reading.imported).await {
        Ok(range) => json_response(
            StatusCode::OK,
            "application/json",
            &ImportAnswer {
                v: 1,
                format: format.word(),
                report: reading.report,
                first_index: range.as_ref().map(|range| range.start),
                end_index: range.map(|range| range.end),
            },
        ),
        Err(error) => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let code = match error {
                SinkError::Unavailable => "log-unavailable",
                SinkError::Unknown => "outcome-unknown",
            };
            let mut response = problem(status, code, &error.to_string());
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
            response
        }
    }
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let value = json!({
        "type": format!("https://affiant.dev/problems/{code}"),
        "title": code.replace('-', " "),
        "status": status.as_u16(),
        "detail": detail,
    });
    json_response(status, "application/problem+json", &value)
}

fn json_response<T: Serialize>(status: StatusCode, kind: &'static str, value: &T) -> Response {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// When a sender should try again, seconds.
const RETRY_AFTER_S: u16 = 2;
