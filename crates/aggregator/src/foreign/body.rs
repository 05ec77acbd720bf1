//! A request's body: whole, decompressed, and bounded both times.

use std::io::Read;

use axum::body::Body;
use flate2::read::MultiGzDecoder;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Limited};

use super::BODY_BYTES_MAX;

/// Why there is no body. The sender's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("body is longer than {BODY_BYTES_MAX} bytes")]
    TooLong,
    #[error("body ended early")]
    Broken,
    #[error("body is not gzip")]
    NotGzip,
    #[error("content encoding is neither gzip nor identity")]
    Encoding,
}

impl BodyError {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Broken | Self::NotGzip => StatusCode::BAD_REQUEST,
            Self::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }
}

/// Reads a body of at most [`BODY_BYTES_MAX`], before and after decompression.
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, BodyError> {
    let gzip = match headers
        .get(CONTENT_ENCODING)
        .map(http::HeaderValue::as_bytes)
    {
        None | Some(b"identity" | b"") => false,
        Some(b"gzip" | b"x-gzip") => true,
        Some(_) => return Err(BodyError::Encoding),
    };
    let whole = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let bytes = whole.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            BodyError::TooLong
        } else {
            BodyError::Broken
        }
    })?;
    let bytes = bytes.to_bytes();
    if gzip {
        gunzip(&bytes)
    } else {
        Ok(bytes.into())
    }
}

fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, BodyError> {
    let mut out = Vec::new();
    let bound = u64::try_from(BODY_BYTES_MAX).unwrap_or(u64::MAX);
    MultiGzDecoder::new(bytes)
        .take(bound.saturating_add(1))
        .read_to_end(&mut out)
        .map_err(|_| BodyError::NotGzip)?;
    if out.len() > BODY_BYTES_MAX {
        return Err(BodyError::TooLong);
    }
    Ok(out)
}
