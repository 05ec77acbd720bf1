//! The way to one upstream: pooled HTTP/1.1 connections, with TLS where the URL says `https`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderValue;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::config::RouteSettings;

use super::body::UpstreamBody;
use super::listener::HEADERS_MAX;

/// Idle connections are closed before the server's side may close them: Node's default is 5 s.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Finds peers that vanished; the kernel of a living one answers, however silent its streams are.
pub(super) const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// An upstream cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// `ca_file` cannot be read or holds no certificate. The operator's to mend.
    #[error("certificates of `{}` cannot be read", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A certificate of `ca_file` is not usable as a root.
    #[error("a certificate of `{}` cannot be a root", path.display())]
    CaCertificate {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The host has no root certificates and the route no `ca_file`.
    #[error("no root certificates on this host; set `ca_file` for route `{route}`")]
    NoRoots {
        /// The route.
        route: String,
    },
    /// The TLS library refused its own defaults.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// One upstream.
#[derive(Debug, Clone)]
pub(super) struct Upstream {
    scheme: Scheme,
    authority: Authority,
    connector: HttpsConnector<HttpConnector>,
    client: UpstreamClient,
}

type UpstreamClient = Client<HttpsConnector<HttpConnector>, UpstreamBody>;

impl Upstream {
    /// Sets up an upstream; nothing is connected yet.
    ///
    /// # Errors
    /// When its certificates cannot be used.
    pub(super) fn new(settings: &RouteSettings) -> Result<Self, UpstreamError> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(settings.connect_timeout));
        tcp.set_keepalive(Some(TCP_KEEPALIVE));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(settings)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self {
            scheme: settings.upstream.scheme.clone(),
            authority: settings.upstream.authority.clone(),
            client: client(connector.clone()),
            connector,
        })
    }

    /// The same upstream, on connections of its own.
    pub(super) fn apart(&self) -> Self {
        Self {
            client: client(self.connector.clone()),
            ..self.clone()
        }
    }

    /// What a rewritten `Host` says.
    pub(super) fn host_header(&self) -> HeaderValue {
        // An authority is made of visible ASCII only.
        HeaderValue::from_str(self.authority.as_str()).unwrap_or(HeaderValue::from_static(""))
    }

    /// Scheme and authority, without a path.
    pub(super) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// The same path and query at this upstream.
    pub(super) fn target(&self, uri: &Uri) -> Option<Uri> {
        let path = uri
            .path_and_query()
            .cloned()
            .unwrap_or(PathAndQuery::from_static("/"));
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).ok()
    }

    /// Sends a request and waits for the response head. Dropping the future drops the connection.
    ///
    /// # Errors
    /// When no response head came.
    pub(super) async fn send(
        &self,
        request: Request<UpstreamBody>,
    ) -> Result<Response<Incoming>, ClientError> {
        self.client.request(request).await
    }
}

/// A pool without connections. Each is driven by the runtime whose task first needs it.
fn client(connector: HttpsConnector<HttpConnector>) -> UpstreamClient {
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .http1_preserve_header_case(true)
        .http1_max_headers(HEADERS_MAX)
        .set_host(false)
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        // Only requests of which no byte was written are sent again.
        .retry_canceled_requests(true);
    builder.build(connector)
}

fn tls(settings: &RouteSettings) -> Result<ClientConfig, UpstreamError> {
    let mut roots = RootCertStore::empty();
    if settings.upstream.scheme == Scheme::HTTPS {
        let native = rustls_native_certs::load_native_certs();
        for error in &native.errors {
            tracing::warn!(%error, "a root certificate of the host cannot be read");
        }
        roots.add_parsable_certificates(native.certs);
        if let Some(path) = &settings.ca_file {
            add_ca_file(&mut roots, path)?;
        }
        if roots.is_empty() {
            return Err(UpstreamError::NoRoots {
                route: settings.id.clone(),
            });
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(UpstreamError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn add_ca_file(roots: &mut RootCertStore, path: &Path) -> Result<(), UpstreamError> {
    let unread = |source| UpstreamError::CaFile {
        path: path.to_owned(),
        source,
    };
    let mut found = 0_usize;
    for certificate in CertificateDer::pem_file_iter(path).map_err(unread)? {
        roots
            .add(certificate.map_err(unread)?)
            .map_err(|source| UpstreamError::CaCertificate {
                path: path.to_owned(),
                source,
            })?;
        found += 1;
    }
    if found == 0 {
        return Err(unread(rustls::pki_types::pem::Error::NoItemsFound));
    }
    Ok(())
}
