//! Requests to a witness from any bytes: what parses has one spelling, and is judged without a panic.
#![no_main]

use affiant_tlog::cosignature::CosignerKey;
use affiant_tlog::witness::{AddCheckpoint, KnownLog, judge, read_conflict, read_cosignatures};

const WITNESS: &str = "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv";

fn fuzz(data: &[u8]) {
    if let Ok(request) = AddCheckpoint::parse(data) {
        assert_eq!(request.to_bytes(), data);
        let log = KnownLog {
            origin: request.checkpoint().origin.clone(),
            keys: Vec::new(),
        };
        // Nobody's key is trusted: nothing is accepted.
        assert!(judge(&request, Some(&log), Some(request.checkpoint())).is_err());
    }
    let key: CosignerKey = WITNESS.parse().expect("the key is well-formed");
    assert!(read_cosignatures(data, "log\n0\n", &[key]).is_err());
    let _ = read_conflict(data);
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz(data));
