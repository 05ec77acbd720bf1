//! What the end-to-end tests share: the program under test, its data directory, its entries.
//!
//! The tests need the release binary and the peers: `cargo xtask test` builds and installs them.

pub mod entries;
pub mod program;
pub mod random;
