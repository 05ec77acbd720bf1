//! Answers the gateway makes itself, each shaped as JSON-RPC.
//!
//! A status without a JSON body would make a client of two eras fall back to `initialize`, so every
//! answer carries one. The codes stand outside `-32768..=-32000`, which JSON-RPC reserves, so that
//! none is taken for the server's.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use super::body::ClientBody;
use crate::proxy::{NOT_RECORDED, NOT_RECORDED_TEXT};

/// The upstream could not be reached, or broke off before its response head. HTTP 502.
pub const UPSTREAM_UNREACHABLE: i64 = -31001;
/// `Host` or `Origin` is not one the route allows. HTTP 403.
pub const ORIGIN_NOT_ALLOWED: i64 = -31003;
/// No route has the path. HTTP 404.
pub const NO_ROUTE: i64 = -31004;

/// What is told of a request that was held: enough to answer it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// The ids of the requests in the body, in their order and in the client's own spelling, which is
    /// JSON. Empty if there was none, or none was seen.
    pub(super) ids: Vec<String>,
    /// Whether they came as a JSON array.
    pub(super) batch: bool,
}

/// Why the upstream gave no response head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreachable {
    /// Name resolution, TCP or TLS failed; the request was not sent.
    Connect,
    /// The connection broke after the request may have been sent.
    Broken,
}

impl Unreachable {
    const fn reason(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Broken => "broken",
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::Connect => "the upstream server cannot be reached",
            Self::Broken => "the upstream server closed the connection without a response",
        }
    }
}

/// 502: the upstream gave no response head.
pub(super) fn unreachable(route: &str, asked: &Asked, why: Unreachable) -> Response<ClientBody> {
    let data = format!(
        r#"{{"by":"affiant","reason":"{}","route":"{route}"}}"#,
        why.reason()
    );
    let error = error_object(UPSTREAM_UNREACHABLE, why.message(), Some(&data));
    json(StatusCode::BAD_GATEWAY, errors(asked, &error))
}

/// The trail refused the calls in the body; nothing of it was forwarded whole.
///
/// Streamable HTTP carries the answer in the response, and some clients read a JSON-RPC error only
/// from a 200. HTTP+SSE answers on another stream, so there it is a 503.
pub(super) fn not_recorded(asked: &Asked, sse: bool) -> Response<ClientBody> {
    let data = r#"{"by":"affiant","reason":"refused"}"#;
    let error = error_object(NOT_RECORDED, NOT_RECORDED_TEXT, Some(data));
    let answerable = !sse && !asked.ids.is_empty();
    let status = if answerable {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    json(status, errors(asked, &error))
}

/// 403: `field` holds a value the route does not allow.
pub(super) fn origin_not_allowed(field: &'static str) -> Response<ClientBody> {
    let message = format!("the {field} header is not allowed on this route");
    let error = error_object(ORIGIN_NOT_ALLOWED, &message, Some(r#"{"by":"affiant"}"#));
    json(StatusCode::FORBIDDEN, errors(&Asked::default(), &error))
}

/// 404: no route has the path.
pub(super) fn no_route() -> Response<ClientBody> {
    let error = error_object(
        NO_ROUTE,
        "no route has this path",
        Some(r#"{"by":"affiant"}"#),
    );
    json(StatusCode::NOT_FOUND, errors(&Asked::default(), &error))
}

fn errors(asked: &Asked, error: &str) -> String {
    if asked.ids.is_empty() {
        return error_message("null", error);
    }
    let answers: Vec<_> = asked
        .ids
        .iter()
        .map(|id| error_message(id, error))
        .collect();
    if asked.batch {
        format!("[{}]", answers.join(","))
    } else {
        answers.concat()
    }
}

fn error_message(id: &str, error: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
}

/// `message` and `data` are ours and need no escaping.
fn error_object(code: i64, message: &str, data: Option<&str>) -> String {
    let data = data
        .map(|data| format!(r#","data":{data}"#))
        .unwrap_or_default();
    format!(r#"{{"code":{code},"message":"{message}"{data}}}"#)
}

fn json(status: StatusCode, body: String) -> Response<ClientBody> {
    let mut response = Response::new(ClientBody::full(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(ids: &[&str], batch: bool) -> Asked {
        Asked {
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            batch,
        }
    }

    fn body(response: Response<ClientBody>) -> String {
        String::from_utf8(response.into_body().into_full().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn an_unreachable_upstream_answers_the_id_as_it_was_spelled() {
        let response = unreachable("crm", &asked(&["1.0"], false), Unreachable::Connect);
        assert_eq!(response.status(), 502);
        assert_eq!(
            body(response),
            r#"{"jsonrpc":"2.0","id":1.0,"error":{"code":-31001,"message":"the upstream server cannot be reached","data":{"by":"affiant","reason":"connect","route":"crm"}}}"#
        );
    }

    #[test]
    fn a_refused_call_is_an_error_the_client_can_pair() {
        let one = not_recorded(&asked(&["\"a\""], false), false);
        assert_eq!(one.status(), 200);
        let text = body(one);
        assert!(
            text.starts_with(r#"{"jsonrpc":"2.0","id":"a","error":{"code":-31002"#),
            "{text}"
        );
        let batch = body(not_recorded(&asked(&["1", "2"], true), false));
        assert!(batch.starts_with(r#"[{"jsonrpc":"2.0","id":1,"#), "{batch}");
        assert_eq!(not_recorded(&asked(&["1"], false), true).status(), 503);
        assert_eq!(not_recorded(&asked(&[], false), false).status(), 503);
    }

    #[test]
    fn every_answer_is_json() {
        for response in [
            unreachable("a", &Asked::default(), Unreachable::Broken),
            unreachable("a", &asked(&["1", "\"2\""], true), Unreachable::Broken),
            not_recorded(&asked(&["1"], false), false),
            not_recorded(&asked(&["1"], false), true),
            origin_not_allowed("Host"),
            no_route(),
        ] {
            serde_json::from_str::<serde_json::Value>(&body(response)).unwrap();
        }
    }
}
