//! The two ways to stand between client and server.

pub mod http;
pub mod stdio;
