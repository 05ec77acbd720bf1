//! Redaction: sensitive values are cut before anything is written.
//!
//! ```text
//! rules (TOML) ─▸ RuleSet ─▸ Redactor ─┐
//! CallDraft, as it came ───────────────┴─▸ Call, to be kept  +  Echoes, for its later texts
//! ```
//!
//! The redactor works on the client's own text: key order, numbers, escapes and blanks stay as they
//! were spelled, and what is cut is replaced in place by `[redacted:<rule>]`. Each cut leaves its
//! pointer, its rule and a keyed commitment to what stood there. A redactor that cannot be sure
//! withholds the input as a whole and says so.
//!
//! Limits: [`limit`]. What is found and what is not: `docs/reference/redaction.md`.
//!
//! ```
//! use affiant_entry::CommitKey;
//! use affiant_policy::redact::{Redactor, RuleSet};
//!
//! let redactor = Redactor::new(RuleSet::builtin(), CommitKey::new("k1", &[7; 32]));
//! let (input, echoes) = redactor.redact_bytes(br#"{"user": "ann", "password": "hunter2"}"#, "crm", Some("login"));
//! assert_eq!(input.json(), Some(r#"{"user": "ann", "password": "[redacted:key-password]"}"#));
//! assert_eq!(input.redactions()[0].at, "/password");
//! assert_eq!(redactor.redact_text("hunter2 is wrong", Some(&echoes)), "[redacted:echo] is wrong");
//! ```

mod argv;
mod card;
mod echo;
mod engine;
mod entropy;
mod error;
mod format;
mod glob;
mod hits;
mod json;
mod key;
pub mod limit;
mod pair;
mod parse;
mod peer;
mod pointer;
mod redactor;
mod rule;
mod scope;
mod set;
mod walk;

pub use echo::Echoes;
pub use error::{RuleError, RuleProblem};
pub use redactor::{ExplainedHit, Explanation, Redactor, Withheld};
pub use rule::Rule;
pub use set::{BUILTIN, RuleSet};
