//! What an entry can say: one variant a kind.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::call::{Call, Ending, SessionOrigin, Transport};
use crate::fact::Fact;
use crate::ids::{BootId, CallId, SealNumber};
use crate::kind::LogKind;
use crate::moment::Moment;
use crate::reclose::Reclosed;

mod context;
mod log;
mod read;

pub use context::{Context, ContextFact, ContextKind, ContextSource, Subject};
pub use log::{
    Anchor, ChainGap, ChainGapReason, ChainRef, Erase, Fork, Import, ImportDoor, KeyAction,
    KeyChange, LeafRef, Prune, Quarantine, Refusal, RosterLeaf, Silence, True, Unrostered,
};
pub use read::{ReadSql, TrailRead};

/// One thing to record; the seal task adds source, boot and sequence number and encodes it once.
#[derive(Debug, Clone)]
pub struct Record {
    /// When: for `call.*`, when the request passed; for [`Body::CallReclosed`], when it was closed.
    pub at: Moment,
    /// The invocation it belongs to, if any.
    pub call: Option<CallId>,
    /// What.
    pub body: Body,
}

/// The kinds of entries that a source makes, and, from `Key` on, those that only an aggregator makes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Body {
    /// `call.begin`: a `tools/call` request is about to be forwarded.
    CallBegin(Box<Call>),
    /// `call.task`: the server made a task of the call (its terminal state gives `call.end`).
    CallTask(Box<CallTask>),
    /// `call.end`: all twelve fields.
    CallEnd(Box<Call>, Box<Ending>),
    /// `call.end` of a call that a dead process left open: see [`reclose`](crate::reclose::reclose).
    CallReclosed(Box<Reclosed>),
    /// `boot`: a chain begins a new life.
    Boot(Box<Boot>),
    /// `stop`: it ends in order.
    Stop(Stop),
    /// `heartbeat`: it lives.
    Heartbeat(Heartbeat),
    /// `gap`: evidence was lost, counted.
    Gap(Gap),
    /// `session`: a conversation began or ended.
    Session(Box<SessionInfo>),
    /// `manifest`: tools/list was seen for the first time, or changed.
    Manifest(Box<Manifest>),
    /// `auth.failure`: a request was refused for want of authority.
    AuthFailure(AuthFailure),
    /// `anomaly`: a peer did something it should not, or a limit was hit.
    Anomaly(Anomaly),
    /// `key`: a key is good, or no longer good, from here on.
    Key(Box<KeyChange>),
    /// `roster`: the sources that are expected.
    Roster(Box<RosterLeaf>),
    /// `fork`: a source signed two chains.
    Fork(Box<Fork>),
    /// `chain.gap`: entries of a source that the log does not hold.
    ChainGap(Box<ChainGap>),
    /// `quarantine`: a leaf under a good seal that is no entry.
    Quarantine(Box<Quarantine>),
    /// `source.silent`: an expected source is late.
    SourceSilent(Silence),
    /// `source.heard`: it is back.
    SourceHeard(Silence),
    /// `source.unrostered`: a source ships that the roster does not name.
    SourceUnrostered(Unrostered),
    /// `refusal`: batches that were not taken, counted.
    Refusal(Refusal),
    /// `checkpoint.anchor`: an authority outside stamped a checkpoint.
    CheckpointAnchor(Box<Anchor>),
    /// `call.import`: a foreign recorder's call, all twelve fields, unsealed.
    CallImport(Box<Call>, Box<Ending>, Box<Import>),
    /// `prune`: leaves before an index may go, under a policy.
    Prune(Prune),
    /// `erase`: a blob was destroyed.
    Erase(Erase),
    /// `context`: what sources of facts know of the subjects of a range of leaves.
    Context(Box<Context>),
    /// `trail.read`: somebody read the trail through the aggregator.
    TrailRead(Box<TrailRead>),
}

impl Body {
    /// The kind as it stands in the entry.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::CallBegin(_) => "call.begin",
            Self::CallTask(_) => "call.task",
            Self::CallEnd(..) | Self::CallReclosed(_) => "call.end",
            Self::Boot(_) => "boot",
            Self::Stop(_) => "stop",
            Self::Heartbeat(_) => "heartbeat",
            Self::Gap(_) => "gap",
            Self::Session(_) => "session",
            Self::Manifest(_) => "manifest",
            Self::AuthFailure(_) => "auth.failure",
            Self::Anomaly(_) => "anomaly",
            Self::Key(_) => LogKind::Key.as_str(),
            Self::Roster(_) => LogKind::Roster.as_str(),
            Self::Fork(_) => LogKind::Fork.as_str(),
            Self::ChainGap(_) => LogKind::ChainGap.as_str(),
            Self::Quarantine(_) => LogKind::Quarantine.as_str(),
            Self::SourceSilent(_) => LogKind::SourceSilent.as_str(),
            Self::SourceHeard(_) => LogKind::SourceHeard.as_str(),
            Self::SourceUnrostered(_) => LogKind::SourceUnrostered.as_str(),
            Self::Refusal(_) => LogKind::Refusal.as_str(),
            Self::CheckpointAnchor(_) => LogKind::CheckpointAnchor.as_str(),
            Self::CallImport(..) => LogKind::CallImport.as_str(),
            Self::Prune(_) => LogKind::Prune.as_str(),
            Self::Erase(_) => LogKind::Erase.as_str(),
            Self::Context(_) => LogKind::Context.as_str(),
            Self::TrailRead(_) => LogKind::TrailRead.as_str(),
        }
    }
}

/// Body of `call.task`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallTask {
    /// The server's task id.
    pub id: String,
    /// Its status when seen: `working`, `input_required`, ….
    pub status: String,
    /// Its time to live, milliseconds.
    pub ttl_ms: Fact<u64>,
}

/// Body of `boot`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Boot {
    /// `start` or `recovery` (the boot before ended without `stop`).
    pub reason: Cow<'static, str>,
    /// Version of the program.
    pub version: String,
    /// Name of the spool that holds the chain.
    pub spool: String,
    /// The verifier key (C2SP vkey) that checks this boot's seals.
    pub key: String,
    /// Rotation notes signed by the old and the new key, if the key changed since the last boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<String>,
    /// The last seal of the boot before; absent in the first boot of a chain.
    pub previous: Fact<Previous>,
    /// Host name.
    pub host: Fact<String>,
    /// Process id.
    pub pid: u32,
    /// SHA-256 of the configuration in force.
    pub config: Fact<String>,
    /// What the kernel says of its clock.
    pub clock: Clock,
    /// What recovery did, if it had to do anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Recovered>,
}

/// The end of the boot before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Previous {
    /// That boot.
    pub boot: BootId,
    /// Its last seal.
    pub seal: SealNumber,
    /// `sha256:<hex>`: RFC 6962 leaf hash of that seal entry's bytes.
    pub hash: String,
}

/// What recovery found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Recovered {
    /// Calls that were open and got a `call.end` with `outcome-unknown`.
    pub calls_closed: u64,
    /// Bytes of an unsealed, torn tail that were cut.
    pub torn_bytes: u64,
    /// Damaged places found in the middle (each also gives a `gap`).
    pub damaged: u64,
}

/// What the kernel says of its clock (adjtimex).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Clock {
    /// Whether a time service keeps it.
    pub synchronised: Fact<bool>,
    /// Bound on its error, microseconds.
    pub error_us_max: Fact<u64>,
}

/// Body of `stop`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stop {
    /// `eof`, `child-exit`, `signal`, `shutdown`, `adopted`.
    pub reason: Cow<'static, str>,
    /// Signal number, if one ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Exit code of the wrapped server, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Calls begun in this boot.
    pub calls: u64,
    /// Wall clock of the stop's own writing is the entry's `time`; this is the boot's age, microseconds.
    pub uptime_us: u64,
}

/// Body of `heartbeat`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Heartbeat {
    /// Age of the boot, microseconds.
    pub uptime_us: u64,
    /// Calls begun in this boot.
    pub calls: u64,
    /// Calls open now.
    pub calls_open: u64,
    /// Bytes in the spool.
    pub spool_bytes: u64,
    /// What the kernel says of its clock.
    pub clock: Clock,
}

/// Body of `gap`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// `spool-full`, `storage-failed`, `damaged`, `refused-calls`, `dropped-calls`, …
    pub reason: Cow<'static, str>,
    /// Entries lost, if it can be known.
    pub entries_lost: Fact<u64>,
    /// Calls concerned, if it can be known.
    pub calls: Fact<u64>,
    /// First moment of the gap, RFC 3339.
    pub since: Fact<String>,
    /// Last moment of the gap, RFC 3339.
    pub until: Fact<String>,
    /// Place in the spool, for damage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
}

/// Body of `session`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionInfo {
    /// `start` or `end`.
    pub phase: Cow<'static, str>,
    /// The session id.
    pub id: String,
    /// How it was found.
    pub origin: SessionOrigin,
    /// Server id.
    pub server: String,
    /// Transport.
    pub transport: Transport,
    /// Revision agreed, if known yet.
    pub protocol: Fact<String>,
    /// Client `name/version`, self-reported.
    pub client: Fact<String>,
    /// Client's network address.
    pub client_address: Fact<String>,
    /// Operating system user (stdio).
    pub os_user: Fact<String>,
    /// Command line of the wrapped server, redacted (stdio).
    pub command: Fact<Vec<String>>,
    /// `sha256:<hex>` of the wrapped server's executable file (stdio).
    pub binary: Fact<String>,
}

/// Body of `manifest`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// Server id.
    pub server: String,
    /// `sha256:<hex>`, defined in `docs/spec/entry.md`.
    pub digest: String,
    /// Digest of the manifest before it, if one was seen.
    pub previous: Fact<String>,
    /// Number of tools.
    pub tools: u64,
    /// Their names (at most [`crate::limits::MANIFEST_NAMES_MAX`]).
    pub names: Vec<String>,
    /// Names that are new.
    pub added: Vec<String>,
    /// Names that are gone.
    pub removed: Vec<String>,
    /// Names whose definition changed.
    pub changed: Vec<String>,
}

/// Body of `auth.failure`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuthFailure {
    /// Who refused: `upstream` or `affiant`.
    pub by: Cow<'static, str>,
    /// Why: `http-401`, `http-403`, ….
    pub reason: Cow<'static, str>,
    /// HTTP status.
    pub http_status: u16,
    /// Server id.
    pub server: String,
    /// Session, if known.
    pub session: Fact<String>,
    /// Keyed hash of the token presented.
    pub token: Fact<crate::secret::Commitment>,
    /// Client's network address.
    pub client_address: Fact<String>,
}

/// Body of `anomaly`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Anomaly {
    /// What, from a closed list (`docs/spec/entry.md`).
    pub code: Cow<'static, str>,
    /// Server id.
    pub server: String,
    /// Session, if known.
    pub session: Fact<String>,
    /// Who sent it.
    pub direction: Fact<Direction>,
    /// Numbers and short fixed words; never a peer's free text.
    pub facts: BTreeMap<Cow<'static, str>, AnomalyFact>,
}

/// Who sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The client to the server.
    ClientToServer,
    /// The server to the client.
    ServerToClient,
}

/// A fact of an anomaly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum AnomalyFact {
    /// A number.
    Number(u64),
    /// A word of our own, or an identifier of the protocol (clipped).
    Word(Cow<'static, str>),
}
