//! How close `append_group` comes to the bare device: one `pwrite` and one `fdatasync` of as many
//! bytes into a preallocated file. Both take turns in one run, so that they meet the same disk.
//!
//! `cargo run --release -p affiant-spool --example append_bench [DIR]`

#![expect(clippy::print_stdout, reason = "the table is what the example is for")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::error::Error;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use affiant_spool::{FRAME_OVERHEAD_BYTES, Frame, Options, Spool};

const PAYLOAD_BYTES: usize = 1024;
const ROUNDS: usize = 15;
const GROUPS_PER_ROUND: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let dir = tempfile::tempdir_in(parent)?;
    println!(
        "1 KiB frames, median of {} groups, microseconds a group",
        ROUNDS * GROUPS_PER_ROUND
    );
    println!(
        "{:>6} {:>12} {:>12} {:>12} {:>12} {:>6}",
        "frames", "bare p50", "spool p50", "bare p99", "spool p99", "ratio"
    );
    for frames in [1, 8, 64, 512] {
        measure(dir.path(), frames)?;
    }
    Ok(())
}

fn measure(dir: &Path, frames: usize) -> Result<(), Box<dyn Error>> {
    let payload: Vec<u8> = (0..=250).cycle().take(PAYLOAD_BYTES).collect();
    let group = vec![Frame::entry(&payload); frames];
    let bytes = vec![0xa5; frames * (PAYLOAD_BYTES + FRAME_OVERHEAD_BYTES)];
    let file = preallocated(
        &dir.join(format!("bare-{frames}")),
        bytes.len() * GROUPS_PER_ROUND,
    )?;
    let (mut spool, _) = Spool::open(dir.join(format!("spool-{frames}")), Options::default())?;
    spool.maintain()?;
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for index in 0..GROUPS_PER_ROUND {
            let start = Instant::now();
            file.write_all_at(&bytes, u64::try_from(index * bytes.len())?)?;
            file.sync_data()?;
            bare.push(start.elapsed());

            let start = Instant::now();
            black_box(spool.append_group(&group)?);
            ours.push(start.elapsed());
            spool.maintain()?;
        }
        // What was read is gone from the quota, as in life.
        if let Some(last) = spool.durable_end().previous() {
            spool.release_through(last)?;
        }
    }
    let (bare_us, ours_us) = (micros(&mut bare), micros(&mut ours));
    let ratio = ours_us.0 / bare_us.0;
    println!(
        "{frames:>6} {:>12.0} {:>12.0} {:>12.0} {:>12.0} {ratio:>6.2}",
        bare_us.0, ours_us.0, bare_us.1, ours_us.1
    );
    spool.close()?;
    Ok(())
}

fn preallocated(path: &Path, bytes: usize) -> Result<std::fs::File, Box<dyn Error>> {
    let file = std::fs::File::create_new(path)?;
    file.write_all_at(&vec![0; bytes], 0)?;
    file.sync_data()?;
    Ok(file)
}

/// Median and 99th percentile.
fn micros(times: &mut [Duration]) -> (f64, f64) {
    times.sort();
    let at = |part: usize| {
        times
            .get(times.len() * part / 100)
            .copied()
            .unwrap_or_default()
    };
    (at(50).as_secs_f64() * 1e6, at(99).as_secs_f64() * 1e6)
}
