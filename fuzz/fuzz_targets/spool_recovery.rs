//! Recovery of a segment from any bytes.
#![no_main]

fn fuzz(data: &[u8]) {
    let _ = affiant_spool::recovery::scan_bytes(data);
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz(data));
