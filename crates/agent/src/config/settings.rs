//! The configuration as it is used.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use affiant_entry::{Fact, SourceId};
use http::uri::{Authority, Scheme};

use crate::state::DataDir;
use crate::trail::{Intent, OnFull, TrailOptions};

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `source.id`: the name of the source, for a key made now; compared with a key that exists.
    pub source: Option<SourceId>,
    /// `[trail]`.
    pub trail: TrailSettings,
    /// `redact.rule_files`: rules before the built-in ones; at most one file.
    pub redact_rule_files: Vec<PathBuf>,
    /// `[gateway]`.
    pub gateway: GatewaySettings,
    /// `[admin]`.
    pub admin: AdminSettings,
    /// `[[route]]`, at least one.
    pub routes: Vec<RouteSettings>,
    /// `sha256:<hex>` of the file's bytes.
    pub digest: String,
}

/// How the trail is kept.
#[derive(Debug, Clone)]
pub struct TrailSettings {
    /// What must be true before a call is forwarded.
    pub intent: Intent,
    /// The answer to trouble with the storage.
    pub on_full: OnFull,
    /// Most bytes the spool may use.
    pub spool_bytes_max: u64,
    /// Bytes of one segment of the spool.
    pub segment_bytes: u64,
    /// A `heartbeat` entry after this much silence.
    pub heartbeat_interval: Duration,
}

/// What all routes share.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// The address of the routes that have none of their own. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Bytes of a request body that are held until its calls are on record. Of a larger body the last
    /// piece is held.
    pub request_hold_bytes_max: usize,
    /// Time exchanges have to finish when the gateway stops.
    pub shutdown_grace: Duration,
    /// Whether a client that closes its sending side still gets its response.
    pub half_close: bool,
}

/// The admin listener.
#[derive(Debug, Clone)]
pub struct AdminSettings {
    /// Its address. Port 0 takes a free one.
    pub listen: SocketAddr,
}

/// One way through the gateway, to one server.
#[derive(Debug, Clone)]
pub struct RouteSettings {
    /// Its name, and the server's in the trail.
    pub id: String,
    /// Where the server is.
    pub upstream: Upstream,
    /// What the server speaks.
    pub transport: TransportKind,
    /// An address of its own.
    pub listen: Option<SocketAddr>,
    /// The paths that belong to it, each with all below it.
    pub paths: Vec<String>,
    /// What becomes of the client's `Host`.
    pub host: HostPolicy,
    /// Values of `Host` that may use the route; empty: see [`HostPolicy`].
    pub allowed_hosts: Vec<String>,
    /// Values of `Origin` that may use the route; empty: see [`HostPolicy`].
    pub allowed_origins: Vec<String>,
    /// PEM file of further root certificates for an `https` upstream.
    pub ca_file: Option<PathBuf>,
    /// Longest wait for a connection to the upstream.
    pub connect_timeout: Duration,
    /// A call without an answer ends, in the trail only, as timed out after this long.
    pub call_timeout: Option<Duration>,
    /// A conversation silent for this long is over.
    pub session_idle: Duration,
    /// Keys of `params._meta` whose value names the session.
    pub session_meta_keys: Vec<String>,
    /// Role of the agents on this route.
    pub role: Option<String>,
    /// The user on whose behalf they act.
    pub user: Option<String>,
}

/// Scheme and authority of a server. Path and query are the client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Host and port, without user information.
    pub authority: Authority,
}

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransportKind {
    /// Streamable HTTP, from 2025-03-26.
    #[default]
    Http,
    /// HTTP+SSE of 2024-11-05.
    Sse,
}

/// What becomes of the client's `Host`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostPolicy {
    /// It goes to the server as it came; the server guards itself against DNS rebinding.
    #[default]
    Preserve,
    /// The upstream's takes its place. The gateway checks `Host` (against loopback names, unless
    /// `allowed_hosts` says otherwise) and `Origin` in the server's stead.
    Upstream,
}

impl Settings {
    /// How to open the trail of a gateway with these settings.
    #[must_use]
    pub fn trail_options(&self, dir: DataDir) -> TrailOptions {
        TrailOptions {
            source: self.source.clone(),
            intent: self.trail.intent,
            on_full: self.trail.on_full,
            spool_bytes_max: self.trail.spool_bytes_max,
            segment_bytes: self.trail.segment_bytes,
            heartbeat: self.trail.heartbeat_interval,
            config: Fact::Known(self.digest.clone()),
            ..TrailOptions::new(dir, "agent")
        }
    }
}

impl Default for TrailSettings {
    fn default() -> Self {
        let options = TrailOptions::new(DataDir::new(""), "agent");
        Self {
            intent: options.intent,
            on_full: options.on_full,
            spool_bytes_max: options.spool_bytes_max,
            segment_bytes: options.segment_bytes,
            heartbeat_interval: options.heartbeat,
        }
    }
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7300)),
            request_hold_bytes_max: 64 << 20,
            shutdown_grace: Duration::from_secs(1),
            half_close: false,
        }
    }
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7301)),
        }
    }
}

impl RouteSettings {
    /// A route for every path, with the defaults of every other key.
    #[must_use]
    pub fn new(id: &str, upstream: Upstream) -> Self {
        Self {
            id: id.to_owned(),
            upstream,
            transport: TransportKind::default(),
            listen: None,
            paths: vec!["/".to_owned()],
            host: HostPolicy::default(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            ca_file: None,
            connect_timeout: Duration::from_secs(10),
            call_timeout: None,
            session_idle: Duration::from_secs(30 * 60),
            session_meta_keys: Vec::new(),
            role: None,
            user: None,
        }
    }
}
