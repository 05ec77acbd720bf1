//! The aggregator: batches of sources come in over mutual TLS and leave as leaves of one log.
//!
//! ```text
//! source ─ TLS 1.3, certificate = source id ─▸ ingest ─▸ ledger ─▸ affiant-log ─▸ DIR/log (tlog-tiles)
//!          POST /v1/batches ◂─ receipt ◂───────────────────┘  └─▸ index (a view)
//! ```
//!
//! One process, one data directory, no service beside it. The log is the truth; the index, the heads of
//! chains in memory and the API are views of it, which a restart makes again.
//!
//! # What it does not promise
//!
//! Whoever holds the data directory can refuse, delay or drop what no receipt covers, and can sign
//! another history: receipts, witnesses and readers who remember are against that. It does not judge
//! what entries say.
//!
//! Specifications: `docs/spec/{batch,receipt,leaf-kinds}.md`; RFC 8446 (TLS 1.3), RFC 5280
//! (certificates), RFC 9457 (problems), C2SP tlog-tiles.

pub mod access;
mod anchors;
mod api;
mod api_listener;
mod api_tls;
mod blobs;
pub mod ca;
mod chains;
pub mod clock;
pub mod config;
mod core;
mod doors;
mod enrich;
mod enrol;
mod entropy;
pub mod files;
pub mod foreign;
mod index;
mod ingest;
mod ledger;
mod listener;
pub mod logkey;
mod metrics;
mod own;
mod problem;
pub mod query;
mod reading;
mod refusals;
mod rounds;
pub mod server;
pub mod sources;
pub mod state;
mod tls;
pub mod token;
pub mod views;
mod watch;
pub mod witness;

pub use api_tls::ApiTlsError;
pub use server::{Parts, Server, StartError};
pub use state::StateDir;
