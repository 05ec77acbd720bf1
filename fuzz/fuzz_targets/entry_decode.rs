//! The strict reader of entries: what it takes, it gives back.
#![no_main]

use affiant_entry::{Decoded, Header};

fn fuzz(data: &[u8]) {
    if let Ok(entry) = Decoded::parse(data) {
        assert_eq!(entry.bytes(), data);
        assert!(Header::parse(data).is_ok());
        let _ = entry.value();
        let _ = affiant_entry::decode::reclose(&entry, affiant_entry::Moment::default());
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz(data));
