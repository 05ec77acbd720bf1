//! What the redactor promises, through its public interface.

mod cases;
mod property;
mod rules;
mod text;
mod walk;

use std::sync::LazyLock;

use affiant_entry::CommitKey;
use affiant_entry::call::Input;
use affiant_policy::redact::{Redactor, RuleSet};

/// The redactor with the built-in rules, made once.
fn builtin() -> &'static Redactor {
    static REDACTOR: LazyLock<Redactor> =
        LazyLock::new(|| Redactor::new(RuleSet::builtin(), key()));
    &REDACTOR
}

/// A redactor with rules of its own alone.
fn only(rules: &str) -> Redactor {
    let rules = RuleSet::parse(&format!("extends = \"none\"\n{rules}")).expect("rules");
    Redactor::new(rules, key())
}

fn key() -> CommitKey {
    CommitKey::new("k1", &[7; 32])
}

fn redact(redactor: &Redactor, json: &str) -> Input {
    redactor
        .redact_bytes(json.as_bytes(), "crm", Some("search"))
        .0
}

/// Asserts that `input` comes out as `expected`.
fn check(redactor: &Redactor, input: &str, expected: &str) {
    assert_eq!(redact(redactor, input).json(), Some(expected), "{input}");
}
