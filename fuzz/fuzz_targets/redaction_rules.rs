//! Rule files from any text.
#![no_main]

use affiant_policy::redact::RuleSet;

fn fuzz(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = RuleSet::parse(text);
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz(data));
