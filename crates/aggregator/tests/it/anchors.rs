//! Time stamps by a local `openssl ts`, in the log.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use affiant_aggregator::config::AnchorSettings;
use affiant_log::anchor::verify_token;
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::world::{World, eventually};

const CONFIG: &str = "[tsa]\ndefault_tsa = t\n[t]\nserial = serial\nsigner_cert = tsa.pem\ncerts = ca.pem\n\
    signer_key = tsa.key\nsigner_digest = sha256\ndefault_policy = 1.2.3.4.1\ndigests = sha256, sha512\n\
    ess_cert_id_alg = sha256\naccuracy = secs:1\nordering = yes\ntsa_name = yes\n";

/// An authority on loopback.
struct Tsa {
    dir: tempfile::TempDir,
    url: String,
    asked: Arc<AtomicUsize>,
    broken: Arc<AtomicBool>,
}

impl Tsa {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path());
        let (asked, broken) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (at, count, fails) = (
            dir.path().to_owned(),
            Arc::clone(&asked),
            Arc::clone(&broken),
        );
        let stamp = move |query: Bytes| {
            let at = at.clone();
            count.fetch_add(1, Ordering::SeqCst);
            let fails = fails.load(Ordering::SeqCst);
            async move {
                if fails {
                    return Err(StatusCode::SERVICE_UNAVAILABLE);
                }
                Ok(reply(&at, &query))
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let router = Router::new().route("/", post(stamp));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = hyper_util::service::TowerToHyperService::new(router.clone());
                let io = hyper_util::rt::TokioIo::new(stream);
                tokio::spawn(async move {
                    let builder = hyper_util::server::conn::auto::Builder::new(
                        hyper_util::rt::TokioExecutor::new(),
                    );
                    let _ = builder.serve_connection(io, service).await;
                });
            }
        });
        Self {
            dir,
            url,
            asked,
            broken,
        }
    }

    fn settings(&self) -> AnchorSettings {
        AnchorSettings {
            name: "local".to_owned(),
            url: self.url.clone(),
            roots_file: self.roots(),
            every: Duration::from_secs(1),
            timeout: Duration::from_secs(10),
        }
    }

    fn roots(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }
}

fn openssl(dir: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(dir)
        .output();
    let output = output.expect("this test needs the `openssl` command");
    assert!(output.status.success(), "{arguments}: {output:?}");
}

fn make(dir: &Path) {
    fs_err::write(dir.join("tsa.cnf"), CONFIG).unwrap();
    fs_err::write(dir.join("serial"), "01\n").unwrap();
    fs_err::write(dir.join("ext"), "extendedKeyUsage=critical,timeStamping\n").unwrap();
    let key = "-nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1";
    openssl(
        dir,
        &format!("req {key} -subj /CN=ca -x509 -keyout ca.key -out ca.pem -days 30"),
    );
    openssl(
        dir,
        &format!("req {key} -subj /CN=tsa -keyout tsa.key -out tsa.csr"),
    );
    openssl(
        dir,
        "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out tsa.pem -days 30 -extfile ext",
    );
}

fn reply(dir: &Path, query: &[u8]) -> Vec<u8> {
    fs_err::write(dir.join("q.tsq"), query).unwrap();
    openssl(dir, "ts -reply -config tsa.cnf -queryfile q.tsq -out r.tsr");
    fs_err::read(dir.join("r.tsr")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_anchored_as_long_as_the_log_grows() {
    let tsa = Tsa::start().await;
    let anchors = vec![tsa.settings()];
    let world = World::start_with(|settings| settings.anchors.clone_from(&anchors)).await;
    let first = eventually(|| world.of_kind("checkpoint.anchor").pop()).await;
    let anchor = &first["anchor"];
    assert_eq!(anchor["authority"], "local");
    let note = anchor["checkpoint"].as_str().unwrap();
    let token = STANDARD.decode(anchor["token"].as_str().unwrap()).unwrap();
    let pem = fs_err::read(tsa.roots()).unwrap();
    let roots = [CertificateDer::from_pem_slice(&pem).unwrap()];
    let stamp = verify_token(&token, note.as_bytes(), &roots).unwrap();
    assert_eq!(anchor["gen_time"], stamp.time);
    let stamped = affiant_tlog::Note::parse(note.as_bytes()).unwrap();
    let stamped = affiant_tlog::Checkpoint::open(&stamped, &world.log_key()).unwrap();
    assert_eq!(anchor["size"], stamped.size.0);
    // The tree grows by the anchor alone: that is nothing to be anchored.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(world.of_kind("checkpoint.anchor").len(), 1);
    assert_eq!(tsa.asked.load(Ordering::SeqCst), 1);
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let boot = [source.boot()];
    assert_eq!(client.post_batch(&source.batch(&boot)).await.status, 200);
    eventually(|| (world.of_kind("checkpoint.anchor").len() == 2).then_some(())).await;
    let metrics = world.get("/metrics").await.text();
    let line = "affiant_anchors_total{authority=\"local\"} 2";
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_fails_is_asked_again_and_counted() {
    let tsa = Tsa::start().await;
    tsa.broken.store(true, Ordering::SeqCst);
    let anchors = vec![tsa.settings()];
    let world = World::start_with(|settings| settings.anchors.clone_from(&anchors)).await;
    eventually(|| (tsa.asked.load(Ordering::SeqCst) > 1).then_some(())).await;
    assert!(world.of_kind("checkpoint.anchor").is_empty());
    let metrics = world.get("/metrics").await.text();
    assert!(
        metrics.contains("affiant_anchor_failures_total{authority=\"local\"}"),
        "{metrics}"
    );
    tsa.broken.store(false, Ordering::SeqCst);
    eventually(|| world.of_kind("checkpoint.anchor").pop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_without_the_pinned_root_anchors_nothing() {
    let (tsa, other) = (Tsa::start().await, Tsa::start().await);
    let mut settings = tsa.settings();
    settings.roots_file = other.roots();
    let world = World::start_with(|all| all.anchors = vec![settings.clone()]).await;
    eventually(|| (tsa.asked.load(Ordering::SeqCst) > 1).then_some(())).await;
    assert!(world.of_kind("checkpoint.anchor").is_empty());
}
