//! C2SP tlog-witness, both sides: cosigning other logs, and asking for cosignatures.
//!
//! What is decided is decided by [`affiant_tlog::witness`]; here are memory and network.

mod client;
mod memory;
mod server;
mod thread;

pub(crate) use client::Client;
pub use client::{AskError, PublishRule, WitnessState, Witnesses};
pub use memory::{DirWitnessStore, MemWitnessStore, WitnessStore};
pub use server::{Witness, WitnessAnswer};
pub(crate) use thread::{ask_and_show, run};
