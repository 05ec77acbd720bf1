//! The client: the official Rust SDK, over the standard streams of a child or over HTTP.

use std::time::Duration;

use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig,
    ClientRequest, Implementation, ProgressNotificationParam, ProtocolVersion,
};
use rmcp::service::{NotificationContext, PeerRequestOptions, RequestHandle, RunningService};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{IntoTransport, StreamableHttpClientTransport};
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt as _, RoleClient, ServiceError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::http::PlainHttp;
use super::script::{Call, Ending};
use super::{Told, broken};
use crate::error::chain;

/// Longest wait for anything a peer does. Generous: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client in conversation with a server.
pub(super) struct Client {
    service: RunningService<RoleClient, Listener>,
    progress: mpsc::UnboundedReceiver<()>,
}

/// How a call came out, and what the server said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) ending: Ending,
    pub(super) text: String,
}

/// A call that is under way.
pub(super) struct Running(RequestHandle<RoleClient>);

/// Hears how far a slow call is.
struct Listener(mpsc::UnboundedSender<()>);

impl ClientHandler for Listener {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(
            ClientCapabilities::default(),
            Implementation::new("affiant-demo", env!("CARGO_PKG_VERSION")),
        )
    }

    async fn on_progress(
        &self,
        _progress: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        // Nobody may be waiting any more.
        let _ = self.0.send(());
    }
}

impl Client {
    /// Opens a conversation with `initialize`, over a pair of streams.
    pub(super) async fn stdio(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Told<Self> {
        Self::open((reader, writer), ClientLifecycleMode::Initialize).await
    }

    /// Opens a conversation with `server/discover`, over HTTP.
    pub(super) async fn http(url: &str) -> Told<Self> {
        let config = StreamableHttpClientTransportConfig::with_uri(url);
        let transport = StreamableHttpClientTransport::with_client(PlainHttp, config);
        let lifecycle = ClientLifecycleMode::Discover {
            preferred_versions: vec![ProtocolVersion::LATEST],
        };
        Self::open(transport, lifecycle).await
    }

    async fn open<T, E, A>(transport: T, lifecycle: ClientLifecycleMode) -> Told<Self>
    where
        T: IntoTransport<RoleClient, E, A>,
        E: std::error::Error + Send + Sync + 'static,
    {
        let (sender, progress) = mpsc::unbounded_channel();
        let opening = Listener(sender).serve_with_lifecycle(transport, lifecycle);
        let service = in_time("an open conversation", opening)
            .await?
            .map_err(|error| broken("an open conversation", chain(&error)))?;
        let client = Self { service, progress };
        in_time("a list of tools", client.service.list_all_tools())
            .await?
            .map_err(|error| broken("a list of tools", chain(&error)))?;
        Ok(client)
    }

    /// The revision both agreed on.
    pub(super) fn revision(&self) -> String {
        let info = self.service.peer().peer_info();
        info.map(|info| info.protocol_version.to_string())
            .unwrap_or_default()
    }

    /// Makes a call and lets it come out as it has to.
    pub(super) async fn call(&mut self, call: &Call) -> Told<Answer> {
        if call.ending == Ending::Cancelled {
            let running = self.begin(call).await?;
            return self.cancel(running).await;
        }
        let answer = in_time(call.tool, self.service.call_tool(params(call))).await?;
        match answer {
            Ok(result) => Ok(Answer::of(&result)),
            Err(ServiceError::McpError(error)) => Ok(Answer {
                ending: Ending::Error,
                text: format!("{} {}", error.code.0, error.message),
            }),
            Err(error) => Err(broken(call.ending.word(), chain(&error))),
        }
    }

    /// Makes a call and returns once the server has it in hand.
    pub(super) async fn begin(&mut self, call: &Call) -> Told<Running> {
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params(call)));
        let options = PeerRequestOptions::no_options();
        let sent = self
            .service
            .peer()
            .send_cancellable_request(request, options);
        let handle = sent
            .await
            .map_err(|error| broken("a call under way", chain(&error)))?;
        in_time("progress of a slow call", self.progress.recv())
            .await?
            .ok_or_else(|| broken("progress of a slow call", "the conversation ended"))?;
        Ok(Running(handle))
    }

    async fn cancel(&mut self, running: Running) -> Told<Answer> {
        let reason = "the user pressed stop".to_owned();
        in_time("a cancelled call", running.0.cancel(Some(reason)))
            .await?
            .map_err(|error| broken("a cancelled call", chain(&error)))?;
        Ok(Answer {
            ending: Ending::Cancelled,
            text: "taken back while it ran".to_owned(),
        })
    }

    /// Ends the conversation in order.
    pub(super) async fn close(self) -> Told<()> {
        in_time("the end of the conversation", self.service.cancel())
            .await?
            .map(|_reason| ())
            .map_err(|error| broken("the end of the conversation", chain(&error)))
    }
}

impl Answer {
    fn of(result: &CallToolResult) -> Self {
        let failed = result.is_error == Some(true);
        let text = result.content.iter().find_map(|block| block.as_text());
        Self {
            ending: if failed {
                Ending::Failure
            } else {
                Ending::Success
            },
            text: text.map(|text| text.text.clone()).unwrap_or_default(),
        }
    }
}

/// Waits for a peer, but not for ever.
pub(super) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> Told<T> {
    timeout(PATIENCE, future)
        .await
        .map_err(|_| broken(what, format!("nothing for {} s", PATIENCE.as_secs())))
}

fn params(call: &Call) -> CallToolRequestParams {
    CallToolRequestParams::new(call.tool).with_arguments(call.arguments.clone())
}
