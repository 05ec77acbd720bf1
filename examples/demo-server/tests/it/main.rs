//! The server over a pair of streams and over HTTP, as a client sees it.

mod http;
mod io;
