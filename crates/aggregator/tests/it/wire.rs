//! HTTP over TLS by hand, so that nothing is checked or repeated that a test does not ask for.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

#[derive(Clone)]
pub(crate) struct Client {
    sender: http2::SendRequest<Full<Bytes>>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Last part of the problem's type.
    pub(crate) fn problem(&self) -> String {
        let json = self.json();
        let name = json["type"].as_str().unwrap_or_default();
        name.rsplit('/').next().unwrap_or_default().to_owned()
    }
}

pub(crate) fn tls(ca: &str, identity: Option<(&str, &str)>) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some((chain, key)) => {
            let chain = CertificateDer::pem_slice_iter(chain.as_bytes())
                .collect::<Result<Vec<_>, _>>()
                .unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            config.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

impl Client {
    pub(crate) async fn connect(url: &str, ca: &str, identity: Option<(&str, &str)>) -> Self {
        Self::try_connect(url, ca, identity).await.unwrap()
    }

    pub(crate) async fn try_connect(
        url: &str,
        ca: &str,
        identity: Option<(&str, &str)>,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let address: SocketAddr = url.strip_prefix("https://").unwrap().parse()?;
        let connector = TlsConnector::from(Arc::new(tls(ca, identity)));
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from(address.ip().to_string())?;
        let stream = connector.connect(name, stream).await?;
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        // With TLS 1.3 a refused client certificate shows on the first use.
        sender.ready().await?;
        Ok(Self { sender })
    }

    pub(crate) async fn post(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Reply {
        self.try_post(path, headers, body).await.unwrap()
    }

    pub(crate) async fn try_post(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Reply, hyper::Error> {
        let mut request = http::Request::post(format!("https://aggregator{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let response = self.sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes().to_vec();
        Ok(Reply { status, body })
    }

    pub(crate) async fn post_json(&mut self, path: &str, body: &serde_json::Value) -> Reply {
        self.post(
            path,
            &[("content-type", "application/json")],
            body.to_string().into_bytes(),
        )
        .await
    }

    pub(crate) async fn post_batch(&mut self, batch: &[u8]) -> Reply {
        let body = zstd::bulk::compress(batch, 3).unwrap();
        self.post("/v1/batches", &BATCH_HEADERS, body).await
    }
}

pub(crate) const BATCH_HEADERS: [(&str, &str); 2] = [
    ("content-type", "application/vnd.affiant.batch"),
    ("content-encoding", "zstd"),
];

pub(crate) async fn get(url: &str, path: &str) -> Reply {
    let address: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get(path).header("host", "localhost");
    let request = request.body(Full::new(Bytes::new())).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap();
    Reply {
        status,
        body: body.to_bytes().to_vec(),
    }
}

pub(crate) async fn post(url: &str, path: &str, body: Vec<u8>) -> Reply {
    post_from(url, path, body, None).await
}

pub(crate) async fn post_from(url: &str, path: &str, body: Vec<u8>, origin: Option<&str>) -> Reply {
    let origin = origin.map(|origin| ("origin", origin));
    post_with(url, path, body, origin).await
}

pub(crate) async fn post_with(
    url: &str,
    path: &str,
    body: Vec<u8>,
    header: Option<(&str, &str)>,
) -> Reply {
    let address: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = http::Request::post(path).header("host", "localhost");
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::from(body))).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap();
    Reply {
        status,
        body: body.to_bytes().to_vec(),
    }
}
