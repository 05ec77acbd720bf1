//! What shows that a beginning which is not in a spool was released, and not lost.
//!
//! A spool's cursor is nobody's word: whoever can write the directory can move it. What counts is the
//! proof that the source kept when it released entries (`ship/released/NAME.proof`): the log has the seal of
//! that hash. The chain leads from what is here back to that seal; from there on seals name each other by
//! hash, so the log can only have this very past.

use std::path::{Path, PathBuf};

use affiant_agent::enrol::Enrolment;
use affiant_agent::ship::released_path;
use affiant_agent::state::DataDir;
use affiant_entry::Trust;
use affiant_tlog::policy::Policy;
use affiant_tlog::tlog_proof::{PROOF_BYTES_MAX, TlogProof};
use affiant_tlog::{Checkpoint, Hash, VerifierKey};
use fs_err as fs;
use serde::Serialize;

use super::{Answer, Fault};
use crate::error::chain;

/// A proof that a log has a seal.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Released {
    /// The word for the stretch that is not here.
    verdict: &'static str,
    /// The log.
    pub(crate) log: String,
    /// Leaves of the log when it signed.
    pub(crate) size: u64,
    /// The leaf of the seal.
    pub(crate) leaf: u64,
    /// Whether the log's key was given, and not found in the directory itself.
    pub(crate) key_given: bool,
    #[serde(skip)]
    pub(super) seal: Hash,
}

/// What is kept of one spool.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) proof: Option<Released>,
    /// Why what is kept proves nothing.
    pub(super) fault: Option<Fault>,
}

/// Reads and verifies the proof kept of the spool `name`.
pub(super) fn read(home: &Path, name: &str, trust: &Trust) -> Kept {
    let dir = DataDir::new(home);
    let path = released_path(&dir, name);
    match fs::metadata(&path) {
        Ok(meta) if meta.len() <= u64::try_from(PROOF_BYTES_MAX).unwrap_or(u64::MAX) => {}
        Ok(_) => return Kept::fault("it is too large"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Kept::default(),
        Err(error) => return Kept::fault(&error.to_string()),
    }
    let read = fs::read(&path).map_err(|error| error.to_string());
    match read.and_then(|bytes| verify(&bytes, &dir, trust)) {
        Ok(proof) => Kept {
            proof: Some(proof),
            fault: None,
        },
        Err(why) => Kept::fault(&why),
    }
}

fn verify(bytes: &[u8], dir: &DataDir, trust: &Trust) -> Result<Released, String> {
    let proof = TlogProof::parse(bytes).map_err(|error| chain(&error))?;
    let seal = <[u8; 32]>::try_from(proof.extra.as_slice())
        .map(Hash)
        .map_err(|_| "it names no seal".to_owned())?;
    let checkpoint = Checkpoint::parse(proof.checkpoint.text()).map_err(|error| chain(&error))?;
    let origin = checkpoint.origin.as_str();
    let given: Vec<&VerifierKey> = trust
        .keys()
        .iter()
        .filter(|key| key.name().as_str() == origin)
        .collect();
    let enrolled = Enrolment::load(dir).ok().flatten();
    let enrolled = enrolled.map(|enrolment| enrolment.log_keys());
    let key_given = !given.is_empty();
    let keys = if key_given {
        given.into_iter().cloned().collect()
    } else {
        enrolled.unwrap_or_default()
    };
    let mut why = "there is no key of the log to check it with".to_owned();
    for key in keys {
        match proof.verify(&seal, &Policy::of_log(key)) {
            Ok(report) => {
                return Ok(Released {
                    verdict: "PRUNED",
                    log: origin.to_owned(),
                    size: report.checkpoint().size.0,
                    leaf: proof.index.0,
                    key_given,
                    seal,
                });
            }
            Err(error) => why = chain(&error),
        }
    }
    Err(why)
}

impl Released {
    /// What nobody looked at, in a sentence.
    pub(super) fn not_checked(&self) -> Option<String> {
        let log = &self.log;
        Some(if self.key_given {
            format!("what was released: `{log}` had it; verify the log to see that it has it still")
        } else {
            format!(
                "what was released: a log with the key that this directory names had it; verify `{log}` itself, \
                 or give its key in `--trust` as well"
            )
        })
    }
}

impl Kept {
    fn fault(why: &str) -> Self {
        Self {
            proof: None,
            fault: Some(Fault {
                answer: Answer::Incomplete,
                code: "released-unproven",
                text: format!(
                    "the proof that released entries are in the log does not hold: {why}"
                ),
            }),
        }
    }
}

/// The data directory that a spool lies in, by where its head is remembered.
pub(super) fn home_of(head: Option<&PathBuf>) -> Option<&Path> {
    head?.parent()?.parent()?.parent()
}
