//! A witness's HTTP server: `POST /add-checkpoint` of C2SP tlog-witness, and nothing else.
//!
//! What is decided is decided by [`affiant_log::Witness`]. Plain HTTP: put a proxy with TLS before it
//! where logs come over networks. A cosignature is worth as much as the witness is apart from the log.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use affiant_log::Witness;
use affiant_tlog::witness::REQUEST_BYTES_MAX;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, Limited};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::server::serve_http;

/// A witness that listens.
#[derive(Debug)]
pub struct WitnessServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl WitnessServer {
    /// Listens and answers.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start(listen: SocketAddr, witness: Witness) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let router = Router::new()
            .route("/add-checkpoint", post(add_checkpoint))
            .route("/healthz", get(|| async { "ok\n" }))
            .with_state(Arc::new(witness));
        let (stop, stopped) = watch::channel(false);
        Ok(Self {
            address,
            stop,
            task: tokio::spawn(serve_http(listener, router, stopped)),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.task.await;
    }
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: Body) -> Response {
    // A request is short; whoever takes his time is cut off, and holds nobody else up.
    let read = tokio::time::timeout(BODY_MAX, Limited::new(body, REQUEST_BYTES_MAX).collect());
    let Ok(read) = read.await else {
        return StatusCode::REQUEST_TIMEOUT.into_response();
    };
    let Ok(body) = read else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let body = body.to_bytes();
    let answered = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body)).await;
    let Ok(answer) = answered else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(CONTENT_TYPE, answer.content_type)], answer.body).into_response()
}

const BODY_MAX: Duration = Duration::from_secs(10);
