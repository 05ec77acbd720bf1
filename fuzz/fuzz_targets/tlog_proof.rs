//! Proof files from any bytes: what parses has one spelling, and proves nothing by itself.
#![no_main]

use affiant_tlog::leaf_hash;
use affiant_tlog::policy::Policy;
use affiant_tlog::tlog_proof::TlogProof;

fn fuzz(data: &[u8]) {
    if let Ok(proof) = TlogProof::parse(data) {
        assert_eq!(proof.to_bytes(), data);
        let nobody = Policy::parse(b"quorum none\n").expect("the policy is well-formed");
        assert!(proof.verify(&leaf_hash(b""), &nobody).is_err());
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz(data));
