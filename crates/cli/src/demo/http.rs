//! The SDK's Streamable HTTP, carried by plain HTTP/1.1 to this machine: one connection a request.
//!
//! It is not for use against strangers: no TLS, no limit to what it reads. The server here is ours.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use futures_core::Stream;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::http::request::Builder;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rmcp::model::ClientJsonRpcMessage;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::{Sse, SseStream};
use tokio::net::TcpStream;

const SESSION_ID: &str = "mcp-session-id";
const LAST_EVENT_ID: &str = "last-event-id";
const JSON: &str = "application/json";
const EVENT_STREAM: &str = "text/event-stream";

type Headers = HashMap<HeaderName, HeaderValue>;
type Events = Pin<Box<dyn Stream<Item = Result<Sse, SseError>> + Send>>;
type Failed = StreamableHttpError<HttpError>;

/// An exchange failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("connection failed")]
    Connect(#[source] std::io::Error),
    #[error("exchange failed")]
    Exchange(#[source] hyper::Error),
    #[error("request cannot be built")]
    Request(#[source] hyper::http::Error),
    #[error("the answer was HTTP {0}")]
    Status(StatusCode),
}

/// The client side of Streamable HTTP, towards one host and port.
#[derive(Debug, Clone)]
pub(super) struct PlainHttp;

impl StreamableHttpClient for PlainHttp {
    type Error = HttpError;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _token: Option<String>,
        headers: Headers,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        let body = serde_json::to_vec(&message)?;
        let request = request(Method::POST, &uri, session.as_deref(), headers)
            .header(CONTENT_TYPE, JSON)
            .header(ACCEPT, format!("{JSON}, {EVENT_STREAM}"));
        let response = exchange(request, body).await.map_err(Failed::Client)?;
        let status = response.status();
        if matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        let named = response.headers().get(SESSION_ID);
        let named = named.and_then(|id| id.to_str().ok()).map(str::to_owned);
        if is_of_type(&response, EVENT_STREAM) {
            return Ok(StreamableHttpPostResponse::Sse(events(response), named));
        }
        if !is_of_type(&response, JSON) {
            return Err(Failed::Client(HttpError::Status(status)));
        }
        // A JSON-RPC error may come with any status.
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| Failed::Client(HttpError::Exchange(error)))?;
        let message = serde_json::from_slice(&body.to_bytes())?;
        Ok(StreamableHttpPostResponse::Json(message, named))
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        _token: Option<String>,
        headers: Headers,
    ) -> Result<(), Failed> {
        let request = request(Method::DELETE, &uri, Some(&session), headers);
        exchange(request, Vec::new())
            .await
            .map_err(Failed::Client)?;
        Ok(())
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        _token: Option<String>,
        headers: Headers,
    ) -> Result<Events, Failed> {
        let mut request =
            request(Method::GET, &uri, session.as_deref(), headers).header(ACCEPT, EVENT_STREAM);
        if let Some(id) = last_event {
            request = request.header(LAST_EVENT_ID, id);
        }
        let response = exchange(request, Vec::new())
            .await
            .map_err(Failed::Client)?;
        if !is_of_type(&response, EVENT_STREAM) {
            return Err(StreamableHttpError::ServerDoesNotSupportSse);
        }
        Ok(events(response))
    }
}

fn request(method: Method, uri: &str, session: Option<&str>, headers: Headers) -> Builder {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    match session {
        Some(id) => request.header(SESSION_ID, id),
        None => request,
    }
}

/// Sends a request on a connection of its own, which lives as long as the response does.
async fn exchange(request: Builder, body: Vec<u8>) -> Result<Response<Incoming>, HttpError> {
    let mut request = request
        .body(Full::new(Bytes::from(body)))
        .map_err(HttpError::Request)?;
    let authority = request.uri().authority().map(ToString::to_string);
    let authority = authority.unwrap_or_default();
    let host = HeaderValue::from_str(&authority).map_err(|e| HttpError::Request(e.into()))?;
    request.headers_mut().insert(HOST, host);
    // What is sent in origin form: the path alone.
    let path = request.uri().path().parse();
    *request.uri_mut() =
        path.map_err(|e: hyper::http::uri::InvalidUri| HttpError::Request(e.into()))?;
    let stream = TcpStream::connect(authority)
        .await
        .map_err(HttpError::Connect)?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(HttpError::Exchange)?;
    tokio::spawn(async move {
        // How it ended shows in the response.
        let _ = connection.await;
    });
    sender
        .send_request(request)
        .await
        .map_err(HttpError::Exchange)
}

fn is_of_type(response: &Response<Incoming>, wanted: &str) -> bool {
    let found = response.headers().get(CONTENT_TYPE);
    found
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with(wanted))
}

fn events(response: Response<Incoming>) -> Events {
    Box::pin(SseStream::new(response.into_body()))
}
