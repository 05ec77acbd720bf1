//! What the end-to-end tests share: the program under test, its data directory, its entries, and the
//! peers on either side of it.
//!
//! The tests need the release binaries and the peers: `cargo xtask test` builds and installs them. All
//! that is started dies with its [`guard::Guard`]; all that waits has a deadline ([`wait`]); all files
//! lie in a [`scratch::Scratch`], which a failing test keeps.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

pub mod aggregator;
pub mod conserved;
pub mod entries;
pub mod gateway;
pub mod guard;
pub mod http;
pub mod metrics;
pub mod program;
pub mod random;
pub mod rough_link;
pub mod scratch;
pub mod small_disk;
pub mod tcp_tap;
pub mod upstream;
pub mod wait;
pub mod witness;
