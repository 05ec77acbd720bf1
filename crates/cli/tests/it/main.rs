//! The real binary, run as users run it.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says where its files are"
)]

mod aggregator;
mod api;
mod archive;
mod attacks;
mod benign;
mod commands;
#[cfg(feature = "demo")]
mod demo;
mod gateway;
// The pinned pages are those of a build with all features.
#[cfg(feature = "demo")]
mod help;
mod import;
mod listing;
mod log_attacks;
mod refusals;
mod released;
mod sandbox;
#[path = "../../../archive/tests/it/seaweed.rs"]
#[expect(dead_code, reason = "shared with the tests of the archive")]
mod seaweed;
#[cfg(feature = "store")]
mod store;
#[path = "../../../audit/tests/it/stored.rs"]
#[expect(dead_code, reason = "shared with the tests of the judge")]
mod stored;
mod transparency;
#[path = "../../../audit/tests/it/world.rs"]
#[expect(dead_code, reason = "shared with the tests of the judge")]
mod world;
