//! One HTTP request at a time to the issuer: no redirections, bounded in time and size.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::de::DeserializeOwned;

use super::OidcError;
use crate::files::FileError;

/// Asks the issuer. TLS trusts the system's roots, or those of a file.
#[derive(Debug)]
pub(super) struct Fetch {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Fetch {
    pub(super) fn open(roots: Option<&Path>) -> Result<Self, FileError> {
        let mut store = RootCertStore::empty();
        match roots {
            None => {
                store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
            Some(path) => {
                let wrong = || FileError::content(path, "certificate in PEM");
                let pem = fs_err::read(path)?;
                for root in CertificateDer::pem_slice_iter(&pem) {
                    store.add(root.map_err(|_| wrong())?).map_err(|_| wrong())?;
                }
                if store.is_empty() {
                    return Err(wrong());
                }
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(std::io::Error::other)?
            .with_root_certificates(store)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client })
    }

    pub(super) async fn json<T: DeserializeOwned>(&self, url: &str) -> Result<T, OidcError> {
        let request = Request::get(url).header(header::ACCEPT, "application/json");
        let request = request
            .body(Full::default())
            .map_err(|error| failed(url, error))?;
        self.send(url, request).await
    }

    /// Posts a form; `authorization` is the whole header.
    pub(super) async fn form<T: DeserializeOwned>(
        &self,
        url: &str,
        form: String,
        authorization: Option<&str>,
    ) -> Result<T, OidcError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json");
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let body = Full::new(Bytes::from(form));
        let request = request.body(body).map_err(|error| failed(url, error))?;
        self.send(url, request).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        url: &str,
        request: Request<Full<Bytes>>,
    ) -> Result<T, OidcError> {
        let exchange = async {
            let answer = self.client.request(request).await;
            let answer = answer.map_err(|error| failed(url, error))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect();
            let body = body.await.map_err(|error| failed(url, error))?.to_bytes();
            if !status.is_success() {
                return Err(failed(url, format!("status {status}")));
            }
            serde_json::from_slice(&body).map_err(|error| failed(url, error))
        };
        let answered = tokio::time::timeout(ANSWER_MAX, exchange).await;
        answered.unwrap_or_else(|_| Err(failed(url, "no answer in time")))
    }
}

fn failed(url: &str, why: impl std::fmt::Display) -> OidcError {
    OidcError::Issuer(format!("`{url}`: {why}"))
}

const ANSWER_MAX: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 1 << 20;
