//! How fast a log is judged: `cargo run --release -p affiant-audit --example audit_speed [ENTRIES]`.
//!
//! One thread does all of it: bundles parsed, leaves hashed and decoded, tiles compared, chains and
//! seals judged. Prints entries a second for groups of several sizes.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench prints, and measures its own time"
)]

#[path = "../tests/it/stored.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod stored;
#[path = "../tests/it/world.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod world;

use std::time::Instant;

use affiant_audit::Verdict;
use affiant_audit::files::{FilesCheck, Read};

fn main() {
    let entries: usize = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(100_000);
    println!("entries a group   entries/s   bytes an entry");
    for group in [4, 16, 64, 256, 1024] {
        measure(entries, group);
    }
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
    let started = Instant::now();
    let mut check = FilesCheck::new(checkpoint, world.expectation.clone(), Vec::new());
    for id in check.bundles() {
        let Ok(read) = Read::of(&stored, id);
        let Ok(()) = check.push(read, &stored);
    }
    let Ok((files, log)) = check.finish(&stored);
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!((files.verdict, log.verdict), (Verdict::Ok, Verdict::Ok));
    let leaves = world.leaves.len();
    let rate = f64::from(u32::try_from(leaves).unwrap()) / seconds;
    println!("{group:15}   {rate:9.0}   {:14}", bytes / leaves);
}
