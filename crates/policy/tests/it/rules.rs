//! What a rule file may say, and how a wrong one is refused.

use affiant_policy::redact::RuleSet;

use crate::{check, only, redact};

fn refused(rules: &str) -> String {
    let error = RuleSet::parse(rules).expect_err(rules);
    format!("{}:{}: {}", error.line, error.column, error.problem)
}

#[test]
fn wrong_files_are_refused_with_line_key_and_suggestion() {
    let rule = |body: &str| format!("[[rule]]\nid = \"a\"\n{body}\n");
    for (text, expected) in [
        ("a = ".to_owned(), "1:5: not TOML: "),
        (
            "extend = \"none\"".to_owned(),
            "1:1: unknown key `extend`, did you mean `extends`?",
        ),
        (
            "version = 2".to_owned(),
            "1:11: rule file version 2 is not known",
        ),
        (
            "extends = \"all\"".to_owned(),
            "1:11: `extends` cannot be `all`: it is one of `builtin`, `none`",
        ),
        (
            "disable = [\"key-pasword\"]".to_owned(),
            "1:12: `disable` names no built-in rule: `key-pasword`, did you mean `key-password`?",
        ),
        (
            "rule = 1".to_owned(),
            "1:8: `rule` is integer, not a list of tables",
        ),
        (
            "[[rule]]\nkeys = \"a\"".to_owned(),
            "1:1: key `id` is missing",
        ),
        (
            "[[rule]]\nid = \"A b\"".to_owned(),
            "2:6: rule id `A b` is not 1 to 64",
        ),
        (
            "[[rule]]\nid = \"echo\"\nkeys = \"x\"".to_owned(),
            "2:6: rule id `echo` is taken",
        ),
        (
            rule("keys = \"x\"\n[[rule]]\nid = \"a\"\nkeys = \"y\""),
            "5:6: rule id `a` is taken",
        ),
        (rule(""), "1:1: rule `a` has 0 of `keys`"),
        (
            rule("keys = \"x\"\nvalue = \"y\""),
            "1:1: rule `a` has 2 of `keys`",
        ),
        (
            rule("key = \"x\""),
            "3:1: unknown key `key`, did you mean `keys`?",
        ),
        (rule("keys = []"), "3:8: `keys` is empty"),
        (rule("keys = [1]"), "3:9: `keys` is integer, not a string"),
        (
            rule("keys = [\"ok\", \"*\"]"),
            "3:15: rule `a`: key name `*` has no letter",
        ),
        (
            rule("keys = \"x\"\naction = \"partial\""),
            "4:10: rule `a`: `action` does not go with `keys`",
        ),
        (
            rule("value = \"x\"\nreach = \"line\""),
            "4:9: rule `a`: `reach` does not go with `value`",
        ),
        (
            rule("pointer = \"x\""),
            "3:11: rule `a`: `x` is not a pointer",
        ),
        (
            rule("value = \"(\""),
            "3:9: rule `a`: regular expression `(` does not compile",
        ),
        (
            rule("value = '\\w{1000}{1000}'"),
            "3:9: rule `a`: regular expression",
        ),
        (
            rule("value = \"x*\""),
            "3:9: rule `a`: regular expression `x*` matches the empty text",
        ),
        (
            rule("format = \"github\""),
            "3:10: unknown secret format `github`, did you mean `github-token`?",
        ),
        (rule("card = \"all\""), "3:8: `card` cannot be `all`"),
        (
            rule("entropy = { bits = 9 }"),
            "3:20: `bits` is 9, which is not within 1 to 6",
        ),
        (
            rule("entropy = { bit = 4 }"),
            "3:13: unknown key `bit`, did you mean `bits`?",
        ),
        (
            rule("keys = \"x\"\naction = \"cut\""),
            "4:10: `action` cannot be `cut`",
        ),
    ] {
        let refusal = refused(&text);
        assert!(
            refusal.starts_with(expected),
            "{text}\n  {refusal}\n  {expected}"
        );
    }
}

#[test]
fn own_rules_come_first_and_built_in_ones_can_be_left_out() {
    let builtin = RuleSet::builtin();
    let own = RuleSet::parse("disable = [\"entropy\"]\n[[rule]]\nid = \"jwt\"\nkeys = \"x\"\n")
        .expect("rules");
    let ids: Vec<&str> = own.rules().map(affiant_policy::redact::Rule::id).collect();
    assert_eq!(ids.first(), Some(&"jwt"));
    assert_eq!(ids.iter().filter(|id| **id == "jwt").count(), 1);
    assert!(!ids.contains(&"entropy"));
    assert_eq!(ids.len(), builtin.rules().count() - 1);
    assert_eq!(
        RuleSet::parse("").expect("rules").digest(),
        builtin.digest()
    );
}

#[test]
fn digest_covers_what_decides_and_not_what_describes() {
    let digest = |text: &str| RuleSet::parse(text).expect("rules").digest();
    let plain = digest("extends = \"none\"\n[[rule]]\nid = \"a\"\nkeys = \"x\"\n");
    assert!(plain.starts_with("sha256:") && plain.len() == 71);
    assert_eq!(
        plain,
        digest(
            "# note\nextends = \"none\"\n[[rule]]\ndescription = \"d\"\nkeys = \"X\"\nid = \"a\"\n"
        )
    );
    assert_ne!(
        plain,
        digest("extends = \"none\"\n[[rule]]\nid = \"a\"\nkeys = \"y\"\n")
    );
    assert_ne!(
        plain,
        digest("extends = \"none\"\n[[rule]]\nid = \"a\"\nkeys = \"x\"\ntools = \"t\"\n")
    );
    assert_ne!(plain, RuleSet::builtin().digest());
}

#[test]
fn rules_apply_to_their_servers_and_tools_alone() {
    let redactor = only(
        "[[rule]]\nid = \"a\"\nkeys = \"x\"\nservers = [\"crm*\"]\ntools = [\"get_*\", \"put\"]\n",
    );
    for (server, tool, cut) in [
        ("crm", Some("get_x"), true),
        ("crm-eu", Some("put"), true),
        ("crm", Some("post"), false),
        ("erp", Some("put"), false),
        ("crm", None, true),
    ] {
        let (input, _) = redactor.redact_bytes(b"{\"x\":1}", server, tool);
        assert_eq!(
            input.redactions().len(),
            usize::from(cut),
            "{server} {tool:?}"
        );
    }
    assert_eq!(
        redactor.redact_text("x=12345", None),
        "x=[redacted:a]",
        "text belongs to no tool: every rule applies"
    );
}

#[test]
fn values_are_cut_in_part_as_a_whole_or_by_group() {
    let part = only("[[rule]]\nid = \"a\"\nvalue = 'B-\\d+'\n");
    check(
        &part,
        r#"{"t":"x B-1 y B-22"}"#,
        r#"{"t":"x [redacted:a] y [redacted:a]"}"#,
    );
    let whole = only("[[rule]]\nid = \"a\"\nvalue = 'B-\\d+'\naction = \"replace\"\n");
    check(&whole, r#"{"t":"x B-1 y B-22"}"#, r#"{"t":"[redacted:a]"}"#);
    let group = only("[[rule]]\nid = \"a\"\nvalue = '(?i)badge (?<secret>\\d+)'\n");
    check(
        &group,
        r#"{"t":"Badge 12 x"}"#,
        r#"{"t":"Badge [redacted:a] x"}"#,
    );
}

#[test]
fn pointers_name_places_with_wildcards_and_in_nested_json() {
    let redactor = only(
        "[[rule]]\nid = \"a\"\npointer = [\"/p/*/id\", \"/**/deep\", \"/body/#/x\", \"/list/1\"]\n",
    );
    check(
        &redactor,
        r#"{"p":{"q":{"id":1,"n":2}},"a":[{"deep":{"k":1}}],"body":"{\"x\": [1], \"y\":2}","list":[1,2,3]}"#,
        r#"{"p":{"q":{"id":"[redacted:a]","n":2}},"a":[{"deep":"[redacted:a]"}],"body":"{\"x\": \"[redacted:a]\", \"y\":2}","list":[1,"[redacted:a]",3]}"#,
    );
    let input = redact(&redactor, r#"{"body":"{\"x\":1}"}"#);
    assert_eq!(input.redactions()[0].at, "/body/#/x");
}
