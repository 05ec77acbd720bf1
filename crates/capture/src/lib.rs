//! MCP as bytes pass by: framing, scanning and pairing, without any I/O.
//!
//! Nothing here holds, alters or delays a byte of traffic. A proxy forwards what it received and
//! shows the same bytes, in whatever pieces they came, to a parser of this crate. The parsers are
//! sans-IO: no clock, no randomness, no socket, and the same answer for every way of cutting.
//!
//! ```text
//!  stdio  bytes ─▶ framing::stdio::Lines ─┐
//!  SSE    bytes ─▶ framing::sse::Events  ─┼─▶ scan::Scanner ─▶ Scan { Message … }
//!  body   bytes ──────────────────────────┘
//! ```
//!
//! It is not an MCP implementation and not a JSON library: it finds the handful of fields the
//! audit trail needs, keeps their raw spelling, and measures the rest.
//!
//! # Limits
//!
//! Memory is bounded by [`scan::Limits`] and the constants of [`scan`], not by the traffic. What
//! goes over a bound is still measured and says so ([`Message::truncated`], [`scan::Flag`]).
//!
//! # Example
//!
//! ```
//! use affiant_capture::{Kind, Message, Slot};
//!
//! let body = br#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"add","arguments":{"a":1.10}},"id":0}"#;
//! let scan = Message::parse(body);
//! let call = &scan.messages[0];
//! assert_eq!(call.kind, Kind::Request);
//! assert_eq!(call.text(Slot::ParamsName).as_deref(), Some("add"));
//! assert_eq!(call.raw(Slot::ParamsArguments), Some(&br#"{"a":1.10}"#[..]));
//! ```
//!
//! Specifications: [RFC 8259] (JSON), [JSON-RPC 2.0], [WHATWG event streams], the MCP revisions
//! 2024-11-05 to 2026-07-28.
//!
//! [RFC 8259]: https://www.rfc-editor.org/rfc/rfc8259
//! [JSON-RPC 2.0]: https://www.jsonrpc.org/specification
//! [WHATWG event streams]: https://html.spec.whatwg.org/multipage/server-sent-events.html
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice
    )
)]

pub mod framing;
pub mod message;
pub mod scan;
pub mod tracker;

pub use message::{IdKind, Invalid, Kind, Message, RpcId};
pub use scan::{Scan, Scanner, Slot, Tap};
