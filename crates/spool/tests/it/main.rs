//! Behaviour of the spool, over the real file system and over a simulated disk.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod bit_flips;
mod blobs;
mod common;
mod crash;
mod full;
mod live;
mod model;
mod open;
mod poison;
mod segments;
