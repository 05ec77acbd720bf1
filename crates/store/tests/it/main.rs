//! The store as a whole: what it takes in, what it answers, what it refuses, what a crash leaves.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod abuse;
mod compaction;
mod context;
mod equality;
mod follow;
mod kill;
mod output;
mod page;
mod world;
