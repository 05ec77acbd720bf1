//! The gateway for Streamable HTTP and HTTP+SSE: the same bytes on both sides.
//!
//! ```text
//!  client ─▶ listener ─▶ route ─▶ intake (hold, scan, durable intent) ─▶ upstream ─▶ server
//!         ◀──────────────────────── response (scan a copy) ◀──────────────────────◀
//! ```
//!
//! What is forwarded is what came: method, path and query, every end-to-end header field with its
//! case and its duplicates, the body and its framing. It ends an HTTP/1.1 connection on each side, so
//! it is not invisible to who counts connections: fields that belong to one connection are its own
//! (`headers.rs`), and interim (1xx) responses of the upstream stay behind.
//!
//! # Limits
//!
//! Bodies have no limit. A POST body up to `request_hold_bytes_max` is held until its calls are on
//! record; of a larger one, the last piece is. Heads are bounded by hyper's read buffer (about 400 KiB) and
//! 2000 fields. There is no timeout on a stream.

mod answer;
mod body;
mod decode;
mod endpoint;
mod exchange;
mod forward;
mod gateway;
mod headers;
mod intake;
mod late;
pub(crate) mod listener;
mod response;
mod route;
mod tap;
mod upstream;
mod workers;

pub use answer::{NO_ROUTE, ORIGIN_NOT_ALLOWED, UPSTREAM_UNREACHABLE};
pub use gateway::{Addresses, Evidence, Gateway, StartError};
pub use listener::BindError;
pub use upstream::UpstreamError;
