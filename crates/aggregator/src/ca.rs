//! The certificate authority: its own, made on first start, or the operator's.
//!
//! It signs two kinds of certificates, both ECDSA P-256 and short-lived: the server's, with names and
//! addresses, and those of sources, whose one identity is the URI `affiant:source:<id>` (RFC 5280
//! section 4.2.1.6). Whatever else a certificate request asks for is ignored.
//!
//! Not done here: revocation. A revoked source is refused by name, at once, and not by a list that
//! somebody has to fetch.

use std::net::IpAddr;
use std::path::Path;

use affiant_entry::SourceId;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};

use crate::files::{self, FileError};

/// Scheme of the one name in a source's certificate.
pub(crate) const SOURCE_URI: &str = "affiant:source:";

/// A certificate authority with its key.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

/// A certificate for a source.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    /// The certificate and the authority's, PEM.
    pub(crate) chain_pem: String,
    /// When it ends, microseconds since the Unix epoch.
    pub(crate) not_after_utc_us: i64,
    /// SHA-256 of its DER.
    pub(crate) sha256: [u8; 32],
}

/// The server's own certificate and key.
#[derive(Debug)]
pub(crate) struct ServerIdentity {
    /// The certificate, then the authority's.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub(crate) key: PrivateKeyDer<'static>,
    /// When it ends, microseconds since the Unix epoch.
    pub(crate) not_after_utc_us: i64,
}

/// The authority cannot be used, or did not sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaError {
    /// A file is not there, not safe or not what it should be.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key or certificate cannot be made: a bug, or names that no certificate can carry.
    #[error("certificate cannot be made")]
    Make(#[source] rcgen::Error),
    /// The request for a certificate cannot be read, or its signature does not hold. The source's fault.
    #[error("certificate request cannot be used")]
    Request(#[source] rcgen::Error),
}

impl Authority {
    /// Opens the authority in `dir` (`ca.key`, `ca.crt`), or makes it on first use.
    ///
    /// # Errors
    /// [`CaError`].
    pub fn open_or_make(dir: &Path, log_name: &str, now_utc_us: i64) -> Result<Self, CaError> {
        let (key_path, crt_path) = (dir.join("ca.key"), dir.join("ca.crt"));
        if !key_path.exists() {
            let (key, certificate) = make(log_name, now_utc_us).map_err(CaError::Make)?;
            files::write_whole(&crt_path, certificate.as_bytes(), 0o644)
                .map_err(FileError::from)?;
            // The key last: with it the authority is there.
            files::write_whole(&key_path, key.as_bytes(), 0o600).map_err(FileError::from)?;
        }
        Self::open(&crt_path, &key_path)
    }

    /// Opens the authority in these files, PEM.
    ///
    /// # Errors
    /// [`CaError::File`].
    pub fn open(certificate: &Path, key: &Path) -> Result<Self, CaError> {
        let wrong_key = || FileError::content(key, "private key of a certificate authority");
        let wrong_crt = || FileError::content(certificate, "certificate of an authority");
        let secret = files::read_secret(key)?.ok_or_else(wrong_key)?;
        let pair = KeyPair::from_pem(&secret).map_err(|_| wrong_key())?;
        let pem = files::read_optional(certificate)
            .map_err(FileError::from)?
            .ok_or_else(wrong_crt)?;
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| wrong_crt())?;
        let issuer = Issuer::from_ca_cert_der(&der, pair).map_err(|_| wrong_crt())?;
        let parsed = x509_parser::parse_x509_certificate(&der).map_err(|_| wrong_crt())?;
        let public = &parsed.1.public_key().subject_public_key.data;
        if !parsed.1.is_ca() || public.as_ref() != issuer.key().public_key_raw() {
            return Err(wrong_crt().into());
        }
        Ok(Self {
            issuer,
            certificate: der.clone(),
            pem,
        })
    }

    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Its certificate, PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// SHA-256 of its certificate's DER: what tokens carry.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.certificate).into()
    }

    /// Signs what a source asks for: its key, and no name but the source's.
    pub(crate) fn issue(
        &self,
        request: &SourceRequest,
        source: &SourceId,
        from_utc_us: i64,
        lifetime_s: u64,
    ) -> Result<Issued, CaError> {
        let not_after_utc_us = later(from_utc_us, lifetime_s);
        let mut params = params(source.as_str(), from_utc_us, not_after_utc_us);
        let uri = format!("{SOURCE_URI}{source}");
        let uri = uri.try_into().map_err(CaError::Make)?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let made = params
            .signed_by(&request.0.public_key, &self.issuer)
            .map_err(CaError::Make)?;
        Ok(Issued {
            chain_pem: format!("{}{}", made.pem(), self.pem),
            not_after_utc_us,
            sha256: Sha256::digest(made.der()).into(),
        })
    }

    /// A new key and certificate for the server.
    pub(crate) fn server(
        &self,
        names: &[String],
        now_utc_us: i64,
    ) -> Result<ServerIdentity, CaError> {
        let not_after_utc_us = later(now_utc_us, SERVER_LIFETIME_S);
        let mut params = params("affiant aggregator", now_utc_us, not_after_utc_us);
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.parse::<IpAddr>() {
                Ok(ip) => Ok(SanType::IpAddress(ip)),
                Err(_) => name.as_str().try_into().map(SanType::DnsName),
            })
            .collect::<Result<_, _>>()
            .map_err(CaError::Make)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(CaError::Make)?;
        let made = params
            .signed_by(&key, &self.issuer)
            .map_err(CaError::Make)?;
        let chain = vec![made.der().clone(), self.certificate.clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(|_| CaError::Make(rcgen::Error::CouldNotParseKeyPair))?;
        Ok(ServerIdentity {
            chain,
            key,
            not_after_utc_us,
        })
    }
}

/// A source's request for a certificate, whose own signature was verified.
#[derive(Debug)]
pub(crate) struct SourceRequest(CertificateSigningRequestParams);

impl SourceRequest {
    /// Reads a PKCS #10 request (RFC 2986), PEM.
    pub(crate) fn parse(pem: &str) -> Result<(Self, Vec<u8>), CaError> {
        let unreadable = || CaError::Request(rcgen::Error::CouldNotParseCertificationRequest);
        let der = rustls::pki_types::CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| unreadable())?;
        let params = CertificateSigningRequestParams::from_der(&der).map_err(CaError::Request)?;
        Ok((Self(params), der.to_vec()))
    }
}

/// Key and certificate of a new authority, PEM.
fn make(
    log_name: &str,
    now_utc_us: i64,
) -> Result<(zeroize::Zeroizing<String>, String), rcgen::Error> {
    let mut params = params(
        &format!("affiant {log_name}"),
        now_utc_us,
        later(now_utc_us, CA_LIFETIME_S),
    );
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((
        zeroize::Zeroizing::new(key.serialize_pem()),
        certificate.pem(),
    ))
}

fn params(common_name: &str, from_utc_us: i64, until_utc_us: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    let mut serial = crate::entropy::bytes::<16>();
    // RFC 5280 section 4.1.2.2: positive.
    serial[0] = (serial[0] & 0x7f) | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let at = |utc_us: i64| {
        let s = u64::try_from(utc_us.max(0) / 1_000_000).unwrap_or_default();
        epoch + std::time::Duration::from_secs(s)
    };
    params.not_before = at(from_utc_us.saturating_sub(CLOCK_SKEW_US));
    params.not_after = at(until_utc_us);
    params
}

fn later(utc_us: i64, seconds: u64) -> i64 {
    utc_us.saturating_add(i64::try_from(seconds.saturating_mul(1_000_000)).unwrap_or(i64::MAX))
}

/// A source's clock may be behind ours by this much and still take its certificate.
const CLOCK_SKEW_US: i64 = 3_600_000_000;
/// Ten years: changing it means enrolling every source anew.
const CA_LIFETIME_S: u64 = 10 * 365 * 86_400;
/// The server renews its own certificate while it runs; sources check it against the authority alone.
const SERVER_LIFETIME_S: u64 = 90 * 86_400;

/// SHA-256 of the DER of the certificate in a PEM file: what tokens carry.
///
/// # Errors
/// [`FileError`] when there is no certificate in it.
pub fn certificate_sha256(path: &Path) -> Result<[u8; 32], FileError> {
    let pem = files::read_optional(path)?.unwrap_or_default();
    let der = CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| FileError::content(path, "certificate of an authority"))?;
    Ok(Sha256::digest(&der).into())
}
