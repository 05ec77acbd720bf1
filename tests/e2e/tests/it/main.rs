//! End-to-end tests: real processes, real peers, real crashes.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod adoption;
mod badinput;
mod conformance;
mod crash;
mod leak;
mod log;
mod servers;
mod transcripts;
