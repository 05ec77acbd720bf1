//! Refusals as RFC 9457 problem details.

pub(crate) use affiant_tlog::error_with_causes as chain;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::{Map, Value};

/// Where every type of ours begins.
const TYPES: &str = "https://affiant.dev/problems/";

/// What is refused, and why.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    /// Last part of the type.
    pub(crate) code: &'static str,
    pub(crate) status: StatusCode,
    title: &'static str,
    pub(crate) detail: String,
    facts: Map<String, Value>,
    retry_after_s: Option<u64>,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            code,
            status,
            title,
            detail: detail.into(),
            facts: Map::new(),
            retry_after_s: None,
        }
    }

    /// Adds a fact that programs read.
    pub(crate) fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed-batch",
            "batch cannot be read",
            detail,
        )
    }

    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "batch is too large",
            detail,
        )
    }

    pub(crate) fn wrong_source(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "wrong-source",
            "batch is of another source than its sender",
            detail,
        )
    }

    pub(crate) fn revoked(source: &affiant_entry::SourceId) -> Self {
        let detail = format!("source `{source}` was revoked");
        Self::new(
            StatusCode::FORBIDDEN,
            "revoked",
            "source was revoked",
            detail,
        )
    }

    pub(crate) fn not_enrolled(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "not-enrolled",
            "sender is no enrolled source",
            detail,
        )
    }

    pub(crate) fn bad_seal(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad-seal",
            "seal does not hold",
            detail,
        )
    }

    pub(crate) fn gap(
        place: &affiant_entry::SealPlace,
        expected: Option<affiant_entry::SealPlace>,
    ) -> Self {
        let wanted = expected.map_or_else(
            || "the first seal of the chain".to_owned(),
            |expected| expected.to_string(),
        );
        let detail = format!("{place} came where {wanted} belongs");
        let expected = serde_json::to_value(expected).unwrap_or_default();
        Self::new(
            StatusCode::CONFLICT,
            "gap",
            "batch does not continue the chain",
            detail,
        )
        .fact("expected", expected)
    }

    pub(crate) fn fork(place: &affiant_entry::SealPlace, evidence: &str) -> Self {
        let detail = format!("{place} contradicts what the log holds");
        Self::new(
            StatusCode::CONFLICT,
            "fork",
            "batch contradicts the chain",
            detail,
        )
        .fact("evidence", evidence)
    }

    /// `checkpoint`: the newest note of this log, for the sender to keep beside its own.
    pub(crate) fn rolled_back(theirs: u64, ours: u64, checkpoint: &[u8]) -> Self {
        let detail = format!(
            "the sender knows a tree of size {theirs}, this log has {ours}: it was rolled back, or is another"
        );
        Self::new(
            StatusCode::CONFLICT,
            "rolled-back",
            "log is smaller than it was",
            detail,
        )
        .fact(
            "checkpoint",
            String::from_utf8_lossy(checkpoint).into_owned(),
        )
    }

    pub(crate) fn slow_down() -> Self {
        let detail = "the aggregator has as much in work as it may";
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "slow-down",
            "too much at once",
            detail,
        )
        .retry_after(1)
    }

    pub(crate) fn log_unavailable(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "log-unavailable",
            "the log takes no leaves",
            detail,
        )
        .retry_after(1)
    }

    pub(crate) fn not_authenticated(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "not-authenticated",
            "it is not known who you are",
            detail,
        )
    }

    pub(crate) fn not_allowed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "not-allowed",
            "you may not do that",
            detail,
        )
    }

    pub(crate) fn token_in_url(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "token-in-url",
            "a token stands in the URL",
            detail,
        )
    }

    pub(crate) fn too_many_requests(wait_s: u64) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-requests",
            "too many requests",
            "there were more requests than one may send in a minute",
        )
        .retry_after(wait_s)
    }

    pub(crate) fn question(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad-question",
            "question cannot be answered",
            detail,
        )
    }

    pub(crate) fn question_too_large(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "question is too large",
            detail,
        )
    }

    pub(crate) fn storage(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "storage-failed",
            "the storage failed",
            detail,
        )
        .retry_after(5)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = Map::new();
        body.insert("type".to_owned(), format!("{TYPES}{}", self.code).into());
        body.insert("title".to_owned(), self.title.into());
        body.insert("status".to_owned(), self.status.as_u16().into());
        body.insert("detail".to_owned(), self.detail.into());
        body.extend(self.facts);
        if let Some(seconds) = self.retry_after_s {
            body.insert("retry_after_s".to_owned(), seconds.into());
        }
        let bytes = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (self.status, bytes).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 section 11.6.1
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
