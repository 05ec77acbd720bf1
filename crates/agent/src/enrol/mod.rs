//! Enrolment: how a source becomes known to an aggregator, and stays so.
//!
//! ```text
//! operator   affiant token new           one-time secret + SHA-256 of the aggregator's CA
//! edge       affiant enroll URL --token  CSR + seal verifier key ──▸ POST /v1/enrol
//! aggregator                             ◂── certificate (24 h), CA, name and key of the log
//! edge       at 2/3 of its life          CSR ──▸ POST /v1/renew, without a restart
//! ```
//!
//! The token pins the CA, so that the first connection trusts nobody but the aggregator that made
//! the token. The key of the log is pinned here too: every receipt is judged by it.
//!
//! A certificate that ran out while the aggregator was away is renewed by a proof that the seal key
//! is still here; nobody has to enrol again after a long outage.
//!
//! ```text
//! E/ship/client.key      key of the certificate, mode 0600; stays over renewals
//! E/ship/client.crt      certificate chain, mode 0600
//! E/ship/ca.crt          the only CA that is believed
//! E/ship/enrolment.json  where, which log, until when; written last
//! E/ship/lock            held while one process renews
//! ```

mod client;
mod csr;
mod error;
mod link;
mod state;
mod tls;
mod token;

pub use client::{EnrolOptions, enrol, renew};
pub use error::EnrolError;
pub use link::{Ingest, IngestUrlError, LinkError, Problem};
pub use state::{Enrolment, EnrolmentError, LogIdentity};
pub use token::{Token, TokenError};

pub(crate) use client::{renew_on, tls_config};
pub(crate) use link::{Answer, Content, Link};
