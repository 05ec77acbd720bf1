//! The port: Streamable HTTP at `/mcp` on the loopback address.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;

use crate::fixture::Shared;
use crate::polling::PollingSessions;

/// Origins a browser on this machine may send; any other is refused.
const LOCAL_ORIGINS: [&str; 3] = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"];

/// What can go wrong with the port. Both are fatal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The port is in use or not permitted.
    #[error("bind 127.0.0.1:{port}")]
    Bind {
        /// The port that was asked for.
        port: u16,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The listener failed while serving.
    #[error("serve")]
    Serve {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Binds `127.0.0.1:port`; port 0 lets the system choose. Returns the listener and its address.
///
/// # Errors
///
/// [`ServeError::Bind`] when the port cannot be had.
pub async fn bind(port: u16) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::Bind { port, source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Serves the fixtures at `/mcp` until the listener fails.
///
/// `Host` and `Origin` must be local (DNS rebinding protection).
///
/// # Errors
///
/// [`ServeError::Serve`] when the listener fails.
pub async fn serve(listener: TcpListener) -> Result<(), ServeError> {
    let shared = Arc::new(Shared::new());
    let service = StreamableHttpService::new(
        move || Ok(shared.session()),
        Arc::new(PollingSessions::default()),
        StreamableHttpServerConfig::default().with_allowed_origins(LOCAL_ORIGINS),
    );
    let router = axum::Router::new().route_service("/mcp", service);
    axum::serve(listener, router)
        .await
        .map_err(|source| ServeError::Serve { source })
}
