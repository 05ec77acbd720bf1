//! An error at every operation of the store, alone and in pairs, and death between any two.

use affiant_log::store::{Fault, MemStore};
use affiant_log::{Log, SequenceError};

use crate::support::{Ledger, audit, leaves, mem_reader, open_mem, open_mem_with, options};

/// Crosses a tile boundary, stays in a tile, fills several.
const LONG: &[usize] = &[200, 3, 100, 600];
const SHORT: &[usize] = &[254, 1, 2];

#[test]
fn an_error_at_any_operation_leaves_a_consistent_log() {
    let operations = run(&MemStore::new(), LONG);
    assert!(operations > 60, "{operations}");
    for operation in 0..operations {
        for fault in [Fault::Before, Fault::After] {
            let store = MemStore::new();
            store.fail_at(operation, fault);
            run(&store, LONG);
        }
    }
}

#[test]
fn two_errors_in_a_row_leave_a_consistent_log() {
    let operations = run(&MemStore::new(), SHORT);
    for first in 0..operations {
        for distance in [1, 2, 5] {
            for (one, two) in [
                (Fault::Before, Fault::Before),
                (Fault::Before, Fault::After),
                (Fault::After, Fault::Before),
                (Fault::After, Fault::After),
            ] {
                let store = MemStore::new();
                store.fail_at(first, one);
                store.fail_at(first + distance, two);
                run(&store, SHORT);
            }
        }
    }
}

#[test]
fn a_store_that_fails_for_long_loses_nothing() {
    let operations = run(&MemStore::new(), SHORT);
    for first in 0..operations {
        let store = MemStore::new();
        for operation in first..first + 40 {
            store.fail_at(operation, Fault::Before);
        }
        run(&store, SHORT);
    }
}

#[test]
fn a_process_that_dies_at_any_operation_leaves_a_log_that_goes_on() {
    let operations = run(&MemStore::new(), LONG);
    for operation in 0..operations {
        for fault in [Fault::Before, Fault::After] {
            let store = MemStore::new();
            store.fail_at(operation, fault);
            for later in operation + 1..operation + 10_000 {
                store.fail_at(later, Fault::Before);
            }
            let mut ledger = Ledger::default();
            if let Ok(log) = open_mem(&store) {
                for (batch, &count) in LONG.iter().enumerate() {
                    submit_once(&log, leaves(batch, count), &mut ledger);
                }
            }
            let found = store.snapshot();
            let log = open_mem(&found).unwrap();
            submit(&log, leaves(99, 300), &mut ledger);
            log.close();
            ledger.check(&audit(&mem_reader(&found), 1));
        }
    }
}

/// Submits batches one after another, trying again what is known not to be in the log, and opening
/// the log again as often as needed. Gives the number of operations it took.
fn run(store: &MemStore, batches: &[usize]) -> usize {
    let mut ledger = Ledger::default();
    let log = reopen(store);
    for (batch, &count) in batches.iter().enumerate() {
        submit(&log, leaves(batch, count), &mut ledger);
    }
    log.close();
    let operations = store.operations().len();
    ledger.check(&audit(&mem_reader(&store.snapshot()), 1));
    // What is there is a log that goes on.
    let again = store.snapshot();
    let log = open_mem(&again).unwrap();
    submit(&log, leaves(77, 10), &mut ledger);
    log.close();
    ledger.check(&audit(&mem_reader(&again), 1));
    operations
}

fn reopen(store: &MemStore) -> Log {
    for _ in 0..100 {
        if let Ok(log) = open_mem(store) {
            return log;
        }
    }
    panic!("log does not open again");
}

fn submit(log: &Log, leaves: Vec<Vec<u8>>, ledger: &mut Ledger) {
    for _ in 0..100 {
        match log.submit(leaves.clone()).wait() {
            Ok(appended) => {
                ledger.acknowledged.push((appended.first, leaves));
                return;
            }
            Err(error) if error.is_absent() => {}
            Err(SequenceError::Unknown(_)) => {
                ledger.unknown.push(leaves);
                return;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("log does not recover");
}

fn submit_once(log: &Log, leaves: Vec<Vec<u8>>, ledger: &mut Ledger) {
    match log.submit(leaves.clone()).wait() {
        Ok(appended) => ledger.acknowledged.push((appended.first, leaves)),
        Err(error) if error.is_absent() => {}
        Err(SequenceError::Unknown(_)) => ledger.unknown.push(leaves),
        Err(error) => panic!("{error:?}"),
    }
}

/// A line of submissions, each of which builds on those before it, and a round for each: whatever
/// fails, the log has a beginning of the line. Without the epoch, holes appear.
#[test]
fn what_is_queued_behind_a_failed_round_does_not_get_in_without_it() {
    let line: Vec<_> = (0..4).map(|n| leaves(n, 3)).collect();
    let (mut holes, mut broken) = (0, 0);
    for conditional in [true, false] {
        for operation in 0..60 {
            for fault in [Fault::Before, Fault::After] {
                let store = MemStore::new();
                let mut options = options(1);
                options.round_bytes = 1;
                let log = open_mem_with(&store, options).unwrap();
                store.fail_at(store.operations().len() + operation, fault);
                let epoch = log.epoch();
                let pending: Vec<_> = line
                    .iter()
                    .map(|leaves| match conditional {
                        true => log.submit_in(epoch, leaves.clone()),
                        false => log.submit(leaves.clone()),
                    })
                    .collect();
                let outcomes: Vec<bool> = pending.into_iter().map(|p| p.wait().is_ok()).collect();
                let failed = log.epoch() > epoch;
                log.close();
                let all = audit(&mem_reader(&store.snapshot()), 1);
                let found: Vec<bool> = line.iter().map(|l| all.contains(&l[0])).collect();
                assert_eq!(outcomes, found, "operation {operation}");
                assert_eq!(failed, found.contains(&false));
                let hole = found.windows(2).any(|pair| pair == [false, true]);
                assert!(!(hole && conditional), "operation {operation}: {found:?}");
                holes += usize::from(hole);
                broken += usize::from(conditional && failed);
            }
        }
    }
    assert!(broken > 10 && holes > 10, "{broken} {holes}");
}

/// The head is moved and cannot be shown, and somebody who sees nothing of it submits the same again.
#[test]
fn leaves_that_come_to_light_late_are_not_taken_twice() {
    for from in 0..20 {
        for length in 1..12 {
            let store = MemStore::new();
            let log = open_mem(&store).unwrap();
            log.submit(leaves(9, 3)).wait().unwrap();
            let at = store.operations().len() + from;
            for operation in at..at + length {
                store.fail_at(operation, Fault::Before);
            }
            let line = leaves(0, 3);
            for _ in 0..60 {
                let epoch = log.epoch();
                let there = log.sequenced().0 > 3;
                if there || log.submit_in(epoch, line.clone()).wait().is_ok() {
                    break;
                }
            }
            log.close();
            let all = audit(&mem_reader(&store.snapshot()), 1);
            let times = all.iter().filter(|leaf| **leaf == line[0]).count();
            assert_eq!(times, 1, "{length} failures from operation {from} on");
        }
    }
}

/// A submission that is made in the new epoch is taken, and so is one that never asked.
#[test]
fn the_next_epoch_goes_on() {
    let store = MemStore::new();
    let log = open_mem(&store).unwrap();
    let before = log.epoch();
    store.fail_at(store.operations().len(), Fault::Before);
    assert!(log.submit(leaves(0, 3)).wait().unwrap_err().is_absent());
    let refused = log.submit_in(before, leaves(1, 3)).wait().unwrap_err();
    assert!(refused.is_absent(), "{refused:?}");
    assert!(log.epoch() > before);
    log.submit_in(log.epoch(), leaves(2, 3)).wait().unwrap();
    log.submit(leaves(3, 3)).wait().unwrap();
    assert_eq!(log.sequenced().0, 6);
}
