//! A log over HTTP: `GET` of what C2SP tlog-tiles names, and nothing else.

use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::runtime::Runtime;

use crate::error::{ExpectedError, chain};
use crate::exit_code::Exit;

/// The longest answer that is read, bytes: a bundle of 256 of the largest entries, and some.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// How long one file may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A log behind a URL. Blocks; many threads may ask at once.
pub(crate) struct Remote {
    url: String,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    runtime: Runtime,
}

impl Remote {
    /// A log at a URL; nothing is asked yet.
    pub(crate) fn new(url: &str) -> Result<Self, ExpectedError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| ExpectedError::storage(&error))?;
        let tls = rustls::ClientConfig::builder_with_provider(
            rustls::crypto::aws_lc_rs::default_provider().into(),
        )
        .with_safe_default_protocol_versions()
        .map_err(|error| ExpectedError::caused(Exit::Unreachable, &error))?
        .with_root_certificates(roots())
        .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            client: Client::builder(TokioExecutor::new()).build(connector),
            runtime,
        })
    }

    /// The file of this path, `None` where the log says that there is none.
    pub(crate) fn get(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        let url = format!("{}/{path}", self.url);
        let asked = async {
            let request = hyper::Request::get(&url)
                .body(Empty::new())
                .map_err(|error| format!("`{url}`: {}", chain(&error)))?;
            let answer = self
                .client
                .request(request)
                .await
                .map_err(|error| format!("`{url}`: {}", chain(&error)))?;
            let status = answer.status();
            if matches!(status.as_u16(), 404 | 410) {
                return Ok(None);
            }
            if !status.is_success() {
                return Err(format!("`{url}` answered {status}"));
            }
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
                .collect()
                .await
                .map_err(|error| format!("`{url}`: {error}"))?;
            Ok(Some(body.to_bytes().to_vec()))
        };
        self.runtime.block_on(async {
            tokio::time::timeout(TIMEOUT, asked)
                .await
                .unwrap_or_else(|_| Err(format!("`{url}` did not answer in time")))
        })
    }
}

fn roots() -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}
