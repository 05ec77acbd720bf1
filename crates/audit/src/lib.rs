//! Judges a log and a proof: what the leaves say, source by source, and what nobody says.
//!
//! Pure: no clock, randomness, file, socket or environment, so that a browser can verify. It reads no
//! tiles and fetches nothing; whoever does pushes leaves ([`log::LogAudit`]) or hands over a file
//! ([`proof::ProofFile`]).
//!
//! Absence is never a pass: what is not there is a verdict of its own
//! ([`log::IntervalVerdict`]), and what was not looked at is said.
//!
//! Specifications: `docs/spec/leaf-kinds.md`, `docs/spec/proof.md`; C2SP tlog-checkpoint, tlog-proof,
//! tlog-policy; RFC 6962.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::as_conversions,
        clippy::arithmetic_side_effects
    )
)]

pub mod files;
pub mod log;
pub mod proof;
pub mod trust;

pub use affiant_entry::chain::Verdict;
pub use affiant_tlog::error_with_causes;
pub use proof::ProofFile;
pub use trust::TrustFile;
