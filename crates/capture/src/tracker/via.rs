//! How a message came: the stream, the HTTP exchange and what its headers said.

use affiant_entry::Commitment;

/// One HTTP request with its response. The shell numbers them; a number is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExchangeId(pub u64);

/// How a message came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// The exchange; `None` on stdio.
    pub exchange: Option<ExchangeId>,
    /// What the headers of the exchange's *request* said; empty on stdio.
    pub headers: HttpFacts,
    /// The stream.
    pub stream: StreamKind,
    /// HTTP+SSE of 2024-11-05: what identifies the connection, the endpoint URI (or its `sessionId`)
    /// the server gave in its `endpoint` event. The same text for the GET and for every POST.
    pub sse_endpoint: Option<String>,
}

impl Via {
    /// The way of every message on stdio.
    #[must_use]
    pub fn stdio() -> Self {
        Self {
            exchange: None,
            headers: HttpFacts::default(),
            stream: StreamKind::Stdio,
            sse_endpoint: None,
        }
    }
}

/// The kind of stream a message came on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// Lines of a process.
    Stdio,
    /// A POST of Streamable HTTP: its request body, or its response body.
    Post,
    /// A GET of Streamable HTTP: the standalone stream, or a resumed one.
    Get,
    /// The GET of HTTP+SSE (2024-11-05).
    SseGet,
    /// A POST of HTTP+SSE (2024-11-05).
    SsePost,
}

/// What HTTP request headers say of a message. Values are as they came, but for the token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpFacts {
    /// `Mcp-Session-Id`.
    pub session_id: Option<String>,
    /// `MCP-Protocol-Version`.
    pub protocol_version: Option<String>,
    /// `Mcp-Method`.
    pub mcp_method: Option<String>,
    /// `Mcp-Name`.
    pub mcp_name: Option<String>,
    /// `traceparent`.
    pub traceparent: Option<String>,
    /// `baggage`.
    pub baggage: Option<String>,
    /// Keyed hash of the token in `Authorization`; the token itself never comes here.
    pub token: Option<Commitment>,
    /// The client's network address, without the port: it names a client across connections.
    pub client_address: Option<String>,
    /// `User-Agent`.
    pub user_agent: Option<String>,
    /// `Last-Event-ID`: the stream resumes another.
    pub last_event_id: Option<String>,
}

/// What the head of an HTTP response says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status.
    pub status: u16,
    /// `Mcp-Session-Id` of the response.
    pub session_id: Option<String>,
    /// Whether the body is `text/event-stream`.
    pub event_stream: bool,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExchangeEnd {
    /// The response came to its end.
    Complete,
    /// The client closed before that.
    ClientClosed,
    /// The server closed before that.
    UpstreamBroken,
    /// The server could not be reached.
    ConnectFailed,
}
