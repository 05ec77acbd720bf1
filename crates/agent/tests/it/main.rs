//! Behaviour of the edge.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod gateway;
mod ship;
mod trail;
