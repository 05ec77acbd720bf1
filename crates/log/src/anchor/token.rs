//! TimeStampToken: a CMS SignedData around a TSTInfo (RFC 3161 section 2.4.2, RFC 5652 section 5).

use std::time::Duration;

use aws_lc_rs::digest::{self, digest};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::aws_lc_rs as algorithms;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::der::{self, Elements, context, element};
use super::request::SHA256_OID;

/// What a verified time stamp says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// When the authority saw the bytes, in seconds since 1970.
    pub time_s: u64,
    /// The same as RFC 3339, with the fraction that the authority gave.
    pub time: String,
    /// The nonce of the request, without leading zeros, if the stamp has one.
    pub nonce: Option<Vec<u8>>,
    /// The authority's number for this stamp.
    pub serial: Vec<u8>,
}

/// Verifies a token over these bytes, with the authority's chain ending at one of the pinned roots.
///
/// # Errors
///
/// [`TokenError`].
pub fn verify_token(
    token: &[u8],
    message: &[u8],
    roots: &[CertificateDer<'_>],
) -> Result<Stamp, TokenError> {
    let signed = SignedData::parse(token).ok_or(TokenError::Malformed)?;
    let info = Info::parse(signed.content).ok_or(TokenError::Malformed)?;
    if info.imprint_algorithm != SHA256_OID {
        return Err(TokenError::Algorithm);
    }
    if info.imprint != digest(&digest::SHA256, message).as_ref() {
        return Err(TokenError::Imprint);
    }
    let signer = Signer::parse(signed.signer).ok_or(TokenError::Malformed)?;
    let family = Family::of(signer.digest_algorithm).ok_or(TokenError::Algorithm)?;
    if signer.content_type != TST_INFO {
        return Err(TokenError::Attributes);
    }
    if signer.message_digest != digest(family.digest, signed.content).as_ref() {
        return Err(TokenError::Attributes);
    }
    let certificate = signer.certificate(&signed.certificates)?;
    let end = EndEntityCert::try_from(&certificate).map_err(|_| TokenError::Malformed)?;
    let attributes = element(der::SET, signer.attributes);
    let signature = signer.signature;
    let fits = |algorithm: &&&dyn SignatureVerificationAlgorithm| {
        end.verify_signature(**algorithm, &attributes, signature)
            .is_ok()
    };
    if family.signatures.iter().find(fits).is_none() {
        return Err(TokenError::Signature);
    }
    check_usage(&certificate)?;
    check_chain(&end, &signed.certificates, roots, info.stamp.time_s)?;
    Ok(info.stamp)
}

/// Why a token proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not a TimeStampToken with one signer, or with parts missing.
    #[error("token is malformed")]
    Malformed,
    /// A digest or signature algorithm that is not accepted, such as SHA-1.
    #[error("token uses an algorithm that is not accepted")]
    Algorithm,
    /// The stamp is over other bytes.
    #[error("time stamp is over other bytes")]
    Imprint,
    /// The signed attributes are not about this content.
    #[error("signed attributes do not fit the content")]
    Attributes,
    /// The certificate that signed is not in the token, or not named by ESSCertIDv2 with SHA-256.
    #[error("signing certificate is not in the token")]
    Certificate,
    /// The signature does not verify.
    #[error("signature does not verify")]
    Signature,
    /// The certificate is not for time stamping alone.
    #[error("certificate is not for time stamping alone")]
    Usage,
    /// The certificate does not lead to a pinned root, or not at that time.
    #[error("certificate does not lead to a pinned root")]
    Chain,
}

/// The parts of a SignedData that matter.
struct SignedData<'a> {
    content: &'a [u8],
    certificates: Vec<CertificateDer<'a>>,
    signer: Elements<'a>,
}

impl<'a> SignedData<'a> {
    fn parse(token: &'a [u8]) -> Option<Self> {
        let mut outer = Elements(token);
        let mut info = outer.enter(der::SEQUENCE)?;
        (outer.is_empty() && info.take(der::OID)? == SIGNED_DATA).then_some(())?;
        let mut signed = info.enter(context(0))?.enter(der::SEQUENCE)?;
        signed.take(der::INTEGER)?;
        signed.take(der::SET)?;
        let mut encapsulated = signed.enter(der::SEQUENCE)?;
        (encapsulated.take(der::OID)? == TST_INFO).then_some(())?;
        let content = encapsulated.enter(context(0))?.take(der::OCTET_STRING)?;
        let mut certificates = Vec::new();
        if let Some(mut set) = signed.enter(context(0)) {
            while !set.is_empty() && certificates.len() < CERTIFICATES_MAX {
                certificates.push(CertificateDer::from(set.any()?.whole));
            }
        }
        // Revocation lists are not read.
        signed.take(context(1));
        let mut signers = signed.enter(der::SET)?;
        let signer = signers.enter(der::SEQUENCE)?;
        signers.is_empty().then_some(Self {
            content,
            certificates,
            signer,
        })
    }
}

/// The parts of a TSTInfo that matter.
struct Info<'a> {
    imprint_algorithm: &'a [u8],
    imprint: &'a [u8],
    stamp: Stamp,
}

impl<'a> Info<'a> {
    fn parse(content: &'a [u8]) -> Option<Self> {
        let mut info = Elements(content).enter(der::SEQUENCE)?;
        (info.take(der::INTEGER)? == [1]).then_some(())?;
        info.take(der::OID)?;
        let mut imprint = info.enter(der::SEQUENCE)?;
        let imprint_algorithm = imprint.enter(der::SEQUENCE)?.take(der::OID)?;
        let imprint = imprint.take(der::OCTET_STRING)?;
        let serial = info.take(der::INTEGER)?.to_vec();
        let (time_s, time) = parse_time(info.take(der::GENERALIZED_TIME)?)?;
        // accuracy and ordering
        info.take(der::SEQUENCE);
        info.take(der::BOOLEAN);
        let nonce = info.take(der::INTEGER);
        Some(Self {
            imprint_algorithm,
            imprint,
            stamp: Stamp {
                time_s,
                time,
                nonce: nonce.map(|nonce| super::request::integer(nonce).to_vec()),
                serial,
            },
        })
    }
}

/// The parts of a SignerInfo that matter.
struct Signer<'a> {
    digest_algorithm: &'a [u8],
    /// Content of the signed attributes, without their tag.
    attributes: &'a [u8],
    signature: &'a [u8],
    content_type: &'a [u8],
    message_digest: &'a [u8],
    certificate_hash: Option<&'a [u8]>,
}

impl<'a> Signer<'a> {
    fn parse(mut info: Elements<'a>) -> Option<Self> {
        info.take(der::INTEGER)?;
        // Who signed is told by the signed attribute, which the signature covers.
        info.any()?;
        let digest_algorithm = info.enter(der::SEQUENCE)?.take(der::OID)?;
        let attributes = info.take(context(0))?;
        info.take(der::SEQUENCE)?;
        let signature = info.take(der::OCTET_STRING)?;
        Some(Self {
            digest_algorithm,
            attributes,
            signature,
            content_type: attribute(attributes, CONTENT_TYPE)?.take(der::OID)?,
            message_digest: attribute(attributes, MESSAGE_DIGEST)?.take(der::OCTET_STRING)?,
            certificate_hash: attribute(attributes, SIGNING_CERTIFICATE_V2)
                .and_then(certificate_hash),
        })
    }

    /// The certificate that the signed attributes name by its SHA-256.
    fn certificate(
        &self,
        certificates: &[CertificateDer<'a>],
    ) -> Result<CertificateDer<'a>, TokenError> {
        let named = |certificate: &&CertificateDer<'a>| {
            Some(digest(&digest::SHA256, certificate).as_ref()) == self.certificate_hash
        };
        let found = certificates.iter().find(named);
        found.cloned().ok_or(TokenError::Certificate)
    }
}

/// The values of the one attribute of this type; `None` where it is missing or there twice.
fn attribute<'a>(attributes: &'a [u8], oid: &[u8]) -> Option<Elements<'a>> {
    let mut attributes = Elements(attributes);
    let mut found = None;
    while !attributes.is_empty() {
        let mut attribute = attributes.enter(der::SEQUENCE)?;
        if attribute.take(der::OID)? == oid {
            if found.is_some() {
                return None;
            }
            found = Some(attribute.enter(der::SET)?);
        }
    }
    found
}

/// The hash of the first ESSCertIDv2, where its algorithm is SHA-256, which is the default.
fn certificate_hash(mut values: Elements<'_>) -> Option<&[u8]> {
    let mut list = values.enter(der::SEQUENCE)?.enter(der::SEQUENCE)?;
    let mut first = list.enter(der::SEQUENCE)?;
    if let Some(mut algorithm) = first.enter(der::SEQUENCE) {
        (algorithm.take(der::OID)? == SHA256_OID).then_some(())?;
    }
    first.take(der::OCTET_STRING)
}

/// A digest algorithm, and the signatures that go with it.
struct Family {
    digest: &'static digest::Algorithm,
    signatures: Vec<&'static dyn SignatureVerificationAlgorithm>,
}

impl Family {
    fn of(digest_algorithm: &[u8]) -> Option<Self> {
        let (last, arc) = digest_algorithm.split_last()?;
        if Some(arc) != SHA256_OID.split_last().map(|(_, arc)| arc) {
            return None;
        }
        match last {
            1 => Some(Self {
                digest: &digest::SHA256,
                signatures: vec![
                    algorithms::RSA_PKCS1_2048_8192_SHA256,
                    algorithms::ECDSA_P256_SHA256,
                    algorithms::ECDSA_P384_SHA256,
                ],
            }),
            2 => Some(Self {
                digest: &digest::SHA384,
                signatures: vec![
                    algorithms::RSA_PKCS1_2048_8192_SHA384,
                    algorithms::ECDSA_P256_SHA384,
                    algorithms::ECDSA_P384_SHA384,
                ],
            }),
            3 => Some(Self {
                digest: &digest::SHA512,
                signatures: vec![
                    algorithms::RSA_PKCS1_2048_8192_SHA512,
                    algorithms::ECDSA_P256_SHA512,
                    algorithms::ECDSA_P384_SHA512,
                    algorithms::ED25519,
                ],
            }),
            _ => None,
        }
    }
}

/// RFC 3161 section 2.3: one extended key usage, time stamping, and critical.
fn check_usage(certificate: &[u8]) -> Result<(), TokenError> {
    let only = || {
        let mut extensions = extensions(certificate)?;
        while !extensions.is_empty() {
            let mut extension = extensions.enter(der::SEQUENCE)?;
            if extension.take(der::OID)? == EXTENDED_KEY_USAGE {
                let critical = extension.take(der::BOOLEAN)? == [0xff];
                let value = extension.take(der::OCTET_STRING)?;
                let mut usages = Elements(value).enter(der::SEQUENCE)?;
                let stamping = usages.take(der::OID)? == TIME_STAMPING;
                return Some(critical && stamping && usages.is_empty());
            }
        }
        None
    };
    if only() == Some(true) {
        Ok(())
    } else {
        Err(TokenError::Usage)
    }
}

/// The extensions of a certificate (RFC 5280 section 4.1).
fn extensions(certificate: &[u8]) -> Option<Elements<'_>> {
    let mut body = Elements(certificate)
        .enter(der::SEQUENCE)?
        .enter(der::SEQUENCE)?;
    while !body.is_empty() {
        if let Some(mut extensions) = body.enter(context(3)) {
            return extensions.enter(der::SEQUENCE);
        }
        body.any()?;
    }
    None
}

fn check_chain(
    end: &EndEntityCert<'_>,
    others: &[CertificateDer<'_>],
    roots: &[CertificateDer<'_>],
    time_s: u64,
) -> Result<(), TokenError> {
    let anchors: Result<Vec<_>, _> = roots.iter().map(anchor_from_trusted_cert).collect();
    let anchors = anchors.map_err(|_| TokenError::Chain)?;
    let verified = end.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        others,
        UnixTime::since_unix_epoch(Duration::from_secs(time_s)),
        KeyUsage::required(TIME_STAMPING),
        None,
        None,
    );
    verified.map(|_| ()).map_err(|_| TokenError::Chain)
}

/// `YYYYMMDDhhmmss[.f…]Z` as seconds since 1970, and in RFC 3339.
fn parse_time(text: &[u8]) -> Option<(u64, String)> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let well_formed = whole.len() == 14 && digits(whole) && fraction.is_none_or(digits);
    well_formed.then_some(())?;
    let number = |from: usize, to: usize| whole.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
    if !(1970..=9999).contains(&year) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_since_1970(year, month, day)?;
    let time_s = days * 86_400 + hour * 3_600 + minute * 60 + second;
    let fraction = fraction.map_or_else(String::new, |fraction| format!(".{fraction}"));
    let time =
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z");
    Some((time_s, time))
}

fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let leap = u64::from(is_leap(year));
    let lengths = [31, 28 + leap, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month.checked_sub(1)?).ok()?;
    let length = lengths.get(before)?;
    (1..=*length).contains(&day).then_some(())?;
    let months: u64 = lengths.iter().take(before).sum();
    let years: u64 = (1970..year).map(|y| 365 + u64::from(is_leap(y))).sum();
    Some(years + months + day - 1)
}

/// The most certificates that are looked at.
const CERTIFICATES_MAX: usize = 16;
/// 1.2.840.113549.1.7.2
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// 1.2.840.113549.1.9.16.1.4
const TST_INFO: &[u8] = &[
    0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04,
];
/// 1.2.840.113549.1.9.3
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
/// 1.2.840.113549.1.9.4
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
/// 1.2.840.113549.1.9.16.2.47
const SIGNING_CERTIFICATE_V2: &[u8] = &[
    0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x2f,
];
/// 2.5.29.37
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
/// 1.3.6.1.5.5.7.3.8
const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let (time_s, time) = parse_time(b"20261122182437.5Z").unwrap();
        assert_eq!(time_s, 1_795_371_877);
        assert_eq!(time, "2026-11-22T18:24:37.5Z");
        assert_eq!(parse_time(b"19700101000000Z").unwrap().0, 0);
        assert_eq!(parse_time(b"20240229000000Z").unwrap().0, 1_709_164_800);
        for bad in [
            &b"20230229000000Z"[..],
            b"20231301000000Z",
            b"20230100000000Z",
            b"20230101240000Z",
            b"20230101000000",
            b"20230101000000.Z",
            b"2023010100000Z",
            b"",
        ] {
            assert!(parse_time(bad).is_none());
        }
    }
}
