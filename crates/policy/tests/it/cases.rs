//! Every built-in rule has a case file, and does what it says.

use std::collections::BTreeSet;
use std::path::PathBuf;

use affiant_policy::redact::{Redactor, RuleSet};

use crate::{builtin, redact};

#[test]
fn every_rule_has_cases_and_keeps_them() {
    let rules: BTreeSet<String> = RuleSet::builtin()
        .rules()
        .map(|rule| rule.id().to_owned())
        .collect();
    let redactor = builtin();
    for id in &rules {
        check_file(redactor, id);
    }
    let files: BTreeSet<String> = fs_err::read_dir(dir())
        .expect("testdata/redaction")
        .filter_map(|file| {
            file.ok()?
                .file_name()
                .into_string()
                .ok()?
                .strip_suffix(".toml")
                .map(str::to_owned)
        })
        .collect();
    assert_eq!(
        files, rules,
        "testdata/redaction has one file for each built-in rule"
    );
}

#[test]
fn every_rule_says_what_it_is_for() {
    for rule in RuleSet::builtin().rules() {
        assert!(!rule.description().is_empty(), "{}", rule.id());
    }
}

fn dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/redaction")
}

fn check_file(redactor: &Redactor, id: &str) {
    let text = fs_err::read_to_string(dir().join(format!("{id}.toml")))
        .expect("a case file for each rule");
    let file: toml::Table = text.parse().expect("TOML");
    let matches = cases(&file, "match");
    let ignores = cases(&file, "ignore");
    assert!(
        !matches.is_empty() && !ignores.is_empty(),
        "{id} needs cases of both kinds"
    );
    for case in matches {
        let input = field(&case, "input");
        let redacted = redact(redactor, &input);
        assert_eq!(
            redacted.json(),
            Some(field(&case, "output").as_str()),
            "{id} on {input}"
        );
        assert!(
            redacted
                .redactions()
                .iter()
                .any(|redaction| redaction.rule == id),
            "{id} on {input}"
        );
    }
    for case in ignores {
        let input = field(&case, "input");
        let redacted = redact(redactor, &input);
        assert!(
            redacted
                .redactions()
                .iter()
                .all(|redaction| redaction.rule != id),
            "{id} on {input}"
        );
    }
}

fn cases(file: &toml::Table, kind: &str) -> Vec<toml::Value> {
    file.get(kind)
        .and_then(|list| list.as_array().cloned())
        .unwrap_or_default()
}

/// A field of a case, without the `{+}` that keeps secret scanners off the file.
fn field(case: &toml::Value, name: &str) -> String {
    case.get(name)
        .and_then(toml::Value::as_str)
        .expect(name)
        .replace("{+}", "")
}
