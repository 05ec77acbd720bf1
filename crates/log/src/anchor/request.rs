//! TimeStampReq and TimeStampResp (RFC 3161 section 2.4).

use aws_lc_rs::digest::{SHA256, digest};

use super::AnchorError;
use super::der::{self, Elements, element};

/// id-sha256, 2.16.840.1.101.3.4.2.1.
pub(super) const SHA256_OID: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];

/// A request for a time stamp over these bytes, with the authority's certificate in the answer.
pub(super) fn encode(message: &[u8], nonce: &[u8]) -> Vec<u8> {
    let algorithm = [element(der::OID, SHA256_OID), element(der::NULL, &[])].concat();
    let imprint = [
        element(der::SEQUENCE, &algorithm),
        element(der::OCTET_STRING, digest(&SHA256, message).as_ref()),
    ];
    let fields = [
        element(der::INTEGER, &[1]),
        element(der::SEQUENCE, &imprint.concat()),
        element(der::INTEGER, &positive(integer(nonce))),
        element(der::BOOLEAN, &[0xff]),
    ];
    element(der::SEQUENCE, &fields.concat())
}

/// The significant bytes of a number.
pub(super) fn integer(bytes: &[u8]) -> &[u8] {
    let significant = bytes.iter().position(|byte| *byte != 0);
    significant
        .and_then(|at| bytes.get(at..))
        .unwrap_or_default()
}

/// A number's content bytes, which must not look negative.
fn positive(number: &[u8]) -> Vec<u8> {
    let mut bytes = number.to_vec();
    if number.first().is_none_or(|first| *first >= 0x80) {
        bytes.insert(0, 0);
    }
    bytes
}

/// The token in an answer that grants one.
pub(super) fn token_of(answer: &[u8]) -> Result<&[u8], AnchorError> {
    let mut outer = Elements(answer);
    let response = outer.enter(der::SEQUENCE).filter(|_| outer.is_empty());
    let mut response = response.ok_or(AnchorError::Malformed)?;
    let mut info = response
        .enter(der::SEQUENCE)
        .ok_or(AnchorError::Malformed)?;
    match info.take(der::INTEGER) {
        // granted, grantedWithMods
        Some([0 | 1]) => {}
        Some(&[status]) => return Err(AnchorError::Refused { status }),
        _ => return Err(AnchorError::Malformed),
    }
    let token = response.any().filter(|_| response.is_empty());
    Ok(token.ok_or(AnchorError::Malformed)?.whole)
}
