//! Behaviour of `affiant-tlog` through its public API.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod bundle;
mod checkpoint;
mod cosignature;
mod golden;
mod judges_note;
mod judges_tiles;
mod judges_tree;
mod keys;
mod note;
mod policy;
mod proof_file;
mod tiles;
mod tree;
mod vectors;
mod witness;
mod world;
