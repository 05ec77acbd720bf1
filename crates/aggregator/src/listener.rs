//! The ingest listener: TLS connections to requests, within bounds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::core::Core;
use crate::tls::Peer;
use crate::{enrol, ingest};

/// The routes for sources.
fn router(core: Arc<Core>) -> Router {
    Router::new()
        .route("/v1/batches", post(ingest::post_batch))
        .route("/v1/enrol", post(enrol::post_enrol))
        .route("/v1/renew", post(enrol::post_renew))
        .with_state(core)
}

/// Serves sources until `stop` changes, then lets those finish that are under way.
pub(crate) async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    core: Arc<Core>,
    mut stop: watch::Receiver<bool>,
) {
    let router = router(core);
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            _ = stop.changed() => break,
            Some(_) = connections.join_next() => continue,
        };
        let (stream, from, permit) = accepted;
        let (acceptor, router, stop) = (acceptor.clone(), router.clone(), stop.clone());
        connections.spawn(async move {
            connection(stream, from, acceptor, router, stop).await;
            drop(permit);
        });
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, finished).await.is_err() {
        tracing::warn!("sources that did not finish in time are cut off");
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (
    TcpStream,
    SocketAddr,
    Option<tokio::sync::OwnedSemaphorePermit>,
) {
    loop {
        let permit = Arc::clone(room).acquire_owned().await.ok();
        match listener.accept().await {
            Ok((stream, from)) => return (stream, from, permit),
            Err(error) => {
                // Out of descriptors, most likely: others end and give theirs back.
                tracing::warn!(%error, "connection cannot be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    from: SocketAddr,
    acceptor: TlsAcceptor,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let shaken = tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await;
    let stream = match shaken {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::info!(%from, %error, "TLS handshake failed");
            return;
        }
        Err(_) => return,
    };
    let peer = Peer::of(stream.get_ref().1.peer_certificates());
    let service = TowerToHyperService::new(router.layer(axum::Extension(peer)));
    let builder = builder();
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    tokio::select! {
        served = serving.as_mut() => log_end(from, served),
        _ = stop.changed() => {
            serving.as_mut().graceful_shutdown();
            log_end(from, serving.await);
        }
    }
}

fn log_end(from: SocketAddr, served: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = served {
        tracing::debug!(%from, %error, "connection ended");
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(HEADER_BYTES_MAX)
        .keep_alive_interval(Some(PING_EVERY))
        .keep_alive_timeout(PING_ANSWER_MAX);
    builder
}

/// Sources have one connection each, and people who come by few.
const CONNECTIONS_MAX: usize = 4096;
/// Batches of one connection in flight.
const STREAMS_MAX: u32 = 64;
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
const HEADER_BYTES_MAX: u32 = 16 << 10;
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
const HEADERS_MAX: Duration = Duration::from_secs(10);
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_ANSWER_MAX: Duration = Duration::from_secs(20);
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// What is under way at a stop needs a checkpoint to be answered.
const GRACE: Duration = Duration::from_secs(5);
