//! From leaves back to rows.
//!
//! An honest log has a simple grammar: entries of a source, then the seal over them; or one entry of
//! our own. A leaf that reads as a seal always ends a group, as ingest refuses a group with another
//! seal inside, and a leaf that names the aggregator is always its own.

use std::collections::BTreeMap;

use affiant_entry::link::{ChainCursor, CheckedGroup};
use affiant_entry::{Decoded, Kind, SourceId, Trust};
use affiant_log::{LogReader, ReadLogError};
use affiant_tlog::{LeafIndex, TreeSize, VerifierKey};

use super::row::{GroupRow, OwnRow, Row};
use super::store::IndexError;

/// The log cannot be read back into an index.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The log cannot be read.
    #[error("log cannot be read")]
    Log(#[from] ReadLogError),
    /// The index cannot be written.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Leaves that ingest never writes.
    #[error("leaf {index} is not what an aggregator appends: {problem}")]
    Leaf {
        /// Which.
        index: LeafIndex,
        /// What is wrong.
        problem: String,
    },
}

/// Reads the leaves from `from` to `size`, in steps, and gives each step's rows to `apply`.
pub(super) fn replay(
    reader: &LogReader,
    own: &SourceId,
    trust: &dyn Fn(&SourceId) -> Option<Trust>,
    from: LeafIndex,
    size: TreeSize,
    mut apply: impl FnMut(Vec<Row>) -> Result<(), ReplayError>,
) -> Result<(), ReplayError> {
    let mut walk = Walk {
        own,
        trust,
        known: BTreeMap::new(),
        group: Vec::new(),
        rows: Vec::new(),
    };
    let mut at = from;
    while at.0 < size.0 {
        let end = LeafIndex(at.0.saturating_add(STEP_LEAVES).min(size.0));
        for (leaf, index) in reader.leaves(at..end, size)?.into_iter().zip(at.0..) {
            walk.leaf(leaf, LeafIndex(index))?;
        }
        at = end;
        apply(std::mem::take(&mut walk.rows))?;
    }
    match walk.group.first() {
        None => Ok(()),
        Some((index, _)) => Err(ReplayError::Leaf {
            index: *index,
            problem: "entries without a seal behind them".to_owned(),
        }),
    }
}

struct Walk<'a> {
    own: &'a SourceId,
    /// The keys of enrolled sources, as files say.
    trust: &'a dyn Fn(&SourceId) -> Option<Trust>,
    /// The keys of sources met so far; the log's own `key` entries count if files were lost.
    known: BTreeMap<SourceId, Trust>,
    /// Entries that wait for their seal.
    group: Vec<(LeafIndex, Vec<u8>)>,
    rows: Vec<Row>,
}

impl Walk<'_> {
    fn leaf(&mut self, bytes: Vec<u8>, index: LeafIndex) -> Result<(), ReplayError> {
        let Ok(entry) = Decoded::parse_any_kind(&bytes) else {
            self.group.push((index, bytes));
            return Ok(());
        };
        if entry.header().kind == Kind::Seal {
            let row = self.seal(&entry, index)?;
            self.rows.push(Row::Group(Box::new(row)));
        } else if entry.header().source == *self.own {
            self.learn_key(&entry);
            self.rows.push(Row::Own(OwnRow::read(&entry, index)));
        } else {
            self.group.push((index, bytes));
        }
        Ok(())
    }

    fn seal(&mut self, entry: &Decoded, index: LeafIndex) -> Result<GroupRow, ReplayError> {
        let wrong = |problem: String| ReplayError::Leaf { index, problem };
        let source = entry.header().source.clone();
        let (indexes, entries): (Vec<LeafIndex>, Vec<Vec<u8>>) =
            std::mem::take(&mut self.group).into_iter().unzip();
        let first = indexes.first().copied().unwrap_or(index);
        let trust = self.trust_in(&source);
        let trust = trust.ok_or_else(|| wrong(format!("no key of source `{source}` is known")))?;
        let group = CheckedGroup::check(&entries, entry.bytes(), trust)
            .map_err(|error| wrong(error.to_string()))?;
        let mut cursor = ChainCursor::new(source, group.text.spool.clone());
        cursor.advance(&group);
        let row = GroupRow::of(&group, first, cursor);
        if let (Some(trust), Some(boot)) = (self.known.get_mut(&row.source), group.boot) {
            for rotation in boot.rotations {
                trust.link(rotation);
            }
        }
        Ok(row)
    }

    fn trust_in(&mut self, source: &SourceId) -> Option<&Trust> {
        if !self.known.contains_key(source) {
            self.known.insert(source.clone(), (self.trust)(source)?);
        }
        self.known.get(source)
    }

    fn learn_key(&mut self, entry: &Decoded) {
        let text = |pointer: &str| entry.pointer(pointer)?.as_str().map(str::to_owned);
        if entry.header().kind.as_str() != "key" || text("/key/action").as_deref() != Some("enrol")
        {
            return;
        }
        let subject = text("/key/subject").and_then(|id| SourceId::new(&id).ok());
        let vkey = text("/key/vkey").and_then(|key| key.parse::<VerifierKey>().ok());
        if let (Some(subject), Some(vkey)) = (subject, vkey)
            && self.trust_in(&subject).is_none()
        {
            let rotations = text("/key/rotation").unwrap_or_default();
            let trust = Trust::new([vkey]).with_rotations(&rotations);
            self.known.insert(subject, trust);
        }
    }
}

/// Leaves read at once; bounds memory to 64 MiB of the longest entries.
const STEP_LEAVES: u64 = 1024;
