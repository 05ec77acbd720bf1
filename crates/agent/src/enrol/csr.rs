//! Keys and requests of the source's certificate (RFC 2986), and the proof that renews an expired one.

use affiant_entry::{Moment, SourceId};
use affiant_tlog::note::{self, SignerKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    CertificateParams, CertificateSigningRequest, DistinguishedName, DnType, KeyPair, SanType,
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::error::EnrolError;

/// First line of what a seal key signs to renew its source's certificate.
const RENEW_TEXT_V1: &str = "affiant.dev/renew/v1";

/// The URI that names a source in its certificate (subject alternative name).
fn san(source: &SourceId) -> String {
    format!("affiant:source:{source}")
}

/// A new ECDSA P-256 key.
pub(super) fn new_key() -> Result<KeyPair, EnrolError> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(EnrolError::Request)
}

/// The key as PEM.
pub(super) fn key_pem(key: &KeyPair) -> Zeroizing<String> {
    Zeroizing::new(key.serialize_pem())
}

/// A request for a certificate of this source.
pub(super) fn request(
    source: &SourceId,
    key: &KeyPair,
) -> Result<CertificateSigningRequest, EnrolError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, source.as_str());
    let name = san(source).try_into().map_err(EnrolError::Request)?;
    params.subject_alt_names = vec![SanType::URI(name)];
    params.serialize_request(key).map_err(EnrolError::Request)
}

/// A note by the seal key that asks for a certificate for exactly this request.
///
/// ```text
/// affiant.dev/renew/v1⏎
/// source gw-7⏎
/// csr <base64 SHA-256 of the request's DER>⏎
/// time 2026-11-22T06:54:01.123456Z⏎
/// ```
pub(super) fn renewal_proof(
    source: &SourceId,
    request: &CertificateSigningRequest,
    at: Moment,
    seal_key: &SignerKey,
) -> Result<String, EnrolError> {
    let digest = STANDARD.encode(Sha256::digest(request.der()));
    let text = format!(
        "{RENEW_TEXT_V1}\nsource {source}\ncsr {digest}\ntime {}\n",
        at.rfc3339()
    );
    let note = note::sign(&text, seal_key).map_err(EnrolError::Sign)?;
    String::from_utf8(note).map_err(|_| EnrolError::Answer("a note that is not UTF-8"))
}
