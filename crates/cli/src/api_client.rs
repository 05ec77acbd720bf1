//! Asks the API of an aggregator, as whoever a token file says.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HeaderMap, RETRY_AFTER};
use hyper::http::request::Builder;
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::runtime::Runtime;

use crate::error::{ExpectedError, chain};
use crate::exit_code::Exit;

/// The API of an aggregator. Blocks.
pub(crate) struct ApiClient {
    url: String,
    bearer: Option<Bearer>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Runtime,
}

/// What stands in `Authorization`. Never shown.
struct Bearer(String);

impl ApiClient {
    /// The API at a URL; nothing is asked yet. A token goes over TLS, or stays on this machine.
    pub(crate) fn open(url: &str, token_file: Option<&Path>) -> Result<Self, ExpectedError> {
        let url = url.trim_end_matches('/');
        let uri: Uri = url.parse().map_err(|_| not_a_url(url))?;
        let host = uri.host().ok_or_else(|| not_a_url(url))?;
        let bearer = token_file.map(bearer).transpose()?;
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if bearer.is_none() || is_loopback(host) => {}
            Some("http") => {
                let message = format!("`{url}` has no TLS, and a token would be sent in clear");
                return Err(ExpectedError::usage(message).hint("give its `https` URL"));
            }
            Some(_) | None => return Err(not_a_url(url)),
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| ExpectedError::storage(&error))?;
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let tls = rustls::ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .map_err(|error| ExpectedError::caused(Exit::Unreachable, &error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            url: url.to_owned(),
            bearer,
            client: Client::builder(TokioExecutor::new()).build(connector),
            runtime,
        })
    }

    /// `GET` of a path with its query.
    pub(crate) fn get(&self, path: &str) -> Result<Vec<u8>, ExpectedError> {
        self.send(Request::get(format!("{}{path}", self.url)), Vec::new())
    }

    fn send(&self, mut request: Builder, body: Vec<u8>) -> Result<Vec<u8>, ExpectedError> {
        if let Some(Bearer(bearer)) = &self.bearer {
            request = request.header(AUTHORIZATION, bearer);
        }
        let request = request.body(Full::new(Bytes::from(body)));
        let request = request.map_err(|error| ExpectedError::usage(chain(&error)))?;
        let unreachable =
            |why: String| ExpectedError::new(Exit::Unreachable, format!("`{}`: {why}", self.url));
        let exchange = async {
            let answer = self.client.request(request).await;
            let (head, body) = answer
                .map_err(|error| unreachable(chain(&error)))?
                .into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| unreachable(error.to_string()))?;
            Ok((head, body.to_bytes().to_vec()))
        };
        let (head, body) = self.runtime.block_on(async {
            let answered = tokio::time::timeout(TIMEOUT, exchange).await;
            answered.unwrap_or_else(|_| Err(unreachable("did not answer in time".to_owned())))
        })?;
        if head.status.is_success() {
            return Ok(body);
        }
        Err(self.refused(head.status, &head.headers, &body))
    }

    /// The problem of RFC 9457 in one line.
    fn refused(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ExpectedError {
        let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let said = |name: &str| problem.get(name).and_then(serde_json::Value::as_str);
        let text = match (said("title"), said("detail")) {
            (Some(title), Some(detail)) => format!("{title}: {detail}"),
            _ => format!("answered {status}"),
        };
        let exit = match status.as_u16() {
            401 | 403 => Exit::Untrusted,
            400 | 404..=406 | 413 | 415 | 421 | 422 | 501 => Exit::Usage,
            _ => Exit::Unreachable,
        };
        let error = ExpectedError::new(exit, format!("`{}`: {text}", self.url));
        let wait = headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok());
        match (status.as_u16(), wait) {
            (401, _) => error.hint("give `--token-file`; `affiant token api create` makes a token"),
            (_, Some(wait)) => error.hint(format!("come again in {wait} s")),
            _ => error,
        }
    }
}

fn bearer(path: &Path) -> Result<Bearer, ExpectedError> {
    let text = fs_err::read_to_string(path);
    let text = text.map_err(|error| ExpectedError::caused(Exit::Usage, &error))?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        let message = format!("`{}` holds no token", path.display());
        return Err(ExpectedError::usage(message));
    }
    Ok(Bearer(format!("Bearer {token}")))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|ip| ip.is_loopback())
}

fn not_a_url(url: &str) -> ExpectedError {
    ExpectedError::usage(format!("`{url}` is not an `http` or `https` URL"))
}

/// A page of a thousand of the longest entries, and some.
const ANSWER_BYTES_MAX: usize = 128 << 20;
const TIMEOUT: Duration = Duration::from_secs(90);
