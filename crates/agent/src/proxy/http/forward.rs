//! From a request to its response: route, check, hold, send, pass on.

use std::net::SocketAddr;
use std::sync::Arc;

use affiant_capture::tracker::ExchangeEnd;
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper_util::client::legacy::Error as ClientError;

use crate::config::TransportKind;
use crate::metrics::{Metrics, Turned};

use super::answer::{self, Asked, Unreachable};
use super::body::ClientBody;
use super::exchange::Exchange;
use super::headers;
use super::intake::{self, Forward, Intake};
use super::response;
use super::route::{Route, Table};

/// The client broke its request off; there is nobody to answer.
#[derive(Debug, thiserror::Error)]
#[error("client broke off its request")]
pub(super) struct ClientGone;

/// Answers one request.
///
/// # Errors
/// When the client broke its request off: its connection is closed.
pub(super) async fn serve(
    table: &Table,
    metrics: &Metrics,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<ClientBody>, ClientGone> {
    let Some(route) = table.find(request.uri().path()) else {
        metrics.unrouted();
        return Ok(answer::no_route());
    };
    if let Some(field) = route.refuses(request.headers()) {
        route.metrics.turned(Turned::Forbidden);
        return Ok(answer::origin_not_allowed(field));
    }
    forward(route, peer, request).await
}

async fn forward(
    route: &Arc<Route>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<ClientBody>, ClientGone> {
    let (mut parts, incoming) = request.into_parts();
    let Some(target) = route.upstream.target(&parts.uri) else {
        route.metrics.turned(Turned::Unrouted);
        return Ok(answer::no_route());
    };
    let seen = (&parts.method, &parts.uri, &parts.headers);
    let mut exchange = Exchange::open(route, peer, seen);
    let hold_max = route.request_hold_bytes_max;
    let taken = intake::take(
        &exchange.witness,
        &parts.method,
        &parts.headers,
        incoming,
        hold_max,
    )
    .await;
    let Forward {
        body,
        asked,
        shown,
        late,
    } = match taken {
        Intake::Forward(forward) => forward,
        Intake::Broken => return Err(ClientGone),
        Intake::Refused(asked) => return Ok(refused(route, exchange, &asked)),
    };
    parts.headers = headers::end_to_end(&parts.headers);
    if let Some(host) = &route.host {
        headers::replace_host(&mut parts.headers, host);
    }
    parts.uri = target;
    parts.version = Version::HTTP_11;
    match route.upstream.send(Request::from_parts(parts, body)).await {
        Ok(response) => Ok(response::pass_on(response, exchange, shown)),
        Err(error) => {
            if let Some(asked) = late.as_deref().and_then(|refusal| refusal.get()) {
                return Ok(refused(route, exchange, asked));
            }
            let why = unreachable(route, &error);
            exchange.end(why.1);
            route.metrics.turned(Turned::Unreachable);
            Ok(answer::unreachable(&route.id, &asked, why.0))
        }
    }
}

fn refused(route: &Route, mut exchange: Exchange, asked: &Asked) -> Response<ClientBody> {
    exchange.end(ExchangeEnd::Complete);
    route.metrics.turned(Turned::Refused);
    answer::not_recorded(asked, route.transport == TransportKind::Sse)
}

fn unreachable(route: &Route, error: &ClientError) -> (Unreachable, ExchangeEnd) {
    let cause = root_cause(error);
    tracing::warn!(route = route.id, upstream = route.upstream.url(), %error, cause, "no response from upstream");
    if error.is_connect() {
        (Unreachable::Connect, ExchangeEnd::ConnectFailed)
    } else {
        (Unreachable::Broken, ExchangeEnd::UpstreamBroken)
    }
}

/// The last error of the chain: the ones before it only say that sending failed.
fn root_cause(error: &ClientError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
