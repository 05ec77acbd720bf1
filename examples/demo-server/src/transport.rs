//! The ways in: standard streams, any pair of streams, HTTP.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rmcp::service::{ServerInitializeError, serve_server};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::server::Crm;

/// The only path of the HTTP server.
const PATH: &str = "/mcp";
/// Pause after a failed accept, so that a full descriptor table does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Time that running calls have after the client left.
const GRACE: Duration = Duration::from_millis(500);

type McpService = StreamableHttpService<Crm, LocalSessionManager>;

/// Why the server ended before its client did.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The client never opened the conversation properly; the client's fault.
    #[error("open the conversation")]
    Open {
        /// What the SDK saw.
        #[source]
        source: Box<ServerInitializeError>,
    },
    /// The task that serves the conversation was aborted or panicked; a bug.
    #[error("serve the conversation")]
    Serve {
        /// What the runtime said.
        #[source]
        source: tokio::task::JoinError,
    },
}

/// Serves one client on stdin and stdout until stdin ends. Writes nothing else to stdout.
///
/// # Errors
///
/// [`ServeError::Open`] when the client does not speak MCP.
pub async fn serve_stdio() -> Result<(), ServeError> {
    let (reader, writer) = rmcp::transport::io::stdio_pipes();
    serve_io(reader, writer).await
}

/// Serves one client on a pair of streams, one JSON-RPC message a line, until `reader` ends.
/// Calls that run then have half a second to finish.
///
/// # Errors
///
/// [`ServeError::Open`] when the client does not speak MCP. A reader that ends before
/// the first message is no error.
pub async fn serve_io<R, W>(reader: R, writer: W) -> Result<(), ServeError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let (sender, ended) = oneshot::channel();
    let reader = UntilEnd {
        inner: reader,
        ended: Some(sender),
    };
    let running = match serve_server(Crm::default(), (reader, writer)).await {
        Ok(running) => running,
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(source) => {
            return Err(ServeError::Open {
                source: Box::new(source),
            });
        }
    };
    // The SDK lets running calls finish; a client that left does not want a minute's report.
    let left = async {
        let _ = ended.await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        reason = running.waiting() => reason
            .map(|_reason| ())
            .map_err(|source| ServeError::Serve { source }),
        () = left => Ok(()),
    }
}

/// A reader that tells when it has come to its end.
struct UntilEnd<R> {
    inner: R,
    ended: Option<oneshot::Sender<()>>,
}

impl<R: AsyncRead + Unpin> AsyncRead for UntilEnd<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.inner).poll_read(context, buffer));
        let nothing = buffer.remaining() > 0 && buffer.filled().len() == before;
        if (read.is_err() || nothing)
            && let Some(ended) = self.ended.take()
        {
            let _ = ended.send(());
        }
        Poll::Ready(read)
    }
}

/// Serves Streamable HTTP at `/mcp` on `listener`, for ever; drop the future to stop.
///
/// `Host` must be a loopback name (DNS rebinding protection). All sessions see the
/// same customers. Dropping the future aborts the open connections.
pub async fn serve_http(listener: TcpListener) {
    let crm = Crm::default();
    let service: McpService = StreamableHttpService::new(
        move || Ok(crm.clone()),
        Arc::default(),
        StreamableHttpServerConfig::default(),
    );
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => {
                connections.spawn(connection(stream, service.clone()));
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Serves one connection; how it ends is the client's affair.
async fn connection(stream: TcpStream, service: McpService) {
    // small answers must not wait for an acknowledgement
    let _ = stream.set_nodelay(true);
    let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let service = service.clone();
        async move {
            Ok::<_, Infallible>(match request.uri().path() {
                PATH => service.handle(request).await,
                _ => not_found(),
            })
        }
    });
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}

fn not_found() -> hyper::Response<BoxBody<Bytes, Infallible>> {
    let mut response = hyper::Response::new(Empty::new().boxed());
    *response.status_mut() = hyper::StatusCode::NOT_FOUND;
    response
}
