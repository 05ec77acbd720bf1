//! Both conversations: the first one, on a token, and the renewals.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use affiant_entry::{SourceId, parse_rfc3339};
use base64::Engine as _;
use bytes::Bytes;
use fs_err as fs;
use rcgen::KeyPair;
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};

use super::error::EnrolError;
use super::link::{Answer, Content, Ingest, Link, Problem};
use super::state::{Credentials, Enrolment, LogIdentity};
use super::token::Token;
use super::{csr, tls};
use crate::keys::KeyRing;
use crate::state::DataDir;

/// Longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What enrolling needs.
#[derive(Debug, Clone)]
pub struct EnrolOptions {
    /// The data directory of the edge.
    pub dir: DataDir,
    /// Where the aggregator listens for sources.
    pub ingest: Ingest,
    /// The token.
    pub token: Token,
    /// Name of this source, if its key is made now; compared with a key that exists.
    pub source: Option<SourceId>,
    /// A file that must hold the CA which the token names.
    pub ca: Option<PathBuf>,
}

#[derive(Serialize)]
struct EnrolRequest<'a> {
    v: u64,
    token: &'a str,
    source: &'a SourceId,
    csr: &'a str,
    vkey: String,
    rotations: String,
}

#[derive(Serialize)]
struct RenewRequest<'a> {
    v: u64,
    csr: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a SourceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<String>,
}

#[derive(Deserialize)]
struct Issued {
    v: u64,
    source: SourceId,
    certificate: String,
    ca: String,
    log: IssuedLog,
    renew_after_s: u64,
    not_after: String,
}

#[derive(Deserialize)]
struct IssuedLog {
    name: String,
    vkey: String,
    #[serde(default)]
    rotations: String,
}

/// Enrols the source of a data directory: makes its keys if there are none, asks for a certificate,
/// and writes `ship/`. Blocks until it is done, at most about a minute.
///
/// # Errors
/// [`EnrolError`]; an enrolment that was there before stays.
pub fn enrol(options: &EnrolOptions) -> Result<Enrolment, EnrolError> {
    check_ca_file(options)?;
    let ring = KeyRing::open(&options.dir, options.source.as_ref())?;
    let key = csr::new_key()?;
    let request = csr::request(ring.source(), &key)?;
    let csr = request.pem().map_err(EnrolError::Request)?;
    let body = json(&EnrolRequest {
        v: 1,
        token: options.token.secret_text(),
        source: ring.source(),
        csr: &csr,
        vkey: ring.signer().verifier_key().to_string(),
        rotations: ring.rotations()?.unwrap_or_default(),
    })?;
    let config = tls::pinned(*options.token.ca_sha256()).map_err(super::LinkError::Setup)?;
    let answer = runtime()?.block_on(async {
        let link = Link::connect(&options.ingest, config).await?;
        link.post("/v1/enrol", Content::Json, body, ANSWER_TIMEOUT)
            .await
    })?;
    let issued = read_issued(&answer)?;
    let pinned = tls::certificates(&issued.ca)
        .ok()
        .filter(|found| {
            found
                .iter()
                .any(|ca| &tls::digest(ca) == options.token.ca_sha256())
        })
        .ok_or(EnrolError::Answer("with another CA than the token names"))?;
    let said = &issued.log;
    let before = Enrolment::load(&options.dir).ok().flatten();
    // Enrolling at the same log again forgets nothing of it, also where its key was rotated meanwhile.
    let same = before.and_then(|before| {
        let pinned = before.log;
        pinned.followed_to(&said.name, &said.vkey, &said.rotations)
    });
    let log = same.unwrap_or_else(|| LogIdentity {
        name: said.name.clone(),
        vkey: said.vkey.clone(),
        earlier: Vec::new(),
    });
    let enrolment = enrolment_of(&issued, log, ring.source(), options.ingest.clone())?;
    if enrolment.log_key().is_none() {
        return Err(EnrolError::Answer(
            "with a log key that is none, or not the log's",
        ));
    }
    let with = Credentials {
        key: csr::key_pem(&key),
        chain: issued.certificate,
        ca: only(&pinned, options.token.ca_sha256()),
    };
    // Shows now, and not at the first batch, that key and certificate belong together.
    tls::enrolled(&with, true).map_err(super::LinkError::Setup)?;
    enrolment.save(&options.dir, &with)?;
    Ok(enrolment)
}

/// Renews the certificate of a data directory now. Blocks until it is done.
///
/// # Errors
/// [`EnrolError`]; the old certificate stays.
pub fn renew(dir: &DataDir) -> Result<Enrolment, EnrolError> {
    let enrolment = Enrolment::load(dir)?.ok_or(EnrolError::Answer("nothing: not enrolled"))?;
    runtime()?.block_on(renew_on(dir, &enrolment))
}

/// Renews the certificate: with the certificate itself while it holds, and by the seal key after that.
pub(crate) async fn renew_on(
    dir: &DataDir,
    enrolment: &Enrolment,
) -> Result<Enrolment, EnrolError> {
    let with = Credentials::load(dir)?;
    let key = KeyPair::from_pem(&with.key).map_err(EnrolError::Request)?;
    let at = crate::clock::now();
    let request = csr::request(&enrolment.source, &key)?;
    let csr = request.pem().map_err(EnrolError::Request)?;
    let expired = enrolment.has_expired(at);
    let mut body = RenewRequest {
        v: 1,
        csr: &csr,
        source: None,
        proof: None,
    };
    if expired {
        let ring = KeyRing::open(dir, Some(&enrolment.source))?;
        body.source = Some(&enrolment.source);
        body.proof = Some(csr::renewal_proof(
            &enrolment.source,
            &request,
            at,
            ring.signer(),
        )?);
    }
    let body = json(&body)?;
    let config = tls::enrolled(&with, !expired).map_err(super::LinkError::Setup)?;
    let link = Link::connect(&enrolment.ingest, config).await?;
    let answer = link
        .post("/v1/renew", Content::Json, body, ANSWER_TIMEOUT)
        .await?;
    let issued = read_issued(&answer)?;
    let said = &issued.log;
    let log = enrolment
        .log
        .followed_to(&said.name, &said.vkey, &said.rotations);
    let log = log.ok_or(EnrolError::Answer(
        "with another log than the one enrolled at",
    ))?;
    let renewed = enrolment_of(&issued, log, &enrolment.source, enrolment.ingest.clone())?;
    let with = Credentials {
        chain: issued.certificate,
        ..with
    };
    tls::enrolled(&with, true).map_err(super::LinkError::Setup)?;
    renewed.save_renewed(dir, &with.chain)?;
    Ok(renewed)
}

/// TLS with this source's certificate, as it lies on disk.
pub(crate) fn tls_config(dir: &DataDir) -> Result<Arc<ClientConfig>, EnrolError> {
    let with = Credentials::load(dir)?;
    Ok(tls::enrolled(&with, true).map_err(super::LinkError::Setup)?)
}

fn check_ca_file(options: &EnrolOptions) -> Result<(), EnrolError> {
    let Some(path) = &options.ca else {
        return Ok(());
    };
    let wrong = |what: String| EnrolError::CaFile {
        path: path.display().to_string(),
        what,
    };
    let pem = fs::read_to_string(path)?;
    let found = tls::certificates(&pem).map_err(wrong)?;
    if found
        .iter()
        .any(|ca| &tls::digest(ca) == options.token.ca_sha256())
    {
        Ok(())
    } else {
        Err(wrong("is not the CA that the token names".to_owned()))
    }
}

fn read_issued(answer: &Answer) -> Result<Issued, EnrolError> {
    if !answer.status.is_success() {
        return Err(EnrolError::Refused(Problem::read(answer)));
    }
    let issued: Issued = serde_json::from_slice(&answer.body)
        .map_err(|_| EnrolError::Answer("something that is no certificate"))?;
    if issued.v != 1 {
        return Err(EnrolError::Answer("in another version"));
    }
    Ok(issued)
}

fn enrolment_of(
    issued: &Issued,
    log: LogIdentity,
    source: &SourceId,
    ingest: Ingest,
) -> Result<Enrolment, EnrolError> {
    if issued.source != *source {
        return Err(EnrolError::Answer("with the certificate of another source"));
    }
    let not_after_us =
        parse_rfc3339(&issued.not_after).ok_or(EnrolError::Answer("with a bad time"))?;
    let now = crate::clock::now().utc_us;
    let renew_us = i64::try_from(issued.renew_after_s)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000_000);
    Ok(Enrolment {
        source: source.clone(),
        ingest,
        log,
        renew_at_us: now.saturating_add(renew_us).min(not_after_us),
        not_after_us,
    })
}

/// The pinned CA alone, as PEM: what else was sent along is not believed.
fn only(found: &[rustls::pki_types::CertificateDer<'_>], sha256: &[u8; 32]) -> String {
    let ca = found.iter().find(|ca| &tls::digest(ca) == sha256);
    let der = ca.map(AsRef::as_ref).unwrap_or_default();
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for (at, c) in text.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            pem.push('\n');
        }
        pem.push(c);
    }
    pem.push_str("\n-----END CERTIFICATE-----\n");
    pem
}

fn json<T: Serialize>(value: &T) -> Result<Bytes, EnrolError> {
    Ok(Bytes::from(
        serde_json::to_vec(value).map_err(std::io::Error::other)?,
    ))
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
