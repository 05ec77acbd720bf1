//! The physical limit under every durable intent: one write into a preallocated file and fdatasync.

use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use crate::stats::{Samples, table};

pub(crate) fn run() {
    let mut rows = Vec::new();
    for bytes in [2048_usize, 16 << 10, 128 << 10] {
        let samples = bare(bytes);
        rows.push(vec![
            format!("{} KiB", bytes >> 10),
            format!("{:.0}", samples.quantile(0.5)),
            format!("{:.0}", samples.quantile(0.99)),
        ]);
    }
    table(
        "the bare disk: write into a preallocated file + fdatasync",
        &["group", "p50 µs", "p99 µs"],
        &rows,
    );
}

/// The time of one group of `bytes` on this disk, now.
pub(crate) fn bare(bytes: usize) -> Samples {
    let dir = tempfile::tempdir().expect("temporary directory");
    let file = fs_err::File::create(dir.path().join("bare")).expect("file");
    file.file()
        .write_all_at(&vec![0; 64 << 20], 0)
        .expect("preallocation");
    file.sync_all().expect("sync");
    let times: Vec<Duration> = (0..400)
        .map(|n| {
            let at = (n * bytes) as u64 % (32 << 20);
            let data = vec![n as u8; bytes];
            let start = Instant::now();
            file.file().write_all_at(&data, at).expect("write");
            file.sync_data().expect("sync");
            start.elapsed()
        })
        .collect();
    Samples::of(&times)
}
