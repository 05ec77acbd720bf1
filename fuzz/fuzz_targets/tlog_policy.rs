//! Policies from any bytes.
#![no_main]

use affiant_tlog::policy::Policy;

fn fuzz(data: &[u8]) {
    if let Ok((policy, others)) = Policy::parse_with_others(data) {
        assert_eq!(Policy::parse(data).is_ok(), others.is_empty());
        assert!(policy.witnesses().len() <= data.len());
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz(data));
