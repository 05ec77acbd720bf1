//! Behaviour of the judge of a log, as its users see it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attacks;
mod benign;
mod context;
mod files;
mod log;
mod proof;
mod pruned;
mod stored;
mod vectors;
mod world;
