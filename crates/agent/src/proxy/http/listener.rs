//! Sockets and connections: bind, accept, serve, drain.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::upstream::TCP_KEEPALIVE;

/// Most header fields of a message: as many as Node takes. hyper's own default is 100.
pub(super) const HEADERS_MAX: usize = 2000;
/// Pause after `accept` failed, when the process is out of descriptors, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An address cannot be listened on. The operator's to mend.
#[derive(Debug, thiserror::Error)]
#[error("{key} `{address}` cannot be listened on")]
pub struct BindError {
    /// The key of the configuration that names it.
    pub key: String,
    /// The address.
    pub address: SocketAddr,
    /// What the system said: in use, not ours, not permitted.
    #[source]
    pub source: io::Error,
}

/// Binds an address. `SO_REUSEADDR` is set, so that a restart need not wait.
pub(crate) async fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| BindError {
            key: key.to_owned(),
            address,
            source,
        })
}

/// How connections of one listener are served.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// A client that closes its sending side still gets its response.
    pub(crate) half_close: bool,
    /// Longest wait for a request head, on a new or an idle connection; `None`: for ever.
    pub(crate) head_timeout: Option<Duration>,
}

/// A runtime that serves connections, and how it answers their requests.
#[derive(Debug)]
pub(crate) struct Place<H> {
    pub(crate) runtime: Handle,
    pub(crate) handle: Arc<H>,
}

/// Accepts until `stop` turns true, then closes the socket and lets connections finish. Connections
/// go to the places in turn. When the returned future is dropped, what still runs is broken off.
pub(crate) async fn serve<H, F, B, E>(
    listener: TcpListener,
    manner: Manner,
    mut stop: watch::Receiver<bool>,
    places: Vec<Place<H>>,
) where
    H: Fn(SocketAddr, Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let mut connections = JoinSet::new();
    let mut turns = places.iter().cycle();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    prepare(&stream);
                    let (Ok(stream), Some(place)) = (stream.into_std(), turns.next()) else {
                        continue;
                    };
                    let (handle, stop) = (Arc::clone(&place.handle), stop.clone());
                    let served = connection(stream, peer, manner, stop, handle);
                    connections.spawn_on(served, &place.runtime);
                }
                Err(error) => {
                    tracing::warn!(%error, "connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = stopped(&mut stop) => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection<H, F, B, E>(
    stream: std::net::TcpStream,
    peer: SocketAddr,
    manner: Manner,
    mut stop: watch::Receiver<bool>,
    handle: Arc<H>,
) where
    H: Fn(SocketAddr, Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    // Only here is the runtime that is to wait for it the current one.
    let stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%error, "connection cannot be served");
            return;
        }
    };
    let service = service_fn(move |request| handle(peer, request));
    let served = http1::Builder::new()
        .preserve_header_case(true)
        .auto_date_header(false)
        .half_close(manner.half_close)
        .max_headers(HEADERS_MAX)
        .timer(TokioTimer::new())
        .header_read_timeout(manner.head_timeout)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stopped(&mut stop) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopped| *stopped).await;
}

/// Small writes go out at once; peers that vanished are found.
fn prepare(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new().with_time(TCP_KEEPALIVE);
    let set = stream
        .set_nodelay(true)
        .and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = set {
        tracing::debug!(%error, "socket options cannot be set");
    }
}
