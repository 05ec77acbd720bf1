//! How fast a log is judged: `cargo run --release -p affiant-audit --example audit_speed [ENTRIES [GROUP]]`.
//!
//! One thread does all of it: bundles parsed, leaves hashed and decoded, tiles compared, chains and
//! seals judged. Prints entries a second of processor time for groups of several sizes.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints, and measures its own time"
)]

#[path = "../tests/it/stored.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod stored;
#[path = "../tests/it/world.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod world;

use affiant_audit::Verdict;
use affiant_audit::files::{FilesCheck, Read};
use affiant_audit::log::Expectation;
use affiant_entry::decode::Reader;
use affiant_tlog::Checkpoint;

fn main() {
    let entries: usize = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(100_000);
    println!("entries a group   entries/s   bytes an entry");
    let group = std::env::args().nth(2).and_then(|n| n.parse().ok());
    match group {
        Some(group) => measure(entries, group),
        None => [4, 16, 64, 256, 1024]
            .into_iter()
            .for_each(|group| measure(entries, group)),
    }
}

/// Of this thread, in seconds: others on the machine do not count.
fn processor_time() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    std::time::Duration::try_from(now).unwrap().as_secs_f64()
}

fn measure(entries: usize, group: usize) {
    let mut world = world::World::new();
    let mut source = world::Source::new("gw-7", 1);
    world.append(&source.boot());
    while world.leaves.len() < entries {
        let records = (0..group / 2).flat_map(|_| {
            let (begin, end) = source.pair();
            [begin, end]
        });
        let records = records.collect();
        let sealed = source.group(records);
        world.append(&sealed);
    }
    let bytes: usize = world.leaves.iter().map(Vec::len).sum();
    let stored = stored::Stored::of(&world.leaves, &[]);
    let checkpoint = world.checkpoint();
    let judge = || judge(&stored, checkpoint, world.expectation.clone());
    // A thread with a name, so that a profiler can tell it from the one that made the log.
    let seconds = std::thread::scope(|scope| {
        let named = std::thread::Builder::new().name("judge".to_owned());
        named.spawn_scoped(scope, judge).unwrap().join().unwrap()
    });
    let leaves = world.leaves.len();
    let rate = f64::from(u32::try_from(leaves).unwrap()) / seconds;
    println!("{group:15}   {rate:9.0}   {:14}", bytes / leaves);
}

/// Judges a log; gives how long it took.
fn judge(stored: &stored::Stored, checkpoint: Checkpoint, expectation: Expectation) -> f64 {
    let started = processor_time();
    let mut check = FilesCheck::new(checkpoint, expectation, Vec::new());
    let mut reader = Reader::new();
    for id in check.bundles() {
        let Ok(read) = Read::of(stored, id, &mut reader);
        let Ok(()) = check.push(read, stored);
    }
    let Ok((files, log)) = check.finish(stored);
    assert_eq!((files.verdict, log.verdict), (Verdict::Ok, Verdict::Ok));
    processor_time() - started
}
