//! Answers of the OTLP door, in the encoding of the request.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::wire::Writer;
use super::{Encoding, Request, Signal};

/// 200: all were taken, or some were not (`partialSuccess`: OTLP can only count them).
pub(crate) fn accepted(signal: Signal, encoding: Encoding, request: &Request) -> Response {
    let rejected = request.other.saturating_add(request.unknown);
    if rejected == 0 {
        let body = match encoding {
            Encoding::Json => b"{}".to_vec(),
            Encoding::Protobuf => Vec::new(),
        };
        return answer(StatusCode::OK, encoding, body);
    }
    let message = format!(
        "not recorded: {} that are no MCP tool calls, {} tool calls without time or tool name, or too large",
        request.other, request.unknown
    );
    let body = match encoding {
        Encoding::Json => {
            let name = match signal {
                Signal::Logs => "rejectedLogRecords",
                Signal::Spans => "rejectedSpans",
            };
            let partial = json!({name: rejected.to_string(), "errorMessage": message});
            json!({"partialSuccess": partial}).to_string().into_bytes()
        }
        Encoding::Protobuf => {
            let partial = Writer::default()
                .varint(1, rejected)
                .bytes(2, message.as_bytes())
                .finish();
            Writer::default().bytes(1, &partial).finish()
        }
    };
    answer(StatusCode::OK, encoding, body)
}

/// A refusal: `google.rpc.Status`. `retry_after_s` only where the sender should try again.
pub(crate) fn refused(
    status: StatusCode,
    encoding: Encoding,
    message: &str,
    retry_after_s: Option<u16>,
) -> Response {
    // google.rpc.Code
    let code: u8 = match status {
        StatusCode::SERVICE_UNAVAILABLE => 14,
        StatusCode::PAYLOAD_TOO_LARGE => 8,
        StatusCode::INTERNAL_SERVER_ERROR => 13,
        _ => 3,
    };
    let body = match encoding {
        Encoding::Json => json!({"code": code, "message": message})
            .to_string()
            .into_bytes(),
        Encoding::Protobuf => Writer::default()
            .varint(1, u64::from(code))
            .bytes(2, message.as_bytes())
            .finish(),
    };
    let mut response = answer(status, encoding, body);
    if let Some(seconds) = retry_after_s {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn answer(status: StatusCode, encoding: Encoding, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let kind = match encoding {
        Encoding::Json => "application/json",
        Encoding::Protobuf => "application/x-protobuf",
    };
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
