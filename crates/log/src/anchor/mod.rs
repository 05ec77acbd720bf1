//! RFC 3161 time stamps over checkpoints: proof that a tree existed at a time, by somebody else.
//!
//! The stamp is over the bytes of a checkpoint note, as `openssl ts -verify -data checkpoint` checks it.
//! Because a checkpoint covers all leaves before it, each new anchor renews the older ones.
//!
//! Verified: the imprint, the signed attributes, the signature, that it is by the certificate it names
//! (ESSCertIDv2), that this certificate is for time stamping alone (critical), and its chain to a pinned
//! root at the time of the stamp. Not verified: revocation, and whether the authority's clock is right.
//!
//! Specifications: RFC 3161, RFC 5816, RFC 5652.

mod der;
mod request;
mod token;

use std::time::Duration;

use rustls_pki_types::CertificateDer;

use crate::net::{Post, PostError, PostRequest};

pub use token::{Stamp, TokenError, verify_token};

/// Whom to ask for time stamps.
#[derive(Debug, Clone)]
pub struct Authority {
    /// What it is called in entries and messages.
    pub name: String,
    /// Where it takes requests.
    pub url: String,
    /// The roots its certificates are pinned to.
    pub roots: Vec<CertificateDer<'static>>,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// A checkpoint note with a verified time stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The TimeStampToken, DER: to be kept with the note.
    pub token: Vec<u8>,
    /// What it says.
    pub stamp: Stamp,
}

impl Authority {
    /// Asks for a time stamp over a checkpoint note, and verifies it. Blocks; the nonce is random.
    ///
    /// # Errors
    ///
    /// [`AnchorError`]; all but [`AnchorError::Token`] are worth a retry.
    pub fn anchor(&self, post: &dyn Post, note: &[u8]) -> Result<Anchor, AnchorError> {
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|_| AnchorError::Random)?;
        let body = request::encode(note, &nonce);
        let answer = post.post(PostRequest {
            url: &self.url,
            content_type: "application/timestamp-query",
            body: &body,
            timeout: self.timeout,
            answer_bytes_max: TOKEN_BYTES_MAX,
        })?;
        if answer.status != 200 {
            return Err(AnchorError::Status {
                status: answer.status,
            });
        }
        let token = request::token_of(&answer.body)?;
        let stamp = verify_token(token, note, &self.roots)?;
        if stamp.nonce.as_deref() != Some(request::integer(&nonce)) {
            return Err(AnchorError::Nonce);
        }
        Ok(Anchor {
            token: token.to_vec(),
            stamp,
        })
    }
}

/// The largest answer that is read, in bytes: a token with a chain of large certificates is a tenth.
pub const TOKEN_BYTES_MAX: usize = 256 << 10;

/// Why there is no anchor.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// The authority was not reached.
    #[error("time stamp authority did not answer")]
    Post(#[from] PostError),
    /// It answered with another status than 200.
    #[error("time stamp authority answered with http status {status}")]
    Status {
        /// The status.
        status: u16,
    },
    /// It refused (PKIStatus other than granted).
    #[error("time stamp authority refused with status {status}")]
    Refused {
        /// The PKIStatus (RFC 3161 section 2.4.2).
        status: u8,
    },
    /// The answer is not a TimeStampResp.
    #[error("answer is not a time stamp response")]
    Malformed,
    /// The token is for another request: a replay.
    #[error("time stamp has another nonce than the request")]
    Nonce,
    /// The token does not verify.
    #[error("time stamp token does not verify")]
    Token(#[from] TokenError),
    /// The system gave no randomness.
    #[error("system gave no randomness")]
    Random,
}
