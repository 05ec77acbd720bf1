//! What an aggregator records in its own name: the kinds of `docs/spec/leaf-kinds.md`.
//!
//! They stand in the log beside the entries of the sources, with the aggregator's id as `source`,
//! and under no seal: the checkpoint signs them.

use std::borrow::Cow;

use affiant_tlog::Hash;
use serde::{Serialize, Serializer};

use crate::fact::Fact;
use crate::ids::{BootId, SealNumber, SealPlace, Seq, SourceId, SpoolName};

/// A leaf of the log, named by what it is: its index may not be known yet, or change hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafRef(
    /// RFC 6962 leaf hash; spelled `sha256:<hex>`.
    pub Hash,
);

impl Serialize for LeafRef {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("sha256:{}", self.0))
    }
}

/// One chain, and the boot of it that is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainRef {
    /// The source.
    pub source: SourceId,
    /// The spool.
    pub spool: SpoolName,
    /// The boot.
    pub boot: BootId,
}

/// Body of `key`: a key that is good, or no longer good, from this leaf on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyChange {
    /// What became of it.
    pub action: KeyAction,
    /// Whose key: a source id, or the name of the log.
    pub subject: String,
    /// The verifier key (C2SP vkey).
    pub vkey: String,
    /// Rotation notes that lead to it, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<String>,
    /// `sha256:<hex>` of the DER of the certificate that was issued with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Why, in the operator's words, clipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KeyAction {
    /// A source was enrolled with it.
    Enrol,
    /// A source changed to it.
    Rotate,
    /// It is good no more.
    Revoke,
    /// It signs the checkpoints of the log.
    Log,
}

/// Body of `roster`: the sources that the operator expects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RosterLeaf {
    /// Serial number of the roster.
    pub serial: u64,
    /// `sha256:<hex>` of the note's bytes.
    pub digest: String,
    /// The signed roster note; absent if it is too long for an entry: then it is the blob of that id.
    pub note: Fact<String>,
}

/// Body of `fork`: one source signed two chains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fork {
    /// The source.
    pub source: SourceId,
    /// The spool.
    pub spool: SpoolName,
    /// The boot of the offered seal.
    pub boot: BootId,
    /// Number of the offered seal, where it is known.
    pub seal: Option<SealNumber>,
    /// First entry that differs, where it is known.
    pub seq: Option<Seq>,
    /// Note of the seal in the log.
    pub ours: String,
    /// Note of the seal that was offered.
    pub theirs: String,
    /// Blob id (`sha256:<hex>`) of the batch that holds the offered group alone.
    pub evidence: String,
}

/// Body of `chain.gap`: entries of a source that the log does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainGap {
    /// What kind of hole.
    pub reason: ChainGapReason,
    /// What the sender said of it, clipped.
    pub said: Fact<String>,
    /// The chain, and the boot behind the hole.
    pub subject: ChainRef,
    /// The seal that should have come; absent for a chain that begins behind its beginning.
    pub expected_seal: Fact<SealPlace>,
    /// The seal that came.
    pub got_seal: SealPlace,
    /// Entries missing, where it can be known.
    pub entries_lost: Fact<u64>,
}

/// What kind of hole a chain has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ChainGapReason {
    /// Seals of a known boot are missing.
    MissingSeals,
    /// A boot links to a seal that is not here.
    BootNotLinked,
    /// A boot begins a chain anew where one was.
    ChainRestarted,
    /// The chain begins behind its first boot.
    StartMissing,
}

/// Body of `quarantine`: an entry that stands in the log and is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quarantine {
    /// The source.
    pub source: SourceId,
    /// The spool.
    pub spool: SpoolName,
    /// The boot of the seal over it.
    pub boot: BootId,
    /// The seal over it.
    pub seal: SealNumber,
    /// The leaf.
    pub leaf: LeafRef,
    /// The number that belongs at its place.
    pub seq: Option<Seq>,
    /// What is wrong with it, from a closed list ([`EntryProblem`](crate::link::EntryProblem)).
    pub problem: Cow<'static, str>,
}

/// Body of `source.silent` and `source.heard`: an expected source is late, or back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Silence {
    /// The source.
    pub subject: SourceId,
    /// When it was last heard before, RFC 3339.
    pub last_heard: Fact<String>,
    /// How often it should be heard, seconds.
    pub expected_every_s: u64,
}

/// Body of `source.unrostered`: a source ships that the roster does not name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unrostered {
    /// The source.
    pub subject: SourceId,
    /// When it was first heard, RFC 3339.
    pub since: String,
}

/// Body of `refusal`: batches that were not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Who sent them: the source of the certificate; absent where there was none.
    pub subject: Fact<String>,
    /// Why: a code of [`ProblemCode`](crate::receipt::ProblemCode).
    pub code: Cow<'static, str>,
    /// How many since the last such entry.
    pub count: u64,
    /// What exactly, in our words, clipped: of the newest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Body of `checkpoint.anchor`: an authority outside says when a checkpoint was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Anchor {
    /// Name of the authority, as configured.
    pub authority: String,
    /// Size of the tree.
    pub size: u64,
    /// Its root, base64.
    pub root: String,
    /// The signed checkpoint whose bytes were stamped.
    pub checkpoint: String,
    /// RFC 3161 time-stamp token, DER in base64.
    pub token: String,
    /// Time of the token, RFC 3339.
    pub gen_time: String,
}

/// Body of `prune`: what leaves before an index said is no longer kept. Their hashes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Prune {
    /// Bundles and level-0 tiles that end at or before this index may be deleted (C2SP tlog-tiles: minimum index).
    pub min_index: u64,
    /// The written retention policy that allows it, by name or digest.
    pub policy: String,
    /// Why now, in the operator's words, clipped.
    pub reason: String,
}

/// Body of `erase`: a blob that a leaf names was destroyed, and the leaf stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Erase {
    /// The leaf that names it.
    pub leaf: LeafRef,
    /// The blob, `sha256:<hex>` of its content.
    pub blob: String,
    /// Why: the legal basis or ticket, clipped; nothing of what was erased.
    pub reason: String,
}

/// What `call.import` has beside the twelve fields: where the record came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Import {
    /// The door it came in by.
    pub door: ImportDoor,
    /// Whose format it was: `agentgateway`, `contextforge`, `toolhive`, `otel-mcp`.
    pub format: Cow<'static, str>,
    /// Always true: no source sealed it.
    pub unsealed: True,
    /// Blob id (`sha256:<hex>`) of the record after redaction, without its input and result: bytes that
    /// were not redacted would leak what is cut out of the entry.
    pub original: String,
}

/// The door a foreign record came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ImportDoor {
    /// OTLP logs.
    OtlpLogs,
    /// OTLP spans.
    OtlpSpans,
    /// Lines of JSON.
    Jsonl,
}

/// The one value of [`Import::unsealed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct True;

impl Serialize for True {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bool(true)
    }
}
