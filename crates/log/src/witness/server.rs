//! A witness without its HTTP server.

use std::sync::Arc;

use affiant_tlog::cosignature::{CosignerSigner, PosixTime};
use affiant_tlog::witness::{
    AddCheckpoint, CONFLICT_CONTENT_TYPE, KnownLog, Refusal, judge, write_cosignatures,
};
use affiant_tlog::{Checkpoint, Note};

use super::memory::WitnessStore;
use crate::clock::Clock;
use crate::store::StoreError;

/// Cosigns the checkpoints of the logs it is configured for, each of which must follow from the one
/// before. Answers are given only after the new checkpoint is stored.
pub struct Witness {
    logs: Vec<KnownLog>,
    signers: Vec<CosignerSigner>,
    store: Arc<dyn WitnessStore>,
    clock: Arc<dyn Clock>,
}

/// What the witness answers, to be sent as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl Witness {
    /// A witness with these logs, keys (one cosignature line each) and memory.
    pub fn new(
        logs: Vec<KnownLog>,
        signers: Vec<CosignerSigner>,
        store: Arc<dyn WitnessStore>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            logs,
            signers,
            store,
            clock,
        }
    }

    /// Answers the body of a `POST …/add-checkpoint` (C2SP tlog-witness, "add-checkpoint"). Blocks on
    /// storage for a moment. At most [`affiant_tlog::witness::REQUEST_BYTES_MAX`] bytes are read; a
    /// server should stop reading there.
    ///
    /// 200 with cosignatures; 400, 403, 404, 409, 422 as the specification says; 500 where storage or
    /// clock fail, and then nothing was cosigned.
    pub fn add_checkpoint(&self, body: &[u8]) -> WitnessAnswer {
        let request = match AddCheckpoint::parse(body) {
            Ok(request) => request,
            Err(error) => return text(400, format!("{error}\n")),
        };
        // Another request for the same log may come in between: then it is judged anew.
        for _ in 0..RACES_MAX {
            match self.judge_and_store(&request, body) {
                Err(Problem::Store(StoreError::HeadMoved)) => {}
                Ok(cosignatures) => return text(200, cosignatures),
                Err(problem) => return problem.answer(),
            }
        }
        text(503, "too many requests for this log at once\n".to_owned())
    }

    fn judge_and_store(&self, request: &AddCheckpoint, body: &[u8]) -> Result<String, Problem> {
        let origin = &request.checkpoint().origin;
        let log = self.logs.iter().find(|log| log.origin == *origin);
        let remembered = match log {
            Some(_) => self.store.latest(origin)?,
            None => None,
        };
        let latest = match &remembered {
            Some(note) => Some(parse(note).ok_or(Problem::Memory)?),
            None => None,
        };
        let accepted = match judge(request, log, latest.as_ref()) {
            Ok(accepted) => accepted,
            Err(refusal) => {
                if let (Refusal::Unprocessable(_), Some(remembered)) = (&refusal, &remembered) {
                    tracing::error!(%origin, "log signed a checkpoint that does not follow");
                    self.store.keep_evidence(origin, remembered, body)?;
                }
                return Err(Problem::Refusal(Box::new(refusal)));
            }
        };
        let time = PosixTime(self.clock.utc_ms() / 1000);
        let mut cosignatures = Vec::new();
        for signer in &self.signers {
            let cosigned = accepted.cosign(signer, time);
            cosignatures.push(cosigned.map_err(|_| Problem::Clock)?);
        }
        // Made, but not yet given to anybody: if this fails, nobody saw them.
        let note = request.note().to_bytes();
        if remembered.as_deref() != Some(&*note) {
            self.store.replace(origin, remembered.as_deref(), &note)?;
        }
        Ok(write_cosignatures(&cosignatures))
    }
}

fn parse(note: &[u8]) -> Option<Checkpoint> {
    let note = Note::parse(note).ok()?;
    let (checkpoint, _) = Checkpoint::parse_extended(note.text()).ok()?;
    Some(checkpoint)
}

/// Why there is no cosignature.
enum Problem {
    Refusal(Box<Refusal>),
    Store(StoreError),
    /// What is remembered cannot be read.
    Memory,
    Clock,
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Problem {
    fn answer(&self) -> WitnessAnswer {
        match self {
            Self::Refusal(refusal) => WitnessAnswer {
                status: refusal.status(),
                content_type: if matches!(**refusal, Refusal::Conflict { .. }) {
                    CONFLICT_CONTENT_TYPE
                } else {
                    TEXT
                },
                body: refusal.body().into_bytes(),
            },
            Self::Store(error) => {
                tracing::error!(error = %crate::sequencer::chain(error), "witness storage failed");
                text(500, "storage failed\n".to_owned())
            }
            Self::Memory => text(500, "memory of this log is damaged\n".to_owned()),
            Self::Clock => text(500, "clock or key is not usable\n".to_owned()),
        }
    }
}

fn text(status: u16, body: String) -> WitnessAnswer {
    WitnessAnswer {
        status,
        content_type: TEXT,
        body: body.into_bytes(),
    }
}

const TEXT: &str = "text/plain; charset=utf-8";
/// How often a request is judged anew because another came first.
const RACES_MAX: usize = 8;
