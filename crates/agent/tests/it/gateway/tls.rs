//! Upstreams behind TLS.

use std::io::Write as _;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;

#[test]
fn an_https_upstream_with_its_own_root_sees_the_same_bytes() {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let ca = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(ca.path(), certified.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let (listener, upstream) = listen();
    listener.set_nonblocking(true).unwrap();
    let route = |ca_file: &str| {
        format!("[[route]]\nid = \"t\"\nupstream = \"https://{upstream}\"\nca_file = \"{ca_file}\"")
    };
    let world = World::with(&route(&ca.path().display().to_string()));
    let request = post("/mcp", &call("1"));
    let server = world.runtime.spawn({
        let n = request.len();
        async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = TlsAcceptor::from(Arc::new(config))
                .accept(stream)
                .await
                .unwrap();
            let mut seen = vec![0; n];
            stream.read_exact(&mut seen).await.unwrap();
            stream
                .write_all(json_response(&answer("1")).as_bytes())
                .await
                .unwrap();
            stream.flush().await.unwrap();
            (String::from_utf8(seen).unwrap(), stream)
        }
    });
    let mut client = world.connect();
    client.write_all(request.as_bytes()).unwrap();
    assert_eq!(wire::read_request(&mut client), json_response(&answer("1")));
    let (seen, _stream) = world.runtime.block_on(server).unwrap();
    assert_eq!(seen, request);
    assert_eq!(
        of_kind(&world.entries(), "call.end")[0]["status"]["code"],
        "success"
    );
}
