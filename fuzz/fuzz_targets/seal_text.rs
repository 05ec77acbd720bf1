//! Seal texts from any bytes: what parses is canonical.
#![no_main]

use affiant_entry::SealText;

fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(seal) = SealText::parse(text) {
        assert_eq!(seal.to_text(), text);
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz(data));
