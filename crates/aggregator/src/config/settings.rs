//! What the aggregator works with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use affiant_enrich::SourceSettings;
use affiant_entry::SourceId;
use affiant_log::PublishRule;
use affiant_tlog::VerifierKey;

use super::access::AccessSettings;

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
    /// Where the API listens.
    pub api_listen: SocketAddr,
    /// Certificate and key of the API; plain HTTP if absent.
    pub api_tls: Option<TlsFiles>,
    /// Who may use the API.
    pub access: AccessSettings,
    /// The operator's certificate authority; the aggregator's own if absent.
    pub ca: Option<CaFiles>,
    /// Lifetime of a source's certificate, seconds. Default 24 h.
    pub source_lifetime_s: u64,
    /// Keys that may sign rosters. Without any, the data directory's `keys/admin.vkey`.
    pub admin_keys: Vec<VerifierKey>,
    /// Whom to ask for cosignatures.
    pub witness: Option<WitnessSettings>,
    /// The log's key in a device; a file in the data directory if absent.
    pub device_key: Option<DeviceKey>,
    /// Whether each checkpoint has a line by an ML-DSA-44 key of the log as well. Default false.
    pub ml_dsa_44: bool,
    /// How long the key before a rotation signs beside the new one, at least; never shorter than
    /// `source_lifetime_s`, so that each source renews its certificate, and learns the new key, before it
    /// is over. Default 7 days.
    pub key_overlap: Duration,
    /// The redaction rules for imported records; the built-in ones if absent.
    pub redaction_rules: Option<PathBuf>,
    /// File with the token that importing asks for.
    pub import_token: Option<PathBuf>,
    /// Whom to ask for time stamps over checkpoints.
    pub anchors: Vec<AnchorSettings>,
    /// Where facts about servers, users and tools come from.
    pub enrich: Vec<SourceSettings>,
    /// Where the log is archived; nowhere if absent.
    pub archive: Option<ArchiveSettings>,
    /// `sha256:<hex>` of the configuration file.
    pub digest: Option<String>,
}

/// A certificate chain and its key in two PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificates, the server's own first.
    pub certificate: PathBuf,
    /// Its private key, readable by this user alone.
    pub key: PathBuf,
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

/// A checkpoint key behind PKCS #11.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceKey {
    /// The device's library.
    pub module: PathBuf,
    /// Label of the token.
    pub token_label: String,
    /// Label of the Ed25519 key pair in it.
    pub key_label: String,
    /// File with the PIN, readable by this user alone.
    pub pin_file: PathBuf,
}

/// A time stamp authority (RFC 3161).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorSettings {
    /// What it is called in entries, metrics and messages.
    pub name: String,
    /// Where it takes requests, `http` or `https`.
    pub url: String,
    /// PEM file with the roots that its certificates are pinned to.
    pub roots_file: PathBuf,
    /// From anchor to anchor, while the log grows. Default 1 h.
    pub every: Duration,
    /// How long an answer may take. Default 10 s.
    pub timeout: Duration,
}

/// An archive. The aggregator itself makes nothing of it: whoever plugs the archive in does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveSettings {
    /// `file:///DIRECTORY` or `s3://BUCKET[/PREFIX]`.
    pub url: String,
    /// The S3 service; AWS if absent.
    pub endpoint: Option<String>,
    /// Its region. Default `us-east-1`.
    pub region: String,
    /// File with id and secret of an access key, readable by this user alone.
    pub credentials_file: Option<PathBuf>,
    /// PEM file with roots to trust beside the system's.
    pub roots_file: Option<PathBuf>,
    /// The lock that every object must have. Default: compliance on S3, none in a directory.
    pub lock: ArchiveLock,
    /// Leaves that make a set due. Default 65,536.
    pub set_leaves: u64,
    /// Age of the oldest leaf that waits that makes a set due. Default 1 h.
    pub set_age: Duration,
    /// From scrub to scrub. Default 1 h.
    pub scrub_every: Duration,
    /// Bytes that a scrub reads a second, at most; 0 for no bound. Default 16 MiB.
    pub scrub_bytes_per_s: u64,
}

/// Which retention an archive asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveLock {
    /// None.
    None,
    /// One that some may shorten, or a stricter one.
    Governance,
    /// One that nobody may shorten.
    Compliance,
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
            api_tls: None,
            access: AccessSettings::default(),
            ca: None,
            source_lifetime_s: 86_400,
            admin_keys: Vec::new(),
            witness: None,
            device_key: None,
            ml_dsa_44: false,
            key_overlap: Duration::from_secs(7 * 86_400),
            redaction_rules: None,
            import_token: None,
            anchors: Vec::new(),
            enrich: Vec::new(),
            archive: None,
            digest: None,
        }
    }
}
