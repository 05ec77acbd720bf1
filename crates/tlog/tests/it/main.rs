//! Behaviour of `affiant-tlog` through its public API.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod judges_note;
mod judges_tree;
mod keys;
mod note;
mod tiles;
mod tree;
mod vectors;
