//! Behaviour of the crate through its public API.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set up its world fails"
)]

mod attacks;
mod calls;
mod completeness;
mod decode;
mod differential;
mod honest;
mod link;
mod log_leaves;
mod properties;
mod reclose;
mod reference;
mod rotation;
mod seal;
mod vectors;
mod wire_vectors;
mod world;
