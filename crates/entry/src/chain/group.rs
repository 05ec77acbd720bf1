//! Entries that wait for their seal: what they say counts once it is read.

use affiant_tlog::{CompactTree, Hash};

use super::finding::Fault;
use super::report::Coverage;
use crate::completeness::Field;
use crate::ids::{CallId, Seq};

/// Entries behind the last seal.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) tree: CompactTree,
    pub(super) first: Option<u64>,
    pub(super) said: Vec<Said>,
    pub(super) coverage: Coverage,
}

/// What one entry does to the state of the chain.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) seq: Seq,
    pub(super) utc_us: Option<i64>,
    pub(super) effect: Effect,
}

/// As little of an entry as its kind needs.
#[derive(Debug)]
pub(super) enum Effect {
    Boot,
    Begin(CallId),
    End {
        call: CallId,
        reclosed: bool,
        outcome_unknown: bool,
        missing: Vec<Field>,
    },
    Stop,
    /// A gap that lasts; the entry that ends it names the same `since`.
    GapBegins {
        fault: Fault,
        since: String,
    },
    Gap {
        fault: Fault,
        since: Option<String>,
    },
    /// A gap in which nothing was lost.
    HarmlessGap {
        since: Option<String>,
    },
    Anomaly,
    Other,
}

impl Group {
    pub(super) fn add(&mut self, leaf: Hash, said: Said) {
        self.tree.append(leaf);
        self.first.get_or_insert(said.seq.0);
        self.said.push(said);
    }

    pub(super) const fn count(&self) -> u64 {
        self.tree.size().0
    }
}
