//! The aggregator as sources meet it: a real TLS client against a real listener.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod admission;
mod anchors;
mod enrich;
mod foreign;
mod gate;
mod happy;
mod history;
mod hostile;
mod http;
mod keys;
mod reading;
mod restart;
mod rounds;
mod source;
mod wire;
mod world;
