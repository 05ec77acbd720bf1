//! TLS on the API.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use affiant_aggregator::config::TlsFiles;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::world::World;

/// Writes a self-signed certificate for loopback, and gives it.
fn certificate(dir: &Path) -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    fs_err::write(dir.join("api.key"), key.serialize_pem()).unwrap();
    let mode = std::fs::Permissions::from_mode(0o600);
    fs_err::set_permissions(dir.join("api.key"), mode).unwrap();
    fs_err::write(dir.join("api.crt"), certificate.pem()).unwrap();
    certificate.pem()
}

async fn healthz(
    url: &str,
    root: &str,
    version: &'static rustls::SupportedProtocolVersion,
) -> Result<String, std::io::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(root.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let address: SocketAddr = url.strip_prefix("https://").unwrap().parse().unwrap();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?;
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
        .await?;
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply).await;
    Ok(String::from_utf8_lossy(&reply).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_speaks_tls_and_shows_a_new_certificate_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let first = certificate(dir.path());
    let files = TlsFiles {
        certificate: dir.path().join("api.crt"),
        key: dir.path().join("api.key"),
    };
    let world = World::start_with(|settings| settings.api_tls = Some(files)).await;
    let api = world.server().addresses().api.clone();
    assert!(api.starts_with("https://"), "{api}");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let reply = healthz(&api, &first, version).await.unwrap();
        assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    }
    // What is no certificate is not shown.
    fs_err::write(dir.path().join("api.crt"), "nothing").unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(healthz(&api, &first, &rustls::version::TLS13).await.is_ok());
    let second = certificate(dir.path());
    let mut shown = false;
    for _ in 0..100 {
        shown = healthz(&api, &second, &rustls::version::TLS13)
            .await
            .is_ok();
        if shown {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(shown);
    assert!(
        healthz(&api, &first, &rustls::version::TLS13)
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_others_can_read_or_that_is_of_another_certificate_is_not_used() {
    use affiant_aggregator::{Parts, Server, StartError, StateDir, config};
    let dir = tempfile::tempdir().unwrap();
    certificate(dir.path());
    let files = TlsFiles {
        certificate: dir.path().join("api.crt"),
        key: dir.path().join("api.key"),
    };
    let start = async || {
        let state = StateDir::new(dir.path().join("data"));
        let mut settings = config::dev(&state).unwrap();
        settings.api_tls = Some(files.clone());
        Server::start(settings, state, Parts::default())
            .await
            .map(drop)
    };
    let open = std::fs::Permissions::from_mode(0o644);
    fs_err::set_permissions(&files.key, open).unwrap();
    assert!(matches!(start().await, Err(StartError::ApiTls(_))));
    let other = rcgen::KeyPair::generate().unwrap();
    fs_err::write(&files.key, other.serialize_pem()).unwrap();
    let closed = std::fs::Permissions::from_mode(0o600);
    fs_err::set_permissions(&files.key, closed).unwrap();
    assert!(matches!(start().await, Err(StartError::ApiTls(_))));
}
