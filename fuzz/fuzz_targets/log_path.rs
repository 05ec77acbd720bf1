//! Paths of a log's files from any bytes: what parses has one spelling and stays in the directory.
#![no_main]

use affiant_tlog::tile::LogPath;

fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(path) = text.parse::<LogPath>() {
        assert_eq!(path.to_string(), text);
        assert!(!text.contains("..") && !text.starts_with('/'));
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz(data));
