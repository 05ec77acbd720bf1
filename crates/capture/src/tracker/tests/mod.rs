//! Scenarios with both ends and virtual time.

mod model;
mod scenarios;
mod transcripts;
mod world;
