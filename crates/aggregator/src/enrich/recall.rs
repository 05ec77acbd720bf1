//! Where the enricher stands, as the log says: the newest context leaves are read back.

use std::collections::BTreeSet;

use affiant_entry::record::Context;
use affiant_entry::{Decoded, SourceId};
use affiant_log::{LogReader, ReadLogError};
use affiant_tlog::{LeafIndex, TreeSize};

use super::LOOK_BACK_LEAVES;
use super::owed::Owed;
use super::said::{KEPT_MAX, Said};

/// What the log says of the enricher.
#[derive(Debug, Default)]
pub(super) struct Recalled {
    /// The first leaf that has no context: the greatest `end`, or the first leaf that is here.
    pub(super) cursor: u64,
    pub(super) owed: Owed,
    pub(super) said: Said,
}

/// A context leaf, without its facts.
struct Found {
    first: u64,
    end: u64,
    late: bool,
    stale: BTreeSet<String>,
}

/// Reads back from the end until the look-back is over and a leaf that was not late is found. A log that never
/// had context is read to its beginning, once.
pub(super) fn recall(
    reader: &LogReader,
    size: TreeSize,
    own: &SourceId,
) -> Result<Recalled, ReadLogError> {
    let mut found: Vec<Found> = Vec::new();
    let mut with_facts: Vec<(u64, Context)> = Vec::new();
    let mut at = size.0;
    while at > 0 {
        let enough = size.0.saturating_sub(at) >= LOOK_BACK_LEAVES;
        if enough && found.iter().any(|one| !one.late) {
            break;
        }
        let first = (at - 1) / BUNDLE_LEAVES * BUNDLE_LEAVES;
        let leaves = match reader.leaves(LeafIndex(first)..LeafIndex(at), size) {
            Ok(leaves) => leaves,
            // Pruned: there is nothing before it.
            Err(ReadLogError::BundleMissing { .. }) => break,
            Err(error) => return Err(error),
        };
        for (index, leaf) in (first..at).rev().zip(leaves.iter().rev()) {
            let Some(said) = context(leaf, own) else {
                continue;
            };
            found.push(Found {
                first: said.first,
                end: said.end,
                late: said.late,
                stale: said.stale().map(str::to_owned).collect(),
            });
            if with_facts.len() < KEPT_MAX && said.same_as.is_none() {
                with_facts.push((index, said));
            }
        }
        at = first;
    }
    let mut recalled = Recalled {
        cursor: found.iter().map(|one| one.end).max().unwrap_or(at),
        ..Recalled::default()
    };
    for one in found.into_iter().rev() {
        if one.late {
            recalled.owed.said_again(&(one.first..one.end), &one.stale);
        } else {
            recalled.owed.said(one.first..one.end, one.stale);
        }
    }
    for (index, said) in with_facts.iter().rev() {
        recalled.said.keep(*index, said);
    }
    Ok(recalled)
}

/// A context leaf of ours. Few leaves are: the codec's first bytes tell the others.
fn context(leaf: &[u8], own: &SourceId) -> Option<Context> {
    if !leaf.starts_with(CONTEXT_BEGINS) {
        return None;
    }
    let entry = Decoded::parse(leaf).ok()?;
    (entry.header().source == *own)
        .then(|| Context::of_entry(&entry))
        .flatten()
}

/// As `docs/spec/entry.md` has the order of members.
const CONTEXT_BEGINS: &[u8] = br#"{"v":1,"kind":"context","#;

/// Leaves in a full bundle (C2SP tlog-tiles).
const BUNDLE_LEAVES: u64 = 256;
