//! The twelve fields of one tool invocation.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::fact::Fact;
use crate::ids::CallId;
use crate::secret::{Commitment, Unredacted};

/// Fields 2 to 5 and 10 to 12, and how this call hangs together with others: all that is known
/// when the request passes, but its input.
#[derive(Debug, Clone)]
pub struct CallHead {
    /// Field 2.
    pub session: Session,
    /// Field 3.
    pub agent: Agent,
    /// Field 4.
    pub server: Server,
    /// Field 5.
    pub tool: Tool,
    /// Field 10.
    pub classification: Fact<Classification>,
    /// Field 11.
    pub policy: Fact<Policy>,
    /// Field 12.
    pub correlation: Correlation,
    /// Rounds of a multi-round-trip request (SEP-2322); `None` for a call of one round.
    pub chain: Option<Chain>,
}

/// A call as capture saw it, with its input as it came. It cannot be serialised; `policy::redact`
/// makes a [`Call`] of it.
#[derive(Debug, Clone)]
pub struct CallDraft {
    /// All but the input.
    pub head: CallHead,
    /// Field 6 as it came: the raw bytes of `params.arguments`.
    pub input: DraftInput,
}

/// Field 6 before redaction.
#[derive(Debug, Clone)]
pub enum DraftInput {
    /// The request has no `arguments`.
    None,
    /// The raw JSON of `arguments`.
    Json(Unredacted),
    /// `arguments` was longer than capture keeps.
    TooLong {
        /// Length of the raw JSON in bytes.
        bytes: u64,
        /// Commitment to the whole message, as the arguments were not kept.
        commit: Commitment,
    },
}

/// A call whose input went through redaction.
#[derive(Debug, Clone)]
pub struct Call {
    /// All but the input.
    pub head: CallHead,
    /// Field 6.
    pub input: Input,
}

/// Field 6: the complete parameters with sensitive values replaced, or why they are not here.
///
/// Only the redactor makes one; the house rules check who calls the constructors.
#[derive(Debug, Clone)]
pub struct Input {
    pub(crate) form: InputForm,
    pub(crate) redactions: Vec<Redaction>,
    pub(crate) redactions_more: u64,
}

#[derive(Debug, Clone)]
pub(crate) enum InputForm {
    Value(Box<RawValue>),
    Absent(&'static str),
    Blob {
        id: String,
        bytes: u64,
        commit: Commitment,
    },
    Withheld {
        reason: Cow<'static, str>,
        bytes: u64,
        commit: Commitment,
    },
}

impl Input {
    /// Redacted JSON, kept in the entry. `redactions_more` counts redactions beyond the listed ones.
    #[must_use]
    pub const fn redacted(
        json: Box<RawValue>,
        redactions: Vec<Redaction>,
        redactions_more: u64,
    ) -> Self {
        Self {
            form: InputForm::Value(json),
            redactions,
            redactions_more,
        }
    }

    /// The request had no arguments.
    #[must_use]
    pub const fn absent(reason: &'static str) -> Self {
        Self {
            form: InputForm::Absent(reason),
            redactions: Vec::new(),
            redactions_more: 0,
        }
    }

    /// The input is kept out of the entry altogether: the redactor failed, or a limit was hit.
    #[must_use]
    pub const fn withheld(reason: Cow<'static, str>, bytes: u64, commit: Commitment) -> Self {
        let form = InputForm::Withheld {
            reason,
            bytes,
            commit,
        };
        Self {
            form,
            redactions: Vec::new(),
            redactions_more: 0,
        }
    }

    /// The redacted JSON, if it stands in this input itself.
    #[must_use]
    pub fn json(&self) -> Option<&str> {
        match &self.form {
            InputForm::Value(json) => Some(json.get()),
            InputForm::Absent(_) | InputForm::Blob { .. } | InputForm::Withheld { .. } => None,
        }
    }

    /// Redactions made.
    #[must_use]
    pub fn redactions(&self) -> &[Redaction] {
        &self.redactions
    }

    /// Moves redacted JSON longer than `inline_bytes_max` out into a blob: the entry then names it by
    /// the SHA-256 of its bytes, with length and commitment. Returns the blob's bytes to store.
    pub fn take_blob(
        &mut self,
        inline_bytes_max: usize,
        key: &crate::secret::CommitKey,
    ) -> Option<Blob> {
        let long = self
            .json()
            .is_some_and(|json| json.len() > inline_bytes_max);
        if !long {
            return None;
        }
        let json = self.json()?.as_bytes().to_vec();
        let blob = Blob::new(json);
        let commit = key.commit("input", &blob.bytes);
        let bytes = u64::try_from(blob.bytes.len()).unwrap_or(u64::MAX);
        self.form = InputForm::Blob {
            id: blob.id(),
            bytes,
            commit,
        };
        Some(blob)
    }
}

/// Redacted bytes too long for an entry, addressed by their SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 of `bytes`.
    pub sha256: [u8; 32],
    /// The redacted JSON.
    pub bytes: Vec<u8>,
}

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        use sha2::Digest;
        let sha256 = sha2::Sha256::digest(&bytes).into();
        Self { sha256, bytes }
    }

    /// `sha256:<64 hex digits>`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("sha256:{}", hex::encode(self.sha256))
    }
}

/// One value cut out of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Redaction {
    /// RFC 6901 pointer into the input; past a `#`, a pointer into JSON nested in that string.
    pub at: String,
    /// The rule that cut it.
    pub rule: String,
    /// Commitment to the raw value.
    pub commit: Commitment,
}

/// Field 2: what ties the invocations of one conversation together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// The identifier; written as absent where it is empty.
    #[serde(serialize_with = "or_absent")]
    pub id: String,
    /// How it was found.
    pub origin: SessionOrigin,
    /// The client's own turn id (`_meta["io.modelcontextprotocol/aiInvocation"].turnId`, SEP-2817).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<String>,
}

/// How a session id was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SessionOrigin {
    /// Header `Mcp-Session-Id`.
    McpSessionId,
    /// The `sessionId` of an HTTP+SSE endpoint URI (2024-11-05).
    SseEndpoint,
    /// A configured `_meta` key.
    Meta,
    /// W3C baggage.
    Baggage,
    /// One stdio process is one session.
    StdioProcess,
    /// Same principal, client and idle window.
    Inferred,
    /// A foreign recorder says so (`call.import`), or says nothing.
    Foreign,
}

/// Field 3: who acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Agent {
    /// Role of the agent.
    pub role: Fact<String>,
    /// The user on whose behalf it acts.
    pub user: Fact<String>,
    /// Keyed hash of the authentication token.
    pub token: Fact<Commitment>,
    /// `name/version` as the client reports itself; never verified (MCP says so).
    pub client: Fact<String>,
    /// Which of `role`, `user`, `token` were verified, not only asserted.
    pub verified: Vec<Cow<'static, str>>,
}

/// Field 4: the MCP server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Server {
    /// The id the operator gave it; written as absent where it is empty.
    #[serde(serialize_with = "or_absent")]
    pub id: String,
    /// Its own name.
    pub name: Fact<String>,
    /// Its own version.
    pub version: Fact<String>,
    /// MCP revision in use, such as `2025-11-25`.
    pub protocol: Fact<String>,
    /// How it is reached.
    pub transport: Transport,
}

/// How a server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Transport {
    /// Lines on standard input and output.
    Stdio,
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE of 2024-11-05.
    Sse,
    /// A foreign recorder does not say (`call.import`).
    Unknown,
}

/// Field 5: the tool, exactly as sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// `params.name`.
    pub name: Fact<String>,
    /// Whether it stood in the newest manifest seen.
    pub in_manifest: Fact<bool>,
    /// Digest of that manifest.
    pub manifest: Fact<String>,
}

/// Field 10.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Classification {
    /// Level in the organisation's own scheme.
    pub level: String,
    /// The rule that said so.
    pub rule: String,
}

/// Field 11.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// `allow`, `deny` or `none`.
    pub decision: Cow<'static, str>,
    /// `monitor` or `enforce`.
    pub mode: Cow<'static, str>,
    /// Digest of the policy set.
    pub set: Fact<String>,
    /// Every policy evaluated.
    pub evaluated: Vec<Evaluated>,
}

/// One policy and its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evaluated {
    /// Its id.
    pub id: String,
    /// Its verdict.
    pub verdict: Cow<'static, str>,
    /// The engine that gave it.
    pub by: Cow<'static, str>,
}

/// Field 12: what links this call to other records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Correlation {
    /// The identifier: the W3C trace id, or one minted here.
    pub id: String,
    /// The `traceparent` it was taken from, as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The JSON-RPC id as raw JSON text: `1` and `"1"` differ; written as absent where it is empty,
    /// which raw JSON never is.
    #[serde(serialize_with = "or_absent")]
    pub request_id: String,
    /// Where the identifier was found.
    pub origin: CorrelationOrigin,
}

/// Where the correlation id was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CorrelationOrigin {
    /// `params._meta.traceparent`.
    Meta,
    /// HTTP header `traceparent`.
    Header,
    /// Made here.
    Minted,
    /// A foreign recorder's trace or request id (`call.import`).
    Foreign,
}

/// Place of this call in a multi-round-trip request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// Call of the first round.
    pub first: CallId,
    /// 1 for the first round.
    pub round: u32,
}

/// Fields 7 to 9: how a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Field 7.
    pub status: Status,
    /// Field 8.
    pub response: Fact<Response>,
    /// Field 9, microseconds from the request's last byte to the response's last byte.
    pub latency_us: Fact<u64>,
    /// Task that carried the call, if any.
    pub task: Option<String>,
}

/// Field 7.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Which of the three.
    pub code: StatusCode,
    /// Why, in a fixed vocabulary.
    pub reason: Reason,
    /// JSON-RPC error code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc_code: Option<i64>,
    /// HTTP status, where it is not 2xx.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// The client's reason for cancelling, redacted and clipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Status {
    /// A status without codes.
    #[must_use]
    pub const fn new(code: StatusCode, reason: Reason) -> Self {
        Self {
            code,
            reason,
            rpc_code: None,
            http_status: None,
            text: None,
        }
    }
}

/// Success, failure (the tool said `isError`) or error (everything else that went wrong).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatusCode {
    /// The tool answered.
    Success,
    /// The tool answered `isError: true`.
    Failure,
    /// Protocol, transport, timeout, cancelled, denied, unknown.
    Error,
}

/// Why a call has its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// A complete result.
    Ok,
    /// A round of a multi-round-trip request: the server asks for more input. Not a completion.
    InputRequired,
    /// The tool said `isError: true`.
    ToolError,
    /// A JSON-RPC error.
    RpcError,
    /// An HTTP error without a JSON-RPC message for this call.
    HttpError,
    /// The server could not be reached, or broke the connection.
    TransportError,
    /// No answer within the configured time.
    Timeout,
    /// The client sent `notifications/cancelled`, or `tasks/cancel`.
    Cancelled,
    /// The client closed the response stream of a modern request, which cancels it.
    ClientDisconnected,
    /// The stream closed without an answer.
    StreamClosed,
    /// Another request took the same id.
    Superseded,
    /// The conversation ended without an answer.
    NoResponse,
    /// The recording process died; a later one closed the call.
    OutcomeUnknown,
    /// A policy stopped it.
    Denied,
    /// The trail could not take it, so it was not forwarded.
    Refused,
    /// The task ended in `failed` with a JSON-RPC error.
    TaskFailed,
    /// The response could not be understood.
    MalformedResponse,
    /// A foreign recorder reports an error in words of its own (`call.import`): see the text.
    Reported,
}

/// Field 8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Response {
    /// Bytes of the JSON-RPC response message, without framing and content encoding.
    pub bytes: u64,
    /// Commitment to those bytes.
    pub commit: Commitment,
}

/// Only a foreign recorder leaves such a name empty: then the entry says that it is not there.
fn or_absent<S: serde::Serializer>(text: &str, s: S) -> Result<S::Ok, S::Error> {
    if text.is_empty() {
        Fact::<&str>::absent("not recorded").serialize(s)
    } else {
        s.serialize_str(text)
    }
}
