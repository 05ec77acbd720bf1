//! One `GET` at a time: HTTP/1.1, no redirections, a bounded answer, and the document's ETag if it has one.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, ETAG, HeaderValue, IF_NONE_MATCH, USER_AGENT};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::{BODY_BYTES_MAX, Document, ReadError, file};
use crate::config::Web;
use crate::table::digest;
use crate::tls;

/// Longest ETag that is kept, in bytes; a document with a longer one has the digest of its bytes as version.
const ETAG_BYTES_MAX: usize = 128;
/// What stands before a tag in a version.
const ETAG_PREFIX: &str = "etag:";

/// The document, unless it is still the one with the tag that is known.
pub(super) async fn document(web: &Web, known: Option<&str>) -> Result<Document, ReadError> {
    let asker = Asker::new(web).await?;
    let tag = known.and_then(|version| version.strip_prefix(ETAG_PREFIX));
    let answer = asker.get(&web.url, "application/json", tag).await?;
    if answer.status == StatusCode::NOT_MODIFIED && tag.is_some() {
        return Ok(Document::Same);
    }
    let bytes = answer.document()?;
    let version = match answer.tag {
        Some(tag) => format!("{ETAG_PREFIX}{tag}"),
        None => digest(&bytes),
    };
    Ok(Document::New { version, bytes })
}

/// A client for one read.
pub(super) struct Asker {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    authorization: Option<HeaderValue>,
}

/// What came back.
pub(super) struct Answer {
    status: StatusCode,
    tag: Option<String>,
    body: Vec<u8>,
}

impl Answer {
    /// The body of an answer that has the document.
    pub(super) fn document(&self) -> Result<Vec<u8>, ReadError> {
        if self.status == StatusCode::OK {
            return Ok(self.body.clone());
        }
        Err(ReadError::Status {
            status: self.status.as_u16(),
        })
    }
}

impl Asker {
    pub(super) async fn new(web: &Web) -> Result<Self, ReadError> {
        let config = tls::client(web.ca_file.as_deref())?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .build();
        let authorization = match &web.token_file {
            None => None,
            Some(path) => {
                let token = file::secret(path).await?;
                let header = HeaderValue::from_str(&format!("Bearer {}", token.as_str()));
                let mut header = header.map_err(|_| ReadError::Malformed {
                    problem: format!("`{}` does not hold a token", path.display()),
                })?;
                header.set_sensitive(true);
                Some(header)
            }
        };
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            authorization,
        })
    }

    /// One `GET`. Any status is an answer.
    pub(super) async fn get(
        &self,
        url: &str,
        accept: &str,
        tag: Option<&str>,
    ) -> Result<Answer, ReadError> {
        let mut request = http::Request::get(url)
            .header(ACCEPT, accept)
            .header(USER_AGENT, "affiant");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(tag) = tag {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let request = request.body(Empty::new()).map_err(|error| net(&error))?;
        let answer = self.client.request(request).await;
        let (head, body) = answer.map_err(|error| net(&error))?.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                ReadError::TooLong
            } else {
                net(&*error)
            }
        })?;
        Ok(Answer {
            status: head.status,
            tag: tag_of(&head.headers),
            body: body.to_bytes().to_vec(),
        })
    }
}

/// The tag, if it can be kept.
fn tag_of(headers: &HeaderMap) -> Option<String> {
    let tag = headers.get(ETAG)?.to_str().ok()?;
    ((1..=ETAG_BYTES_MAX).contains(&tag.len())).then(|| tag.to_owned())
}

fn net(error: &dyn std::error::Error) -> ReadError {
    let reason = affiant_entry::error_with_causes(error);
    ReadError::Net { reason }
}
