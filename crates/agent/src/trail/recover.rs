//! Reading what an earlier process left: the last seal, open calls, damage.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use affiant_entry::decode::{DecodeError, Decoded, Kind};
use affiant_entry::record::{Body, Gap, Previous, Record};
use affiant_entry::seal::SealText;
use affiant_entry::{CallId, Fact, Moment};
use affiant_spool::{FrameKind, Item, Ordinal, ReadError, Reader, Recovery};
use affiant_tlog::hash::{Hash, leaf_hash};
use affiant_tlog::note::{KeyRef, Note};

/// Most open calls whose `call.begin` is kept for closing; more than capture lets be open at once.
const OPEN_CALLS_MAX: usize = 262_144;

/// What the chain looked like when it was last written.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// Its last seal.
    pub(super) last: Option<LastSeal>,
    /// The `call.begin` entries without `call.end`, oldest call first.
    pub(super) open: Vec<Decoded>,
    /// Whether the last boot ended with `stop`.
    pub(super) stopped: bool,
    /// One `gap` per damaged place.
    pub(super) gaps: Vec<Gap>,
}

/// The last seal of a chain.
#[derive(Debug)]
pub(super) struct LastSeal {
    pub(super) hash: Hash,
    pub(super) previous: Previous,
    pub(super) key: Option<KeyRef>,
}

/// The past cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// The spool cannot be read.
    #[error("spool cannot be read back")]
    Read(#[from] ReadError),
    /// The newest entries are of a format this program does not know: a newer one wrote them.
    #[error("spool holds entries this program cannot read")]
    Entry(#[source] DecodeError),
}

/// Reads the past of a spool that was just opened. After an orderly stop this looks at the last group
/// only; after a crash it reads everything.
pub(super) fn read_past(dir: &Path, recovery: &Recovery) -> Result<Past, RecoverError> {
    if recovery.created || recovery.first == recovery.next {
        return Ok(Past::default());
    }
    if recovery.damage.is_empty()
        && let Some(past) = read_stopped(dir, recovery.next)?
    {
        return Ok(past);
    }
    read_all(dir)
}

/// The short way: the last two frames are a `stop` and its seal.
fn read_stopped(dir: &Path, next: Ordinal) -> Result<Option<Past>, RecoverError> {
    let Some(from) = next.get().checked_sub(2) else {
        return Ok(None);
    };
    let mut past = Past::default();
    let mut reader = Reader::open_from(dir, Ordinal::new(from))?;
    while let Some(item) = reader.next_item()? {
        let Item::Frame(frame) = item else {
            return Ok(None);
        };
        if frame.ordinal.get() < from {
            continue;
        }
        match frame.kind {
            FrameKind::Entry => past.stopped = kind_of(&frame.payload) == Some(Kind::Stop),
            FrameKind::Seal => past.last = last_seal(&frame.payload),
        }
    }
    Ok((past.stopped && past.last.is_some()).then_some(past))
}

/// Whether a spool ended with `stop` (or is empty), seen without its lock.
pub(super) fn is_stopped(dir: &Path) -> bool {
    stopped_at_end(dir).unwrap_or(false)
}

fn stopped_at_end(dir: &Path) -> Result<bool, RecoverError> {
    // The last segment tells where the spool ends; the frames right before that end tell how.
    let mut reader = Reader::open_from(dir, Ordinal::new(u64::MAX))?;
    while reader.next_item()?.is_some() {}
    let next = reader.next_ordinal();
    Ok(next == Ordinal::FIRST || read_stopped(dir, next)?.is_some())
}

fn read_all(dir: &Path) -> Result<Past, RecoverError> {
    let mut past = Past::default();
    let mut open: BTreeMap<CallId, Decoded> = BTreeMap::new();
    let mut told = BTreeSet::new();
    let mut reader = Reader::open(dir)?;
    while let Some(item) = reader.next_item()? {
        match item {
            Item::Damage(damage) => past.gaps.push(gap_of(&damage)),
            Item::Frame(frame) if frame.kind == FrameKind::Seal => {
                past.last = last_seal(&frame.payload).or(past.last);
            }
            Item::Frame(frame) => {
                let decoded = Decoded::parse(&frame.payload).map_err(RecoverError::Entry)?;
                let header = decoded.header();
                past.stopped = header.kind == Kind::Stop;
                if header.kind == Kind::Gap {
                    told.extend(
                        decoded
                            .pointer("/gap/position")
                            .as_ref()
                            .and_then(|at| at.as_str())
                            .map(str::to_owned),
                    );
                }
                match (&header.kind, header.call) {
                    (Kind::CallBegin, Some(call)) if open.len() < OPEN_CALLS_MAX => {
                        open.insert(call, decoded);
                    }
                    (Kind::CallEnd, Some(call)) => {
                        open.remove(&call);
                    }
                    _ => {}
                }
            }
        }
    }
    // Damage stays where it is and is met again after every crash; it is told once.
    past.gaps
        .retain(|gap| gap.position.as_ref().is_none_or(|at| !told.contains(at)));
    past.open = open.into_values().collect();
    Ok(past)
}

fn kind_of(bytes: &[u8]) -> Option<Kind> {
    affiant_entry::decode::Header::parse(bytes)
        .ok()
        .map(|header| header.kind)
}

fn last_seal(bytes: &[u8]) -> Option<LastSeal> {
    let decoded = Decoded::parse(bytes).ok()?;
    let note = Note::parse(decoded.note()?.as_bytes()).ok()?;
    let text = SealText::parse(note.text()).ok()?;
    let hash = leaf_hash(bytes);
    let previous = Previous {
        boot: text.boot,
        seal: text.seal,
        hash: format!("sha256:{hash}"),
    };
    let key = note.signatures().first().map(|s| s.key_ref().clone());
    Some(LastSeal {
        hash,
        previous,
        key,
    })
}

fn gap_of(damage: &affiant_spool::Damage) -> Gap {
    Gap {
        reason: "damaged".into(),
        entries_lost: Fact::from_option(
            damage
                .lost()
                .map(|range| range.last.get().saturating_sub(range.first.get()) + 1),
            "not known which frames",
        ),
        calls: Fact::absent("not known which calls"),
        since: Fact::absent("not known when"),
        until: Fact::absent("not known when"),
        position: Some(damage.to_string()),
    }
}

impl Past {
    /// Records that say what was found, to stand right behind the `boot` of the next life.
    pub(super) fn into_records(self, at: Moment) -> Vec<Record> {
        let gaps = self.gaps.into_iter().map(|gap| Record {
            at,
            call: None,
            body: Body::Gap(gap),
        });
        let ends = self
            .open
            .into_iter()
            .filter_map(move |begin| affiant_entry::decode::reclose(&begin, at));
        gaps.chain(ends).collect()
    }
}
