//! What the aggregator's own entries say, as far as an audit acts on it.

use affiant_entry::decode::Decoded;
use affiant_entry::record::Context;
use affiant_entry::{BootId, SealNumber, SealPlace, Seq, SourceId, SpoolName};
use affiant_tlog::{Hash, VerifierKey};
use serde::Deserialize;

use super::blobs;

/// One statement of the aggregator.
#[derive(Debug)]
pub(super) enum Said {
    Key(Key),
    /// The signed note; `None` where it is kept as a blob.
    Roster(Option<String>),
    Fork(Box<Fork>),
    ChainGap(ChainGap),
    Quarantine(Quarantine),
    Silent {
        subject: SourceId,
    },
    Heard {
        subject: SourceId,
    },
    Unrostered,
    Refusal {
        count: u64,
    },
    Anchor(Anchor),
    Prune(Prune),
    Erase(Erase),
    Context(Context),
    /// A call that came through another door: no source sealed it.
    Import,
    /// Boots, stops, heartbeats: they carry the aggregator's own chain and say nothing of others.
    Life,
    /// A kind this version does not know.
    Unknown(String),
}

/// A key's window begins or ends here.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) action: Action,
    pub(super) subject: String,
    pub(super) vkey: Option<VerifierKey>,
    pub(super) rotation: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Action {
    Enrol,
    Rotate,
    Revoke,
    Log,
}

/// Two histories of one source.
#[derive(Debug, Deserialize)]
pub(super) struct Fork {
    pub(super) source: SourceId,
    pub(super) spool: SpoolName,
    pub(super) boot: BootId,
    #[serde(default)]
    pub(super) seal: Option<SealNumber>,
    #[serde(default)]
    pub(super) seq: Option<Seq>,
    pub(super) ours: String,
    pub(super) theirs: String,
}

/// Seals that the aggregator never got, and says so.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ChainGap {
    pub(super) subject: Subject,
    #[serde(default)]
    pub(super) got_seal: Option<SealPlace>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Subject {
    pub(super) source: SourceId,
    pub(super) spool: SpoolName,
    #[serde(default)]
    pub(super) boot: Option<BootId>,
}

/// A leaf under a valid seal that is no entry.
#[derive(Debug)]
pub(super) struct Quarantine {
    pub(super) leaf: Hash,
}

/// A timestamp over an earlier checkpoint.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Anchor {
    pub(super) authority: String,
    pub(super) size: u64,
    pub(super) root: String,
    pub(super) checkpoint: String,
    pub(super) token: String,
    #[serde(default)]
    pub(super) gen_time: Option<String>,
}

/// Leaves before an index may go.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Prune {
    pub(super) min_index: u64,
    pub(super) policy: String,
}

/// A blob was destroyed.
#[derive(Debug, Clone)]
pub(super) struct Erase {
    pub(super) leaf: Hash,
    pub(super) blob: [u8; 32],
}

impl Said {
    /// Reads a statement; `Err` says what of it cannot be read.
    pub(super) fn of(entry: &Decoded) -> Result<Self, &'static str> {
        let kind = entry.header().kind.as_str();
        Ok(match kind {
            "key" => Self::Key(key(entry).ok_or("key")?),
            "roster" => Self::Roster(roster(entry).ok_or("roster")?),
            "fork" => Self::Fork(Box::new(read(entry, "fork").ok_or("fork")?)),
            "chain.gap" => Self::ChainGap(read(entry, "gap").ok_or("gap")?),
            "quarantine" => Self::Quarantine(quarantine(entry).ok_or("quarantine")?),
            "source.silent" => Self::Silent {
                subject: subject(entry, "silent")?,
            },
            "source.heard" => Self::Heard {
                subject: subject(entry, "heard")?,
            },
            "source.unrostered" => {
                subject(entry, "unrostered")?;
                Self::Unrostered
            }
            "refusal" => Self::Refusal {
                count: read::<RefusalBody>(entry, "refusal")
                    .ok_or("refusal")?
                    .count,
            },
            "checkpoint.anchor" => Self::Anchor(read(entry, "anchor").ok_or("anchor")?),
            "prune" => Self::Prune(read(entry, "prune").ok_or("prune")?),
            "erase" => Self::Erase(erase(entry).ok_or("erase")?),
            "context" => Self::Context(Context::of_entry(entry).ok_or("context")?),
            "call.import" => Self::Import,
            "boot" | "stop" | "heartbeat" | "gap" => Self::Life,
            other => Self::Unknown(other.to_owned()),
        })
    }
}

#[derive(Deserialize)]
struct RosterBody {
    note: serde_json::Value,
}

#[derive(Deserialize)]
struct Subjected {
    subject: SourceId,
}

#[derive(Deserialize)]
struct RefusalBody {
    count: u64,
}

#[derive(Deserialize)]
struct KeyBody {
    action: Action,
    subject: String,
    #[serde(default)]
    vkey: Option<String>,
    #[serde(default)]
    rotation: Option<String>,
}

#[derive(Deserialize)]
struct QuarantineBody {
    leaf: String,
}

fn read<T: for<'de> Deserialize<'de>>(entry: &Decoded, member: &str) -> Option<T> {
    serde_json::from_str(entry.member(member)?).ok()
}

fn key(entry: &Decoded) -> Option<Key> {
    let body: KeyBody = read(entry, "key")?;
    let vkey = match body.vkey {
        Some(text) => Some(text.parse().ok()?),
        None => None,
    };
    if vkey.is_none() && body.action != Action::Revoke {
        return None;
    }
    Some(Key {
        action: body.action,
        subject: body.subject,
        vkey,
        rotation: body.rotation,
    })
}

fn quarantine(entry: &Decoded) -> Option<Quarantine> {
    let body: QuarantineBody = read(entry, "quarantine")?;
    let leaf = body.leaf.strip_prefix("sha256:")?.parse().ok()?;
    Some(Quarantine { leaf })
}

#[derive(Deserialize)]
struct EraseBody {
    leaf: String,
    blob: String,
}

fn erase(entry: &Decoded) -> Option<Erase> {
    let body: EraseBody = read(entry, "erase")?;
    let leaf = body.leaf.strip_prefix("sha256:")?.parse().ok()?;
    let blob = blobs::id_of(&body.blob)?;
    Some(Erase { leaf, blob })
}

#[expect(
    clippy::option_option,
    reason = "present, elsewhere and malformed are three"
)]
fn roster(entry: &Decoded) -> Option<Option<String>> {
    let body: RosterBody = read(entry, "roster")?;
    if let serde_json::Value::String(note) = body.note {
        return Some(Some(note));
    }
    body.note.get("absent").map(|_| None)
}

fn subject(entry: &Decoded, member: &'static str) -> Result<SourceId, &'static str> {
    read::<Subjected>(entry, member)
        .map(|body| body.subject)
        .ok_or(member)
}
