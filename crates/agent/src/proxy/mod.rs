//! The two ways to stand between client and server.

pub mod http;
pub mod stdio;

/// JSON-RPC error code of a call that the trail could not take, so that it was not forwarded: outside the
/// ranges that JSON-RPC and MCP reserve. On HTTP its status is 200, on HTTP+SSE 503.
pub const NOT_RECORDED: i64 = -31002;

/// Text of that error.
const NOT_RECORDED_TEXT: &str = "the audit trail cannot record this call, so it was not forwarded";
