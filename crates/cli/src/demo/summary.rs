//! The whole story in numbers, for machines.

use serde::Serialize;

use crate::verify::Answer;

/// What came of each step.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Summary {
    pub(super) v: u32,
    pub(super) ok: bool,
    pub(super) data_dir: String,
    pub(super) steps_done: u32,
    pub(super) elapsed_ms: u64,
    pub(super) calls_made: u64,
    pub(super) calls_recorded: u64,
    pub(super) calls_complete: u64,
    pub(super) redactions: Vec<String>,
    pub(super) secret_found: u64,
    pub(super) files_searched: u64,
    pub(super) verify: Option<Answer>,
    pub(super) verify_flipped: Option<Answer>,
    pub(super) verify_cut: Option<Answer>,
    pub(super) calls_outcome_unknown: u64,
    pub(super) verify_after_crash: Option<Answer>,
    pub(super) calls_in_log: u64,
    pub(super) entries_in_log: u64,
    pub(super) frames_waited: u64,
    pub(super) log_leaves: u64,
    pub(super) verify_log: Option<String>,
    pub(super) proof_bytes: u64,
    pub(super) verify_proof: Option<String>,
    pub(super) verify_proof_flipped: Option<String>,
    pub(super) witness_refused: bool,
    pub(super) receipt_refused: bool,
    pub(super) verify_turned_back: Option<String>,
    pub(super) error: Option<String>,
}
