//! Which calls are open, and which have ended.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Fault;
use crate::ids::{BootId, CallId, Seq};

/// The calls of a chain. Ordered sets: the result never depends on a hash seed.
#[derive(Debug, Default)]
pub(super) struct Calls {
    open: BTreeMap<CallId, OpenCall>,
    ended: BTreeSet<CallId>,
}

/// A call that has not ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenCall {
    pub(super) boot: BootId,
    pub(super) seq: Seq,
    /// Number of its boot in the chain, from 1.
    pub(super) life: u64,
}

impl Calls {
    pub(super) fn begin(&mut self, call: CallId, open: OpenCall) -> Result<(), Fault> {
        if self.ended.contains(&call) || self.open.insert(call, open).is_some() {
            return Err(Fault::BegunTwice { call });
        }
        Ok(())
    }

    /// `may_lack_begin`: `Some(gap_before)` says how to judge an end without a begin; `None` allows it.
    pub(super) fn end(&mut self, call: CallId, judge_lone_end: Option<bool>) -> Result<(), Fault> {
        let begun = self.open.remove(&call).is_some();
        if !self.ended.insert(call) {
            return Err(Fault::EndedTwice { call });
        }
        match judge_lone_end {
            Some(gap_before) if !begun => Err(Fault::EndWithoutBegin { call, gap_before }),
            _ => Ok(()),
        }
    }

    pub(super) fn open(&self) -> impl Iterator<Item = (CallId, OpenCall)> {
        self.open.iter().map(|(call, open)| (*call, *open))
    }

    pub(super) fn open_count(&self) -> u64 {
        u64::try_from(self.open.len()).unwrap_or(u64::MAX)
    }
}
