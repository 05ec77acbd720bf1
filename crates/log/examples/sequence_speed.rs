//! How fast a log takes leaves on this disk: `sequence_speed DIR LEAVES [LEAF_BYTES [INTERVAL_MS]]`.
//!
//! Eight submitters keep up to 32 submissions of 250 leaves each in flight, as batches of sources do.
//! Each line is a tenth of the run, so that a cost that grows with the log would show.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use affiant_log::{Log, LogOptions, Pending};
use affiant_tlog::SignerKey;
use affiant_tlog::note::KeyName;

const SUBMITTERS: u64 = 8;
const IN_FLIGHT: usize = 32;
const SUBMISSION_LEAVES: u64 = 250;

#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark measures and prints"
)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: sequence_speed DIR LEAVES [LEAF_BYTES [INTERVAL_MS]]";
    let dir = PathBuf::from(arguments.next().ok_or(usage)?);
    let leaves: u64 = arguments.next().ok_or(usage)?.parse()?;
    let leaf_bytes: usize = arguments.next().as_deref().unwrap_or("1024").parse()?;
    let interval_ms: u64 = arguments.next().as_deref().unwrap_or("100").parse()?;

    let key = SignerKey::from_seed(KeyName::new("log.example/speed")?, &[1; 32]);
    let mut options = LogOptions::new(dir.join("log"), dir.join("state"), Arc::new(key));
    options.interval = Duration::from_millis(interval_ms);
    let log = Log::open(options)?;
    println!("size        leaves/s   answer p50 ms   p99 ms");
    for _ in 0..10 {
        let begun = Instant::now();
        let mut waits = part(&log, leaves / 10, leaf_bytes);
        let seconds = begun.elapsed().as_secs_f64();
        waits.sort_unstable();
        let at = |part: usize| {
            waits
                .get(waits.len() * part / 100)
                .copied()
                .unwrap_or_default()
        };
        println!(
            "{:<10} {:>9.0}   {:>13}   {:>6}",
            log.head().checkpoint.size,
            (leaves / 10) as f64 / seconds,
            at(50).as_millis(),
            at(99).as_millis(),
        );
    }
    log.close();
    Ok(())
}

/// Submits leaves from several threads; gives how long each submission waited.
fn part(log: &Log, leaves: u64, leaf_bytes: usize) -> Vec<Duration> {
    let left = AtomicU64::new(leaves / SUBMISSION_LEAVES);
    std::thread::scope(|scope| {
        let submit = || submitter(log, &left, leaf_bytes);
        let threads: Vec<_> = (0..SUBMITTERS).map(|_| scope.spawn(submit)).collect();
        let waits = threads.into_iter().filter_map(|thread| thread.join().ok());
        waits.flatten().collect()
    })
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures")]
fn submitter(log: &Log, left: &AtomicU64, leaf_bytes: usize) -> Vec<Duration> {
    let mut waits = Vec::new();
    let mut in_flight: VecDeque<(Instant, Pending)> = VecDeque::new();
    loop {
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        if let Ok(number) = taken {
            let leaf = |n: u64| {
                let mut leaf = vec![b'x'; leaf_bytes];
                let unique = (number * SUBMISSION_LEAVES + n).to_le_bytes();
                leaf.iter_mut()
                    .zip(unique)
                    .for_each(|(to, from)| *to = from);
                leaf
            };
            let leaves = (0..SUBMISSION_LEAVES).map(leaf).collect();
            in_flight.push_back((Instant::now(), log.submit(leaves)));
        }
        if taken.is_err() || in_flight.len() >= IN_FLIGHT {
            let Some((since, pending)) = in_flight.pop_front() else {
                return waits;
            };
            if let Err(error) = pending.wait() {
                tracing::error!(%error, "submission failed");
                return waits;
            }
            waits.push(since.elapsed());
        }
    }
}
