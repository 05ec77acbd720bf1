//! C2SP tlog-policy: which logs a verifier accepts, and whose cosignatures it asks for.
//!
//! # The text
//!
//! ```text
//! # lines of words; order matters only in that names are defined before they are used
//! log      <vkey> [<url>]                      a log that is accepted; none: known otherwise
//! witness  <name> <vkey> [<url>]
//! group    <name> all|any|<k> <member>...      k of its members, witnesses or groups
//! quorum   <name>|none                         exactly once
//! ```
//!
//! The policy is the verifier's whole trust: it never comes from the log, or with the proof.
//!
//! ```
//! use affiant_tlog::policy::Policy;
//!
//! let policy = Policy::parse(
//!     b"log PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\nquorum none\n",
//! )?;
//! assert_eq!(policy.logs().len(), 1);
//! # Ok::<(), affiant_tlog::policy::ParsePolicyError>(())
//! ```
//!
//! # Limits
//!
//! At most [`POLICY_BYTES_MAX`] bytes. Log keys are Ed25519 notes keys (`0x01`) or ML-DSA-44 (`0x06`);
//! witness keys are `0x04` or `0x06`. Not checked: when cosignatures were made; the report says when.
//!
//! Specification: <https://c2sp.org/tlog-policy>.

mod check;
mod model;
mod parse;

pub use check::{CheckPolicyError, Cosigned, PolicyReport};
pub use model::{LogKey, Policy, PolicyLog, PolicyName, PolicyWitness};
pub use parse::{OtherLine, POLICY_BYTES_MAX, ParsePolicyError, PolicyProblem};
