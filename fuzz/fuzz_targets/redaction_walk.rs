//! Redaction of any bytes: the result is JSON or withheld, and a planted secret is gone.
#![no_main]

use std::sync::LazyLock;

use affiant_entry::CommitKey;
use affiant_policy::redact::{Redactor, RuleSet};

static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| {
    let rules = RuleSet::builtin();
    Redactor::new(rules, CommitKey::new("k1", &[7; 32]))
});

fn fuzz(data: &[u8]) {
    let (input, _) = REDACTOR.redact_bytes(data, "server", Some("tool"));
    if let Some(json) = input.json() {
        assert!(!json.contains('\n'));
    }
    let canary = b"c4n4ry-5ecret-value";
    let planted = [b"{\"password\":\"", &canary[..], b"\",\"rest\":", data, b"}"].concat();
    let (input, _) = REDACTOR.redact_bytes(&planted, "server", Some("tool"));
    if let Some(json) = input.json().filter(|_| !data.windows(canary.len()).any(|w| w == canary)) {
        assert!(!json.contains("c4n4ry-5ecret-value"), "{json}");
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz(data));
