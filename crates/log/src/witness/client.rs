//! Asking witnesses to cosign what the log signed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use affiant_tlog::cosignature::CosignerKey;
use affiant_tlog::note::{MAX_NOTE_BYTES, Signature};
use affiant_tlog::policy::Policy;
use affiant_tlog::witness::{AddCheckpoint, read_conflict, read_cosignatures};
use affiant_tlog::{Checkpoint, Note, TreeSize, VerifierKey};

use crate::net::{Post, PostRequest};
use crate::reader::LogReader;
use crate::sequencer::chain;

/// When a checkpoint is shown to the world.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PublishRule {
    /// At once. Cosignatures are added as they come; the newest checkpoint with a quorum is kept as
    /// `checkpoint.cosigned` beside.
    #[default]
    AtOnce,
    /// Only with a quorum of cosignatures: nothing is acknowledged that no witness has seen. Rounds
    /// go on meanwhile, and are published together.
    WithQuorum,
}

/// Whom a log asks for cosignatures.
#[derive(Clone)]
#[non_exhaustive]
pub struct Witnesses {
    /// The witnesses, where they are, and how many make a quorum (C2SP tlog-policy).
    pub policy: Policy,
    /// When checkpoints are shown.
    pub rule: PublishRule,
    /// How long an answer may take. Default 5 s.
    pub timeout: Duration,
    /// From one round of asking to the next, at least. Default 1 s.
    pub interval: Duration,
    /// Whether the log stops where a witness has seen a larger tree, or one that contradicts. Then
    /// storage was rolled back, or the log was forked: continuing would make it worse. Default yes.
    pub stop_if_contradicted: bool,
    /// The way to the witnesses.
    pub post: Arc<dyn Post>,
}

impl Witnesses {
    /// Asks the witnesses of a policy that have a URL there.
    pub fn new(policy: Policy, post: Arc<dyn Post>) -> Self {
        Self {
            policy,
            rule: PublishRule::default(),
            timeout: Duration::from_secs(5),
            interval: Duration::from_secs(1),
            stop_if_contradicted: true,
            post,
        }
    }
}

/// What is known of a witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessState {
    /// The name of its key.
    pub name: String,
    /// The largest tree it cosigned for this process.
    pub cosigned: Option<TreeSize>,
    /// Why the last request failed, if it did.
    pub problem: Option<String>,
}

/// Why a witness gave no cosignature.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// No answer, or one of no use. Retryable.
    #[error("witness {name}: {reason}")]
    Failed {
        /// The name of its key.
        name: String,
        /// What happened.
        reason: String,
    },
    /// It has seen a larger tree of this log than there is: storage was rolled back.
    #[error("witness {name} cosigned size {cosigned}, but the log has size {size}")]
    Ahead {
        /// The name of its key.
        name: String,
        /// The size it says it cosigned.
        cosigned: TreeSize,
        /// The size of the head.
        size: TreeSize,
    },
    /// It has seen a tree that is not a beginning of this one: the log was forked.
    #[error("witness {name} refused the log's tree of size {size} as inconsistent")]
    Contradicted {
        /// The name of its key.
        name: String,
        /// The size of the head.
        size: TreeSize,
    },
}

/// The witnesses of a log, with what each is believed to remember.
pub(crate) struct Client {
    witnesses: Witnesses,
    reader: LogReader,
    keys: Vec<VerifierKey>,
    asked: Vec<Mutex<Asked>>,
}

/// One witness.
struct Asked {
    key: CosignerKey,
    url: String,
    remembered: TreeSize,
    state: WitnessState,
}

/// What came of asking all of them.
pub(crate) struct Outcome {
    /// The note with the cosignatures that came.
    pub(crate) note: Note,
    pub(crate) quorum_met: bool,
    /// The first contradiction, if there was one.
    pub(crate) contradiction: Option<AskError>,
}

impl Client {
    pub(crate) fn new(witnesses: Witnesses, reader: LogReader, keys: Vec<VerifierKey>) -> Self {
        let with_url = witnesses.policy.witnesses().iter().filter_map(|witness| {
            let url = String::from_utf8(witness.url.clone()?).ok()?;
            Some(Mutex::new(Asked {
                key: witness.key.clone(),
                url: format!("{}/add-checkpoint", url.trim_end_matches('/')),
                remembered: TreeSize(0),
                state: WitnessState {
                    name: witness.key.name().to_string(),
                    cosigned: None,
                    problem: None,
                },
            }))
        });
        Self {
            asked: with_url.collect(),
            witnesses,
            reader,
            keys,
        }
    }

    pub(crate) fn options(&self) -> &Witnesses {
        &self.witnesses
    }

    pub(crate) fn states(&self) -> Vec<WitnessState> {
        let states = self.asked.iter();
        states.map(|asked| lock(asked).state.clone()).collect()
    }

    /// Asks all witnesses at once, and waits for all of them.
    pub(crate) fn ask(&self, checkpoint: &Checkpoint, note: &Note) -> Outcome {
        let answers: Vec<_> = std::thread::scope(|scope| {
            let ask = |asked| scope.spawn(move || self.ask_one(&mut lock(asked), checkpoint, note));
            let threads: Vec<_> = self.asked.iter().map(ask).collect();
            let joined = threads.into_iter().filter_map(|thread| thread.join().ok());
            joined.collect()
        });
        let mut cosigned = note.clone();
        let mut contradiction = None;
        for answer in answers {
            match answer {
                Ok(signatures) => {
                    for signature in signatures {
                        // A note that is full stays as it is.
                        let _ = cosigned.attach(signature);
                    }
                }
                Err(AskError::Failed { .. }) => {}
                Err(error) => contradiction = contradiction.or(Some(error)),
            }
        }
        Outcome {
            quorum_met: self.quorum_met(&cosigned),
            note: cosigned,
            contradiction,
        }
    }

    pub(crate) fn quorum_met(&self, note: &Note) -> bool {
        let mut policy = self.witnesses.policy.clone();
        for key in &self.keys {
            policy = policy.with_log(key.clone());
        }
        policy.check(note).is_ok_and(|report| report.quorum_met())
    }

    fn ask_one(
        &self,
        asked: &mut Asked,
        checkpoint: &Checkpoint,
        note: &Note,
    ) -> Result<Vec<Signature>, AskError> {
        let answer = self.ask_until_known(asked, checkpoint, note);
        match &answer {
            Ok(_) => {
                asked.remembered = checkpoint.size;
                asked.state.cosigned = Some(checkpoint.size);
                asked.state.problem = None;
            }
            Err(error) => {
                tracing::warn!(error = %chain(error), "no cosignature");
                asked.state.problem = Some(error.to_string());
            }
        }
        answer
    }

    /// Asks, and once more if the witness says that it remembers another size.
    fn ask_until_known(
        &self,
        asked: &mut Asked,
        checkpoint: &Checkpoint,
        note: &Note,
    ) -> Result<Vec<Signature>, AskError> {
        let name = asked.state.name.clone();
        let failed = |reason: String| AskError::Failed {
            name: name.clone(),
            reason,
        };
        for _ in 0..ATTEMPTS_MAX {
            let old = asked.remembered;
            let body = self.request(old, checkpoint, note).map_err(&failed)?;
            let request = PostRequest {
                url: &asked.url,
                content_type: "text/plain; charset=utf-8",
                body: &body,
                timeout: self.witnesses.timeout,
                answer_bytes_max: MAX_NOTE_BYTES,
            };
            let answer = self.witnesses.post.post(request);
            let answer = answer.map_err(|error| failed(error.to_string()))?;
            match answer.status {
                200 => {
                    let known = std::slice::from_ref(&asked.key);
                    let lines = read_cosignatures(&answer.body, note.text(), known);
                    let lines = lines.map_err(|error| failed(chain(&error)))?;
                    return Ok(lines.into_iter().map(|(line, _)| line).collect());
                }
                409 => match read_conflict(&answer.body) {
                    Some(cosigned) if cosigned > checkpoint.size => {
                        let size = checkpoint.size;
                        return Err(AskError::Ahead {
                            name,
                            cosigned,
                            size,
                        });
                    }
                    Some(cosigned) if cosigned != old => asked.remembered = cosigned,
                    _ => return Err(failed("contradicts itself about its size".to_owned())),
                },
                422 => {
                    return Err(AskError::Contradicted {
                        name,
                        size: checkpoint.size,
                    });
                }
                status => return Err(failed(format!("answered with status {status}"))),
            }
        }
        Err(failed("does not settle on a size".to_owned()))
    }

    fn request(
        &self,
        old: TreeSize,
        checkpoint: &Checkpoint,
        note: &Note,
    ) -> Result<Vec<u8>, String> {
        let proof = self.reader.consistency(old, checkpoint.size);
        let proof = proof.map_err(|error| chain(&error))?;
        let request = AddCheckpoint::new(old, proof, note.clone());
        Ok(request.map_err(|error| chain(&error))?.to_bytes())
    }
}

fn lock(asked: &Mutex<Asked>) -> std::sync::MutexGuard<'_, Asked> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Requests until a witness's size is known: one guess, one correction, one more for a race with
/// another requester.
const ATTEMPTS_MAX: usize = 3;
