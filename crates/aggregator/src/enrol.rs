//! `POST /v1/enrol` and `POST /v1/renew`: how a source gets its certificate.
//!
//! A token lets a source in once; from then on its certificate renews itself. The key that seals and
//! the key of the certificate are two: the certificate's is new with every enrolment, the seal key is
//! what the log knows the source by, from the `key` entry on that enrolment leaves.
//!
//! A source whose certificate ended while it could not reach us proves itself with its seal key:
//!
//! ```text
//! affiant.dev/renew/v1⏎                     ┐
//! source gw-7⏎                              │ text of a C2SP signed note by the seal key
//! csr <base64 SHA-256 of the request's DER>⏎│
//! time 2026-11-22T06:54:01.123456Z⏎         ┘
//! ```

use std::sync::Arc;

use affiant_entry::record::{Body as Entry, KeyAction, KeyChange};
use affiant_entry::{SourceId, Trust, rfc3339};
use affiant_tlog::note::{Note, verify};
use affiant_tlog::{Hash, VerifierKey};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ca::{Issued, SourceRequest};
use crate::clock;
use crate::core::Core;
use crate::ingest::admitted;
use crate::problem::Problem;
use crate::sources::Source;
use crate::tls::Peer;
use crate::token::TokenError;

#[derive(Deserialize)]
struct Enrol {
    v: u64,
    token: String,
    source: String,
    csr: String,
    vkey: String,
    #[serde(default)]
    rotations: String,
}

#[derive(Deserialize)]
struct Renew {
    #[serde(default = "one")]
    v: u64,
    csr: String,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    proof: Option<String>,
}

const fn one() -> u64 {
    1
}

#[derive(Serialize)]
struct Answer {
    v: u64,
    source: SourceId,
    certificate: String,
    ca: String,
    log: LogKey,
    renew_after_s: u64,
    not_after: String,
}

#[derive(Serialize)]
struct LogKey {
    name: String,
    vkey: String,
    /// Notes that lead from earlier keys to this one, oldest first.
    #[serde(skip_serializing_if = "String::is_empty")]
    rotations: String,
}

/// `POST /v1/enrol`.
pub(crate) async fn post_enrol(State(core): State<Arc<Core>>, body: Body) -> Response {
    let enrolled = async {
        let request: Enrol = read(&core, body).await?;
        enrol(&core, request).await
    };
    answer(enrolled.await)
}

/// `POST /v1/renew`.
pub(crate) async fn post_renew(
    State(core): State<Arc<Core>>,
    Extension(peer): Extension<Peer>,
    body: Body,
) -> Response {
    let renewed = async {
        let request: Renew = read(&core, body).await?;
        renew(&core, &peer, &request)
    };
    answer(renewed.await)
}

fn answer(made: Result<Answer, Problem>) -> Response {
    match made {
        Ok(answer) => match serde_json::to_vec(&answer) {
            Ok(json) => ([(http::header::CONTENT_TYPE, "application/json")], json).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
        Err(problem) => problem.into_response(),
    }
}

async fn read<T: serde::de::DeserializeOwned>(core: &Core, body: Body) -> Result<T, Problem> {
    let (bytes, _held) = crate::ingest::read_body(&core.budget, body, REQUEST_BYTES_MAX).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| malformed(&format!("the request is not {error}")))
}

async fn enrol(core: &Arc<Core>, request: Enrol) -> Result<Answer, Problem> {
    if request.v != 1 {
        return Err(malformed("only version 1 is known"));
    }
    let source = SourceId::new(&request.source).map_err(|e| malformed(&e.to_string()))?;
    if source == *core.ledger.own_id() {
        return Err(taken(&source, "it is the aggregator's own"));
    }
    let vkey: VerifierKey = request
        .vkey
        .parse()
        .map_err(|_| malformed("`vkey` is not a verifier key"))?;
    if vkey.name().as_str() != source.as_str() {
        return Err(malformed("`vkey` is not named after the source"));
    }
    let (csr, _) = SourceRequest::parse(&request.csr).map_err(|error| csr_malformed(&error))?;
    let now = clock::now().utc_us;
    // Everything that can be wrong is known before the token is used up.
    core.tokens
        .check(&request.token, &source, now)
        .map_err(|error| token_refused(&error))?;
    let _one_at_a_time = core.enrolling.lock().await;
    let kept = kept(core, &source, &vkey, &request.rotations)?;
    core.tokens
        .redeem(&request.token, &source, now)
        .map_err(|error| token_refused(&error))?;
    let issued = issue(core, &csr, &source)?;
    record(core, &source, &vkey, &kept, &issued).await?;
    core.sources.keep(&kept).map_err(|error| storage(&error))?;
    tracing::info!(%source, "source enrolled");
    Ok(answer_of(core, source, issued))
}

/// What will be kept of the source: new, or the one that is known, if the keys are linked.
fn kept(
    core: &Core,
    source: &SourceId,
    vkey: &VerifierKey,
    rotations: &str,
) -> Result<Source, Problem> {
    let revoked = core.sources.revocation(source);
    if revoked.map_err(|error| storage(&error))?.is_some() {
        return Err(Problem::revoked(source));
    }
    let known = core.sources.find(source).map_err(|error| storage(&error))?;
    let Some(mut known) = known else {
        return Ok(Source {
            v: 1,
            source: source.clone(),
            vkey: vkey.to_string(),
            rotations: rotations.to_owned(),
            enrolled: rfc3339(clock::now().utc_us),
        });
    };
    let trust = known.trust().map_err(|error| storage(&error))?;
    if trust.trusts(vkey) {
        return Ok(known);
    }
    if trust.with_rotations(rotations).trusts(vkey) {
        known.rotations.push_str(rotations);
        return Ok(known);
    }
    Err(taken(source, "it is enrolled with another key"))
}

fn issue(core: &Core, csr: &SourceRequest, source: &SourceId) -> Result<Issued, Problem> {
    let now = clock::now().utc_us;
    core.authority
        .issue(csr, source, now, core.certificate_lifetime_s)
        .map_err(|error| csr_malformed(&error))
}

async fn record(
    core: &Arc<Core>,
    source: &SourceId,
    vkey: &VerifierKey,
    kept: &Source,
    issued: &Issued,
) -> Result<(), Problem> {
    let change = KeyChange {
        action: KeyAction::Enrol,
        subject: source.to_string(),
        vkey: vkey.to_string(),
        rotation: (!kept.rotations.is_empty()).then(|| kept.rotations.clone()),
        certificate: Some(format!("sha256:{}", hex::encode(issued.sha256))),
        reason: None,
    };
    let body = Entry::Key(Box::new(change));
    let recorded = core.ledger.record_durably(vec![body]).await;
    recorded.map(drop).map_err(|error| {
        tracing::error!(%error, "enrolment cannot be recorded");
        Problem::log_unavailable("the enrolment could not be recorded")
    })
}

fn renew(core: &Core, peer: &Peer, request: &Renew) -> Result<Answer, Problem> {
    if request.v != 1 {
        return Err(malformed("only version 1 is known"));
    }
    let (csr, der) = SourceRequest::parse(&request.csr).map_err(|error| csr_malformed(&error))?;
    let source = match peer {
        Peer::Source(_) => admitted(core, peer)?.source,
        Peer::Unknown | Peer::Nameless => proven(core, request, &der)?,
    };
    let issued = issue(core, &csr, &source)?;
    tracing::debug!(%source, "certificate renewed");
    Ok(answer_of(core, source, issued))
}

/// The source that a note by its seal key proves.
fn proven(core: &Core, request: &Renew, csr_der: &[u8]) -> Result<SourceId, Problem> {
    let (Some(source), Some(proof)) = (&request.source, &request.proof) else {
        return Err(Problem::not_enrolled(
            "without a client certificate, `source` and `proof` are needed",
        ));
    };
    let source = SourceId::new(source).map_err(|e| malformed(&e.to_string()))?;
    let revoked = core.sources.revocation(&source);
    if revoked.map_err(|error| storage(&error))?.is_some() {
        return Err(Problem::revoked(&source));
    }
    let known = core
        .sources
        .find(&source)
        .map_err(|error| storage(&error))?;
    let known = known
        .ok_or_else(|| Problem::not_enrolled(format!("source `{source}` is not enrolled here")))?;
    let trust = known.trust().map_err(|error| storage(&error))?;
    if holds(proof, &source, csr_der, &trust) {
        Ok(source)
    } else {
        Err(Problem::not_enrolled("the proof does not hold"))
    }
}

/// Whether the note is for this request, and by a key of the source. Its time is not compared: the
/// request it names is what it is good for.
fn holds(proof: &str, source: &SourceId, csr_der: &[u8], trust: &Trust) -> bool {
    let Ok(note) = Note::parse(proof.as_bytes()) else {
        return false;
    };
    let digest = Hash(Sha256::digest(csr_der).into());
    let wanted = format!(
        "affiant.dev/renew/v1\nsource {source}\ncsr {}\ntime ",
        digest.to_base64()
    );
    let rest = note.text().strip_prefix(&wanted);
    let timed = rest
        .and_then(|rest| rest.strip_suffix('\n'))
        .is_some_and(|time| affiant_entry::parse_rfc3339(time).is_some());
    timed && verify(&note, trust.keys()).is_ok()
}

fn answer_of(core: &Core, source: SourceId, issued: Issued) -> Answer {
    Answer {
        v: 1,
        source,
        certificate: issued.chain_pem,
        ca: core.authority.pem().to_owned(),
        log: LogKey {
            name: core.log_name.clone(),
            vkey: core.ledger.log().verifier_key().to_string(),
            rotations: core.log_rotations.clone(),
        },
        renew_after_s: core.certificate_lifetime_s.saturating_mul(2) / 3,
        not_after: rfc3339(issued.not_after_utc_us),
    }
}

fn malformed(detail: &str) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "malformed-request",
        "request cannot be read",
        detail,
    )
}

fn csr_malformed(error: &crate::ca::CaError) -> Problem {
    let mut detail = error.to_string();
    if let Some(cause) = std::error::Error::source(error) {
        detail = format!("{detail}: {cause}");
    }
    Problem::new(
        StatusCode::BAD_REQUEST,
        "csr-malformed",
        "certificate request cannot be used",
        detail,
    )
}

fn taken(source: &SourceId, why: &str) -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "source-taken",
        "source id is taken",
        format!("source id `{source}` is taken: {why}"),
    )
}

fn token_refused(error: &TokenError) -> Problem {
    let code = match error {
        TokenError::Expired => "token-expired",
        TokenError::Used => "token-used",
        TokenError::Unknown | TokenError::OtherSource { .. } => "token-unknown",
        TokenError::File(error) => return storage(error),
    };
    Problem::new(
        StatusCode::UNAUTHORIZED,
        code,
        "token lets nobody in",
        error.to_string(),
    )
}

fn storage(error: &dyn std::error::Error) -> Problem {
    tracing::error!(%error, "data directory cannot be used");
    Problem::storage("the aggregator's storage failed")
}

/// A request with keys and a few rotation notes.
const REQUEST_BYTES_MAX: usize = 1 << 20;
