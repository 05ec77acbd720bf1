//! Where messages begin and end on the transports of MCP.
//!
//! [`stdio`] cuts lines, [`sse`] cuts event streams. Both show the bytes they were given to a
//! [`Scanner`](crate::scan::Scanner) at once and hold none of them.

pub mod sse;
pub mod stdio;
