//! One running aggregator: from settings to listening, and back.

use std::net::SocketAddr;
use std::sync::Arc;

use affiant_log::net::HttpPost;
use affiant_log::{OpenLogError, SequenceError, SignerError, Witnesses};
use affiant_tlog::note::SignError;
use affiant_tlog::policy::Policy;
use fs_err as fs;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::access::Access;
use crate::anchors::Anchors;
use crate::api_tls::{ApiCertificate, ApiTlsError};
use crate::blobs::Blobs;
use crate::ca::{Authority, CaError};
use crate::chains::Chains;
use crate::config::{self, Settings, WitnessSettings};
use crate::core::Core;
use crate::enrich::{Enriching, Enrichment};
use crate::files::{self, FileError};
use crate::index::{FollowSource, Follower, Index};
use crate::ingest::Budget;
use crate::ledger::Ledger;
use crate::logkey::{self, LogKeys};
use crate::metrics::Metrics;
use crate::own::OwnChain;
use crate::query::{LogQuery, Query};
use crate::reading::LogReads;
use crate::refusals::Refusals;
use crate::rounds::Rounds;
use crate::sources::Sources;
use crate::state::StateDir;
use crate::tls::{ServerCertificate, server_config};
use crate::token::Tokens;
use crate::views::{Gauges, Pen, View, ViewCounts, Views};
use crate::watch::Watch;
use crate::{api, api_listener, clock, doors, listener};

pub use crate::index::{IndexError, ReplayError};
pub use crate::tls::TlsError;

/// An aggregator that serves.
#[derive(Debug)]
pub struct Server {
    core: Arc<Core>,
    addresses: ServeJson,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    views: Views,
    _lock: fs::File,
}

/// What is plugged into an aggregator.
#[derive(Debug, Default)]
pub struct Parts {
    /// What follows the log.
    pub views: Vec<Box<dyn View>>,
    /// Who answers questions about entries; the log itself if absent.
    pub query: Option<Arc<dyn Query>>,
    /// What they count, for the metrics.
    pub gauges: Vec<Box<dyn Gauges>>,
}

/// What stands in `serve.json` while an aggregator runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServeJson {
    /// Its process.
    pub pid: u32,
    /// Where the API answers.
    pub api: String,
    /// Where sources come to.
    pub ingest: String,
    /// Where the log is read.
    pub log: String,
    /// Name of the log.
    pub name: String,
}

/// The aggregator does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another process serves this directory.
    #[error("another aggregator serves `{}`", path.display())]
    Locked {
        /// The data directory.
        path: std::path::PathBuf,
    },
    /// An address cannot be had.
    #[error("cannot listen on {address}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is a log, but not the key that signs it.
    #[error("the log has checkpoints, but `{}` is missing; restore it", path.display())]
    KeyLost {
        /// Where the key belongs.
        path: std::path::PathBuf,
    },
    /// The key is of another log than the configuration names.
    #[error(
        "the key in the data directory is of log `{found}`, the configuration names `{wanted}`"
    )]
    OtherLog {
        /// The log that the key names.
        found: String,
        /// The log that the configuration names.
        wanted: String,
    },
    /// Others than this machine would reach the API, and nobody would be asked who he is.
    #[error(
        "the API would listen on {address} and ask nobody who he is; \
         set `access.required = true`, or listen on loopback"
    )]
    OpenToOthers {
        /// Where it would listen.
        address: SocketAddr,
    },
    /// Certificate and key of the API cannot be used.
    #[error(transparent)]
    ApiTls(#[from] ApiTlsError),
    /// The certificate authority cannot be used.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A file of the data directory cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The witness policy is not one.
    #[error("witness policy `{}` cannot be used", path.display())]
    Policy {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: affiant_tlog::policy::ParsePolicyError,
    },
    /// The device that holds the log's key cannot be used.
    #[error("log's key in `{}` cannot be used", module.display())]
    Device {
        /// The device's library.
        module: std::path::PathBuf,
        /// What it says.
        #[source]
        source: SignerError,
    },
    /// The note of a rotation cannot be signed: a bug.
    #[error("rotation of the log's key cannot be signed")]
    Rotation(#[source] SignError),
    /// The log did not take the entry that names its next key; the next start tries again.
    #[error("rotation of the log's key is not in the log")]
    Announce(#[source] SequenceError),
    /// The redaction rules cannot be used.
    #[error("redaction rules `{}` cannot be used: {problem}", path.display())]
    Rules {
        /// The file.
        path: std::path::PathBuf,
        /// Line, column and what is wrong.
        problem: String,
    },
    /// The log cannot be opened.
    #[error("log cannot be opened")]
    Log(#[from] OpenLogError),
    /// The index cannot be made from the log.
    #[error("index cannot be made from the log")]
    Index(#[from] ReplayError),
}

impl From<std::io::Error> for StartError {
    fn from(error: std::io::Error) -> Self {
        Self::File(error.into())
    }
}

impl From<IndexError> for StartError {
    fn from(error: IndexError) -> Self {
        Self::Index(error.into())
    }
}

impl Server {
    /// Opens the data directory, makes what is not there yet, and listens. `serve.json` is there when
    /// this returns. Needs a multi-threaded runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        settings: Settings,
        dir: StateDir,
        parts: Parts,
    ) -> Result<Self, StartError> {
        ask_who_they_are(&settings)?;
        dir.create()?;
        let lock = lock(&dir)?;
        let ingest = bind(settings.ingest_listen).await?;
        let api = bind(settings.api_listen).await?;
        let (ingest_at, api_at) = (ingest.local_addr()?, api.local_addr()?);
        if settings.digest.is_none() {
            config::keep_dev(&dir, &settings, ingest_at, api_at)?;
        }
        let (rules, digest) = doors::rules(&settings)?;
        let mut parts = parts;
        let enrichment = Enrichment::open(&settings.enrich, &dir.enrich(), &settings.own_id)?;
        parts.views.extend(enrichment.iter().map(Enrichment::view));
        let enriching = enrichment.as_ref().map(Enrichment::counts);
        let names = parts.views.iter().map(|view| view.name());
        let counts: Vec<_> = names.map(ViewCounts::new).map(Arc::new).collect();
        let api_certificate = settings.api_tls.as_ref().map(ApiCertificate::open);
        let api_certificate = api_certificate.transpose()?;
        let api_config = api_certificate.as_ref().map(ApiCertificate::config);
        let api_acceptor = api_config.transpose()?.map(TlsAcceptor::from);
        let gate = doors::Gate::open(settings.import_token.as_deref(), !settings.access.required)?;
        let access = Access::open(&settings, &dir, gate)?;
        let opening = {
            let (settings, dir) = (settings.clone(), dir.clone());
            let plugged = Plugged {
                digest,
                views: counts.clone(),
                query: parts.query,
                access,
                enriching,
                gauges: parts.gauges,
            };
            tokio::task::spawn_blocking(move || open(&settings, &dir, plugged))
        };
        let core = opening.await.map_err(std::io::Error::other)??;
        let core = Arc::new(core);
        let foreign = doors::foreign(&dir, &core, rules)?;
        let router = api::router(&core, &foreign);
        let names = server_names(&settings, ingest_at);
        let identity = core.authority.server(&names, clock::now().utc_us)?;
        let not_after_utc_us = identity.not_after_utc_us;
        let certificate = ServerCertificate::new(identity)?;
        let acceptor = TlsAcceptor::from(server_config(&core.authority, Arc::clone(&certificate))?);
        let rounds = Rounds::new(&core, &settings, certificate, names, not_after_utc_us);
        let (stop, stopped) = watch::channel(false);
        let anchoring = core.anchors.start(&core.ledger, &stopped);
        let anchoring = anchoring.map_err(std::io::Error::other)?;
        let reading = enrichment.map_or_else(Vec::new, |sources| sources.start(&stopped));
        let pen = Pen::new(core.ledger.clone(), tokio::runtime::Handle::current());
        let heads = core.ledger.log().subscribe();
        let views = Views::start(parts.views, &counts, &pen, &heads, &stopped)?;
        let mut tasks = vec![
            tokio::spawn(listener::serve(
                ingest,
                acceptor,
                Arc::clone(&core),
                stopped.clone(),
            )),
            tokio::spawn(api_listener::serve(
                api,
                api_acceptor,
                router,
                stopped.clone(),
            )),
            tokio::spawn(rounds.run(stopped.clone())),
        ];
        if let Some(certificate) = api_certificate {
            tasks.push(tokio::spawn(certificate.run(stopped)));
        }
        tasks.extend(anchoring);
        tasks.extend(reading);
        let addresses = addresses(&settings, ingest_at, api_at);
        files::write_json(&dir.serve_json(), &addresses, 0o644)?;
        Ok(Self {
            core,
            addresses,
            stop,
            tasks,
            views,
            _lock: lock,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn addresses(&self) -> &ServeJson {
        &self.addresses
    }

    /// The verifier key of its log.
    #[must_use]
    pub fn log_key(&self) -> String {
        self.core.ledger.log().verifier_key().to_string()
    }

    /// Takes no more, answers what is under way, and ends.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
        let (core, views) = (self.core, self.views);
        let path = core.dir.serve_json();
        // Views may be writing: the log is closed behind them.
        let closed = tokio::task::spawn_blocking(move || {
            views.join();
            core.ledger.close();
        })
        .await;
        if closed.is_err() {
            tracing::error!("log was not closed in order");
        }
        let _ = fs::remove_file(path);
    }
}

/// What [`open`] needs beside settings and directory.
struct Plugged {
    digest: Option<String>,
    views: Vec<Arc<ViewCounts>>,
    enriching: Option<Arc<Enriching>>,
    gauges: Vec<Box<dyn Gauges>>,
    query: Option<Arc<dyn Query>>,
    access: Access,
}

/// What others reach asks who they are.
fn ask_who_they_are(settings: &Settings) -> Result<(), StartError> {
    let address = settings.api_listen;
    if address.ip().is_loopback() {
        return Ok(());
    }
    if !settings.access.required {
        return Err(StartError::OpenToOthers { address });
    }
    if settings.api_tls.is_none() {
        tracing::warn!(%address, "tokens come in clear: the API has no certificate");
    }
    Ok(())
}

fn open(settings: &Settings, dir: &StateDir, plugged: Plugged) -> Result<Core, StartError> {
    let now = clock::now().utc_us;
    let keys = LogKeys::open(settings, dir)?;
    let authority = authority(settings, dir, now)?;
    let key = keys.verifier_key().clone();
    let log_rotations = keys.rotations.clone();
    let log = logkey::open_log(keys, settings, dir)?;
    logkey::write_vkeys(dir, &key)?;
    let sources = Sources::new(dir);
    let index = Arc::new(Index::open(&dir.index())?);
    let keys = sources.clone();
    let follower = Follower::start(
        Arc::clone(&index),
        FollowSource {
            log: log.clone(),
            own: settings.own_id.clone(),
            trust: Box::new(move |source| keys.find(source).ok()??.trust().ok()),
        },
    )?;
    let own = OwnChain::new(
        settings.own_id.clone(),
        settings.log_name.clone(),
        key.to_string(),
        plugged.digest,
    );
    let anchors = Arc::new(Anchors::open(&settings.anchors)?);
    let metrics = Arc::new(Metrics::new(
        log.clone(),
        Arc::clone(&anchors),
        plugged.views,
        plugged.enriching,
        plugged.gauges,
    ));
    let query = plugged.query;
    let query = query.unwrap_or_else(|| Arc::new(LogQuery::new(log.clone())));
    Ok(Core {
        access: plugged.access,
        query,
        log_reads: LogReads::default(),
        dir: dir.clone(),
        log_name: settings.log_name.clone(),
        ledger: Ledger::new(log, index, follower, own),
        chains: Chains::default(),
        blobs: Blobs::new(dir),
        budget: Budget::new(settings.ingest_memory_bytes_max),
        authority,
        log_rotations,
        certificate_lifetime_s: settings.source_lifetime_s,
        sources,
        tokens: Tokens::new(dir),
        watch: Watch::new(),
        anchors,
        refusals: Refusals::new(Arc::clone(&metrics)),
        metrics,
        enrolling: tokio::sync::Mutex::new(()),
    })
}

pub(crate) fn witnesses(settings: &WitnessSettings) -> Result<Witnesses, StartError> {
    let path = &settings.policy_file;
    let text = fs::read(path)?;
    let policy = Policy::parse(&text).map_err(|source| StartError::Policy {
        path: path.clone(),
        source,
    })?;
    let post =
        HttpPost::new().map_err(|error| StartError::File(std::io::Error::other(error).into()))?;
    let mut witnesses = Witnesses::new(policy, Arc::new(post));
    witnesses.rule = settings.rule;
    Ok(witnesses)
}

fn authority(settings: &Settings, dir: &StateDir, now: i64) -> Result<Authority, StartError> {
    let authority = match &settings.ca {
        None => Authority::open_or_make(&dir.ca(), &settings.log_name, now)?,
        Some(files) => Authority::open(&files.certificate, &files.key)?,
    };
    let path = dir.ca().join("ca.crt");
    // `affiant token new` reads it there, whichever it is.
    if files::read_optional(&path)?.as_deref() != Some(authority.pem()) {
        files::write_whole(&path, authority.pem().as_bytes(), 0o644)?;
    }
    Ok(authority)
}

fn lock(dir: &StateDir) -> Result<fs::File, StartError> {
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(dir.lock())?;
    let locked = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
    locked.map_err(|_| StartError::Locked {
        path: dir.root().to_owned(),
    })?;
    Ok(file)
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| StartError::Bind { address, source })
}

/// Names in the server's certificate.
fn server_names(settings: &Settings, at: SocketAddr) -> Vec<String> {
    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    if !at.ip().is_unspecified() {
        names.push(at.ip().to_string());
    }
    names.extend(settings.ingest_names.iter().cloned());
    names.sort();
    names.dedup();
    names
}

fn addresses(settings: &Settings, ingest: SocketAddr, api: SocketAddr) -> ServeJson {
    let reachable = |at: SocketAddr| {
        if at.ip().is_unspecified() {
            SocketAddr::from(([127, 0, 0, 1], at.port()))
        } else {
            at
        }
    };
    let ingest = match settings.ingest_names.first() {
        Some(name) if !name.contains(':') => format!("https://{name}:{}", ingest.port()),
        Some(_) | None => format!("https://{}", reachable(ingest)),
    };
    let scheme = if settings.api_tls.is_some() {
        "https"
    } else {
        "http"
    };
    let api = format!("{scheme}://{}", reachable(api));
    ServeJson {
        pid: std::process::id(),
        log: format!("{api}/log/"),
        api,
        ingest,
        name: settings.log_name.clone(),
    }
}

/// Plain HTTP until `stop` changes; readers hold nothing that must be finished.
pub(crate) async fn serve_http(
    listener: TcpListener,
    router: axum::Router,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => {
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                }
            },
            _ = stop.changed() => return,
        };
        let service = TowerToHyperService::new(router.clone());
        let mut stop = stop.clone();
        tokio::spawn(async move {
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder
                .http1()
                .timer(hyper_util::rt::TokioTimer::new())
                .header_read_timeout(std::time::Duration::from_secs(10));
            let serving = builder.serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                _ = serving => {}
                _ = stop.changed() => {}
            }
        });
    }
}
