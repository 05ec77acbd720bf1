//! The edge process: it stands between client and server, and keeps the trail.
//!
//! Bytes forwarded are the bytes received; forwarding waits for nothing but a durable intent.

mod admin;
pub mod clock;
pub mod config;
pub mod enrol;
pub mod entropy;
pub mod keys;
mod metrics;
pub mod proxy;
pub mod recorder;
pub mod ship;
pub mod state;
pub mod trail;
