//! The real binary, run as users run it.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says where its files are"
)]

mod attacks;
mod benign;
mod commands;
mod gateway;
mod help;
mod listing;
mod refusals;
mod sandbox;
mod transparency;
