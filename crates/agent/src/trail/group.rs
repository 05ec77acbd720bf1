//! Groups: what goes under one seal, and whom to tell of it.

use std::collections::VecDeque;

use affiant_entry::CallId;
use affiant_entry::record::{Body, Record};

use super::{Item, Outcome, Pending};

/// Takes the next group off the batch.
pub(super) fn next_group(batch: &mut VecDeque<Pending>) -> Vec<Pending> {
    let mut group = Vec::new();
    let mut records = 0;
    let mut bytes = 0;
    while let Some(pending) = batch.pop_front() {
        records += pending.items.len();
        bytes += pending.items.iter().map(estimate).sum::<usize>();
        group.push(pending);
        if records >= GROUP_RECORDS_MAX || bytes >= GROUP_BYTES_GOAL {
            break;
        }
    }
    group
}

/// A rough size of an entry before it is encoded, bytes.
fn estimate(item: &Item) -> usize {
    const FIXED: usize = 1536;
    if let Body::CallBegin(call) | Body::CallEnd(call, _) = &item.record.body {
        FIXED + call.input.json().map_or(0, str::len)
    } else {
        FIXED
    }
}

/// Whether files of their own must be written before the group.
pub(super) fn has_blobs(group: &[Pending]) -> bool {
    let mut items = group.iter().flat_map(|pending| &pending.items);
    items.any(|item| item.blob.is_some())
}

/// The calls that begin in these items.
pub(super) fn calls_begun(items: &[Item]) -> Vec<CallId> {
    let begins = items
        .iter()
        .filter(|item| matches!(item.record.body, Body::CallBegin(_)));
    begins.filter_map(|item| item.record.call).collect()
}

/// Returns the records of a group that is not on disk, whose blobs are, to their submissions.
pub(super) fn give_back(
    mut records: impl Iterator<Item = Record>,
    group: &mut [Pending],
    lent: &[usize],
) {
    for (pending, count) in group.iter_mut().zip(lent) {
        let items = records.by_ref().take(*count).map(Item::from);
        pending.items.extend(items);
    }
}

/// Tells all who wait for the group.
pub(super) fn finish(group: Vec<Pending>, outcome: Outcome) {
    for pending in group {
        if let Some(done) = pending.done {
            let _ = done.send(outcome);
        }
    }
}

/// Most records in one group: bounds the seal's proof and the writer's memory.
const GROUP_RECORDS_MAX: usize = 1024;
/// Most bytes of entries in one group, estimated before encoding.
const GROUP_BYTES_GOAL: usize = 1024 * 1024;
