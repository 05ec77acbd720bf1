//! The admin listener: is it alive, can it record, how does it do.
//!
//! | path | 200 when | body |
//! |-|-|-|
//! | `/healthz` | the process serves | `ok` |
//! | `/readyz` | the trail takes entries | `ready`, else 503 with the reason |
//! | `/metrics` | always | [OpenMetrics text](https://prometheus.io/docs/specs/om/open_metrics_spec/) |
//!
//! Upstreams do not count for readiness: the gateway is transparent to their failures. Nothing here
//! asks who asks; listen on loopback, or on a network for operators.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::metrics::Metrics;
use crate::trail::Trail;

const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the admin listener answers from.
#[derive(Debug)]
pub(crate) struct Admin {
    trail: Trail,
    metrics: Arc<Metrics>,
}

impl Admin {
    pub(crate) fn new(trail: Trail, metrics: Arc<Metrics>) -> Self {
        Self { trail, metrics }
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        let stats = self.trail.stats();
        if stats.failing.load(Ordering::Relaxed) {
            return text(StatusCode::SERVICE_UNAVAILABLE, "trail takes no entries\n");
        }
        text(StatusCode::OK, "ready\n")
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        match self.metrics.text() {
            Ok(metrics) => plain(StatusCode::OK, OPEN_METRICS, metrics),
            Err(_) => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "metrics cannot be written\n",
            ),
        }
    }
}

/// Answers one request.
pub(crate) async fn answer(
    admin: Arc<Admin>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        refused
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(refused);
    }
    Ok(match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" => admin.ready(),
        "/metrics" => admin.metrics(),
        _ => text(
            StatusCode::NOT_FOUND,
            "one of /healthz, /readyz, /metrics\n",
        ),
    })
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    plain(status, TEXT, body.to_owned())
}

fn plain(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
