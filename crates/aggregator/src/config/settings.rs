//! What the aggregator works with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use affiant_entry::SourceId;
use affiant_log::PublishRule;
use affiant_tlog::VerifierKey;

/// Settings of an aggregator.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Name of the log: origin of its checkpoints and name of its key.
    pub log_name: String,
    /// The aggregator's own id, as `source` of its entries. Default `aggregator`.
    pub own_id: SourceId,
    /// From checkpoint to checkpoint when busy. Default 100 ms.
    pub interval: Duration,
    /// From checkpoint to checkpoint when idle. Default 60 s.
    pub idle: Duration,
    /// Where sources come to (TLS).
    pub ingest_listen: SocketAddr,
    /// Names and addresses in the server's certificate, beside loopback and the listening address.
    pub ingest_names: Vec<String>,
    /// Memory for batches in work, in bytes. Default 512 MiB.
    pub ingest_memory_bytes_max: usize,
    /// Where the API listens (plain HTTP).
    pub api_listen: SocketAddr,
    /// The operator's certificate authority; the aggregator's own if absent.
    pub ca: Option<CaFiles>,
    /// Lifetime of a source's certificate, seconds. Default 24 h.
    pub source_lifetime_s: u64,
    /// Keys that may sign rosters. Without any, the data directory's `keys/admin.vkey`.
    pub admin_keys: Vec<VerifierKey>,
    /// Whom to ask for cosignatures.
    pub witness: Option<WitnessSettings>,
    /// `sha256:<hex>` of the configuration file.
    pub digest: Option<String>,
}

/// A certificate authority in two PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaFiles {
    /// Its certificate.
    pub certificate: PathBuf,
    /// Its private key, readable by this user alone.
    pub key: PathBuf,
}

/// Whom to ask for cosignatures, and what without them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessSettings {
    /// A C2SP tlog-policy: the witnesses, their URLs, and how many make a quorum.
    pub policy_file: PathBuf,
    /// Whether checkpoints are shown at once, or only with a quorum.
    pub rule: PublishRule,
}

impl Settings {
    /// The defaults.
    #[must_use]
    pub fn new(log_name: String, ingest_listen: SocketAddr, api_listen: SocketAddr) -> Self {
        Self {
            log_name,
            own_id: SourceId::sanitized("aggregator"),
            interval: Duration::from_millis(100),
            idle: Duration::from_secs(60),
            ingest_listen,
            ingest_names: Vec::new(),
            ingest_memory_bytes_max: 512 << 20,
            api_listen,
            ca: None,
            source_lifetime_s: 86_400,
            admin_keys: Vec::new(),
            witness: None,
            digest: None,
        }
    }
}
