//! Reading on all cores, judging in order.
//!
//! Workers read, hash and decode bundles side by side, at most a window ahead of the judge, who takes
//! them in order. Memory is bounded by the window.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};

use affiant_audit::files::{FilesCheck, Read};
use affiant_entry::decode::Reader;
use affiant_tlog::tile::BundleId;

use super::source::{ReadError, Source};
use crate::verify::progress::Progress;

/// Bundles that each worker may be ahead.
const AHEAD: usize = 8;

struct Board {
    next: usize,
    judged: usize,
    ready: BTreeMap<usize, Result<Read, ReadError>>,
    over: bool,
}

/// Pushes every bundle into the check. `after` is called behind each, with the number of leaves.
pub(super) fn run(
    source: &Source,
    check: &mut FilesCheck,
    progress: &Progress,
    mut after: impl FnMut(&FilesCheck),
) -> Result<(), ReadError> {
    let ids: Vec<BundleId> = check.bundles().collect();
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let window = workers * AHEAD;
    let board = Mutex::new(Board {
        next: 0,
        judged: 0,
        ready: BTreeMap::new(),
        over: false,
    });
    let moved = Condvar::new();
    let lock = || board.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        for _ in 0..workers.min(ids.len()) {
            scope.spawn(|| {
                let mut reader = Reader::new();
                loop {
                    let mut state = lock();
                    while !state.over && state.next >= state.judged + window {
                        state = moved.wait(state).unwrap_or_else(PoisonError::into_inner);
                    }
                    let at = state.next;
                    let Some(id) = ids.get(at).filter(|_| !state.over) else {
                        return;
                    };
                    state.next += 1;
                    drop(state);
                    let read = Read::of(source, *id, &mut reader);
                    lock().ready.insert(at, read);
                    moved.notify_all();
                }
            });
        }
        let mut judge = || -> Result<(), ReadError> {
            for at in 0..ids.len() {
                let mut state = lock();
                let read = loop {
                    if let Some(read) = state.ready.remove(&at) {
                        break read;
                    }
                    state = moved.wait(state).unwrap_or_else(PoisonError::into_inner);
                };
                state.judged = at + 1;
                drop(state);
                moved.notify_all();
                let read = read?;
                progress.read(u64::try_from(read.bytes()).unwrap_or(u64::MAX));
                check.push(read, source)?;
                after(check);
            }
            Ok(())
        };
        let judged = judge();
        lock().over = true;
        moved.notify_all();
        judged
    })
}
