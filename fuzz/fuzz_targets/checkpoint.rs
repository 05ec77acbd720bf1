//! Checkpoints from any bytes: what parses is canonical.
#![no_main]

use affiant_tlog::Checkpoint;

fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(checkpoint.to_string(), text);
    }
    if let Ok((checkpoint, extensions)) = Checkpoint::parse_extended(text) {
        assert_eq!(format!("{checkpoint}{extensions}"), text);
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz(data));
