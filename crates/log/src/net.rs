//! One HTTP request at a time, to a witness or a time stamp authority.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Sends a body and gives the answer. Blocks; never called on a runtime's thread.
pub trait Post: Send + Sync {
    /// One `POST`, without following redirections.
    ///
    /// # Errors
    ///
    /// [`PostError`] where there was no whole answer in time. Any status is an answer.
    fn post(&self, request: PostRequest<'_>) -> Result<PostAnswer, PostError>;
}

/// What is sent where.
#[derive(Debug, Clone, Copy)]
pub struct PostRequest<'a> {
    /// The whole URL, `http` or `https`.
    pub url: &'a str,
    /// The `Content-Type`.
    pub content_type: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// How long all of it may take.
    pub timeout: Duration,
    /// The longest answer that is read, in bytes.
    pub answer_bytes_max: usize,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there was no answer. Retryable, but for a wrong URL.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PostError {
    /// Not a URL that can be asked.
    #[error("`{url}` is not an http url")]
    Url {
        /// The URL.
        url: String,
    },
    /// No whole answer in time.
    #[error("`{url}` did not answer in time")]
    Timeout {
        /// The URL.
        url: String,
    },
    /// Not reached, not trusted, cut off, or too long an answer.
    #[error("request to `{url}` failed: {reason}")]
    Failed {
        /// The URL.
        url: String,
        /// What went wrong.
        reason: String,
    },
}

/// HTTP/1.1, with TLS by the roots of the system or by given ones.
pub struct HttpPost {
    tls: Arc<rustls::ClientConfig>,
}

impl HttpPost {
    /// Trusts what the system trusts. Certificates that cannot be read are left out.
    ///
    /// # Errors
    ///
    /// [`PostError::Failed`] where the system has no cryptography to offer.
    pub fn new() -> Result<Self, PostError> {
        let mut store = rustls::RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Self::trusting(store)
    }

    /// Trusts these roots only.
    ///
    /// # Errors
    ///
    /// [`PostError::Failed`] where a root is not a certificate.
    pub fn with_roots(
        roots: Vec<rustls_pki_types::CertificateDer<'static>>,
    ) -> Result<Self, PostError> {
        let failed = |reason: String| PostError::Failed {
            url: String::new(),
            reason,
        };
        let mut store = rustls::RootCertStore::empty();
        for root in roots {
            store.add(root).map_err(|error| failed(error.to_string()))?;
        }
        Self::trusting(store)
    }

    fn trusting(roots: rustls::RootCertStore) -> Result<Self, PostError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| PostError::Failed {
            url: String::new(),
            reason: error.to_string(),
        })?;
        let tls = builder.with_root_certificates(roots).with_no_client_auth();
        Ok(Self { tls: Arc::new(tls) })
    }
}

impl Post for HttpPost {
    fn post(&self, request: PostRequest<'_>) -> Result<PostAnswer, PostError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| failed(&request, &error))?;
        runtime.block_on(async {
            let answer = self.exchange(&request);
            match tokio::time::timeout(request.timeout, answer).await {
                Ok(answer) => answer,
                Err(_) => Err(PostError::Timeout {
                    url: request.url.to_owned(),
                }),
            }
        })
    }
}

impl HttpPost {
    fn client(&self) -> Client<HttpsConnector<HttpConnector>, Full<Bytes>> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config((*self.tls).clone())
            .https_or_http()
            .enable_http1()
            .build();
        Client::builder(TokioExecutor::new()).build(connector)
    }

    async fn exchange(&self, request: &PostRequest<'_>) -> Result<PostAnswer, PostError> {
        let body = Full::new(Bytes::copy_from_slice(request.body));
        let sent = http::Request::post(request.url)
            .header(http::header::CONTENT_TYPE, request.content_type)
            .header(http::header::USER_AGENT, "affiant")
            .body(body)
            .map_err(|_| PostError::Url {
                url: request.url.to_owned(),
            })?;
        let answer = self.client().request(sent).await;
        let (head, body) = answer
            .map_err(|error| failed(request, &error))?
            .into_parts();
        let body = Limited::new(body, request.answer_bytes_max).collect().await;
        let body = body.map_err(|error| failed(request, &*error))?;
        Ok(PostAnswer {
            status: head.status.as_u16(),
            body: body.to_bytes().to_vec(),
        })
    }
}

fn failed(request: &PostRequest<'_>, error: &dyn std::error::Error) -> PostError {
    PostError::Failed {
        url: request.url.to_owned(),
        reason: crate::sequencer::chain(error),
    }
}
