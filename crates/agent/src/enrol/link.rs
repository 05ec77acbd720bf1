//! One HTTP/2 connection to an aggregator.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use tokio::net::TcpStream;

/// Most time for name, TCP, TLS and HTTP/2 together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A ping after this much silence while an answer is owed.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// A peer that has not answered a ping by then is gone: a half-open connection.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer that is read: a receipt of a batch of the smallest groups stays far below.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What may lie in the connection's send buffer of one stream.
const SEND_BUFFER_BYTES: usize = 1024 * 1024;

/// Where an aggregator listens for sources: `https://HOST[:PORT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingest {
    authority: Authority,
}

/// A text is not the URL of an ingest listener.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not an ingest URL, `https://HOST[:PORT]`")]
#[non_exhaustive]
pub struct IngestUrlError {
    /// What was given, clipped.
    pub given: String,
}

impl Ingest {
    /// Reads a URL. There is nothing behind the port but an optional `/`.
    ///
    /// # Errors
    /// When it is not such a URL.
    pub fn parse(text: &str) -> Result<Self, IngestUrlError> {
        let wrong = || IngestUrlError {
            given: affiant_entry::limits::clip(text, 120),
        };
        let uri: Uri = text.trim().parse().map_err(|_| wrong())?;
        let parts = uri.into_parts();
        let plain = parts.path_and_query.is_none_or(|path| path == "/");
        let authority = parts.authority.filter(|a| !a.as_str().contains('@'));
        match (parts.scheme, authority) {
            (Some(scheme), Some(authority)) if scheme == Scheme::HTTPS && plain => {
                Ok(Self { authority })
            }
            _ => Err(wrong()),
        }
    }

    fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(443)
    }

    /// The host without the brackets of an IPv6 address.
    fn host(&self) -> &str {
        let host = self.authority.host();
        host.strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host)
    }

    fn uri(&self, path: &'static str) -> Result<Uri, http::Error> {
        Uri::builder()
            .scheme(Scheme::HTTPS)
            .authority(self.authority.clone())
            .path_and_query(PathAndQuery::from_static(path))
            .build()
    }
}

impl fmt::Display for Ingest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.authority)
    }
}

/// The aggregator was not reached, or the connection broke.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// No TCP connection.
    #[error("`{to}` cannot be reached")]
    Connect {
        /// The URL.
        to: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The server is not the aggregator of the pinned CA, or not the one of that name.
    #[error("`{to}` does not show a certificate of the expected CA")]
    Untrusted {
        /// The URL.
        to: String,
        /// What TLS says.
        #[source]
        source: std::io::Error,
    },
    /// The aggregator does not take our certificate: expired, revoked, of another CA.
    #[error("`{to}` does not accept this source's certificate")]
    Refused {
        /// The URL.
        to: String,
        /// What TLS says.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// TLS failed otherwise.
    #[error("TLS with `{to}` failed")]
    Tls {
        /// The URL.
        to: String,
        /// What TLS says.
        #[source]
        source: std::io::Error,
    },
    /// Our side of TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
    /// The connection broke, or what came is not HTTP/2.
    #[error("connection to `{to}` broke")]
    Http {
        /// The URL.
        to: String,
        /// Why.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// No answer in time.
    #[error("`{to}` did not answer within {seconds} s")]
    Timeout {
        /// The URL.
        to: String,
        /// How long was waited.
        seconds: u64,
    },
}

impl LinkError {
    /// Whether one side does not trust the other; else trying again may help.
    #[must_use]
    pub const fn is_untrusted(&self) -> bool {
        matches!(self, Self::Untrusted { .. } | Self::Refused { .. })
    }
}

/// An answer of the aggregator, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

/// What an aggregator refuses and why: RFC 9457.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// The last part of its type: `gap`, `token-unknown`, …; empty if there is none.
    pub code: String,
    /// What it says for people, clipped.
    pub detail: String,
    /// Its other members.
    facts: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct ProblemJson {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
    #[serde(flatten)]
    facts: serde_json::Map<String, serde_json::Value>,
}

impl Problem {
    /// Reads the body of a refusal; one that is no problem document still has its status.
    pub(crate) fn read(answer: &Answer) -> Self {
        let status = answer.status.as_u16();
        let Ok(json) = serde_json::from_slice::<ProblemJson>(&answer.body) else {
            return Self {
                status,
                code: String::new(),
                detail: format!("HTTP status {status}"),
                facts: serde_json::Map::new(),
            };
        };
        let said = if json.detail.is_empty() {
            &json.title
        } else {
            &json.detail
        };
        let said: String = said.chars().filter(|c| !c.is_control()).collect();
        let code = json.kind.rsplit('/').next().unwrap_or_default();
        Self {
            status,
            code: affiant_entry::limits::clip(code, 60),
            detail: affiant_entry::limits::clip(&said, 300),
            facts: json.facts,
        }
    }

    /// One of its other members.
    pub(crate) fn fact<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_value(self.facts.get(name)?.clone()).ok()
    }

    /// Whether trying again later may help.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        self.status == 429 || self.status >= 500
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code.is_empty(), self.detail.is_empty()) {
            (true, _) => f.write_str(&self.detail),
            (false, true) => f.write_str(&self.code),
            (false, false) => write!(f, "{} ({})", self.detail, self.code),
        }
    }
}

/// One connection; clones share it.
#[derive(Clone)]
pub(crate) struct Link {
    to: Ingest,
    send: SendRequest<Full<Bytes>>,
}

impl Link {
    /// Connects, within ten seconds. The connection is driven by a task of the current runtime and
    /// ends when the last clone is gone.
    pub(crate) async fn connect(to: &Ingest, tls: Arc<ClientConfig>) -> Result<Self, LinkError> {
        tokio::time::timeout(CONNECT_TIMEOUT, Self::try_connect(to, tls))
            .await
            .unwrap_or_else(|_| {
                Err(LinkError::Timeout {
                    to: to.to_string(),
                    seconds: CONNECT_TIMEOUT.as_secs(),
                })
            })
    }

    async fn try_connect(to: &Ingest, tls: Arc<ClientConfig>) -> Result<Self, LinkError> {
        let unreached = |source| LinkError::Connect {
            to: to.to_string(),
            source,
        };
        let stream = TcpStream::connect((to.host(), to.port()))
            .await
            .map_err(unreached)?;
        stream.set_nodelay(true).map_err(unreached)?;
        let name = ServerName::try_from(to.host().to_owned())
            .map_err(|error| unreached(std::io::Error::other(error)))?;
        let stream = tokio_rustls::TlsConnector::from(tls)
            .connect(name, stream)
            .await
            .map_err(|source| tls_failed(to, source))?;
        let (send, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(false)
            .adaptive_window(true)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|source| broken(to, source))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to the aggregator ended");
            }
        });
        Ok(Self {
            to: to.clone(),
            send,
        })
    }

    /// Whether the connection is known to be over.
    pub(crate) fn is_closed(&self) -> bool {
        self.send.is_closed()
    }

    /// Posts a body and reads the whole answer.
    pub(crate) async fn post(
        &self,
        path: &'static str,
        content: Content,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Answer, LinkError> {
        tokio::time::timeout(timeout, self.try_post(path, content, body))
            .await
            .unwrap_or_else(|_| {
                Err(LinkError::Timeout {
                    to: self.to.to_string(),
                    seconds: timeout.as_secs(),
                })
            })
    }

    async fn try_post(
        &self,
        path: &'static str,
        content: Content,
        body: Bytes,
    ) -> Result<Answer, LinkError> {
        let uri = self.to.uri(path).map_err(|e| broken(&self.to, e))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let (kind, encoding) = match content {
            Content::Json => ("application/json", None),
            Content::Batch => ("application/vnd.affiant.batch", Some("zstd")),
        };
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(encoding) = encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        let mut send = self.send.clone();
        send.ready().await.map_err(|e| broken(&self.to, e))?;
        let response = send
            .send_request(request)
            .await
            .map_err(|e| broken(&self.to, e))?;
        let (head, body) = response.into_parts();
        let retry_after = head.headers.get(RETRY_AFTER).and_then(seconds);
        let body = Limited::new(body, ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|source| LinkError::Http {
                to: self.to.to_string(),
                source,
            })?;
        Ok(Answer {
            status: head.status,
            retry_after,
            body: body.to_bytes(),
        })
    }
}

/// What is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Json,
    Batch,
}

/// `Retry-After` in its form of seconds; the aggregator writes no dates.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    let seconds: u64 = value.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn tls_failed(to: &Ingest, source: std::io::Error) -> LinkError {
    let to = to.to_string();
    match tls_error(&source) {
        Some(rustls::Error::InvalidCertificate(_)) => LinkError::Untrusted { to, source },
        Some(rustls::Error::AlertReceived(_)) => LinkError::Refused {
            to,
            source: Box::new(source),
        },
        _ => LinkError::Tls { to, source },
    }
}

/// In TLS 1.3 the server's verdict on our certificate comes behind the handshake, in the place of
/// the first answer.
fn broken(to: &Ingest, source: impl StdError + Send + Sync + 'static) -> LinkError {
    let to = to.to_string();
    let refused = matches!(tls_error(&source), Some(rustls::Error::AlertReceived(_)));
    let source = Box::new(source);
    if refused {
        LinkError::Refused { to, source }
    } else {
        LinkError::Http { to, source }
    }
}

/// The TLS error at the bottom of an error, if there is one.
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Some(found);
        }
        at = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ingest_url_is_https_and_a_host() {
        let url = Ingest::parse("https://log.example.org/").unwrap();
        assert_eq!((url.host(), url.port()), ("log.example.org", 443));
        let url = Ingest::parse("https://[::1]:8443").unwrap();
        assert_eq!((url.host(), url.port()), ("::1", 8443));
        assert_eq!(url.to_string(), "https://[::1]:8443");
        for bad in [
            "",
            "log.example.org",
            "http://log.example.org",
            "https://log.example.org/v1",
            "https://log.example.org/?a",
            "https://me@log.example.org",
        ] {
            assert!(Ingest::parse(bad).is_err(), "{bad}");
        }
    }
}
