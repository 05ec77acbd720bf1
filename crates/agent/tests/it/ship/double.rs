//! A double of an aggregator: real TLS, real checks, a log in memory, and every way to misbehave.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, UNIX_EPOCH};

use affiant_agent::clock;
use affiant_entry::batch::BatchReader;
use affiant_entry::link::{ChainCursor, CheckedGroup, Placement};
use affiant_entry::receipt::{Credits, Problem, ProblemCode, Receipt, ReceiptGroup};
use affiant_entry::{LogRotation, SealPlace, SourceId, Trust, rfc3339};
use affiant_tlog::checkpoint::Origin;
use affiant_tlog::note::{self, KeyName, Note};
use affiant_tlog::{
    Checkpoint, ConsistencyProof, Hash, LeafIndex, SignerKey, TreeSize, VerifierKey,
    consistency_proof, inclusion_proof, leaf_hash, root_of,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What is done to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Answered with this status, and nothing done.
    Status(u16),
    /// Done, and the answer is lost with the connection.
    LoseAnswer,
    /// The connection breaks before anything is done.
    Cut,
    /// Answered late.
    Late(u64),
    /// A receipt with one proof changed.
    BadProof,
    /// A receipt signed by another key of the same name.
    WrongKey,
    /// A receipt under a tree with another past.
    Fork,
    /// A receipt under a smaller tree.
    RolledBack,
    /// A refusal, as the log has a smaller tree.
    SaysRolledBack,
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) leaves: Vec<Hash>,
    pub(crate) bytes: Vec<Vec<u8>>,
    chains: BTreeMap<(String, String), Chain>,
    trust: BTreeMap<String, VerifierKey>,
    pub(crate) tokens: Vec<String>,
    pub(crate) faults: VecDeque<Fault>,
    /// Every so many-th request suffers a random fault, by this generator.
    pub(crate) chaos: Option<u64>,
    /// New connections are dropped.
    pub(crate) down: bool,
    pub(crate) requests: u64,
    pub(crate) duplicates: u64,
    pub(crate) gaps: Vec<String>,
    pub(crate) renewals: Vec<bool>,
    pub(crate) blobs: BTreeMap<String, usize>,
    /// Spools in the order of their batches.
    pub(crate) order: Vec<String>,
    pub(crate) lifetime_s: i64,
    pub(crate) credits: Option<Credits>,
    /// The key that signs checkpoints instead, and the note that leads to it.
    pub(crate) rotated: Option<(u8, String)>,
    /// Leaves under the newest checkpoint.
    published: usize,
}

/// One group in a receipt: place, first index, seal's index, whether the log had it.
type Taken = (SealPlace, u64, u64, bool);

struct Chain {
    cursor: ChainCursor,
    seals: BTreeMap<SealPlace, (Hash, u64, u64)>,
}

pub(crate) struct Double {
    pub(crate) addr: SocketAddr,
    pub(crate) log_key: SignerKey,
    pub(crate) ca_pem: String,
    ca_sha256: [u8; 32],
    world: Arc<Mutex<World>>,
    _runtime: tokio::runtime::Runtime,
}

struct Server {
    world: Arc<Mutex<World>>,
    log_key: SignerKey,
    ca_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Double {
    pub(crate) fn start() -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca_params = CertificateParams::new(Vec::<String>::new()).unwrap();
        ca_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = ca_params.self_signed(&ca_key).unwrap();
        let issuer = Issuer::new(ca_params, ca_key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()])
            .unwrap()
            .signed_by(&key, &issuer)
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .allow_unauthenticated()
                .build()
                .unwrap();
        let chain: Vec<CertificateDer<'static>> = vec![leaf.der().clone(), ca.der().clone()];
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let world = Arc::new(Mutex::new(World {
            lifetime_s: 3600,
            ..World::default()
        }));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let addr = listener.local_addr().unwrap();
        let server = Arc::new(Server {
            world: Arc::clone(&world),
            log_key: log_key(LOG_SEED),
            ca_pem: ca.pem(),
            issuer,
        });
        runtime.spawn(publish(Arc::clone(&world)));
        runtime.spawn(serve(listener, TlsAcceptor::from(Arc::new(tls)), server));
        Self {
            addr,
            log_key: log_key(LOG_SEED),
            ca_pem: ca.pem(),
            ca_sha256: Sha256::digest(ca.der()).into(),
            world,
            _runtime: runtime,
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.addr)
    }

    pub(crate) fn token(&self) -> String {
        self.token_for(self.ca_sha256)
    }

    pub(crate) fn token_for(&self, ca_sha256: [u8; 32]) -> String {
        let mut world = self.world();
        let n = u8::try_from(world.tokens.len()).unwrap();
        let token = format!(
            "affiant-token-v1.{}.{}",
            URL_SAFE_NO_PAD.encode([n; 32]),
            URL_SAFE_NO_PAD.encode(ca_sha256)
        );
        world.tokens.push(token.clone());
        token
    }

    /// Each group of a chain stands in the log once, and one follows the other.
    pub(crate) fn seals_of(&self, spool: &str) -> usize {
        let world = self.world();
        let chains = world.chains.iter().filter(|(key, _)| key.1 == spool);
        chains.map(|(_, chain)| chain.seals.len()).sum()
    }

    /// Goes back to an earlier day, as a restored backup does, and grows another past from there.
    pub(crate) fn forget_chains(&self) {
        self.world().chains.clear();
    }
}

/// Of the log's first key.
pub(crate) const LOG_SEED: u8 = 9;

/// A key of the log.
pub(crate) fn log_key(seed: u8) -> SignerKey {
    let name = KeyName::new("localhost/affiant/double").unwrap();
    SignerKey::from_seed(name, &[seed; 32])
}

/// A note that leads from one key of the log to another, signed by these.
pub(crate) fn rotation(old: u8, new: u8, signers: &[u8]) -> String {
    let rotation = LogRotation {
        log: Origin::of(log_key(old).name()).unwrap(),
        old: log_key(old).verifier_key().clone(),
        new: log_key(new).verifier_key().clone(),
        utc_us: 0,
    };
    let mut note = Note::sign(&rotation.to_text(), &log_key(signers[0])).unwrap();
    for signer in &signers[1..] {
        note.add_signature(&log_key(*signer)).unwrap();
    }
    note.to_string()
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, server: Arc<Server>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        if server.world.lock().unwrap().down {
            continue;
        }
        let (tls, server) = (tls.clone(), Arc::clone(&server));
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else {
                return;
            };
            let known = stream.get_ref().1.peer_certificates().is_some();
            let (cut, cutting) = tokio::sync::watch::channel(false);
            let cut = Arc::new(cut);
            let service = service_fn(move |request| {
                let (server, cut) = (Arc::clone(&server), Arc::clone(&cut));
                async move {
                    match answer(&server, request, known).await {
                        Some(response) => Ok::<_, Infallible>(response),
                        None => {
                            let _ = cut.send(true);
                            std::future::pending().await
                        }
                    }
                }
            });
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service);
            let mut cutting = cutting;
            tokio::select! {
                _ = connection => {}
                _ = cutting.wait_for(|cut| *cut) => {}
            }
        });
    }
}

/// `None` breaks the connection.
async fn answer(
    server: &Server,
    request: Request<Incoming>,
    known: bool,
) -> Option<Response<Full<Bytes>>> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.ok()?.to_bytes();
    if path != "/v1/batches" {
        return Some(issue(server, &path, &body, known));
    }
    if !known {
        return Some(problem(&Problem::new(
            ProblemCode::NotEnrolled,
            "no certificate",
        )));
    }
    let fault = server.world.lock().unwrap().next_fault();
    match fault {
        Some(Fault::Status(status)) => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            return Some(response);
        }
        Some(Fault::SaysRolledBack) => {
            let mut refusal = Problem::new(ProblemCode::RolledBack, "this log has 1");
            refusal.checkpoint = Some("note of a small tree".to_owned());
            return Some(problem(&refusal));
        }
        Some(Fault::Cut) => return None,
        Some(Fault::Late(ms)) => tokio::time::sleep(Duration::from_millis(ms)).await,
        _ => {}
    }
    let bytes = zstd::stream::decode_all(body.as_ref()).ok()?;
    let taken = take(server, &bytes);
    if fault == Some(Fault::LoseAnswer) {
        return None;
    }
    let (old, groups) = match taken {
        Ok(taken) => taken,
        Err(refusal) => return Some(problem(&refusal)),
    };
    let needed = groups.iter().map(|group| group.2 + 1).max().unwrap_or(0);
    loop {
        {
            let world = server.world.lock().unwrap();
            if u64::try_from(world.published).unwrap() >= needed {
                let receipt = receipt(server, &world, old, &groups, fault);
                return Some(Response::new(Full::from(receipt.to_json())));
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A checkpoint a tick, as a log has it.
async fn publish(world: Arc<Mutex<World>>) {
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut world = world.lock().unwrap();
        world.published = world.leaves.len();
    }
}

impl World {
    fn next_fault(&mut self) -> Option<Fault> {
        self.requests += 1;
        if let Some(fault) = self.faults.pop_front() {
            return Some(fault);
        }
        let seed = self.chaos.as_mut()?;
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        match (*seed >> 33) % 12 {
            0 => Some(Fault::Status(503)),
            1 => Some(Fault::Status(429)),
            2 => Some(Fault::Cut),
            3 => Some(Fault::LoseAnswer),
            4 | 5 => Some(Fault::Late((*seed >> 40) % 60)),
            _ => None,
        }
    }
}

fn problem(problem: &Problem) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(problem.to_json()));
    *response.status_mut() = StatusCode::from_u16(problem.code.status()).unwrap();
    response
}

/// Takes a batch as an aggregator does: all groups or, from the first bad one on, none.
fn take(server: &Server, bytes: &[u8]) -> Result<(TreeSize, Vec<Taken>), Box<Problem>> {
    let mut world = server.world.lock().unwrap();
    let world = &mut *world;
    let reader = BatchReader::new(bytes).unwrap();
    let header = reader.header().clone();
    let key = (header.source.to_string(), header.spool.to_string());
    world.order.push(key.1.clone());
    let vkey = world.trust.get(&key.0).cloned();
    let trust =
        Trust::new(vec![vkey.ok_or_else(|| {
            Box::new(Problem::new(ProblemCode::NotEnrolled, "who?"))
        })?]);
    let chain = world.chains.entry(key).or_insert_with(|| Chain {
        cursor: ChainCursor::new(header.source.clone(), header.spool.clone()),
        seals: BTreeMap::new(),
    });
    let mut gap_allowed = header.gap.clone();
    let mut groups = Vec::new();
    for group in reader {
        let group = group.unwrap();
        let checked = CheckedGroup::check(&group.entries, group.seal, &trust)
            .map_err(|e| Box::new(Problem::new(ProblemCode::BadSeal, &e.to_string())))?;
        for blob in &group.blobs {
            *world
                .blobs
                .entry(hex::encode(Sha256::digest(blob)))
                .or_default() += 1;
        }
        let place = checked.place();
        if let Some((hash, first, seal)) = chain.seals.get(&place) {
            if *hash != checked.seal_hash {
                return Err(Box::new(Problem::new(ProblemCode::Fork, "another group")));
            }
            world.duplicates += 1;
            groups.push((place, *first, *seal, true));
            continue;
        }
        match chain.cursor.place(&checked) {
            Placement::Next => {}
            Placement::Gap { expected, .. } => match gap_allowed.take() {
                Some(gap) => world.gaps.push(gap.reason),
                None => {
                    let mut problem = Problem::new(ProblemCode::Gap, "something is missing");
                    problem.expected = expected;
                    return Err(Box::new(problem));
                }
            },
            other @ (Placement::Duplicate
            | Placement::Earlier
            | Placement::Fork(_)
            | Placement::Bad(_)
            | Placement::OtherChain) => panic!("{other:?}"),
        }
        chain.cursor.advance(&checked);
        let first = u64::try_from(world.leaves.len()).unwrap();
        for leaf in group.entries.iter().chain([&group.seal]) {
            world.leaves.push(leaf_hash(leaf));
            world.bytes.push(leaf.to_vec());
        }
        let seal = u64::try_from(world.leaves.len()).unwrap() - 1;
        chain.seals.insert(place, (checked.seal_hash, first, seal));
        groups.push((place, first, seal, false));
    }
    Ok((header.old, groups))
}

fn receipt(
    server: &Server,
    world: &World,
    old: TreeSize,
    groups: &[Taken],
    fault: Option<Fault>,
) -> Receipt {
    let mut leaves = world.leaves[..world.published].to_vec();
    match fault {
        Some(Fault::Fork) => leaves[0] = leaf_hash(b"another past"),
        Some(Fault::RolledBack) => leaves.truncate(usize::try_from(old.0 / 2).unwrap()),
        _ => {}
    }
    let size = TreeSize(u64::try_from(leaves.len()).unwrap());
    let origin = Origin::of(server.log_key.name()).unwrap();
    let checkpoint = Checkpoint::new(origin, size, root_of(&leaves));
    let other = SignerKey::from_seed(server.log_key.name().clone(), &[8; 32]);
    let rotated = world.rotated.as_ref().map(|(seed, _)| log_key(*seed));
    let signer = match (&rotated, fault) {
        (_, Some(Fault::WrongKey)) => &other,
        (Some(rotated), _) => rotated,
        (None, _) => &server.log_key,
    };
    let consistency = if old.0 == 0 || old >= size {
        ConsistencyProof::default()
    } else {
        consistency_proof(&leaves, old).unwrap()
    };
    let mut groups: Vec<ReceiptGroup> = groups
        .iter()
        .filter(|(_, _, seal, _)| *seal < size.0)
        .map(|(place, first, seal, duplicate)| ReceiptGroup {
            place: *place,
            first_index: LeafIndex(*first),
            seal_index: LeafIndex(*seal),
            proof: inclusion_proof(&leaves, LeafIndex(*seal)).unwrap(),
            duplicate: *duplicate,
        })
        .collect();
    if fault == Some(Fault::BadProof) {
        let group = groups.first_mut().unwrap();
        match group.proof.0.first_mut() {
            Some(hash) => *hash = leaf_hash(b"not this one"),
            None => group.seal_index = LeafIndex(group.seal_index.0 + 1),
        }
    }
    Receipt {
        log: server.log_key.name().as_str().to_owned(),
        checkpoint: checkpoint.sign(signer).unwrap().to_string(),
        consistency,
        groups,
        credits: world.credits.unwrap_or(Credits {
            bytes: 16 << 20,
            batches: 16,
        }),
    }
}

/// `/v1/enrol` and `/v1/renew`.
fn issue(server: &Server, path: &str, body: &[u8], known: bool) -> Response<Full<Bytes>> {
    let mut world = server.world.lock().unwrap();
    let request: serde_json::Value = serde_json::from_slice(body).unwrap();
    let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
    let refuse = |code: &str| {
        let json = format!(r#"{{"type":"https://affiant.dev/problems/{code}","title":"no"}}"#);
        let mut response = Response::new(Full::from(json));
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        response
    };
    let csr = CertificateSigningRequestParams::from_pem(&text("csr")).unwrap();
    let source = if path == "/v1/enrol" {
        let Some(at) = world.tokens.iter().position(|t| *t == text("token")) else {
            return refuse("token-unknown");
        };
        world.tokens[at] = "used".to_owned();
        world
            .trust
            .insert(text("source"), text("vkey").parse().unwrap());
        text("source")
    } else if known {
        world.renewals.push(true);
        world.trust.keys().next().unwrap().clone()
    } else {
        world.renewals.push(false);
        let key = world.trust[&text("source")].clone();
        let note = Note::parse(text("proof").as_bytes()).unwrap();
        let said = note::verify(&note, &[key]).unwrap().text().to_owned();
        let der = pem_der(&text("csr"));
        let digest = STANDARD.encode(Sha256::digest(der));
        assert!(said.starts_with(&format!(
            "affiant.dev/renew/v1\nsource {}\ncsr {digest}\ntime ",
            text("source")
        )));
        text("source")
    };
    let now = clock::now().utc_us;
    let at = |seconds: i64| {
        UNIX_EPOCH + Duration::from_micros(u64::try_from(now + seconds * 1_000_000).unwrap())
    };
    let mut csr = csr;
    csr.params.not_before = at(-3600).into();
    csr.params.not_after = at(world.lifetime_s).into();
    let certificate = csr.signed_by(&server.issuer).unwrap();
    let (vkey, rotations) = match &world.rotated {
        Some((seed, note)) => (log_key(*seed).verifier_key().to_string(), note.clone()),
        None => (server.log_key.verifier_key().to_string(), String::new()),
    };
    let _ = SourceId::new(&source).unwrap();
    let json = serde_json::json!({
        "v": 1,
        "source": source,
        "certificate": certificate.pem(),
        "ca": server.ca_pem,
        "log": {"name": server.log_key.name().as_str(), "vkey": vkey, "rotations": rotations},
        "renew_after_s": world.lifetime_s.max(0) * 2 / 3,
        "not_after": rfc3339(now + world.lifetime_s * 1_000_000),
    });
    Response::new(Full::from(json.to_string()))
}

fn pem_der(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(body).unwrap()
}
