//! A foreign call before redaction.

use affiant_entry::call::{
    Agent, CallHead, Classification, Correlation, CorrelationOrigin, Policy, Response, Server,
    Session, SessionOrigin, Status, Tool, Transport,
};
use affiant_entry::{CommitKey, Fact, limits, parse_rfc3339};
use serde::Serialize;

use super::format::Format;

/// What one foreign record turned out to be.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// A tool call.
    Call(Box<Draft>),
    /// A record of this format about something else.
    Other,
    /// Not understood.
    Unknown(LineProblem),
}

/// Why a record was not understood. Closed; says nothing of what stood there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineProblem {
    /// Not one JSON value.
    NotJson,
    /// JSON, but no object.
    NotAnObject,
    /// Not UTF-8.
    NotUtf8,
    /// Longer than [`LINE_BYTES_MAX`](super::LINE_BYTES_MAX).
    TooLong,
    /// An object without the members of this format.
    UnknownShape,
    /// A tool call that does not say when it was.
    NoTime,
    /// A tool call that does not say of which tool.
    NoTool,
    /// It does not fit an entry, even without its input.
    TooLarge,
}

impl LineProblem {
    /// For people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NotJson => "not JSON",
            Self::NotAnObject => "not a JSON object",
            Self::NotUtf8 => "not UTF-8",
            Self::TooLong => "longer than 1 MiB",
            Self::UnknownShape => "not a record of this format",
            Self::NoTime => "a tool call without a time",
            Self::NoTool => "a tool call without a tool name",
            Self::TooLarge => "too large for an entry",
        }
    }
}

/// A tool call as a foreign recorder tells it. Its input, its texts and the record itself are not
/// redacted: it has no `Serialize`, and the importer is the only way out.
#[derive(Debug)]
pub(crate) struct Draft {
    /// When the call began, microseconds since the Unix epoch.
    pub(crate) at_utc_us: i64,
    pub(crate) head: CallHead,
    /// The raw JSON of the arguments, if recorded.
    pub(crate) input: Option<Vec<u8>>,
    pub(crate) status: Status,
    /// The recorder's class of an error. Never its message, which may quote the input.
    pub(crate) text: Option<String>,
    pub(crate) response: Fact<Response>,
    pub(crate) latency_us: Fact<u64>,
    /// The record without its input and its result, which stand elsewhere, and without messages.
    pub(crate) original: Vec<u8>,
}

/// What a format's reader works with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'k> {
    pub(crate) format: Format,
    pub(crate) key: &'k CommitKey,
}

impl Context<'_> {
    /// A response whose content was recorded: its bytes as recorded, not as they were on the wire.
    pub(crate) fn response(&self, content: &str) -> Fact<Response> {
        Fact::Known(Response {
            bytes: u64::try_from(content.len()).unwrap_or(u64::MAX),
            commit: self.key.commit("response", content.as_bytes()),
        })
    }

    /// A response of which nothing, or only the size was recorded.
    pub(crate) fn no_response(&self, bytes: Option<i64>) -> Fact<Response> {
        bytes.map_or_else(
            || Fact::absent(self.format.silent()),
            |n| {
                Fact::Absent(format!("content not recorded; the recorder counted {n} bytes").into())
            },
        )
    }
}

/// What a record says for the fields of a head; what is `None` becomes an absence with its reason.
#[derive(Debug, Default)]
pub(crate) struct Says {
    /// The id of an MCP session.
    pub(crate) mcp_session: Option<String>,
    /// Another conversation's id, where there is no MCP session.
    pub(crate) session: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) client: Option<String>,
    pub(crate) server: Option<String>,
    pub(crate) server_name: Option<String>,
    pub(crate) server_version: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) transport: Option<Transport>,
    pub(crate) tool: String,
    pub(crate) classification: Option<String>,
    /// The recorder says that a policy stopped it.
    pub(crate) denied: bool,
    pub(crate) correlation: Option<String>,
    /// Raw JSON text.
    pub(crate) request_id: Option<String>,
}

impl Says {
    /// The head of a call. A correlation id that is missing stays empty: the importer mints one.
    pub(crate) fn head(self, format: Format) -> CallHead {
        let silent = format.silent();
        let fact = |text: Option<String>| Fact::from_option(text.map(|t| name(&t)), silent);
        let origin = if self.mcp_session.is_some() {
            SessionOrigin::McpSessionId
        } else {
            SessionOrigin::Foreign
        };
        let session = self.mcp_session.or(self.session).unwrap_or_default();
        let policy = self.denied.then(|| Policy {
            decision: "deny".into(),
            mode: "enforce".into(),
            set: Fact::absent(silent),
            evaluated: Vec::new(),
        });
        CallHead {
            session: Session {
                id: name(&session),
                origin,
                turn: None,
            },
            agent: Agent {
                role: fact(self.role),
                user: fact(self.user),
                token: Fact::absent(silent),
                client: fact(self.client),
                verified: Vec::new(),
            },
            server: Server {
                id: name(&self.server.unwrap_or_default()),
                name: fact(self.server_name),
                version: fact(self.server_version),
                protocol: fact(self.protocol),
                transport: self.transport.unwrap_or(Transport::Unknown),
            },
            tool: Tool {
                name: Fact::Known(limits::clip(&self.tool, limits::TOOL_NAME_BYTES_MAX)),
                in_manifest: Fact::absent(silent),
                manifest: Fact::absent(silent),
            },
            classification: Fact::from_option(
                self.classification.map(|level| Classification {
                    level: name(&level),
                    rule: format.in_entry().to_owned(),
                }),
                silent,
            ),
            policy: Fact::from_option(policy, silent),
            correlation: Correlation {
                id: name(&self.correlation.unwrap_or_default()),
                traceparent: None,
                request_id: limits::clip(
                    &self.request_id.unwrap_or_default(),
                    limits::REQUEST_ID_BYTES_MAX,
                ),
                origin: CorrelationOrigin::Foreign,
            },
            chain: None,
        }
    }
}

fn name(text: &str) -> String {
    limits::clip(text, limits::NAME_BYTES_MAX)
}

/// RFC 3339, and ISO 8601 without an offset, which is UTC.
pub(crate) fn time(text: &str) -> Option<i64> {
    parse_rfc3339(text).or_else(|| parse_rfc3339(&format!("{}Z", text.replacen(' ', "T", 1))))
}

/// When a call began that ended then; the same moment if it is not known how long it took.
pub(crate) fn began(ended_utc_us: i64, latency_us: Option<u64>) -> i64 {
    let took = latency_us
        .and_then(|us| i64::try_from(us).ok())
        .unwrap_or(0);
    ended_utc_us.saturating_sub(took)
}
