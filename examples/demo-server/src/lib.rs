//! A small customer database as an MCP server, to try Affiant on.
//!
//! It is a real server on the official Rust SDK, with tools that behave as tools in
//! the field do: one is slow and can be cancelled, one fails, one ends in a protocol
//! error, one is handed a secret. The data is invented and lives in memory.
//!
//! | tool | behaviour |
//! |---|---|
//! | `search_customers` `{query}` | finds customers by name, city or address |
//! | `get_customer` `{id}` | one customer; `isError` for an unknown id |
//! | `update_customer` `{id, …}` | changes one; `isError` for an unknown id |
//! | `delete_customer` `{id}` | always a JSON-RPC error: the ledger is locked |
//! | `export_report` `{seconds?}` | slow, reports progress, can be cancelled |
//! | `connect` `{username, password?, api_key?}` | takes a secret, never repeats it |
//! | `echo` `{text}` | returns the text as it is; for measurements |
//!
//! Both lifecycles are served: `initialize` (2025-11-25 and before) and requests that
//! carry their own `_meta` (2026-07-28). Limits: the SDK's (16 MiB a line on stdio,
//! 4 MiB a body on HTTP); `export_report` runs for 60 s at most.
//!
//! ```no_run
//! # async fn example() -> Result<(), affiant_demo_server::ServeError> {
//! affiant_demo_server::serve_stdio().await
//! # }
//! ```

mod customers;
mod server;
mod tools;
mod transport;

pub use transport::{ServeError, serve_http, serve_io, serve_stdio};
