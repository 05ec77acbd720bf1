//! What the crate promises of scanning and framing, through its public face.

mod cuts;
mod differential;
mod limits;
mod strategies;
mod traps;
