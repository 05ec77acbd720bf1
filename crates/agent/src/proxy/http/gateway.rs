//! The whole gateway: its listeners, its routes, its start and its end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use affiant_capture::tracker::{Config, Finish, Identity};
use affiant_entry::call::Transport;
use affiant_entry::{CommitKey, Fact};
use affiant_policy::redact::Redactor;
use fs_err as fs;
use http::Request;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::admin::{self, Admin};
use crate::config::{RouteSettings, Settings};
use crate::metrics::Metrics;
use crate::recorder::Recorder;
use crate::trail::Trail;

use super::forward;
use super::listener::{self, BindError, Manner, Place};
use super::route::{Route, Table};
use super::upstream::{Upstream, UpstreamError};
use super::workers::Workers;

/// Longest wait of the admin listener for a request head.
const ADMIN_HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The gateway cannot start. Nothing of it is left running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// An upstream cannot be set up.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// A thread to serve with cannot be started.
    #[error("threads cannot be started")]
    Workers(#[source] std::io::Error),
    /// `agent.json` cannot be written.
    #[error("state file cannot be written")]
    StateFile(#[source] std::io::Error),
}

/// Where calls are recorded.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The trail of this process; whoever opened it closes it, after [`Gateway::stop`].
    pub trail: Trail,
    /// The redaction rules in force on every route.
    pub redactor: Arc<Redactor>,
    /// The key of commitments and token hashes.
    pub key: CommitKey,
}

/// Where a gateway listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// Each listener once.
    pub listen: Vec<SocketAddr>,
    /// Base URL of each route, by its id.
    pub routes: BTreeMap<String, String>,
    /// The admin listener.
    pub admin: SocketAddr,
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    addresses: Addresses,
    recorders: Vec<Recorder>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    workers: Workers,
    shutdown_grace: Duration,
    state_file: PathBuf,
}

impl Gateway {
    /// Binds every address, writes `agent.json`, starts to serve. Upstreams need not be up.
    ///
    /// # Errors
    /// When an address, a certificate file or the state file cannot be used.
    pub async fn start(settings: &Settings, evidence: &Evidence) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::new(&evidence.trail));
        let routes = routes(settings, evidence, &metrics)?;
        let recorders = routes
            .iter()
            .map(|(_, route)| route.recorder.clone())
            .collect();
        let admin = listener::bind("admin.listen", settings.admin.listen).await?;
        let bound = bind_all(settings, &routes).await?;
        let addresses = addresses(&bound, &admin)?;
        let state_file = evidence.trail.dir().agent_json();
        let workers = Workers::start().map_err(StartError::Workers)?;
        fs::write(&state_file, addresses.json()).map_err(StartError::StateFile)?;

        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let manner = Manner {
            half_close: settings.gateway.half_close,
            head_timeout: None,
        };
        for (listener, _, table) in bound {
            tasks.spawn(serve(
                listener,
                manner,
                stopping.clone(),
                table,
                Arc::clone(&metrics),
                workers.handles(),
            ));
        }
        let manner = Manner {
            half_close: false,
            head_timeout: Some(ADMIN_HEAD_TIMEOUT),
        };
        let admin_state = Arc::new(Admin::new(evidence.trail.clone(), metrics));
        let handle = Arc::new(move |_, request| admin::answer(Arc::clone(&admin_state), request));
        let runtime = Handle::current();
        let places = vec![Place { runtime, handle }];
        tasks.spawn(listener::serve(admin, manner, stopping, places));
        let shutdown_grace = settings.gateway.shutdown_grace;
        Ok(Self {
            addresses,
            recorders,
            stop,
            tasks,
            workers,
            shutdown_grace,
            state_file,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Stops: accepts nothing more, lets exchanges finish within `shutdown_grace_ms`, breaks off the
    /// rest, ends every open call and removes `agent.json`. Closing the trail is the caller's.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        let drained = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.shutdown_grace, drained)
            .await
            .is_err()
        {
            tracing::info!("exchanges still open are broken off");
            // Before they are: it is not their clients that went away.
            end_calls(&self.recorders);
        }
        self.tasks.shutdown().await;
        self.workers.stop().await;
        end_calls(&self.recorders);
        if let Err(error) = fs::remove_file(&self.state_file) {
            tracing::warn!(%error, "state file cannot be removed");
        }
    }
}

impl Addresses {
    /// The text of `agent.json`.
    fn json(&self) -> String {
        let url = |address: &SocketAddr| format!("http://{address}");
        let listen: Vec<_> = self.listen.iter().map(url).collect();
        let value = serde_json::json!({
            "listen": listen,
            "routes": self.routes,
            "admin": url(&self.admin),
            "pid": std::process::id(),
        });
        format!("{value}\n")
    }
}

fn end_calls(recorders: &[Recorder]) {
    for recorder in recorders {
        recorder.finish(Finish::Shutdown);
    }
}

type Bound = (TcpListener, Vec<Arc<Route>>, Table);

/// Each route with the address it is to listen on.
fn routes(
    settings: &Settings,
    evidence: &Evidence,
    metrics: &Metrics,
) -> Result<Vec<(SocketAddr, Arc<Route>)>, UpstreamError> {
    let hold_max = settings.gateway.request_hold_bytes_max;
    let made = settings.routes.iter().map(|route| {
        let upstream = Upstream::new(route)?;
        let recorder = recorder(settings, route, evidence);
        let address = route.listen.unwrap_or(settings.gateway.listen);
        Ok((
            address,
            Arc::new(Route::new(
                route,
                hold_max,
                recorder,
                upstream,
                metrics.route(&route.id),
            )),
        ))
    });
    made.collect()
}

fn recorder(settings: &Settings, route: &RouteSettings, evidence: &Evidence) -> Recorder {
    let configured = |value: &Option<String>| match value {
        Some(value) => Fact::Known(value.clone()),
        None => Fact::absent("not configured"),
    };
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let config = Config {
        call_timeout_us: route.call_timeout.map(micros),
        session_meta_keys: route.session_meta_keys.clone(),
        session_idle_us: micros(route.session_idle),
        identity: Identity {
            role: configured(&route.role),
            user: configured(&route.user),
        },
        ..Config::new(&route.id, Transport::Http)
    };
    Recorder::new(
        config,
        evidence.trail.clone(),
        Arc::clone(&evidence.redactor),
        evidence.key.clone(),
        settings.trail.intent,
        false,
    )
}

/// One listener an address, with the routes on it.
async fn bind_all(
    settings: &Settings,
    routes: &[(SocketAddr, Arc<Route>)],
) -> Result<Vec<Bound>, BindError> {
    let mut by_address: BTreeMap<SocketAddr, Vec<Arc<Route>>> = BTreeMap::new();
    for (address, route) in routes {
        by_address
            .entry(*address)
            .or_default()
            .push(Arc::clone(route));
    }
    let mut bound = Vec::new();
    for (address, routes) in by_address {
        let shared = address == settings.gateway.listen;
        let key = if shared {
            "gateway.listen"
        } else {
            "route.listen"
        };
        let listener = listener::bind(key, address).await?;
        bound.push((listener, routes.clone(), Table::new(routes)));
    }
    Ok(bound)
}

fn addresses(bound: &[Bound], admin: &TcpListener) -> Result<Addresses, StartError> {
    let mut listen = Vec::new();
    let mut urls = BTreeMap::new();
    for (listener, routes, _) in bound {
        let address = listener.local_addr().map_err(StartError::StateFile)?;
        listen.push(address);
        for route in routes {
            urls.insert(
                route.id.clone(),
                format!("http://{address}{}", route.first_path()),
            );
        }
    }
    let admin = admin.local_addr().map_err(StartError::StateFile)?;
    Ok(Addresses {
        listen,
        routes: urls,
        admin,
    })
}

async fn serve(
    listener: TcpListener,
    manner: Manner,
    stop: watch::Receiver<bool>,
    table: Table,
    metrics: Arc<Metrics>,
    runtimes: Vec<Handle>,
) {
    let place = |runtime| {
        let (table, metrics) = (Arc::new(table.apart()), Arc::clone(&metrics));
        let handle = move |peer: SocketAddr, request: Request<Incoming>| {
            let (table, metrics) = (Arc::clone(&table), Arc::clone(&metrics));
            async move { forward::serve(&table, &metrics, peer, request).await }
        };
        Place {
            runtime,
            handle: Arc::new(handle),
        }
    };
    let places = runtimes.into_iter().map(place).collect();
    listener::serve(listener, manner, stop, places).await;
}
