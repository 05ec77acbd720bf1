//! A log whose key was changed since the verifier pinned one.
//!
//! The older key signs the newer one (`docs/spec/leaf-kinds.md`, "Keys"). The notes lie beside the checkpoint, so
//! that a verifier can follow before it reads a leaf; whether the log itself says so in a `key` entry is asked at
//! the end.

use affiant_audit::TrustFile;
use affiant_audit::files::Files as _;
use affiant_entry::log_rotation;
use affiant_tlog::VerifierKey;
use affiant_tlog::note::KeyRef;
use affiant_tlog::policy::LogKey;

use super::source::{ReadError, Source};
use super::trust::LogTrust;
use crate::verify::{Answer, Fault};

/// The notes, beside the checkpoint.
const KEY_ROTATIONS: &str = "key-rotations";

/// The same trust, and in the keys that follow from its logs' keys.
pub(super) fn follow(source: &Source, trust: &TrustFile) -> Result<TrustFile, ReadError> {
    let mut trust = trust.clone();
    let notes = source.get(KEY_ROTATIONS)?.unwrap_or_default();
    let Ok(notes) = String::from_utf8(notes) else {
        return Ok(trust);
    };
    if notes.is_empty() {
        return Ok(trust);
    }
    let pinned: Vec<VerifierKey> = trust
        .policy
        .logs()
        .iter()
        .filter_map(|log| match &log.key {
            LogKey::Ed25519(key) => Some(key.clone()),
            LogKey::MlDsa44(_) => None,
        })
        .collect();
    for key in pinned
        .iter()
        .flat_map(|key| log_rotation::follow(key, &notes))
    {
        trust.policy = trust.policy.with_log(key);
    }
    Ok(trust)
}

/// What is wrong if a key signed that was not pinned itself, and the log's own entries do not lead to it.
pub(super) fn judge(used: &LogTrust, signer: &KeyRef, logged: &str) -> Option<Fault> {
    let pinned: Vec<VerifierKey> = used
        .logs
        .iter()
        .filter_map(|key| key.parse().ok())
        .collect();
    let is_pinned = used
        .logs
        .iter()
        .any(|key| key.starts_with(&signer.to_string()));
    let follows = || {
        let mut keys = pinned
            .iter()
            .flat_map(|key| log_rotation::follow(key, logged));
        keys.any(|key| key.key_ref() == signer)
    };
    (!is_pinned && !follows()).then(|| Fault {
        answer: Answer::Untrusted,
        code: "log-key-unlogged",
        text: format!("signed by {signer}, which follows from the key you trust, but no entry of the log says so"),
    })
}
